//! Names below a `Dir`: what is below is made, renamed, linked, listed and removed; what is not is
//! refused, however the tree changes meanwhile.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::fs::{Dir, OpenOptions};
use annulus::runtime::{Builder, Runtime};
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;
use futures_util::TryStreamExt as _;
use rustix::fs::{CWD, RenameFlags};

use super::trees::Ends;
use crate::harness::{Scratch, check, made, own_process, run, run_on, share_process};

fn nameless() -> Builder {
    let ops =
        [Opcode::UNLINKAT, Opcode::RENAMEAT, Opcode::MKDIRAT, Opcode::SYMLINKAT, Opcode::LINKAT];
    Runtime::builder().mask(ops.into_iter().fold(Mask::none(), Mask::op))
}

/// A tree with all ways out, and a secret outside.
fn tree() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("sub/deep")).unwrap();
    std::fs::create_dir(scratch.path().join("outside")).unwrap();
    scratch.file("outside/secret", b"secret");
    scratch.file("root/page", b"page");
    scratch.file("root/sub/leaf", b"leaf");
    symlink(scratch.path().join("outside"), root.join("absolute")).unwrap();
    symlink("../outside", root.join("escaping")).unwrap();
    symlink("..", root.join("parent")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    symlink("/proc/self/cwd", root.join("sub/magic")).unwrap();
    symlink("sub", root.join("inner")).unwrap();
    (scratch, root)
}

/// What leads outside, with a name at its end.
fn ways_out(scratch: &Scratch, name: &str) -> Vec<PathBuf> {
    let ways = [
        "../outside",
        "sub/../../outside",
        "./../outside",
        "absolute",
        "escaping",
        "parent/outside",
        "magic/tmp",
        "sub/magic",
        "inner/../escaping",
    ];
    let absolute = scratch.path().join("outside");
    ways.into_iter().map(PathBuf::from).chain([absolute]).map(|way| way.join(name)).collect()
}

#[track_caller]
fn refused<T>(result: io::Result<T>, path: &Path) {
    let error = result.err().unwrap_or_else(|| panic!("{path:?} was reached"));
    let number = error.raw_os_error();
    // The kernel may not be able to tell while another test renames something.
    let numbers = [libc::EXDEV, libc::ELOOP, libc::EAGAIN].map(Some);
    assert!(numbers.contains(&number), "{path:?}: {error}");
}

async fn everything_below_can_be_done(root: &Path) -> io::Result<()> {
    let dir = Dir::open(root).await?;
    dir.create_dir("new").await?;
    dir.create_dir("inner/made/").await?;
    assert!(root.join("sub/made").is_dir(), "through a link that stays below");
    dir.rename("page", &dir, "new/page").await?;
    let new = dir.open_dir("new").await?;
    new.rename("page", &dir, "sub/made/moved").await?;
    dir.hard_link("sub/../sub/made/moved", &new, "twin").await?;
    assert_eq!(std::fs::metadata(root.join("new/twin"))?.nlink(), 2);
    new.symlink("twin", "link").await?;
    dir.symlink("/etc/passwd", "new/out").await?;
    assert_eq!(dir.read_link("new/link").await?, Path::new("twin"));
    assert_eq!(dir.read_link("new/out").await?, Path::new("/etc/passwd"));
    assert_eq!(dir.metadata("new/link").await?.len(), 4);
    assert!(dir.symlink_metadata("new/link").await?.is_symlink());
    assert!(dir.metadata(".").await?.is_dir());
    let error = new.rename_noreplace("link", &new, "twin").await.expect_err("it is there");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    new.rename_exchange("link", &dir, "sub/made/moved").await?;
    assert!(std::fs::symlink_metadata(root.join("sub/made/moved"))?.is_symlink());
    let mut names: Vec<_> = dir
        .read_dir("new")
        .await?
        .map_ok(|entry| (entry.path(), entry.file_name()))
        .try_collect()
        .await?;
    names.sort();
    assert_eq!(
        names,
        ["link", "out", "twin"].map(|name| (Path::new("new").join(name), name.into()))
    );
    assert_eq!(new.read_dir(".").await?.try_collect::<Vec<_>>().await?.len(), 3);
    new.sync().await?;
    for name in ["link", "out", "twin"] {
        new.remove_file(name).await?;
    }
    let error = dir.remove_dir("sub").await.expect_err("it is not empty");
    assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
    dir.remove_dir("new").await?;
    dir.remove_file("sub/made/moved").await?;
    dir.remove_dir("sub/made").await?;
    // The handle leads to the directory, which has no name any more.
    assert_eq!(new.create_dir("x").await.expect_err("it is gone").kind(), ErrorKind::NotFound);
    Ok(())
}

