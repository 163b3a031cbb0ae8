//! Whole trees removed: of any depth, while others work on them, and nothing beside them.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::fs::{self, Dir, PathError, read_dir, remove_dir_all, walk};
use annulus::runtime::Runtime;
use futures_util::{StreamExt as _, TryStreamExt as _};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};

use crate::harness::{
    NOTHING, Scratch, check, descriptors, opened_since, own_process, run, share_process,
};

/// Ends what another thread does, also when a test fails.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        // ORDERING: Relaxed; nothing is published by it, and the thread may see it late.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// So deep that no path leads to its end.
const DEEP: usize = 1500;
const NAME: &str = "a_directory";

/// Makes directories in each other, with a file and a link beside each.
fn make_deep(root: &Path) {
    let _shared = share_process();
    let mut here = rustix::fs::open(root, OFlags::DIRECTORY | OFlags::PATH, Mode::empty()).unwrap();
    for level in 0..DEEP {
        rustix::fs::mkdirat(&here, NAME, Mode::from_raw_mode(0o700)).unwrap();
        if level % 100 == 99 {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            drop(rustix::fs::openat(&here, "file", flags, Mode::from_raw_mode(0o600)).unwrap());
            rustix::fs::symlinkat("..", &here, "link").unwrap();
            rustix::fs::mkdirat(&here, "beside", Mode::from_raw_mode(0o700)).unwrap();
        }
        here = rustix::fs::openat(&here, NAME, OFlags::DIRECTORY | OFlags::PATH, Mode::empty())
            .unwrap();
    }
}

#[test]
fn a_tree_deeper_than_any_path_is_walked_through_and_removed() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir(&root).unwrap();
    make_deep(&root);
    run(async {
        let found: Vec<_> = walk(&root).try_collect().await?;
        let deepest = found.iter().max_by_key(|entry| entry.depth()).expect("there is one");
        assert_eq!(deepest.depth(), DEEP);
        assert!(deepest.path().as_os_str().len() > libc::PATH_MAX as usize);
        assert_eq!(found.len(), DEEP + DEEP / 100 * 3);
        let followed = walk(&root).follow_links(true).enter_if(|entry| entry.file_name() == NAME);
        let names = followed.filter_map(|entry| std::future::ready(entry.ok()));
        assert_eq!(names.count().await, found.len(), "the same with links");
        // The path of a directory that far down can be read, too.
        let mut entries = read_dir(deepest.path()).await?;
        assert!(entries.next_entry().await?.is_none());
        let error = fs::metadata(deepest.path()).await.expect_err("the kernel takes no such path");
        let inside = PathError::of(&error).expect("the path is known");
        assert_eq!(inside.io_error().raw_os_error(), Some(libc::ENAMETOOLONG));
        remove_dir_all(&root).await?;
        assert!(!root.exists());
        Ok(())
    });
}

#[test]
fn a_wide_tree_is_removed_with_few_descriptors() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    let shared = share_process();
    for one in 0..40 {
        for two in 0..10 {
            let below = root.join(format!("{one}/{two}/x/y"));
            std::fs::create_dir_all(&below).unwrap();
            for file in 0..4 {
                std::fs::write(below.join(file.to_string()), "x").unwrap();
            }
            std::os::unix::fs::symlink("/", below.join("link")).unwrap();
        }
    }
    drop(shared);
    run(async {
        remove_dir_all(&root).await?;
        assert!(!root.exists());
        let again = remove_dir_all(&root).await.expect_err("it is gone");
        assert_eq!(again.kind(), ErrorKind::NotFound);
        assert_eq!(PathError::of(&again).map(PathError::path), Some(&*root));
        Ok(())
    });
}

