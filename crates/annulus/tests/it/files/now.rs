//! Reads that do not wait: what is in the page cache, and nothing else.

use std::io::ErrorKind;

use annulus::buf::IoBufMut as _;
use annulus::fs::File;

use crate::harness::{Scratch, run};

#[test]
fn what_is_cached_is_read_at_once() {
    // A file system in memory may know no reads that do not wait.
    let scratch = Scratch::beside();
    let path = scratch.file("text", b"hello world");
    run(async {
        let file = File::open(&path).await?;
        // Whatever the file system does with fresh bytes, these are in memory then.
        file.read_at(Vec::with_capacity(64), 0).await?;
        let before = annulus::runtime::metrics().expect("a runtime runs").sqes;
        let (n, buf) = file.try_read_at(Vec::with_capacity(64), 6)?;
        assert_eq!((n, &buf[..]), (5, b"world".as_slice()));
        let (n, buf) = file.try_read_at(buf.slice_mut(1..3), 0)?;
        assert_eq!((n, &buf.into_inner()[..3]), (2, b"whe".as_slice()));
        let (n, _) = file.try_read_at(vec![0; 8], 11)?;
        assert_eq!(n, 0, "this is the end");
        assert_eq!(annulus::runtime::metrics().expect("a runtime runs").sqes, before);
        Ok(())
    });
}

#[test]
fn what_cannot_be_read_at_once_is_refused_with_its_buffer() {
    let scratch = Scratch::new();
    let path = scratch.file("text", b"hello");
    run(async {
        let file = File::open(&path).await?;
        let refused = |buf: Vec<u8>, offset| {
            let error = file.try_read_at(buf, offset).expect_err("it is refused");
            let kind = error.kind();
            (kind, error.into_buf().map(|buf| buf.capacity()))
        };
        assert_eq!(refused(Vec::new(), 0), (ErrorKind::InvalidInput, Some(0)));
        assert_eq!(refused(Vec::with_capacity(7), 1 << 63), (ErrorKind::InvalidInput, Some(7)));
        let directory = File::open(scratch.path()).await?;
        let error = directory.try_read_at(vec![0; 5], 0).expect_err("it is a directory");
        // A directory has no reads that do not wait, or no reads at all.
        let kinds = [ErrorKind::IsADirectory, ErrorKind::WouldBlock];
        assert!(kinds.contains(&error.kind()), "{error}");
        assert_eq!(error.into_buf(), Some(vec![0; 5]));
        // A pipe has no offsets.
        let (from, _to) = std::io::pipe()?;
        let pipe = File::from_std(std::fs::File::from(std::os::fd::OwnedFd::from(from)))?;
        pipe.try_read_at(vec![0; 5], 0).expect_err("it has no offsets");
        Ok(())
    });
}
