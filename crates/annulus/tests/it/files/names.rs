//! What is done with paths, against the kernel: each error has its kind and its path, and a ring
//! that may not do it changes nothing.

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use annulus::OpExt as _;
use annulus::fs::{self, PathError, SetXattr};
use annulus::runtime::{Builder, Runtime};
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;

use crate::harness::{Scratch, run, run_on, share_process, skip};

/// A ring that may do nothing with names.
fn nameless() -> Builder {
    let ops = [
        Opcode::UNLINKAT,
        Opcode::RENAMEAT,
        Opcode::MKDIRAT,
        Opcode::SYMLINKAT,
        Opcode::LINKAT,
        Opcode::STATX,
        Opcode::GETXATTR,
        Opcode::SETXATTR,
    ];
    Runtime::builder().mask(ops.into_iter().fold(Mask::none(), Mask::op))
}

/// The kernel's number, which the path is around.
fn number(error: &io::Error) -> Option<i32> {
    PathError::of(error).and_then(|inside| inside.io_error().raw_os_error())
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: io::Result<T>, kind: ErrorKind, path: &Path) {
    let error = result.expect_err("it cannot be done");
    assert_eq!(error.kind(), kind, "{error}");
    let inside = PathError::of(&error).expect("the path is known");
    assert!(inside.path() == path || inside.other_path() == Some(path), "{error}");
}

async fn names_are_made_changed_and_removed(root: &Path) -> io::Result<()> {
    let at = |name: &str| root.join(name);
    std::fs::write(at("file"), "text")?;
    fs::create_dir(at("dir")).await?;
    fs::rename(at("file"), at("dir/moved")).await?;
    fs::hard_link(at("dir/moved"), at("twin")).await?;
    assert_eq!(std::fs::metadata(at("twin"))?.nlink(), 2);
    fs::symlink("dir/moved", at("link")).await?;
    assert_eq!(fs::read_link(at("link")).await?, Path::new("dir/moved"));
    assert_eq!(fs::metadata(at("link")).await?.len(), 4);
    assert!(fs::symlink_metadata(at("link")).await?.file_type().is_symlink());
    assert_eq!(fs::canonicalize(at("link")).await?, std::fs::canonicalize(at("dir/moved"))?);
    fails(
        fs::rename_noreplace(at("link"), at("twin")).await,
        ErrorKind::AlreadyExists,
        &at("twin"),
    );
    fs::rename_exchange(at("link"), at("twin")).await?;
    assert!(std::fs::symlink_metadata(at("twin"))?.is_symlink());
    fs::remove_file(at("twin")).await?;
    assert!(!fs::exists(at("twin")).await? && fs::try_exists(at("dir/moved")).await?);
    fails(fs::remove_dir(at("dir")).await, ErrorKind::DirectoryNotEmpty, &at("dir"));
    fails(fs::remove_file(at("dir")).await, ErrorKind::IsADirectory, &at("dir"));
    fails(fs::remove_dir(at("link")).await, ErrorKind::NotADirectory, &at("link"));
    fails(fs::create_dir(at("dir")).await, ErrorKind::AlreadyExists, &at("dir"));
    fails(fs::create_dir(at("no/dir")).await, ErrorKind::NotFound, &at("no/dir"));
    fs::remove_file(at("dir/moved")).await?;
    fs::remove_dir(at("dir")).await?;
    fs::DirBuilder::new().mode(0o710).recursive(true).create(at("a/b")).await?;
    assert_eq!(std::fs::metadata(at("a/b"))?.permissions().mode() & 0o777, 0o710);
    fs::remove_dir_all(at("a")).await?;
    fails(fs::symlink_metadata(at("a")).await, ErrorKind::NotFound, &at("a"));
    Ok(())
}

#[test]
fn names_are_made_changed_and_removed_by_the_ring() {
    let scratch = Scratch::new();
    run(names_are_made_changed_and_removed(scratch.path()));
}

#[test]
fn names_are_made_changed_and_removed_where_the_ring_may_not() {
    let scratch = Scratch::new();
    run_on(nameless(), async {
        names_are_made_changed_and_removed(scratch.path()).await?;
        let metrics = annulus::runtime::metrics()?;
        assert_eq!(metrics.ops_in_flight, 0);
        // What the ring may not do cannot be cancelled in it: it is done.
        let path = scratch.path().join("made");
        fs::create_dir(&path).timeout(Duration::ZERO).await?;
        assert!(path.is_dir());
        Ok(())
    });
}