#[test]
fn everything_below_can_be_done_by_the_ring_and_by_calls() {
    for builder in [Runtime::builder(), nameless()] {
        let (_scratch, root) = tree();
        run_on(builder, everything_below_can_be_done(&root));
    }
}

#[test]
fn nothing_outside_is_made_renamed_linked_listed_or_removed() {
    let (scratch, root) = tree();
    run(async {
        let dir = Dir::open(&root).await?;
        let sub = dir.open_dir("sub").await?;
        for path in ways_out(&scratch, "secret") {
            refused(dir.remove_file(&path).await, &path);
            refused(dir.rename(&path, &dir, "stolen").await, &path);
            refused(dir.rename("page", &dir, &path).await, &path);
            refused(dir.rename_exchange("page", &dir, &path).await, &path);
            refused(dir.hard_link(&path, &dir, "stolen").await, &path);
            refused(dir.metadata(&path).await, &path);
            refused(dir.symlink_metadata(&path).await, &path);
            refused(dir.read_link(&path).await, &path);
            refused(dir.open_file(&path).await, &path);
        }
        for path in ways_out(&scratch, "new") {
            refused(dir.create_dir(&path).await, &path);
            refused(dir.symlink("x", &path).await, &path);
            refused(dir.hard_link("page", &dir, &path).await, &path);
            refused(dir.rename_noreplace("page", &dir, &path).await, &path);
            refused(dir.remove_dir(&path).await, &path);
        }
        for path in ways_out(&scratch, "") {
            refused(dir.open_dir(&path).await, &path);
            refused(dir.read_dir(&path).await, &path);
        }
        for path in ["..", "/", "../root", "../../..", "sub/../..", "parent"] {
            let path = Path::new(path);
            refused(dir.open_dir(path).await, path);
            refused(dir.metadata(path).await, path);
            // The last name is not followed, so of a link the link is meant.
            assert!(dir.create_dir(path).await.is_err(), "{path:?}");
            assert!(dir.remove_dir(path).await.is_err(), "{path:?}");
            assert!(
                dir.hard_link(path, &dir, "stolen").await.is_err() || path == Path::new("parent")
            );
            let _ = std::fs::remove_file(root.join("stolen"));
        }
        refused(sub.read_dir("..").await, Path::new(".."));
        refused(sub.open_file("../page").await, Path::new("../page"));
        assert_eq!(std::fs::read(scratch.path().join("outside/secret"))?, b"secret");
        assert_eq!(std::fs::read_dir(scratch.path().join("outside"))?.count(), 1);
        assert_eq!(std::fs::read(root.join("page"))?, b"page");
        Ok(())
    });
}

#[test]
fn the_last_name_is_never_followed() {
    let (scratch, root) = tree();
    run(async {
        let dir = Dir::open(&root).await?;
        for name in ["absolute", "escaping", "magic"] {
            let slashed = PathBuf::from(format!("{name}/"));
            // What would have to be followed because of the slash is refused, or not a directory.
            assert!(dir.remove_dir(&slashed).await.is_err(), "{slashed:?}");
            assert!(dir.remove_file(&slashed).await.is_err(), "{slashed:?}");
            assert!(dir.create_dir(&slashed).await.is_err(), "{slashed:?}");
            assert!(dir.rename(&slashed, &dir, "moved").await.is_err(), "{slashed:?}");
            assert!(dir.hard_link(&slashed, &dir, "twin").await.is_err(), "{slashed:?}");
            assert!(dir.symlink_metadata(&slashed).await.is_err(), "{slashed:?}");
            assert!(dir.symlink_metadata(name).await?.is_symlink());
            dir.rename(name, &dir, "moved").await?;
            dir.remove_file("moved").await?;
            assert!(std::fs::symlink_metadata(root.join(name)).is_err());
        }
        for path in ["", ".", "sub/.", "page/"] {
            assert!(dir.remove_file(path).await.is_err(), "{path:?}");
            assert!(dir.create_dir(path).await.is_err(), "{path:?}");
            assert!(dir.remove_dir(path).await.is_err(), "{path:?}");
        }
        let error = dir.create_dir("a\0b").await.expect_err("no name has a zero byte");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(std::fs::read(scratch.path().join("outside/secret"))?, b"secret");
        assert_eq!(
            dir.read_link("page").await.expect_err("a file").kind(),
            ErrorKind::InvalidInput
        );
        Ok(())
    });
}

