//! Waiting for room without writing, and writing more than there is room for: what layers need that
//! make bytes which have to be sent.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use annulus::io::duplex;
use annulus::net::UnixStream;
use annulus::runtime::Runtime;

use crate::harness::{run, run_on};

/// Whether a future is ready at once.
fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_socket_with_room_takes_all_and_then_has_none_until_the_peer_reads() {
    run_on(Runtime::builder().send_high_bytes(1000), async {
        let (left, right) = UnixStream::pair()?;
        let mut polled = left.polled();
        let piece = vec![7; 600_000];
        poll_fn(|cx| polled.poll_room(cx)).await?;
        left.send_nowait(&piece)?;
        assert!(!is_ready(poll_fn(|cx| polled.poll_room(cx))));
        let error = left.send_nowait(b"x").expect_err("there is no room");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let (read, room) =
            annulus::join!(right.read_exact(vec![0; 600_000]), poll_fn(|cx| polled.poll_room(cx)));
        assert!(read?.1 == piece, "what was taken is sent");
        room?;
        left.send_nowait(b"x")
    });
}

#[test]
fn a_failed_send_is_reported_to_who_waits_for_room() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut polled = left.polled();
        drop(right);
        left.send_nowait(b"into the void")?;
        let error = loop {
            match poll_fn(|cx| polled.poll_room(cx)).await {
                Ok(()) => annulus::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn memory_with_room_takes_all_and_then_has_none_until_it_is_read() {
    run(async {
        let (left, mut right) = duplex(3);
        assert!(is_ready(poll_fn(|cx| left.poll_room(cx))));
        left.send_nowait(b"seven77")?;
        left.send_nowait(b"")?;
        let error = left.send_nowait(b"x").expect_err("there is no room");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(!is_ready(poll_fn(|cx| left.poll_room(cx))));
        assert!(!is_ready(poll_fn(|cx| left.poll_write(cx, &[io::IoSlice::new(b"x")]))));
        let waiting = async { poll_fn(|cx| left.poll_room(cx)).await };
        let reading = async {
            use annulus::io::AsyncRead as _;
            right.read_exact(vec![0; 7]).await
        };
        let (room, read) = annulus::join!(waiting, reading);
        room?;
        assert_eq!(read?.1, b"seven77");
        left.end();
        assert!(matches!(
            poll_fn(|cx| Poll::Ready(left.poll_room(cx))).await,
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe
        ));
        let error = left.send_nowait(b"x").expect_err("it has ended");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn a_vector_that_is_handed_over_is_sent_in_its_place() {
    run_on(Runtime::builder().send_high_bytes(100_000), async {
        let (left, right) = UnixStream::pair()?;
        let mut polled = left.polled();
        let mut piece = Vec::new();
        for round in 0..20_u8 {
            for len in [10, 4096, 4097, 30_000, 70_000] {
                poll_fn(|cx| polled.poll_room(cx)).await?;
                left.send_nowait(&[round])?;
                piece.clear();
                piece.resize(len, round ^ len as u8);
                let expected = [&[round], &piece[..]].concat();
                left.send_nowait_vec(&mut piece)?;
                let ((), got) = right.read_exact(vec![0; len + 1]).await?;
                assert!(got == expected, "{len} bytes");
            }
        }
        poll_fn(|cx| polled.poll_flush(cx)).await?;
        let mut refused = vec![1; 200_000];
        left.send_nowait_vec(&mut refused)?;
        refused.clear();
        refused.resize(5000, 2);
        let error = left.send_nowait_vec(&mut refused).expect_err("there is no room");
        assert_eq!((error.kind(), refused), (io::ErrorKind::WouldBlock, vec![2; 5000]));
        let ((), got) = right.read_exact(vec![0; 200_000]).await?;
        assert!(got == vec![1; 200_000]);
        Ok(())
    });
}
