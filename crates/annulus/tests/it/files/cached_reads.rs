//! Reads that the page cache answers, without a request: the same bytes, and nobody waits longer.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use annulus::fs::{Advice, File, OpenOptions};
use annulus::runtime::{Runtime, metrics};
use annulus::task::yield_now;
use futures_util::future::poll_immediate;

use crate::harness::{Scratch, run, run_on, skip};
use crate::hostile::skip_unless_quiet;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// How many reads the cache has answered, and how many requests were made.
fn counts() -> (u64, u64) {
    let metrics = metrics().expect("a runtime runs");
    (metrics.reads_cached, metrics.sqes)
}

/// A file whose bytes were just written, where the file system has reads that do not wait.
async fn cached(scratch: &Scratch, contents: &[u8]) -> io::Result<Option<File>> {
    let file = File::open(scratch.file("file", contents)).await?;
    let before = counts();
    file.read_at(vec![0; 1], 0).await?;
    if counts().0 == before.0 {
        skip("this file system has no reads that do not wait");
        return Ok(None);
    }
    Ok(Some(file))
}

#[test]
fn cached_bytes_come_at_the_first_poll_and_without_a_request() {
    if skip_unless_quiet() {
        return;
    }
    let scratch = Scratch::new();
    let contents = pattern(10_000);
    run(async {
        let Some(mut file) = cached(&scratch, &contents).await? else { return Ok(()) };
        let before = counts();
        for (offset, len) in [(0, 10_000), (1, 9_998), (5000, 100), (9_999, 1)] {
            let read = poll_immediate(file.read_at(vec![0; len], offset as u64)).await;
            let (n, buf) = read.expect("it is ready")?;
            assert_eq!((n, &buf[..]), (len, &contents[offset..offset + len]));
        }
        // The end of the file cuts a read short, and is where the next one gives nothing.
        let (n, buf) = file.read_at(Vec::with_capacity(20_000), 4000).await?;
        assert!(n == 6000 && buf == contents[4000..]);
        for offset in [10_000, 10_001, 1 << 40] {
            assert_eq!(file.read_at(vec![0; 10], offset).await?.0, 0);
        }
        // At the position, exactly, and to the end.
        assert_eq!(file.read(vec![0; 5]).await?.1, contents[..5]);
        assert_eq!(file.read_exact(vec![0; 3000]).await?.1, contents[5..3005]);
        let (n, rest) = file.read_to_end(Vec::new()).await?;
        assert!(n == 6995 && rest == contents[3005..]);
        let now = counts();
        assert_eq!(now.1, before.1, "nothing went to the ring");
        assert!(now.0 >= before.0 + 11);
        Ok(())
    });
}

#[test]
fn what_is_refused_is_refused_as_ever() {
    let scratch = Scratch::new();
    run(async {
        let Some(file) = cached(&scratch, b"text").await? else { return Ok(()) };
        let refused = file.read_at(Vec::new(), 0).await.unwrap_err();
        assert_eq!(refused.error().kind(), ErrorKind::InvalidInput);
        let refused = file.read_at(vec![0; 1], 1 << 63).await.unwrap_err();
        assert_eq!(refused.error().kind(), ErrorKind::InvalidInput);
        let directory = File::open(scratch.path()).await?;
        let refused = directory.read_at(vec![0; 1], 0).await.unwrap_err();
        assert_eq!(refused.error().kind(), ErrorKind::IsADirectory);
        let closed = OpenOptions::new().write(true).open(&scratch.path().join("file")).await?;
        let refused = closed.read_at(vec![0; 1], 0).await.unwrap_err();
        assert_eq!(refused.error().raw_os_error(), Some(libc::EBADF));
        Ok(())
    });
}

#[test]
fn a_task_that_reads_only_cached_bytes_lets_others_run() {
    let scratch = Scratch::new();
    run(async {
        let Some(file) = cached(&scratch, b"text").await? else { return Ok(()) };
        let done = Rc::new(Cell::new(false));
        let other = annulus::spawn({
            let done = done.clone();
            async move {
                for _ in 0..10 {
                    yield_now().await;
                }
                done.set(true);
            }
        });
        let mut reads = 0;
        while !done.get() {
            file.read_at(vec![0; 4], 0).await?;
            reads += 1;
            assert!(reads < 1_000_000, "nobody else comes to run");
        }
        other.await.expect("no panic");
        Ok(())
    });
}

#[test]
fn files_that_are_read_past_the_cache_or_by_request_wait_for_the_ring() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(8192));
    let make = || OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path);
    run(async {
        let direct = match make().await {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                skip("no O_DIRECT here");
                return Ok(());
            }
            opened => opened?,
        };
        let before = counts().0;
        let buf = annulus::buf::AlignedBuf::new(4096, 4096)?;
        let (n, buf) = direct.read_at(buf, 4096).await?;
        assert!(n == 4096 && buf[..] == pattern(8192)[4096..]);
        assert_eq!(counts().0, before, "a device may be asked only by the ring");
        let waits = direct.try_read_at(buf, 0).expect_err("it would wait for the device");
        assert_eq!(waits.error().kind(), ErrorKind::WouldBlock);
        Ok(())
    });
    let thread = Duration::from_millis(10);
    for builder in [Runtime::builder().reads_cached(false), Runtime::builder().sqpoll(thread)] {
        run_on(builder, async {
            let file = File::open(&path).await?;
            assert!(poll_immediate(file.read_at(vec![0; 10], 0)).await.is_none());
            assert_eq!(file.read_at(vec![0; 10], 3).await?.1, pattern(8192)[3..13]);
            assert_eq!(counts().0, 0);
            Ok(())
        });
    }
}

#[test]
fn bytes_that_are_not_cached_come_through_the_ring() {
    let scratch = Scratch::new();
    let contents = pattern(1 << 20);
    run(async {
        let Some(file) = cached(&scratch, &contents).await? else { return Ok(()) };
        file.sync_all().await?;
        for _ in 0..4 {
            file.advise(.., Advice::DontNeed).await?;
            for offset in (0..1 << 20).step_by(100_000) {
                let (n, buf) = file.read_at(vec![0; 65536], offset as u64).await?;
                let end = (offset + 65536).min(1 << 20);
                assert!(n == end - offset && buf[..n] == contents[offset..end]);
            }
        }
        Ok(())
    });
}

#[test]
fn a_file_of_procfs_and_a_stream_have_no_such_reads_and_are_read_all_the_same() {
    run(async {
        let status = File::open("/proc/self/status").await?;
        let (n, buf) = status.read_at(vec![0; 5], 0).await?;
        assert_eq!((n, &buf[..]), (5, &b"Name:"[..]));
        let mut zero = File::open("/dev/zero").await?;
        assert_eq!(zero.read_exact(vec![1; 100]).await?.1, [0; 100]);
        let null = File::open("/dev/null").await?;
        assert_eq!(null.read_at(vec![0; 10], 0).await?.0, 0);
        Ok(())
    });
}
