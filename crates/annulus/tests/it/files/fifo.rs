//! Named pipes: whose opening waits for the other side, and can be given up.
//!
//! Linux opens what is cached without waiting first, so one side of a named pipe may be open before
//! the other: what is to wait here is opened in a way that is handed to a worker at once.

use std::ffi::CString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use annulus::OpExt as _;
use annulus::fs::{File, OpenOptions};
use annulus::op::Cancelled;
use futures_util::future::poll_immediate;

use crate::harness::{Scratch, run};

fn fifo(scratch: &Scratch) -> PathBuf {
    let path = scratch.path().join("fifo");
    make(&path);
    path
}

fn make(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a string that ends with zero.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn nobody_reads_is_an_error_if_nobody_is_to_be_waited_for() {
    let scratch = Scratch::new();
    let path = fifo(&scratch);
    run(async {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let error = options.open(&path).await.expect_err("nobody reads");
        assert_eq!(error.raw_os_error(), Some(libc::ENXIO));
        let mut options = OpenOptions::new();
        let reader = options.read(true).custom_flags(libc::O_NONBLOCK).open(&path).await?;
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let mut writer = options.open(&path).await?;
        writer.write_all("hello").await?;
        drop(reader);
        Ok(())
    });
}

#[test]
fn an_open_that_waits_for_a_peer_is_given_up_and_leaves_no_descriptor() {
    let scratch = Scratch::new();
    // One for each: an attempt to open one side lets the other side go on, even if it is given up.
    let paths: Vec<_> = (0..9).map(|n| scratch.path().join(format!("fifo {n}"))).collect();
    paths.iter().for_each(|path| make(path));
    run(async {
        for paths in paths.chunks(3) {
            // Opening to write anew is never tried without waiting, as opening to read is.
            let mut opening = File::create(&paths[0]);
            assert!(poll_immediate(&mut opening).await.is_none());
            crate::cancel::yield_to_kernel().await?;
            let error = opening.cancel().await.expect_err("nobody reads");
            assert!(Cancelled::of(&error).is_some(), "{error:?}");
            let short = std::time::Duration::from_micros(300);
            let error = File::create(&paths[1]).timeout(short).await.expect_err("nobody reads");
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error:?}");
            // And dropped: the leak check of `run` sees what that leaves.
            let mut opening = Box::pin(File::create(&paths[2]));
            assert!(poll_immediate(&mut opening).await.is_none());
        }
        Ok(())
    });
}

#[test]
fn both_sides_open_and_bytes_go_through() {
    let scratch = Scratch::new();
    let path = fifo(&scratch);
    run(async {
        let writing = annulus::spawn({
            let path = path.clone();
            async move {
                let mut writer = OpenOptions::new().write(true).open(&path).await?;
                for number in 0..100u8 {
                    writer.write_all(vec![number; 1000]).await?;
                }
                std::io::Result::Ok(())
            }
        });
        let mut reader = File::open(&path).await?;
        for number in 0..100u8 {
            let ((), piece) = reader.read_exact(vec![0; 1000]).await?;
            assert!(piece.iter().all(|byte| *byte == number));
        }
        let (n, _) = reader.read(vec![0; 10]).await?;
        assert_eq!(n, 0, "the writer has closed it");
        writing.await.expect("no panic")?;
        Ok(())
    });
}

#[test]
fn a_fifo_is_written_whole_by_name() {
    let scratch = Scratch::new();
    let path = fifo(&scratch);
    run(async {
        let (wrote, read) =
            annulus::join!(annulus::fs::write(&path, vec![3; 200_000]), annulus::fs::read(&path));
        wrote?;
        assert!(read? == [3; 200_000]);
        Ok(())
    });
}
