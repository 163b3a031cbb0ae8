//! A stream that is polled, left at every point: what it took is what the other side sees.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use annulus::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, duplex};
use annulus::net::{Polled, UnixStream};

use super::Points;

/// More than a send queue takes at once.
const MUCH: usize = 300 * 1024;

#[test]
fn a_polled_reader_left_anywhere_loses_no_byte() {
    Points::of(&[]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let peer = annulus::spawn(async move {
            for piece in ["abc", "defg"] {
                left.write_all(piece).await?;
                super::yield_to_kernel().await?;
            }
            left.shutdown(Shutdown::Write)?;
            io::Result::Ok(left)
        });
        let (taken, mut polled) = (Arc::new(Mutex::new(Vec::new())), right.polled());
        let shared = taken.clone();
        let reading = async move {
            while let Some(lease) = poll_fn(|cx| polled.poll_recv(cx)).await? {
                shared.lock().unwrap().extend_from_slice(&lease);
            }
            io::Result::Ok(())
        };
        cut.end(reading).await.transpose()?;
        let _left = peer.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            let mut all = taken.lock().unwrap().clone();
            while let Some(lease) = right.recv().await? {
                all.extend_from_slice(&lease);
            }
            assert_eq!(all, b"abcdefg", "{cut:?}");
        }
        Ok(())
    });
}

/// Writes a pattern in two slices at a time, counts what was taken, and flushes.
async fn write_much(mut polled: Polled, taken: Arc<Mutex<usize>>) -> io::Result<()> {
    let pattern: Vec<u8> = (0..MUCH).map(|n| (n % 251) as u8).collect();
    let mut at = 0;
    while at < MUCH {
        let (first, second) = pattern[at..].split_at((MUCH - at) / 2);
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        at += poll_fn(|cx| polled.poll_write(cx, &slices)).await?;
        *taken.lock().unwrap() = at;
    }
    poll_fn(|cx| polled.poll_flush(cx)).await
}

#[test]
fn what_a_polled_writer_took_arrives_wherever_it_is_left() {
    Points::of(&[]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let taken = Arc::new(Mutex::new(0));
        let peer = annulus::spawn(async move {
            let mut all = Vec::new();
            while let Some(lease) = right.recv().await? {
                all.extend_from_slice(&lease);
            }
            io::Result::Ok(all)
        });
        cut.end(write_much(left.polled(), taken.clone())).await.transpose()?;
        left.shutdown(Shutdown::Write)?;
        let arrived = peer.await.expect("the peer does not panic")?;
        let taken = *taken.lock().unwrap();
        assert_eq!(arrived.len(), taken, "{cut:?}");
        assert!(arrived.iter().enumerate().all(|(n, &byte)| byte == (n % 251) as u8), "{cut:?}");
        Ok(())
    });
}

#[test]
fn a_polled_connection_in_memory_left_anywhere_loses_no_byte() {
    Points::of(&[]).run(|cut| async move {
        let (mut writer, reader) = duplex(2);
        let reader = Arc::new(reader);
        let peer = annulus::spawn(async move {
            writer.write_all("abcdefg").await?;
            writer.shutdown().await
        });
        let taken = Arc::new(Mutex::new(Vec::new()));
        let reading = {
            let (reader, taken): (Arc<DuplexStream>, _) = (reader.clone(), taken.clone());
            async move {
                while let Some(piece) = poll_fn(|cx| reader.poll_recv(cx)).await {
                    taken.lock().unwrap().extend_from_slice(&piece);
                }
            }
        };
        cut.end(reading).await;
        let (_, rest) = (&*reader).read_to_end(Vec::new()).await?;
        peer.await.expect("the peer does not panic")?;
        assert_eq!([&taken.lock().unwrap()[..], &rest].concat(), b"abcdefg", "{cut:?}");
        Ok(())
    });
}

#[test]
fn a_polled_stream_that_is_gone_says_so() {
    Points::of(&[]).run(|cut| async move {
        let (left, _right) = UnixStream::pair()?;
        let mut polled = left.polled();
        drop(left);
        let asked = async move {
            let read = poll_fn(|cx| polled.poll_recv(cx)).await.is_err();
            let slices = [IoSlice::new(b"x")];
            let wrote = poll_fn(|cx| polled.poll_write(cx, &slices)).await.is_err();
            (read, wrote, poll_fn(|cx| polled.poll_flush(cx)).await.is_err())
        };
        assert!(cut.end(asked).await.is_none_or(|failed| failed == (true, true, true)));
        Ok(())
    });
}
