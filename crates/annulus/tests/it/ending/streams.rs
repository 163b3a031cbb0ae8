//! Multishots as streams: dropped after any item, armed again, flooded.

use std::collections::HashSet;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use annulus::io::{Events, Readiness};
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::Runtime;
use annulus::time::interval;
use futures_util::{StreamExt as _, TryStreamExt as _, poll};

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::{run, run_on, share_process};

const ITEMS: usize = 6;

#[test]
fn incoming_dropped_after_any_number_of_items_loses_no_connection() {
    run(async {
        for taken in 0..=ITEMS {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let mut clients = Vec::new();
            for _ in 0..ITEMS {
                clients.push(TcpStream::connect(address).await?);
            }
            let mut peers = HashSet::new();
            let mut incoming = listener.incoming();
            for _ in 0..taken {
                let (_stream, peer) = incoming.try_next().await?.expect("it has no end");
                peers.insert(peer);
            }
            if taken < ITEMS {
                // Waiting or not: a stream that is dropped holds nothing.
                let _ = poll!(incoming.next())
                    .map(|item| item.map(|item| peers.insert(item.unwrap().1)));
            }
            drop(incoming);
            while peers.len() < ITEMS {
                peers.insert(listener.accept().await?.1);
            }
            let expected: HashSet<_> =
                clients.iter().map(|client| client.local_addr()).collect::<io::Result<_>>()?;
            assert_eq!(peers, expected, "after {taken}");
        }
        Ok(())
    });
}

#[test]
fn leases_dropped_after_any_number_of_items_lose_no_byte() {
    run(async {
        for taken in 0..=ITEMS {
            let (left, right) = UnixStream::pair()?;
            let writer = annulus::spawn(async move {
                for byte in 0..ITEMS as u8 {
                    left.write_all(vec![byte; 100]).await?;
                    yield_to_kernel().await?;
                }
                left.shutdown(Shutdown::Write)
            });
            let mut all = Vec::new();
            let mut leases = right.leases().take(taken);
            while let Some(lease) = leases.try_next().await? {
                all.extend_from_slice(&lease);
            }
            drop(leases);
            while let Some(lease) = right.recv().await? {
                all.extend_from_slice(&lease);
            }
            assert!(right.leases().next().await.is_none(), "the end stays the end");
            let expected: Vec<u8> = (0..ITEMS as u8).flat_map(|byte| [byte; 100]).collect();
            assert_eq!(all, expected, "after {taken}");
            writer.await.expect("the writer does not panic")?;
        }
        Ok(())
    });
}

#[test]
fn readiness_dropped_after_any_number_of_items_leaves_nothing() {
    run(async {
        for taken in 0..=ITEMS {
            let (mut ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let mut readiness = Readiness::new(ours.try_clone()?, Events::READABLE)?;
            let mut buf = [0; 8];
            for round in 0..taken {
                assert!(poll!(readiness.next()).is_pending(), "nothing is there");
                theirs.write_all(&[round as u8])?;
                let events = readiness.try_next().await?.expect("it has no end");
                assert!(events.contains(Events::READABLE));
                assert_eq!(ours.read(&mut buf)?, 1);
                assert_eq!(buf[0], round as u8);
            }
            theirs.write_all(b"unheard")?;
            drop(readiness);
            assert_eq!(ours.read(&mut buf)?, 7, "the descriptor itself is another's");
        }
        at_rest().await
    });
}

#[test]
fn readiness_reports_what_happened_while_nobody_listened() {
    run(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut readiness = Readiness::new(ours, Events::READABLE)?;
        assert!(poll!(readiness.next()).is_pending());
        for _ in 0..100 {
            theirs.write_all(b"x")?;
            yield_to_kernel().await?;
        }
        drop(theirs);
        crate::harness::turns(2).await;
        let mut events = Events::default();
        while !events.contains(Events::HANG_UP) {
            events |= readiness.try_next().await?.expect("it has no end");
        }
        assert!(events.contains(Events::READABLE), "{events:?}");
        Ok(())
    });
}

#[test]
fn two_watch_the_same_file_and_one_of_them_goes() {
    run(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut one = Readiness::new(ours.try_clone()?, Events::READABLE)?;
        let mut other = Readiness::new(ours, Events::READABLE)?;
        assert!(poll!(one.next()).is_pending() && poll!(other.next()).is_pending());
        yield_to_kernel().await?;
        drop(one);
        theirs.write_all(b"x")?;
        assert!(other.try_next().await?.expect("no end").contains(Events::READABLE));
        Ok(())
    });
}

#[test]
fn an_interval_is_a_stream() {
    run(async {
        let period = Duration::from_micros(200);
        let ticks: Vec<_> = interval(period).take(4).collect().await;
        for pair in ticks.windows(2) {
            assert_eq!(pair[1] - pair[0], period);
        }
        Ok(())
    });
}

#[test]
fn a_flood_that_overflows_the_completion_queue_loses_no_item() {
    let _shared = share_process();
    let builder = Runtime::builder()
        .entries(4)
        .cq_entries(8)
        .buffer_bytes(256)
        .buffer_count(8)
        .buffers_published(2);
    let last = crate::harness::check(builder, async {
        let mut tasks = Vec::new();
        let mut peers = Vec::new();
        for stream in 0..60_u8 {
            let (left, right) = UnixStream::pair()?;
            peers.push(left);
            tasks.push(annulus::spawn(async move {
                let mut all = Vec::new();
                let mut leases = right.leases();
                while let Some(lease) = leases.try_next().await? {
                    all.extend_from_slice(&lease);
                }
                assert_eq!(all, vec![stream; 500]);
                io::Result::Ok(())
            }));
        }
        annulus::task::yield_now().await;
        yield_to_kernel().await?;
        for _ in 0..5 {
            // All at once, past the ring: the completions come in one turn.
            for (stream, left) in peers.iter().enumerate() {
                let bytes = [stream as u8; 100];
                // SAFETY: writes readable bytes to a descriptor that the stream keeps open.
                let n = unsafe {
                    libc::write(std::os::fd::AsRawFd::as_raw_fd(left), bytes.as_ptr().cast(), 100)
                };
                assert_eq!(n, 100);
            }
            yield_to_kernel().await?;
        }
        drop(peers);
        for task in tasks {
            task.await.expect("the reader does not panic")?;
        }
        Ok(())
    });
    assert!(last.cq_overflows > 0, "it was a flood: {last:?}");
    assert!(last.starvations > 0, "of more than the buffers hold: {last:?}");
}

#[test]
fn streams_of_many_sockets_share_one_buffer() {
    let builder = Runtime::builder().buffer_bytes(64).buffer_count(1).buffers_published(1);
    run_on(builder, async {
        let mut tasks = Vec::new();
        for stream in 0..20_u8 {
            let (left, right) = UnixStream::pair()?;
            tasks.push(annulus::spawn(async move {
                left.write_all(vec![stream; 1000]).await?;
                left.shutdown(Shutdown::Write)?;
                let all: Vec<_> =
                    right.leases().map_ok(|lease| lease.to_vec()).try_collect().await?;
                assert_eq!(all.concat(), vec![stream; 1000]);
                io::Result::Ok(())
            }));
        }
        for task in tasks {
            task.await.expect("the reader does not panic")?;
        }
        Ok(())
    });
}
