//! Connections that move between cores.

use std::io;
use std::time::Duration;

use annulus::net::{Portable, TcpStream, UnixStream};
use annulus::runtime::{CoreHandle, Cores, LaunchedCore, Runtime, stopping};

use crate::harness::{made, pair, run, share_process, started};

const HOPS: usize = 1000;
const BYTES: usize = 4 << 20;

fn pattern(n: usize) -> u8 {
    (n * 31 % 251) as u8
}

/// Reads a little and writes it back, then passes the stream on; the last one goes on to the end.
async fn hop(portable: Portable<TcpStream>, left: usize, cores: [CoreHandle; 2]) -> io::Result<()> {
    let stream = portable.attach()?;
    let mut turns = if left == 0 { usize::MAX } else { 1 + left % 3 };
    while turns > 0 {
        turns -= 1;
        let Some(lease) = stream.recv().await? else { return Ok(()) };
        if left % 2 == 0 {
            stream.write_all(lease).await?;
        } else {
            // Left in the queue of sends when the stream leaves.
            while stream.send_nowait(&lease).is_err() {
                stream.flush().await?;
            }
        }
    }
    let portable = stream.into_portable().await?;
    let next = cores[left % 2];
    next.spawn(move || hop(portable, left - 1, cores)).await?
}

#[test]
fn a_thousand_hand_offs_under_traffic_lose_no_byte() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(2), |core: LaunchedCore| async move {
        if core.index() > 0 {
            stopping().await;
            return io::Result::Ok(());
        }
        let (near, far) = pair().await?;
        let near = std::rc::Rc::new(near);
        let writer = near.clone();
        let writing = annulus::spawn(async move {
            let mut sent = 0;
            while sent < BYTES {
                // Small enough that a connection is moved about as often as it may be.
                let n = (1 + sent % 4093).min(BYTES - sent);
                let bytes: Vec<u8> = (sent..sent + n).map(pattern).collect();
                writer.write_all(bytes).await?;
                sent += n;
            }
            writer.shutdown(std::net::Shutdown::Write)
        });
        let cores = [core.peers()[0], core.peers()[1]];
        let portable = far.into_portable().await?;
        let echo = cores[1].spawn(move || hop(portable, HOPS, cores));
        let mut received = 0;
        while let Some(lease) = near.recv().await? {
            for &byte in &*lease {
                assert_eq!(byte, pattern(received), "byte {received}");
                received += 1;
            }
        }
        assert_eq!(received, BYTES);
        writing.await.unwrap()?;
        echo.await.unwrap()?;
        cores[1].stop(None);
        Ok(())
    });
    for result in launched.join() {
        result.unwrap().unwrap();
    }
}

#[test]
fn what_was_received_and_what_was_queued_travel_along() {
    run(async {
        let (near, far) = pair().await?;
        near.write_all("unread").await?;
        near.shutdown(std::net::Shutdown::Write)?;
        // Arms the receive, so that bytes and end are with the core.
        assert_eq!(&*far.recv().await?.unwrap(), b"unread");
        far.send_nowait(b"queued")?;
        let portable = far.into_portable().await?;
        let ((), got) = near.read_exact(vec![0; 6]).await?;
        assert_eq!(got, b"queued");
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&portable));
        let far = portable.attach()?;
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(&far), descriptor, "it is not duplicated");
        assert!(far.recv().await?.is_none());
        far.write_all("end").await?;
        let ((), got) = near.read_exact(vec![0; 3]).await?;
        assert_eq!(got, b"end");
        Ok(())
    });
}

#[test]
fn leases_in_the_queue_travel_along() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.write_all("ab").await?;
        {
            // Starts the receive and is dropped: what comes is queued.
            let waiting = right.recv();
            let _ = annulus::time::timeout(Duration::ZERO, waiting).await;
        }
        crate::harness::turns(3).await;
        let portable = right.into_portable().await?;
        assert_eq!(portable.unread(), b"ab");
        left.write_all("cd").await?;
        let right = portable.attach()?;
        let ((), got) = right.read_exact(vec![0; 4]).await?;
        assert_eq!(got, b"abcd");
        Ok(())
    });
}

#[test]
fn sends_whose_futures_are_gone_are_finished_first() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let large = vec![7; 1 << 20];
        let mut sending = Box::pin(left.write_all(large));
        assert!(futures_util::poll!(&mut sending).is_pending());
        drop(sending);
        let reader = annulus::spawn(async move {
            let ((), got) = right.read_exact(vec![0; 1 << 20]).await?;
            assert!(got.iter().all(|&byte| byte == 7));
            io::Result::Ok(right)
        });
        let left = left.into_portable().await?.attach()?;
        let right = reader.await.unwrap()?;
        left.write_all("x").await?;
        assert_eq!(&*right.recv().await?.unwrap(), b"x");
        Ok(())
    });
}

#[test]
fn a_read_that_was_dropped_does_not_keep_a_stream() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut reading = Box::pin(right.read(Vec::with_capacity(8)));
        assert!(futures_util::poll!(&mut reading).is_pending());
        drop(reading);
        let right = right.into_portable().await?.attach()?;
        left.write_all("here").await?;
        assert_eq!(&*right.recv().await?.unwrap(), b"here");
        Ok(())
    });
}

#[test]
fn without_a_core_a_connection_stays_portable() {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let (left, portable) = runtime.block_on(async {
        let (left, right) = UnixStream::pair().unwrap();
        (left, right.into_portable().await.unwrap())
    });
    let (error, portable) = portable.attach().unwrap_err().into_parts();
    assert!(error.to_string().contains("no Annulus runtime"), "{error}");
    runtime.block_on(async {
        drop(portable);
        assert!(left.recv().await.unwrap().is_none(), "dropping it closes the connection");
        drop(left);
    });
}

#[test]
fn a_stream_is_taken_from_its_own_core_only() {
    let _shared = share_process();
    let (one, other) = (made(Runtime::builder()), made(Runtime::builder()));
    let (left, right) = one.block_on(async { UnixStream::pair().unwrap() });
    let error = other.block_on(right.into_portable()).unwrap_err();
    let (error, right) = error.into_parts();
    assert!(error.to_string().contains("into_portable"), "{error}");
    one.block_on(async {
        drop(right.unwrap().into_portable().await.unwrap());
        assert!(left.recv().await.unwrap().is_none());
        drop(left);
    });
}
