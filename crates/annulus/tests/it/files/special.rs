//! What a plain user may not do, and what nobody may on a mount that is only for reading. Needs
//! root to become somebody else; says so and is left out without.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use annulus::fs::{self, File, PathError, SetXattr};

use crate::harness::{Scratch, run, share_process, skip};

fn is_root() -> bool {
    // SAFETY: the call cannot fail, and touches nothing.
    let user = unsafe { libc::geteuid() };
    user == 0
}

/// Runs something on a thread of a user without rights, to whom the tree at `root` is given.
pub fn as_nobody(root: &Path, what: impl FnOnce(PathBuf) + Send + 'static) {
    const NOBODY: libc::uid_t = 65534;
    let shared = share_process();
    for entry in std::iter::once(root.to_owned()).chain(below(root)) {
        std::os::unix::fs::lchown(&entry, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    // It has to get there.
    let parent = root.parent().expect("it is in a scratch directory");
    std::fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
    drop(shared);
    let root = root.to_owned();
    let thread = std::thread::spawn(move || {
        // The library's call would change every thread; this one changes its own thread alone.
        // SAFETY: the call has no pointers. The workers and threads made from here on inherit it.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        assert_eq!(changed, 0, "{}", std::io::Error::last_os_error());
        what(root);
    });
    thread.join().expect("it does not panic");
}

fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn what_a_plain_user_may_not_do_is_denied_with_the_path() {
    if !is_root() {
        return skip("becoming a plain user needs root");
    }
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("closed/inner")).unwrap();
    scratch.file("root/closed/file", b"text");
    std::fs::create_dir(root.join("blind")).unwrap();
    scratch.file("root/blind/file", b"text");
    std::fs::set_permissions(root.join("closed"), Permissions::from_mode(0o555)).unwrap();
    std::fs::set_permissions(root.join("blind"), Permissions::from_mode(0o000)).unwrap();
    as_nobody(&root, |root| {
        run(async {
            #[track_caller]
            fn denied<T: std::fmt::Debug>(result: std::io::Result<T>) {
                let error = result.expect_err("it is not allowed");
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
                assert!(PathError::of(&error).is_some(), "{error}");
            }
            let (closed, blind) = (root.join("closed"), root.join("blind"));
            denied(fs::remove_file(closed.join("file")).await);
            denied(fs::remove_dir(closed.join("inner")).await);
            denied(fs::create_dir(closed.join("new")).await);
            denied(fs::create_dir_all(closed.join("new/deep")).await);
            denied(fs::rename(closed.join("file"), root.join("file")).await);
            denied(fs::symlink("x", closed.join("link")).await);
            denied(fs::copy(root.join("closed/file"), closed.join("copy")).await);
            denied(fs::metadata(blind.join("file")).await);
            denied(fs::exists(blind.join("file")).await);
            denied(fs::read_dir(&blind).await);
            denied(fs::canonicalize(blind.join("file")).await);
            denied(fs::chown(closed.join("file"), Some(0), None).await);
            denied(fs::walk(&blind).next_entry().await.expect("an error"));
            // What is not allowed in the middle of a walk is an error, and the rest is there.
            let (mut entries, mut errors) = (0, 0);
            let mut walking = fs::walk(&root);
            while let Some(entry) = walking.next_entry().await {
                match entry {
                    Ok(_) => entries += 1,
                    Err(error) => {
                        assert_eq!(PathError::of(&error).map(PathError::path), Some(&*blind));
                        errors += 1;
                    }
                }
            }
            assert_eq!((entries, errors), (4, 1));
            assert_eq!(File::open(closed.join("file")).await?.len()?, 4);
            Ok(())
        });
    });
    std::fs::set_permissions(root.join("blind"), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_mount_for_reading_only_says_so_at_every_change() {
    if !is_root() {
        return skip("mounting needs root");
    }
    let scratch = Scratch::new();
    let root = scratch.path().join("root");
    std::fs::create_dir_all(root.join("dir")).unwrap();
    let file = scratch.file("root/file", b"text");
    let (path, outside) = (root.clone(), scratch.path().join("outside"));
    let thread = std::thread::spawn(move || {
        // SAFETY: the call has no pointers; the mounts of this thread alone are changed.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            return Err(format!("no mounts of our own: {}", std::io::Error::last_os_error()));
        }
        let shared = share_process();
        let mount = |args: &[&str]| {
            let output = Command::new("mount").args(args).arg(&path).arg(&path).output();
            output.is_ok_and(|output| output.status.success())
        };
        let quiet = Command::new("mount").args(["--make-rprivate", "/"]).status();
        if !quiet.is_ok_and(|status| status.success()) || !mount(&["--bind"]) {
            return Err("a directory cannot be mounted here".to_owned());
        }
        let remount = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&path).status();
        if !remount.is_ok_and(|status| status.success()) {
            return Err("a mount cannot be made read-only here".to_owned());
        }
        drop(shared);
        run(async {
            #[track_caller]
            fn refused<T: std::fmt::Debug>(result: std::io::Result<T>) {
                let error = result.expect_err("nothing can be changed");
                assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem, "{error}");
            }
            refused(fs::remove_file(&file).await);
            refused(fs::remove_dir(path.join("dir")).await);
            refused(fs::remove_dir_all(path.join("dir")).await);
            refused(fs::create_dir(path.join("new")).await);
            refused(fs::rename(&file, path.join("new")).await);
            refused(fs::hard_link(&file, path.join("new")).await);
            refused(fs::symlink("x", path.join("new")).await);
            refused(fs::set_permissions(&file, Permissions::from_mode(0o600)).await);
            refused(fs::set_times(&file, None, Some(std::time::UNIX_EPOCH)).await);
            refused(fs::set_xattr(&file, "user.x", "y", SetXattr::Always).await);
            refused(fs::copy(&file, path.join("new")).await);
            assert_eq!(fs::copy(&file, &outside).await?, 4, "reading is allowed");
            Ok(())
        });
        Ok(())
    });
    if let Err(why) = thread.join().expect("it does not panic") {
        skip(&why);
    }
}
