//! Files: what `std::fs` promises holds here too, errors keep their kinds, and nothing leaves a
//! directory that must not.

mod ahead;
mod attributes;
mod below;
mod beneath;
mod cached_reads;
mod commit;
mod contents;
mod copies;
pub mod cursor;
mod direct;
mod directories;
pub mod faulty;
mod fifo;
mod killed;
mod linked;
mod locks;
mod mounts;
mod names;
mod now;
mod options;
mod oracle;
mod past_the_cache;
mod pieces;
mod polled_devices;
mod random;
mod replace;
mod space;
mod special;
mod temporary;
mod trees;

use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;

use annulus::fs::{File, OpenOptions};

use crate::harness::{Scratch, run};

async fn read_write(path: &std::path::Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(path).await
}

#[test]
fn what_is_written_is_read_back_and_is_what_std_sees() {
    let scratch = Scratch::new();
    let path = scratch.path().join("new");
    run(async {
        let file = File::create(&path).await?;
        let (n, buf) = file.write_at(b"hello world".to_vec(), 0).await?;
        assert_eq!((n, &buf[..]), (11, &b"hello world"[..]));
        file.write_all_at("W", 6).await?;
        file.sync_data().await?;
        file.sync_all().await?;
        file.close().await?;
        assert_eq!(std::fs::read(&path)?, b"hello World");
        let file = File::open(&path).await?;
        let ((), buf) = file.read_exact_at(vec![0; 5], 6).await?;
        assert_eq!(buf, b"World");
        let (n, buf) = file.read_at(Vec::with_capacity(4), 0).await?;
        assert_eq!((n, &buf[..]), (4, &b"hell"[..]));
        Ok(())
    });
}

#[test]
fn a_copy_has_contents_and_permissions_and_replaces_what_was_there() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let from = scratch.file("from", &[5; 100_000]);
    let to = scratch.file("to", &[6; 200_000]);
    std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o640)).unwrap();
    run(async {
        assert_eq!(annulus::fs::copy(&from, &to).await?, 100_000);
        assert_eq!(std::fs::read(&to)?, [5; 100_000]);
        assert_eq!(std::fs::metadata(&to)?.permissions().mode() & 0o777, 0o640);
        let error = annulus::fs::copy(scratch.path().join("none"), &to).await.expect_err("none");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(annulus::fs::metadata(&to).await?.len(), 100_000, "it is as it was");
        Ok(())
    });
}

#[test]
fn the_end_of_a_file_is_zero_bytes_or_an_error_that_says_how_many_there_were() {
    let scratch = Scratch::new();
    let path = scratch.file("ten", &[5; 10]);
    run(async {
        let file = File::open(&path).await?;
        let (n, buf) = file.read_at(vec![9; 4], 10).await?;
        assert_eq!((n, buf.len()), (0, 0));
        let (n, _) = file.read_at(vec![0; 4], 1 << 40).await?;
        assert_eq!(n, 0);
        let (n, buf) = file.read_at(vec![0; 100], 3).await?;
        assert_eq!((n, &buf[..]), (7, &[5; 7][..]));
        let error = file.read_exact_at(vec![0; 20], 4).await.expect_err("6 are left");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("6 of 20"), "{error}");
        assert!(error.into_buf().is_some());
        let error = file.read_at(Vec::new(), 0).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        file.read_exact_at(Vec::new(), 0).await?; // all of nothing
        Ok(())
    });
}

#[test]
fn offsets_beyond_four_gigabytes_and_holes_are_right() {
    let scratch = Scratch::new();
    let path = scratch.file("sparse", b"");
    run(async {
        let file = read_write(&path).await?;
        let far = (5 << 30) + 123;
        file.write_all_at("far", far).await?;
        assert_eq!(file.len()?, far + 3);
        let ((), buf) = file.read_exact_at(vec![1; 3], far).await?;
        assert_eq!(buf, b"far");
        let ((), buf) = file.read_exact_at(vec![1; 4096], far - 4096).await?;
        assert_eq!(buf, [0; 4096], "a hole reads as zeros");
        // What the lower 32 bits of the offset name is untouched.
        let ((), buf) = file.read_exact_at(vec![1; 3], u64::from(far as u32)).await?;
        assert_eq!(buf, [0; 3]);
        Ok(())
    });
}