#[test]
fn attributes_are_set_read_listed_and_removed_by_ring_and_by_call() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    for builder in [Runtime::builder(), nameless()] {
        run_on(builder, async {
            match fs::set_xattr(&path, "user.one", "first", SetXattr::Always).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    skip("no extended attributes here");
                    return Ok(());
                }
                set => set?,
            }
            fs::set_xattr(&path, "user.one", "second", SetXattr::Always).await?;
            let created = fs::set_xattr(&path, "user.one", "third", SetXattr::Create).await;
            fails(created, ErrorKind::AlreadyExists, &path);
            let replaced = fs::set_xattr(&path, "user.none", "", SetXattr::Replace).await;
            let error = replaced.expect_err("it is not there");
            assert_eq!(number(&error), Some(libc::ENODATA), "{error}");
            let long = vec![b'x'; 1000];
            fs::set_xattr(&path, "user.long", long.clone(), SetXattr::Always).await?;
            assert_eq!(fs::xattr(&path, "user.one").await?.as_deref(), Some(&b"second"[..]));
            assert_eq!(fs::xattr(&path, "user.long").await?, Some(long));
            assert_eq!(fs::xattr(&path, "user.none").await?, None);
            let mut names = fs::list_xattrs(&path).await?;
            names.retain(|name| name.as_bytes().starts_with(b"user."));
            names.sort();
            assert_eq!(names, ["user.long", "user.one"]);
            fs::remove_xattr(&path, "user.long").await?;
            fs::remove_xattr(&path, "user.one").await?;
            let error = fs::remove_xattr(&path, "user.one").await.expect_err("it is gone");
            assert_eq!(number(&error), Some(libc::ENODATA));
            let none = scratch.path().join("none");
            fails(fs::xattr(&none, "user.one").await, ErrorKind::NotFound, &none);
            fails(
                fs::set_xattr(&path, "a\0b", "", SetXattr::Always).await,
                ErrorKind::InvalidInput,
                &path,
            );
            let error = fs::set_xattr(&path, "user.huge", vec![0; 1 << 17], SetXattr::Always).await;
            let error = error.expect_err("it is too large");
            assert_eq!(number(&error), Some(libc::E2BIG), "{error}");
            Ok(())
        });
    }
}

#[test]
fn permissions_times_and_owners_are_what_was_set() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    run(async {
        fs::set_permissions(&link, std::fs::Permissions::from_mode(0o604)).await?;
        let before = std::fs::metadata(&path)?;
        assert_eq!(before.permissions().mode() & 0o777, 0o604);
        let early = UNIX_EPOCH - Duration::new(1, 250_000_000);
        let late = UNIX_EPOCH + Duration::new(1 << 31, 7);
        fs::set_times(&link, Some(early), Some(late)).await?;
        let times = fs::metadata(&path).await?;
        assert_eq!((times.accessed(), times.modified()), (early, late));
        fs::set_times(&path, Some(UNIX_EPOCH), None).await?;
        let times = fs::metadata(&path).await?;
        assert_eq!((times.accessed(), times.modified()), (UNIX_EPOCH, late));
        let far = UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        assert!(fs::set_times(&path, None, Some(far)).await.is_ok(), "it is clamped by the kernel");
        // To whom it belongs already: that needs no privilege.
        fs::chown(&path, Some(before.uid()), None).await?;
        fs::lchown(&link, None, Some(before.gid())).await?;
        let none = scratch.path().join("none");
        let mode = std::fs::Permissions::from_mode(0o600);
        fails(fs::set_permissions(&none, mode).await, ErrorKind::NotFound, &none);
        fails(fs::set_times(&none, None, Some(early)).await, ErrorKind::NotFound, &none);
        fails(fs::chown(&none, None, Some(0)).await, ErrorKind::NotFound, &none);
        fails(fs::lchown(&none, None, Some(0)).await, ErrorKind::NotFound, &none);
        fails(fs::space(&none).await, ErrorKind::NotFound, &none);
        let space = fs::space(&path).await?;
        assert!(space.total_bytes >= space.free_bytes);
        assert!(space.free_bytes >= space.available_bytes);
        Ok(())
    });
}

#[test]
fn directories_are_made_with_all_above_them_as_std_makes_them() {
    let scratch = Scratch::new();
    let shared = share_process();
    for root in ["ours", "std"] {
        let root = scratch.path().join(root);
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::fs::write(root.join("file"), "text").unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.join("dangling")).unwrap();
    }
    drop(shared);
    run(async {
        let (ours, std) = (scratch.path().join("ours"), scratch.path().join("std"));
        let names = [
            "a/b/c",
            "a/b/c",
            "a",
            "a/b/d/",
            "real/./x/../y",
            "link/new",
            "file",
            "file/x",
            "dangling",
            "dangling/x",
        ];
        for name in names {
            let got = fs::create_dir_all(ours.join(name)).await;
            let expected = std::fs::create_dir_all(std.join(name));
            let kind = |result: &io::Result<()>| result.as_ref().err().map(io::Error::kind);
            assert_eq!(kind(&got), kind(&expected), "{name}: {got:?}");
            assert!(got.is_ok() || PathError::of(&got.unwrap_err()).is_some(), "{name}");
            assert_eq!(ours.join(name).is_dir(), std.join(name).is_dir(), "{name}");
        }
        assert!(ours.join("real/new").is_dir() && ours.join("real/y").is_dir());
        fs::create_dir_all("").await
    });
}