#[test]
fn a_directory_that_is_exchanged_for_a_link_meanwhile_leads_nowhere_outside() {
    let (scratch, root) = tree();
    for number in 0..50 {
        scratch.file(&format!("outside/{number}"), b"secret");
    }
    std::fs::create_dir(root.join("victim")).unwrap();
    symlink("../outside", root.join("trap")).unwrap();
    // While names change all the time, openat2 may say EAGAIN to whoever goes up with `..`.
    let own = own_process();
    let ends = &AtomicBool::new(false);
    let swapped = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let (victim, trap, mut swaps) = (root.join("victim"), root.join("trap"), 0_u64);
            // ORDERING: Relaxed; the end may be seen late.
            while !ends.load(Ordering::Relaxed) {
                let flags = RenameFlags::EXCHANGE;
                let swapped = rustix::fs::renameat_with(CWD, &victim, CWD, &trap, flags);
                swaps += u64::from(swapped.is_ok());
            }
            swaps
        });
        let ended = Ends(ends);
        check(Runtime::builder(), async {
            let dir = Dir::open(&root).await?;
            let mut make = OpenOptions::new();
            make.write(true).create(true);
            let (mut done, mut refused) = (0, 0);
            for round in 0..300 {
                let name = format!("{}", round % 50);
                let path = Path::new("victim").join(&name);
                let made = match round % 4 {
                    0 => dir.open_beneath(&path, &make).await.map(drop),
                    1 => dir.create_dir(&path).await,
                    2 => dir.symlink("x", &path).await,
                    _ => dir.rename("page", &dir, &path).await,
                };
                match made {
                    Ok(()) => done += 1,
                    Err(error) => match error.raw_os_error() {
                        Some(libc::EXDEV | libc::EAGAIN) => refused += 1,
                        Some(libc::EEXIST | libc::ENOENT | libc::ENOTDIR | libc::EISDIR) => {}
                        _ => return Err(error),
                    },
                }
                let removed = dir.remove_file(&path).await.is_ok();
                let removed = removed || dir.remove_dir_all(&path).await.is_ok();
                done += usize::from(removed);
                std::fs::write(root.join("page"), "page")?;
            }
            assert!(done + refused > 0, "nothing happened");
            Ok(())
        });
        drop(ended);
        swapping.join().expect("it does not panic")
    });
    assert!(swapped > 0, "nothing was exchanged: the test tests nothing");
    drop(own);
    nothing_came_or_went(&scratch.path().join("outside"));
}

/// Nothing came to the outside, and nothing went.
fn nothing_came_or_went(outside: &Path) {
    run(async {
        let mut names: Vec<_> = std::fs::read_dir(outside)?
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected: Vec<_> = (0..50).map(|number: i32| number.to_string()).collect();
        expected.push("secret".to_owned());
        expected.sort();
        assert_eq!(names, expected);
        for name in &names {
            assert_eq!(std::fs::read(outside.join(name))?, b"secret");
        }
        Ok(())
    });
}

#[test]
fn a_request_outlives_the_directories_that_it_names() {
    let (_scratch, root) = tree();
    run(async {
        for round in 0..20 {
            let from = Dir::open(&root).await?;
            let to = Dir::open(root.join("sub")).await?;
            let name = format!("moved-{round}");
            std::fs::write(root.join("file"), "text")?;
            let moving = annulus::spawn(async move { from.rename("file", &to, &name).await });
            moving.await.expect("no panic")?;
            assert!(root.join(format!("sub/moved-{round}")).exists());
        }
        Ok(())
    });
}

#[test]
fn a_directory_whose_runtime_has_ended_names_nothing() {
    let _shared = share_process();
    let (scratch, root) = tree();
    let home = made(Runtime::builder());
    let dir = home.block_on(async { Dir::open(&root).await.unwrap() });
    let other = home.block_on(async { Dir::open(scratch.path()).await.unwrap() });
    home.shutdown();
    // The numbers are free now; whoever has them next is no concern of these handles.
    let _taken = [scratch.path(), scratch.path()].map(|path| std::fs::File::open(path).unwrap());
    run(async {
        dir.remove_dir_all("outside").await.expect_err("its runtime has ended");
        dir.remove_dir_all("sub").await.expect_err("its runtime has ended");
        dir.rename("page", &other, "page").await.expect_err("their runtime has ended");
        let live = Dir::open(&root).await?;
        live.rename("page", &other, "page").await.expect_err("the other's runtime has ended");
        Ok(())
    });
    run_on(nameless(), async {
        dir.create_dir("made").await.expect_err("its runtime has ended");
        dir.remove_file("page").await.expect_err("its runtime has ended");
        Ok(())
    });
    assert!(scratch.path().join("outside/secret").exists() && root.join("sub/leaf").exists());
    assert!(root.join("page").exists() && !scratch.path().join("made").exists());
}