#[test]
fn an_offset_that_no_file_has_is_refused_and_gives_the_buffer_back() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        let file = read_write(&path).await?;
        // -1 would mean the file's own position to the kernel: it must never be asked.
        for offset in [i64::MAX as u64 + 1, u64::MAX] {
            let error = file.read_at(vec![0; 4], offset).await;
            let error = error.expect_err("no such offset");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{offset}: {error}");
            assert!(error.into_buf().is_some());
            let error = file.write_at("x", offset).await;
            let error = error.expect_err("no such offset");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{offset}: {error}");
        }
        assert_eq!(std::fs::read(&path)?, b"text");
        Ok(())
    });
}

#[test]
fn errors_keep_the_kinds_that_std_gives_them() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        let kind = |result: io::Result<File>| result.expect_err("refused").kind();
        let missing = scratch.path().join("missing");
        assert_eq!(kind(File::open(&missing).await), ErrorKind::NotFound);
        let below_file = path.join("below");
        assert_eq!(kind(File::open(&below_file).await), ErrorKind::NotADirectory);
        let directory = kind(File::create(scratch.path()).await);
        assert_eq!(directory, ErrorKind::IsADirectory);
        let zero = kind(File::open("a\0b").await);
        assert_eq!(zero, ErrorKind::InvalidInput);
        assert_eq!(kind(File::open("").await), ErrorKind::NotFound);
        let directory = File::open(scratch.path()).await?;
        let error = directory.read_at(vec![0; 8], 0).await;
        let error = error.expect_err("a directory has no bytes");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        assert_eq!(error.into_buf().map(|buf| buf.len()), Some(8));
        let file = File::open(&path).await?;
        let error = file.write_at("x", 0).await.expect_err("opened for reading");
        assert_eq!(error.error().raw_os_error(), Some(libc::EBADF));
        Ok(())
    });
}

#[test]
fn a_full_disk_is_storage_full_and_gives_the_buffer_back() {
    run(async {
        let full = read_write("/dev/full".as_ref()).await?;
        let error = full.write_at("text", 0).await.expect_err("it is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(error.into_buf(), Some("text"));
        let error = full.write_all_at("text", 0).await.expect_err("it is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(error.into_buf(), Some("text"));
        Ok(())
    });
}

#[test]
fn a_file_in_use_is_not_closed_under_its_operation() {
    run(async {
        let (reading, writing) = std::os::unix::net::UnixStream::pair()?;
        let file = File::from_std(std::fs::File::from(OwnedFd::from(reading)))?;
        // A read that waits; forgotten, because a future that lives borrows the file.
        let mut read = Box::pin(file.read_at(vec![0; 4], 0));
        assert!(futures_util::poll!(&mut read).is_pending());
        std::mem::forget(read);
        let error = file.close().await.expect_err("a read is in flight");
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        // It is closed when the operation has ended, and the peer sees that.
        (&writing).write_all(b"data")?;
        writing.set_nonblocking(true)?;
        let closed = || matches!((&writing).read(&mut [0]), Ok(0));
        crate::cancel::until("the file is closed", closed).await
    });
}

#[test]
fn files_go_to_std_and_back() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = File::open(&path).await?;
        file.read_at(vec![0; 4], 2).await?;
        let mut file = file.into_std()?;
        assert_eq!(file.stream_position()?, 0, "no operation moves the position");
        let mut all = String::new();
        file.read_to_string(&mut all)?;
        assert_eq!(all, "0123456789");
        let file = File::from_std(file)?;
        let ((), buf) = file.read_exact_at(vec![0; 2], 8).await?;
        assert_eq!(buf, b"89");
        Ok(())
    });
}