#[test]
fn only_the_link_is_removed_and_a_file_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.file("file", b"text");
    std::fs::create_dir_all(scratch.path().join("kept/deep")).unwrap();
    let kept = scratch.file("kept/deep/page", b"page");
    let root = scratch.path().join("root");
    std::fs::create_dir(&root).unwrap();
    for (text, name) in [("../kept", "relative"), ("/", "absolute"), ("nowhere", "dangling")] {
        std::os::unix::fs::symlink(text, root.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(scratch.path().join("kept"), root.join("full")).unwrap();
    std::os::unix::fs::symlink("kept", scratch.path().join("link")).unwrap();
    run(async {
        remove_dir_all(scratch.path().join("link")).await?;
        remove_dir_all(&root).await?;
        assert!(!root.exists() && kept.exists());
        assert!(std::fs::symlink_metadata(scratch.path().join("link")).is_err());
        let error = remove_dir_all(&file).await.expect_err("it is no directory");
        let expected = std::fs::remove_dir_all(&file).expect_err("it is no directory");
        assert_eq!(error.kind(), expected.kind(), "{error}");
        assert_eq!(PathError::of(&error).map(PathError::path), Some(&*file));
        assert!(file.exists());
        Ok(())
    });
}

#[test]
fn a_link_that_takes_the_place_of_a_directory_leads_to_nothing_that_is_removed() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path().join("kept")).unwrap();
    for file in 0..100 {
        scratch.file(&format!("kept/{file}"), b"text");
    }
    let (root, trap) = (scratch.path().join("root"), scratch.path().join("trap"));
    let behind = scratch.path().join("kept");
    let kept = || std::fs::read_dir(scratch.path().join("kept")).map_or(0, Iterator::count);
    // While names change all the time, openat2 may say EAGAIN to whoever goes up with `..`.
    let _own = own_process();
    let (ends, swaps) = (AtomicBool::new(false), &mut 0_u64);
    let (root, trap, ends) = (&root, &trap, &ends);
    std::thread::scope(|scope| {
        let swapping = scope.spawn(move || {
            let mut swaps = 0_u64;
            // ORDERING: Relaxed; the end may be seen late.
            while !ends.load(Ordering::Relaxed) {
                // The directory and the link exchange their names, as fast as can be.
                let victim = root.join("3");
                let flags = RenameFlags::EXCHANGE;
                swaps +=
                    u64::from(rustix::fs::renameat_with(CWD, &victim, CWD, trap, flags).is_ok());
            }
            swaps
        });
        let ended = Ends(ends);
        check(Runtime::builder(), async {
            for _ in 0..60 {
                // The link is removed when it is found, and a directory is left in its place.
                if !trap.is_symlink() {
                    let _ = std::fs::remove_dir_all(trap);
                    let _ = std::os::unix::fs::symlink(&behind, trap);
                }
                for below in 0..6 {
                    let deep = root.join(below.to_string()).join("x/y");
                    // The other side may have put its link there already.
                    let _ = std::fs::create_dir_all(&deep);
                    let _ = std::fs::write(deep.join("file"), "x");
                }
                // It may see the directory that comes back as one that was made meanwhile.
                if let Err(error) = remove_dir_all(root).await {
                    let expected = [ErrorKind::DirectoryNotEmpty, ErrorKind::IsADirectory];
                    let moved = error.to_string().contains("moved");
                    let is_expected = expected.contains(&error.kind()) || moved;
                    assert!(is_expected || error.kind() == ErrorKind::NotADirectory, "{error}");
                }
                // What was written through the link is ours; the rest is not to be touched.
                assert!(kept() >= 100, "something behind the link was removed");
            }
            Ok(())
        });
        drop(ended);
        *swaps = swapping.join().expect("it does not panic");
    });
    assert!(*swaps > 0, "nothing was exchanged: the test tests nothing");
}

#[test]
fn what_may_not_be_removed_is_told_by_its_own_path() {
    // SAFETY: the call cannot fail, and touches nothing.
    let is_root = unsafe { libc::geteuid() } == 0;
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    scratch.file("root/a/b/file", b"text");
    let remove = |path: PathBuf| async move {
        let error = remove_dir_all(&path).await.expect_err("it is not allowed");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        let told = PathError::of(&error).expect("the path is known").path().to_owned();
        assert_eq!(told, path.join("a/b/file"));
        io::Result::Ok(())
    };
    let forbid = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(root.join("a/b"), permissions).unwrap();
    };
    forbid(0o555);
    if is_root {
        super::special::as_nobody(&root, move |root| run(remove(root)));
    } else {
        run(remove(root.clone()));
    }
    forbid(0o755);
}

#[test]
fn a_removal_that_is_dropped_stops_and_leaves_no_descriptor() {
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    let _own = own_process();
    let before = descriptors();
    for polls in [0, 1, 2, 3, 5, 9, 100] {
        for below in 0..30 {
            let deep = root.join(format!("{below}/x"));
            std::fs::create_dir_all(&deep).unwrap();
            for file in 0..10 {
                std::fs::write(deep.join(file.to_string()), "x").unwrap();
            }
        }
        check(Runtime::builder(), async {
            let mut removing = Box::pin(remove_dir_all(&root));
            for _ in 0..polls {
                if let std::task::Poll::Ready(done) = futures_util::poll!(&mut removing) {
                    done?;
                    break;
                }
                crate::cancel::yield_to_kernel().await?;
            }
            drop(removing);
            Ok(())
        });
        assert_eq!(opened_since(&before), NOTHING, "after {polls} polls");
    }
    check(Runtime::builder(), async {
        if root.exists() {
            remove_dir_all(&root).await?;
        }
        assert!(!root.exists());
        Ok(())
    });
}

#[test]
fn a_tree_below_a_directory_is_removed_and_nothing_outside() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.path().join("root/a/b/c")).unwrap();
    std::fs::create_dir_all(scratch.path().join("outside/x")).unwrap();
    std::os::unix::fs::symlink("../outside", scratch.path().join("root/way_out")).unwrap();
    run(async {
        let dir = Dir::open(scratch.path().join("root")).await?;
        for path in ["../outside", "way_out/x", "a/../../outside", "/tmp"] {
            let error = dir.remove_dir_all(path).await.expect_err(path);
            assert_eq!(error.raw_os_error(), Some(libc::EXDEV), "{path}: {error}");
        }
        dir.remove_dir_all("a/b").await?;
        dir.remove_dir_all("way_out").await?;
        assert!(scratch.path().join("outside/x").exists());
        assert!(scratch.path().join("root/a").exists());
        dir.remove_dir_all("a").await?;
        let empty = std::fs::read_dir(scratch.path().join("root"))?.count();
        assert_eq!(empty, 0);
        Ok(())
    });
}