#[test]
fn names_may_be_any_bytes_and_as_long_as_the_file_system_has_them() {
    let scratch = Scratch::new();
    run(async {
        let longest = "n".repeat(255);
        for name in [&b"\xff\xfe\x80"[..], b"a\nb", b" ", b"-", b"\\", longest.as_bytes()] {
            let path = scratch.path().join(std::ffi::OsStr::from_bytes(name));
            let other = scratch.path().join("other");
            fs::create_dir(&path).await?;
            fs::rename(&path, &other).await?;
            fs::rename(&other, &path).await?;
            let mut entries = fs::read_dir(scratch.path()).await?;
            let entry = entries.next_entry().await?.expect("it is there");
            assert_eq!((entry.file_name().as_bytes(), entry.path()), (name, path.clone()));
            assert!(entries.next_entry().await?.is_none());
            fs::remove_dir(&path).await?;
        }
        let longer = scratch.path().join("n".repeat(256));
        let error = fs::create_dir(&longer).await.expect_err("no name is so long");
        assert_eq!(number(&error), Some(libc::ENAMETOOLONG));
        let zero = Path::new("a\0b");
        fails(fs::create_dir(zero).await, ErrorKind::InvalidInput, zero);
        fails(fs::rename(zero, "x").await, ErrorKind::InvalidInput, zero);
        fails(fs::metadata(zero).await, ErrorKind::InvalidInput, zero);
        fails(fs::remove_dir_all(zero).await, ErrorKind::InvalidInput, zero);
        Ok(())
    });
}

#[test]
fn links_in_a_circle_are_told() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    std::os::unix::fs::symlink(&one, &two).unwrap();
    std::os::unix::fs::symlink(&two, &one).unwrap();
    run(async {
        let circular = |error: io::Error| assert_eq!(number(&error), Some(libc::ELOOP), "{error}");
        circular(fs::metadata(&one).await.expect_err("a circle"));
        circular(fs::canonicalize(&one).await.expect_err("a circle"));
        circular(fs::exists(&one).await.expect_err("a circle"));
        circular(fs::create_dir(one.join("x")).await.expect_err("a circle"));
        circular(fs::read_dir(&one).await.expect_err("a circle"));
        assert_eq!(fs::read_link(&one).await?, two);
        fs::remove_file(&one).await
    });
}

#[test]
fn another_file_system_is_told_from_a_missing_name() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"text");
    let device = |path: &Path| std::fs::metadata(path).map(|there| there.dev()).ok();
    let shared = Path::new("/dev/shm");
    if device(shared).is_none() || device(shared) == device(scratch.path()) {
        return skip("there is no second file system in /dev/shm");
    }
    run(async {
        let there = shared.join(format!("annulus-names-{}", std::process::id()));
        fails(fs::rename(&file, &there).await, ErrorKind::CrossesDevices, &there);
        fails(fs::hard_link(&file, &there).await, ErrorKind::CrossesDevices, &file);
        assert!(file.exists() && !there.exists());
        Ok(())
    });
}

#[test]
fn what_is_asked_to_end_ends_or_is_done_and_never_both() {
    let scratch = Scratch::new();
    run(async {
        for round in 0..50 {
            let path = scratch.path().join(round.to_string());
            let made = fs::create_dir(&path).cancel().await;
            match made {
                Ok(()) => assert!(path.is_dir()),
                Err(error) => {
                    assert!(annulus::op::Cancelled::of(&error).is_some(), "{error}");
                    assert!(!path.exists());
                }
            }
        }
        Ok(())
    });
}

#[test]
fn without_a_runtime_the_error_says_so() {
    let ready =
        |error: io::Error| assert!(error.to_string().contains("no Annulus runtime"), "{error}");
    use futures_util::FutureExt as _;
    ready(fs::remove_file("x").now_or_never().expect("at once").expect_err("no runtime"));
    ready(fs::read_link("x").now_or_never().expect("at once").expect_err("no runtime"));
    ready(fs::read_dir("x").now_or_never().expect("at once").expect_err("no runtime"));
    ready(fs::remove_dir_all("x").now_or_never().expect("at once").expect_err("no runtime"));
    let mut walk = fs::walk("x");
    let first = walk.next_entry().now_or_never().expect("at once").expect("an error");
    ready(first.expect_err("no runtime"));
    assert!(walk.next_entry().now_or_never().expect("at once").is_none());
}