#[test]
fn metadata_is_what_std_has() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[0; 4321]);
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    run(async {
        for path in [&path, &link, &scratch.path().to_path_buf()] {
            let (ours, std) = (annulus::fs::metadata(path).await?, std::fs::metadata(path)?);
            assert_eq!(ours.len(), std.len());
            assert_eq!(ours.is_file(), std.is_file());
            assert_eq!(ours.is_dir(), std.is_dir());
            assert_eq!((ours.mode(), ours.ino()), (std.mode(), std.ino()));
            assert_eq!(ours.modified(), std.modified()?);
            assert_eq!(ours.accessed(), std.accessed()?);
            assert_eq!(ours.created(), std.created().ok());
            let opened = File::open(path).await?.metadata()?;
            assert_eq!((opened.ino(), opened.len()), (std.ino(), std.len()));
        }
        assert!(annulus::fs::symlink_metadata(&link).await?.is_symlink());
        let missing = annulus::fs::metadata(scratch.path().join("missing")).await;
        assert_eq!(missing.expect_err("missing").kind(), ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn names_that_are_not_utf_8_are_names() {
    use std::os::unix::ffi::OsStrExt as _;
    let scratch = Scratch::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe\x80 name");
    let path = scratch.path().join(name);
    run(async {
        File::create(&path).await?.write_all_at("x", 0).await?;
        assert_eq!(annulus::fs::metadata(&path).await?.len(), 1);
        let found = std::fs::read_dir(scratch.path())?.next().expect("one")?;
        assert_eq!(found.file_name(), name);
        Ok(())
    });
}

#[test]
fn many_reads_of_one_file_are_in_flight_at_once() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..64u32 * 4096).map(|i| (i / 4096) as u8).collect();
    let path = scratch.file("blocks", &bytes);
    run(async {
        let file = Rc::new(File::open(&path).await?);
        let before = annulus::runtime::metrics()?.enters;
        let reads = (0..64u64).map(|block| {
            let file = file.clone();
            annulus::spawn(async move {
                let ((), buf) = file.read_exact_at(vec![0; 4096], block * 4096).await?;
                assert!(buf.iter().all(|&byte| u64::from(byte) == block));
                io::Result::Ok(())
            })
        });
        for read in reads.collect::<Vec<_>>() {
            read.await.expect("no panic")?;
        }
        let enters = annulus::runtime::metrics()?.enters - before;
        assert!(enters < 64, "{enters} enters: they did not go together");
        Ok(())
    });
}

#[test]
fn a_file_that_may_not_be_read_is_permission_denied() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let (secret, public) = (scratch.file("secret", b"text"), scratch.file("public", b"text"));
    let set_mode = |path: &std::path::Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is ours");
    };
    set_mode(scratch.path(), 0o755);
    set_mode(&public, 0o644);
    set_mode(&secret, 0);
    let denied = || {
        become_a_plain_user();
        run(async {
            let error = File::open(&secret).await.expect_err("mode 0");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            File::open(&public).await?.read_at(vec![0; 4], 0).await?;
            Ok(())
        });
    };
    std::thread::scope(|scope| scope.spawn(denied).join().expect("no panic"));
}

/// Takes the privileges of root from the calling thread alone, for ever.
fn become_a_plain_user() {
    if crate::refused::is_root() {
        // One of its own, because locked memory is counted by user.
        let user = 2_000_000 + std::process::id();
        // SAFETY: the call takes integers; unlike libc's function it is for this thread only.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) };
        assert_eq!(result, 0, "root may become anybody");
    }
}

#[test]
fn a_loop_of_links_is_an_error_and_no_endless_search() {
    let scratch = Scratch::new();
    let path = scratch.path().join("loop");
    std::os::unix::fs::symlink("loop", &path).unwrap();
    run(async {
        let error = File::open(&path).await.expect_err("a loop");
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        Ok(())
    });
}
