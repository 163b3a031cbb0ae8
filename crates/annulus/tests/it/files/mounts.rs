//! File systems that are full, and such that nothing may be written to: each in a mount namespace
//! of a thread of its own, which needs root.

use std::ffi::CString;
use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use annulus::fs::{File, OpenOptions, PathError, TempDir, TempFile, read, replace, write};

use crate::harness::{Scratch, run, share_process, skip};

fn mount(source: &str, target: &Path, kind: &str, flags: u64, data: &str) -> io::Result<()> {
    let text = |bytes: &[u8]| CString::new(bytes).expect("no zero byte");
    let (source, kind, data) =
        (text(source.as_bytes()), text(kind.as_bytes()), text(data.as_bytes()));
    let target = text(target.as_os_str().as_bytes());
    let (source, target, kind) = (source.as_ptr(), target.as_ptr(), kind.as_ptr());
    // SAFETY: strings that end with zero.
    let result = unsafe { libc::mount(source, target, kind, flags, data.as_ptr().cast()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs a test on a thread that has the mounts to itself, with a small file system in memory.
fn with_small_disk(kilobytes: u32, test: impl FnOnce(&Path) + Send) {
    let scratch = Scratch::new();
    let disk = scratch.path();
    let on_thread = || {
        // SAFETY: the call takes no memory, and is for this thread alone.
        if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
            return skip(&format!("no mounts of one's own: {}", io::Error::last_os_error()));
        }
        let shared = share_process();
        let private = mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "");
        let size = format!("size={kilobytes}k,mode=755");
        let mounted = private.and_then(|()| mount("none", disk, "tmpfs", 0, &size));
        drop(shared);
        match mounted {
            Ok(()) => test(disk),
            Err(error) => skip(&format!("nothing can be mounted: {error}")),
        }
    };
    std::thread::scope(|scope| scope.spawn(on_thread).join().unwrap());
}

fn is_full(error: &io::Error) -> bool {
    let inside = PathError::of(error).map_or(error, PathError::io_error);
    inside.raw_os_error() == Some(libc::ENOSPC) && error.kind() == ErrorKind::StorageFull
}

#[test]
fn a_full_disk_is_told_with_what_was_written_and_the_file_goes_on_when_there_is_room() {
    with_small_disk(256, |disk| {
        run(async {
            let mut file = File::create_new(disk.join("file")).await?;
            let error = file.write_all(vec![1; 1 << 20]).await.expect_err("256 KiB");
            assert!(is_full(error.error()), "{error}");
            assert_eq!(error.into_buf().map(|buf| buf.len()), Some(1 << 20));
            let written = file.stream_position()?;
            assert_eq!(written, file.len()?, "the position is behind what was written");
            assert!(written > 0 && written <= 256 << 10);
            let (n, bytes) = file.read_at(vec![0; 1 << 20], 0).await?;
            assert!(n as u64 == written && bytes.iter().all(|byte| *byte == 1));
            let error = file.allocate(0..1 << 20).await.expect_err("256 KiB");
            assert!(is_full(&error), "{error}");
            let error = file.write_at("x", written).await.expect_err("not one byte");
            assert!(is_full(error.error()), "{error}");
            // Overwriting needs no room, and what is given back can be used.
            file.write_all_at(vec![2; 1000], 0).await?;
            file.set_len(1000).await?;
            file.rewind()?;
            file.write_all(vec![3; 100_000]).await?;
            assert_eq!(file.len()?, 100_000);
            Ok(())
        });
    });
}

#[test]
fn a_full_disk_leaves_the_old_file_when_it_is_replaced() {
    with_small_disk(256, |disk| {
        run(async {
            let path = disk.join("settings");
            replace(&path, vec![1; 100_000]).await?;
            let error = replace(&path, vec![2; 200_000]).await.expect_err("there is no room");
            assert!(is_full(&error), "{error}");
            assert!(error.to_string().contains("settings"), "{error}");
            assert_eq!(read(&path).await?, [1; 100_000]);
            let room = || {
                let disk = rustix::fs::statvfs(disk).expect("it is mounted");
                disk.f_bfree * disk.f_bsize
            };
            crate::cancel::until("the room is free", || room() >= 120_000).await?;
            replace(&path, vec![3; 100_000]).await?;
            assert_eq!(read(&path).await?, [3; 100_000]);
            let error = write(disk.join("other"), vec![0; 1 << 20]).await.expect_err("no room");
            assert!(is_full(&error), "{error}");
            Ok(())
        });
    });
}

#[test]
fn a_file_system_for_reading_alone_refuses_every_change() {
    with_small_disk(1024, |disk| {
        let path = disk.join("file");
        {
            let _shared = share_process();
            std::fs::write(&path, b"contents").unwrap();
        }
        mount("none", disk, "", libc::MS_REMOUNT | libc::MS_RDONLY, "").unwrap();
        run(async {
            let refused = |error: &io::Error| {
                let inside = PathError::of(error).map_or(error, PathError::io_error);
                assert_eq!(inside.raw_os_error(), Some(libc::EROFS), "{error}");
                assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
            };
            refused(&File::create(&path).await.expect_err("read-only"));
            refused(&File::create_new(disk.join("new")).await.expect_err("read-only"));
            let append = OpenOptions::new().append(true).open(&path).await;
            refused(&append.expect_err("read-only"));
            refused(&write(&path, "new").await.expect_err("read-only"));
            refused(&replace(&path, "new").await.expect_err("read-only"));
            refused(&TempFile::new_in(disk).await.expect_err("read-only"));
            refused(&TempFile::named_in(disk).await.expect_err("read-only"));
            refused(&TempDir::new_in(disk).await.expect_err("read-only"));
            let elsewhere = TempFile::new_in("/dev/shm").await;
            if let Ok(file) = elsewhere {
                let error = file.persist(disk.join("new")).await.expect_err("read-only");
                let kinds = [ErrorKind::CrossesDevices, ErrorKind::ReadOnlyFilesystem];
                assert!(kinds.contains(&error.error().kind()), "{error}");
            }
            let file = File::open(&path).await?;
            refused(&file.set_permissions(Permissions::from_mode(0o600)).await.expect_err("no"));
            refused(&file.set_modified(std::time::UNIX_EPOCH).await.expect_err("no"));
            assert_eq!(read(&path).await?, b"contents");
            Ok(())
        });
    });
}
