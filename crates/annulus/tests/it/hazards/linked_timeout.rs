//! A time limit cancels an operation that has done its work, and the work is lost.
//!
//! *Evidence*: liburing#1422 (lost data), #1208 (ENOENT).
//!
//! *Answer*: a timeout is a timer of the core and a dropped future: bytes that come too late for it
//! are the next reader's, a connection the next accept's, and a descriptor is closed.
//!
//! *Also proven*: chains of the kernel and their limits in `annulus-ring` (`hazards`); `cancel`.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::metrics;
use annulus::time::timeout;
use annulus_sim::{Fault, Faults};

use super::pattern;
use crate::cancel::at_rest;
use crate::harness::ground::{Ground, on_both, on_seeds, tiny};

/// Short and getting longer, so that it meets an operation before, at and after its end.
fn bounds() -> impl Iterator<Item = Duration> {
    (0_u64..).map(|round| Duration::from_micros(round * round % 97 + round / 50 * 10))
}

/// Reads everything under time limits.
async fn under_limits(ground: Ground) -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    let sent = pattern(ground.seed() as usize, 2000);
    let expected = sent.clone();
    let writing = annulus::spawn(async move {
        for chunk in sent.chunks(70) {
            left.write_all(chunk.to_vec()).await?;
            annulus::time::sleep(Duration::from_micros(20)).await;
        }
        left.shutdown(Shutdown::Write)?;
        io::Result::Ok(left)
    });
    let mut all = Vec::new();
    for (round, bound) in bounds().enumerate() {
        let ended = if round % 2 == 0 {
            match timeout(bound, right.recv()).await {
                Err(_elapsed) => continue,
                Ok(lease) => lease?.map(|lease| all.extend_from_slice(&lease)).is_none(),
            }
        } else {
            match timeout(bound, right.read(vec![0; 90])).await {
                Err(_elapsed) => continue,
                Ok(read) => {
                    let (n, bytes) = read?;
                    all.extend_from_slice(&bytes[..n]);
                    n == 0
                }
            }
        };
        if ended {
            break;
        }
    }
    assert!(all == expected, "{} of {} bytes", all.len(), expected.len());
    assert_eq!(metrics()?.timers, 0, "each limit took its timer along");
    drop(writing.await.expect("no panic")?);
    Ok(())
}

#[test]
fn bytes_that_come_too_late_for_a_limit_are_the_next_readers() {
    on_both(40, under_limits);
    let races = Faults::all().with(Fault::CancelRace, 1000);
    let total = on_seeds(40, |world| world.set_faults(races), tiny, under_limits);
    assert!(total.count(Fault::CancelRace) > 0);
}

#[test]
fn connections_that_come_too_late_for_a_limit_are_the_next_accepts() {
    on_both(40, |_| async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connecting = annulus::spawn(async move {
            let mut clients = Vec::new();
            for _ in 0..6 {
                clients.push(TcpStream::connect(address).await?);
                annulus::time::sleep(Duration::from_micros(30)).await;
            }
            io::Result::Ok(clients)
        });
        let mut servers = Vec::new();
        for bound in bounds() {
            if let Ok(accepted) = timeout(bound, listener.accept()).await {
                servers.push(accepted?);
            }
            if servers.len() == 6 {
                break;
            }
        }
        let clients = connecting.await.expect("no panic")?;
        for ((_, peer), client) in servers.iter().zip(&clients) {
            assert_eq!(*peer, client.local_addr()?, "in the order in which they came");
        }
        Ok(())
    });
}

#[test]
fn descriptors_that_come_too_late_for_a_limit_are_closed() {
    on_both(40, |ground| async move {
        let path = ground.file("late", b"late");
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        for bound in bounds().take(40) {
            drop(timeout(bound, File::open(&path)).await);
            drop(timeout(bound, TcpStream::connect(address)).await);
        }
        drop(listener);
        at_rest().await
    });
}

#[test]
fn sends_that_are_late_for_a_limit_are_sent_whole_and_in_order() {
    on_both(40, |_| async {
        let (left, right) = UnixStream::pair()?;
        let reading = annulus::spawn(async move { super::read_to_end(&right).await });
        let mut expected = Vec::new();
        for (round, bound) in bounds().enumerate().take(30) {
            let piece = pattern(round, 150);
            expected.extend_from_slice(&piece);
            // Once it was polled, all of it is sent, with or without somebody who waits.
            drop(timeout(bound, left.write_all(piece)).await);
        }
        drop(left);
        assert!(reading.await.expect("no panic")? == expected);
        Ok(())
    });
}
