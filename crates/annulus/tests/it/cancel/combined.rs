//! Futures within futures, ended at every point: the macros, timeouts, connections on their way to
//! another core, requests of any kind.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::time::{sleep, timeout};

use super::{Cut, Points, yield_to_kernel};
use crate::harness::pair;

/// What the peer sends, a byte at a time.
const SENT: &[u8] = b"abcdefgh";

/// A stream on which a task sends [`SENT`] and ends.
fn talking() -> io::Result<&'static UnixStream> {
    let (left, right) = UnixStream::pair()?;
    annulus::spawn(async move {
        for byte in SENT {
            left.write_all(vec![*byte]).await.map(drop)?;
            yield_to_kernel().await?;
        }
        left.shutdown(Shutdown::Write)?;
        // Open until the other side is gone, so that no reset overtakes the bytes.
        left.recv().await.map(drop)
    })
    .detach();
    Ok(Box::leak(Box::new(right)))
}

/// What was taken and what is left are what was sent, in order.
async fn nothing_lost(
    cut: &Cut,
    streams: [&'static UnixStream; 2],
    taken: Option<[Vec<u8>; 2]>,
) -> io::Result<()> {
    let ended = taken.is_some();
    let taken = taken.unwrap_or_default();
    for (stream, mut all) in streams.into_iter().zip(taken) {
        if !cut.forgets() {
            while let Some(lease) = stream.recv().await? {
                all.extend_from_slice(&lease);
            }
            // What a future had taken for good when it was ended is gone with it.
            assert!(SENT.ends_with(&all), "{cut:?}: {all:?}");
            assert!(!ended || all == SENT, "{cut:?}: {all:?}");
        }
        // SAFETY: leaked by `talking`; the future that borrowed it is gone, or never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(stream).cast_mut()) });
    }
    Ok(())
}

#[test]
fn a_select_ended_anywhere_loses_nothing_of_its_branches() {
    Points::of(&["task::select::select!"]).run(|cut| async move {
        let streams = [talking()?, talking()?];
        let [left, right] = streams;
        let choosing = async move {
            let mut taken = [Vec::new(), Vec::new()];
            while taken.iter().map(Vec::len).sum::<usize>() < 6 {
                annulus::select! {
                    lease = left.recv() => {
                        taken[0].extend_from_slice(&lease?.unwrap_or_else(|| unreachable!()));
                        if taken[0].len() == SENT.len() { break }
                    }
                    read = right.read(vec![0; 2]) => {
                        let (n, bytes) = read?;
                        taken[1].extend_from_slice(&bytes[..n]);
                        if taken[1].len() == SENT.len() { break }
                    }
                    () = sleep(Duration::from_secs(1000)) => unreachable!(),
                }
            }
            io::Result::Ok(taken)
        };
        let taken = cut.end(choosing).await.transpose()?;
        nothing_lost(&cut, streams, taken).await
    });
}

#[test]
fn a_join_of_futures_ended_anywhere_loses_nothing_of_its_branches() {
    Points::of(&["task::join::join!", "task::join::try_join!"]).run(|cut| async move {
        let streams = [talking()?, talking()?];
        let [left, right] = streams;
        let joining = async move {
            let first = left.read_exact(vec![0; 3]);
            let second = timeout(Duration::from_secs(1000), right.read_exact(vec![0; 2]));
            let (first, second) = annulus::join!(first, second);
            let (mut first, mut second) = (first?.1, second??.1);
            let more = async {
                let (n, bytes) = left.read(vec![0; 2]).await?;
                io::Result::Ok(bytes[..n].to_vec())
            };
            let also = async { io::Result::Ok(right.recv().await?.expect("no end").to_vec()) };
            let (more, also) = annulus::try_join!(more, also)?;
            first.extend(more);
            second.extend(also);
            io::Result::Ok([first, second])
        };
        let taken = cut.end(joining).await.transpose()?;
        nothing_lost(&cut, streams, taken).await
    });
}

#[test]
fn a_connection_on_its_way_to_another_core_is_closed_or_arrives() {
    Points::of(&["net::tcp_stream::into_portable"]).run(|cut| async move {
        let (client, server) = pair().await?;
        client.write_all("unread").await?;
        // Arms the receive, which the departure has to end first.
        let first = server.recv().await?.expect("it was sent");
        assert!(b"unread".starts_with(&first));
        drop(first);
        server.send_nowait(b"queued")?;
        let portable = cut.end(server.into_portable()).await;
        match portable.transpose().map_err(io::Error::from)? {
            Some(portable) => {
                let again = portable.attach()?;
                again.write_all(" and more").await?;
                let ((), got) = client.read_exact(vec![0; 15]).await?;
                assert_eq!(got, b"queued and more");
            }
            None if !cut.forgets() => {
                let mut got = Vec::new();
                while let Some(lease) = client.recv().await? {
                    got.extend_from_slice(&lease);
                }
                assert_eq!(got, b"queued", "{cut:?}");
            }
            None => {}
        }
        Ok(())
    });
}

#[test]
fn a_unix_connection_on_its_way_is_closed_or_arrives() {
    Points::of(&["net::unix_stream::into_portable", "net::unix_stream::into_std"])
        .real_only("a std socket")
        .run(|cut| async move {
            let (left, right) = UnixStream::pair()?;
            let leaving = async move {
                let portable = right.into_portable().await.map_err(io::Error::from)?;
                let stream = portable.attach()?;
                stream.write_all("attached").await?;
                let std = stream.into_std().await.map_err(io::Error::from)?;
                UnixStream::from_std(std)
            };
            let stream = cut.end(leaving).await.transpose()?;
            if let Some(stream) = &stream {
                left.write_all("pong").await?;
                assert_eq!(stream.read_exact(vec![0; 4]).await?.1, b"pong");
            }
            drop(stream);
            if !cut.forgets() {
                let mut got = Vec::new();
                while let Some(lease) = left.recv().await? {
                    got.extend_from_slice(&lease);
                }
                assert!(got.is_empty() || got == b"attached", "{cut:?}: {got:?}");
            }
            Ok(())
        });
}

#[test]
fn requests_of_any_kind_ended_anywhere_leave_nothing() {
    Points::of(&["core::submit::submit"]).run(|cut| async move {
        let noops = async {
            for _ in 0..3 {
                yield_to_kernel().await?;
            }
            io::Result::Ok(())
        };
        cut.end(noops).await.transpose()?;
        Ok(())
    });
}

#[test]
fn a_timeout_around_a_receive_ended_anywhere_loses_no_byte() {
    Points::of(&["time::timeout::Timeout", "net::recv::Recv"]).run(|cut| async move {
        let streams = [talking()?, talking()?];
        let [left, right] = streams;
        let timed = async move {
            let mut taken = [Vec::new(), Vec::new()];
            // Too short at first, so that receives are given up in flight.
            let mut bound = Duration::from_micros(1);
            for (stream, taken) in [left, right].into_iter().zip(&mut taken) {
                while taken.is_empty() {
                    if let Ok(lease) = timeout(bound, stream.recv()).await {
                        taken.extend_from_slice(&lease?.expect("no end"));
                    }
                    bound *= 4;
                }
            }
            io::Result::Ok(taken)
        };
        let taken = cut.end(timed).await.transpose()?;
        nothing_lost(&cut, streams, taken).await
    });
}
