//! Files read and written whole, by name: sizes that are told wrong, files that change meanwhile,
//! and errors that say which file it was.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::fs::{File, PathError, read, read_to_string, write};

use crate::harness::{Scratch, run, skip};

#[test]
fn what_is_written_whole_is_read_whole() {
    let scratch = Scratch::new();
    let path = scratch.path().join("file");
    run(async {
        for len in [0, 1, 31, 32, 33, 4096, 65_536, 3_000_000] {
            let bytes: Vec<u8> = (0..len as u32).map(|n| (n % 251) as u8).collect();
            write(&path, bytes.clone()).await?;
            assert!(std::fs::read(&path)? == bytes);
            assert!(read(&path).await? == bytes, "{len} bytes");
        }
        write(&path, "text").await?;
        assert_eq!(read_to_string(&path).await?, "text", "it was emptied first");
        Ok(())
    });
}

#[test]
fn files_that_do_not_tell_their_size_are_read_whole() {
    run(async {
        for path in ["/proc/filesystems", "/proc/version", "/proc/self/cmdline"] {
            assert_eq!(std::fs::metadata(path)?.len(), 0);
            assert_eq!(read(path).await?, std::fs::read(path)?, "{path}");
        }
        // Larger than a page, and than the first piece.
        if let Ok(symbols) = read("/proc/kallsyms").await {
            assert!(symbols.len() > 1 << 16, "{} bytes", symbols.len());
        }
        assert_eq!(read("/dev/null").await?, b"");
        Ok(())
    });
}

#[test]
fn a_file_that_grows_and_shrinks_while_it_is_read_gives_what_was_there() {
    let scratch = Scratch::new();
    let path = scratch.file("changing", &[1; 500_000]);
    let ended = Arc::new(AtomicBool::new(false));
    run(async {
        let changing = std::thread::spawn({
            let (file, ended) = (std::fs::File::options().write(true).open(&path)?, ended.clone());
            move || {
                // ORDERING: nothing is published by it.
                while !ended.load(Ordering::Relaxed) {
                    for len in [0, 10, 700_000, 4096, 300_000] {
                        file.set_len(len).unwrap();
                        std::thread::yield_now();
                    }
                }
            }
        });
        for _ in 0..200 {
            let mut file = File::open(&path).await?;
            let bytes = read(&path).await?;
            assert!(bytes.len() <= 700_000, "{} bytes", bytes.len());
            let data = bytes.iter().take_while(|byte| **byte == 1).count();
            assert!(bytes[data..].iter().all(|byte| *byte == 0), "data, and then what is new");
            match file.read_exact(vec![7; 100_000]).await {
                Ok(((), buf)) => assert!(buf.iter().all(|byte| *byte < 2)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof),
            }
        }
        // ORDERING: nothing is published by it.
        ended.store(true, Ordering::Relaxed);
        changing.join().unwrap();
        Ok(())
    });
}

#[test]
fn a_file_that_does_not_fit_is_an_error_and_no_abort() {
    let scratch = Scratch::new();
    let path = scratch.file("huge", b"");
    run(async {
        if std::fs::read("/proc/sys/vm/overcommit_memory")?.starts_with(b"1") {
            skip("every amount of memory is promised here");
            return Ok(());
        }
        let file = File::options().write(true).open(&path).await?;
        // As large as the file system has it, and larger than any memory.
        let Ok(()) = file.set_len(1 << 43).await else { return Ok(()) };
        let error = read(&path).await.expect_err("8 TiB");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        Ok(())
    });
}

#[test]
fn errors_name_what_was_tried_and_with_which_file() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing file");
    run(async {
        fn told<T: std::fmt::Debug>(result: io::Result<T>, doing: &str, errno: i32) -> ErrorKind {
            let error = result.expect_err("refused");
            let text = error.to_string();
            let inside = PathError::of(&error).expect("it says which file");
            assert_eq!(inside.io_error().raw_os_error(), Some(errno), "{text}");
            assert!(
                text.contains(doing) && text.contains(inside.path().to_str().unwrap()),
                "{text}"
            );
            assert_eq!(error.kind(), inside.io_error().kind());
            error.kind()
        }
        assert_eq!(told(read(&missing).await, "read", libc::ENOENT), ErrorKind::NotFound);
        assert_eq!(told(read_to_string(&missing).await, "read", libc::ENOENT), ErrorKind::NotFound);
        let directory = scratch.path();
        assert_eq!(told(read(directory).await, "read", libc::EISDIR), ErrorKind::IsADirectory);
        assert_eq!(
            told(write(directory, "x").await, "write", libc::EISDIR),
            ErrorKind::IsADirectory
        );
        let full = write("/dev/full", "x").await;
        assert_eq!(told(full, "write", libc::ENOSPC), ErrorKind::StorageFull);
        let zero = read("a\0b").await.expect_err("no path");
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_disk_error_of_a_read_is_one() {
    run(async {
        // Nothing is mapped at address 0.
        let error = read("/proc/self/mem").await.expect_err("no memory there");
        let inside = PathError::of(&error).expect("it says which file");
        assert_eq!(inside.io_error().raw_os_error(), Some(libc::EIO));
        Ok(())
    });
}
