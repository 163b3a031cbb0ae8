//! `open_beneath`: what is below is reached, what is not is refused, whatever the name looks like.

use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::fs::{Dir, OpenOptions};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::trees::Ends;
use crate::harness::{Scratch, own_process, run};

#[test]
fn nothing_outside_the_directory_can_be_reached() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("sub/deep")).unwrap();
    scratch.file("secret", b"secret");
    scratch.file("root/page", b"page");
    scratch.file("root/sub/leaf", b"leaf");
    let outside = scratch.path().join("secret");
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../secret", root.join("escaping")).unwrap();
    symlink("..", root.join("parent")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    symlink("sub/leaf", root.join("inner")).unwrap();
    symlink("../page", root.join("sub/up")).unwrap();
    symlink("sub/../inner", root.join("winding")).unwrap();
    run(async {
        let dir = Dir::open(&root).await?;
        let mut read = OpenOptions::new();
        read.read(true);
        for (name, expected) in [
            ("page", "page"),
            ("./page", "page"),
            ("sub/leaf", "leaf"),
            ("sub//leaf", "leaf"),
            ("sub/../page", "page"),
            ("sub/deep/../../page", "page"),
            ("inner", "leaf"),
            ("sub/up", "page"),
            ("winding", "leaf"),
        ] {
            let file = dir.open_beneath(name, &read).await;
            let file = file.unwrap_or_else(|error| panic!("{name}: {error}"));
            let (_, buf) = file.read_at(vec![0; 16], 0).await?;
            assert_eq!(buf, expected.as_bytes(), "{name}");
        }
        let absolute = outside.to_str().expect("UTF-8");
        for name in [
            "..",
            "../secret",
            "sub/../../secret",
            "./../root/page",
            absolute,
            "/",
            "/etc/passwd",
            "absolute",
            "escaping",
            "parent/secret",
            "magic/etc/passwd",
        ] {
            let error = dir.open_beneath(name, &read).await.expect_err(name);
            let refused = matches!(error.raw_os_error(), Some(libc::EXDEV | libc::ELOOP));
            assert!(refused, "{name}: {error}");
        }
        let missing = dir.open_beneath("nothing", &read).await;
        assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn files_can_be_made_beneath_with_the_mode_that_was_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    run(async {
        let dir = Dir::open(scratch.path()).await?;
        let mut make = OpenOptions::new();
        make.write(true).create_new(true).mode(0o600);
        dir.open_beneath("made", &make).await?.write_all_at("x", 0).await?;
        let made = std::fs::metadata(scratch.path().join("made"))?;
        assert_eq!((made.len(), made.permissions().mode() & 0o777), (1, 0o600));
        let again = dir.open_beneath("made", &make).await;
        assert_eq!(again.expect_err("there").kind(), ErrorKind::AlreadyExists);
        let above = dir.open_beneath("../made", &make).await;
        assert_eq!(above.expect_err("outside").raw_os_error(), Some(libc::EXDEV));
        Ok(())
    });
}

#[test]
fn a_directory_opens_only_where_there_is_one_and_survives_its_renaming() {
    let scratch = Scratch::new();
    scratch.file("file", b"x");
    std::fs::create_dir(scratch.path().join("old")).unwrap();
    scratch.file("old/page", b"page");
    run(async {
        let error = Dir::open(scratch.path().join("file")).await;
        assert_eq!(error.expect_err("a file").kind(), ErrorKind::NotADirectory);
        let error = Dir::open(scratch.path().join("missing")).await;
        assert_eq!(error.expect_err("missing").kind(), ErrorKind::NotFound);
        let dir = Dir::open(scratch.path().join("old")).await?;
        std::fs::rename(scratch.path().join("old"), scratch.path().join("new"))?;
        let mut read = OpenOptions::new();
        read.read(true);
        assert_eq!(dir.open_beneath("page", &read).await?.len()?, 4);
        Ok(())
    });
}

#[test]
fn dropping_the_directory_does_not_end_an_open_that_is_under_way() {
    let scratch = Scratch::new();
    scratch.file("page", b"page");
    run(async {
        let mut read = OpenOptions::new();
        read.read(true);
        let dir = Dir::open(scratch.path()).await?;
        let opening = annulus::spawn(async move { dir.open_beneath("page", &read).await });
        let file = opening.await.expect("no panic")?;
        assert_eq!(file.len()?, 4);
        Ok(())
    });
}

/// How often the kernel has to be seen to give up, for the test below to have tested something.
const UNCLEAR: u32 = 20;

#[test]
fn a_path_that_goes_up_is_found_while_something_is_renamed_all_the_time() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path().join("root/sub/deep")).unwrap();
    scratch.file("root/page", b"page");
    scratch.file("here", b"");
    let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
    let root = scratch.path().join("root");
    let plain = std::fs::File::open(&root).unwrap();
    // What the kernel says to a single attempt.
    let is_unclear = || {
        let resolve = ResolveFlags::BENEATH;
        let path = "sub/deep/../../page";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat2(&plain, path, flags, Mode::empty(), resolve);
        opened.is_err_and(|errno| errno == rustix::io::Errno::AGAIN)
    };
    // Other tests would meet it, too.
    let own = own_process();
    let ends = AtomicBool::new(false);
    let mut unclear = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // ORDERING: Relaxed; the end may be seen late.
            while !ends.load(Ordering::Relaxed) {
                std::fs::rename(&here, &there).unwrap();
                std::fs::rename(&there, &here).unwrap();
            }
        });
        let _ended = Ends(&ends);
        run(async {
            let dir = Dir::open(&root).await?;
            for _ in 0..2_000_000 {
                if unclear == UNCLEAR {
                    break;
                }
                unclear += u32::from(is_unclear());
                dir.open_file("sub/deep/../../page").await?.close().await?;
                drop(dir.open_dir("sub/deep/../..").await?);
            }
            Ok(())
        });
    });
    drop(own);
    assert_eq!(unclear, UNCLEAR, "nothing was renamed under a path: the test tests nothing");
}
