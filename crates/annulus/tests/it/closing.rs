//! How sockets end: bounded flushes, what was accepted, what goes to `std`.

use std::io::{self, ErrorKind, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use annulus::net::{Parsed, UnixStream};
use annulus::runtime::{Runtime, metrics};
use annulus::time::timeout;

use crate::harness::{pair, run, run_on, turns};

/// Longer than anything here takes, so that only a hang meets it.
const FOREVER: Duration = Duration::from_secs(30);

fn without_buffer_rings() -> annulus::runtime::Builder {
    Runtime::builder().mask(annulus_ring::Mask::none().buf_rings())
}

#[test]
fn a_send_that_was_partly_done_is_given_up_when_the_flush_is_over() {
    let builder = Runtime::builder().close_flush(Duration::from_millis(20));
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        {
            let mut write = Box::pin(left.write_all(vec![7u8; 4 << 20]));
            assert!(futures_util::poll!(&mut write).is_pending());
            turns(3).await;
        }
        drop(left);
        while metrics()?.descriptors > 1 {
            turns(1).await;
        }
        assert_eq!(metrics()?.ops_in_flight, 0);
        drop(right);
        Ok(())
    });
}

#[test]
fn closing_ends_a_receive_that_goes_through_the_heap() {
    run_on(without_buffer_rings(), async {
        let (left, right) = UnixStream::pair()?;
        {
            let mut recv = Box::pin(left.recv());
            assert!(futures_util::poll!(&mut recv).is_pending());
            turns(3).await;
        }
        drop(left);
        assert!(timeout(FOREVER, right.recv()).await??.is_none());
        Ok(())
    });
}

#[test]
fn a_stream_leaves_for_std_after_a_dropped_read_of_either_kind() {
    for builder in [Runtime::builder(), without_buffer_rings()] {
        run_on(builder, async {
            let (left, mut right) = UnixStream::pair()?;
            {
                let mut read = Box::pin(left.read(vec![0u8; 8]));
                assert!(futures_util::poll!(&mut read).is_pending());
            }
            let left = left.into_std().await?;
            {
                let mut recv = Box::pin(right.recv());
                assert!(futures_util::poll!(&mut recv).is_pending());
            }
            let std_right = right.into_std().await?;
            (&left).write_all(b"by std")?;
            right = UnixStream::from_std(std_right)?;
            assert_eq!(&*right.recv().await?.unwrap(), b"by std");
            Ok(())
        });
    }
}

#[test]
fn a_file_waits_for_sends_whose_futures_are_gone() {
    run(async {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("twos");
        std::fs::write(&path, vec![2u8; 1 << 20])?;
        let file = annulus::fs::File::open(&path).await?;
        let (client, server) = pair().await?;
        {
            let mut write = Box::pin(client.write_all(vec![1u8; 16 << 20]));
            assert!(futures_util::poll!(&mut write).is_pending());
            turns(3).await;
        }
        let reader = annulus::spawn(async move {
            let mut all = Vec::new();
            while let Some(lease) = server.recv().await? {
                all.extend_from_slice(&lease);
            }
            io::Result::Ok(all)
        });
        assert_eq!(client.send_file(&file, 0..1 << 20).await?, 1 << 20);
        drop(client);
        let all = reader.await??;
        assert_eq!(all.len(), 17 << 20);
        assert!(all.is_sorted(), "bytes of two sends are mixed");
        Ok(())
    });
}

#[test]
fn ending_the_sending_direction_comes_after_what_was_queued() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.send_nowait(b"bye")?;
        left.shutdown(Shutdown::Write)?;
        let error = left.send_nowait(b"more").expect_err("the direction is ended");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let error = left.write_all("more").await.expect_err("the direction is ended");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(&*right.recv().await?.unwrap(), b"bye");
        assert!(right.recv().await?.is_none());
        right.write_all("still").await?;
        assert_eq!(&*left.recv().await?.unwrap(), b"still");
        Ok(())
    });
}

#[test]
fn who_waits_for_some_room_is_told_although_another_waits_for_all() {
    let builder = Runtime::builder().send_high_bytes(64 * 1024);
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        let left = std::rc::Rc::new(left);
        left.send_nowait(&[1u8; 60 * 1024])?;
        turns(2).await;
        left.send_nowait(&vec![1u8; 600 * 1024])?;
        turns(2).await;
        let mut flush = Box::pin(left.flush());
        assert!(futures_util::poll!(&mut flush).is_pending());
        let answering = left.clone();
        let parser = annulus::spawn(async move {
            answering.with_data(|bytes| Parsed::Consumed(bytes.len())).await
        });
        turns(2).await;
        right.write_all("request").await?;
        // Reads until the parser was called, and keeps something queued all the while, so that the
        // flush, which nobody polls, never ends.
        while !parser.is_finished() {
            right.recv().await?;
            let _ = left.send_nowait(&[2u8; 1024]);
        }
        assert_eq!(parser.await??, 7);
        drop(flush);
        Ok(())
    });
}

#[test]
fn closing_leaves_no_timer_behind() {
    run(async {
        for _ in 0..100 {
            let (left, right) = UnixStream::pair()?;
            left.send_nowait(b"response")?;
            drop(left);
            while right.recv().await?.is_some() {}
        }
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}
