//! Provided buffers: few of them serve many sockets, nobody starves, and none is lost.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::rc::Rc;

use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::{Builder, Runtime, metrics};

use crate::cancel::{until, yield_to_kernel};
use crate::harness::{check, own_process, run_on, share_process};

/// So few and small buffers that every test runs out of them.
fn tiny(count: u16, incremental: bool) -> Builder {
    Runtime::builder()
        .buffer_count(count)
        .buffers_published(1)
        .buffer_bytes(256)
        .buffers_incremental(incremental)
}

/// Bytes of one stream, different for each.
fn pattern(stream: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (stream * 31 + at * 7 + (at >> 8)) as u8).collect()
}

async fn read_to_end(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(lease) = stream.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(all)
}

/// Everything of the pool is back: with the kernel, or free.
async fn all_returned() -> io::Result<()> {
    until("all leases are back", || metrics().expect("a runtime runs").leases_out == 0).await
}

#[test]
fn two_buffers_serve_two_hundred_sockets() {
    for incremental in [false, true] {
        run_on(tiny(2, incremental), async {
            let pairs: Vec<_> = (0..200).map(|_| UnixStream::pair()).collect::<io::Result<_>>()?;
            let mut tasks = Vec::new();
            for (n, (left, right)) in pairs.into_iter().enumerate() {
                tasks.push(annulus::spawn(async move {
                    assert!(read_to_end(&right).await? == pattern(n, 5000), "stream {n}");
                    io::Result::Ok(())
                }));
                tasks.push(annulus::spawn(async move {
                    for piece in pattern(n, 5000).chunks(500) {
                        left.write_all(piece.to_vec()).await?;
                        yield_to_kernel().await?;
                    }
                    left.shutdown(Shutdown::Write)
                }));
            }
            for task in tasks {
                task.await.expect("no panic")?;
            }
            assert!(metrics()?.starvations > 0, "the pool was exhausted");
            all_returned().await
        });
    }
}

#[test]
fn leases_that_are_held_for_ever_stall_nobody_else() {
    for incremental in [false, true] {
        run_on(tiny(4, incremental), async {
            // Takes every buffer there is, and keeps it.
            let (hog, hogged) = UnixStream::pair()?;
            let mut held = Vec::new();
            for _ in 0..8 {
                hog.write_all(vec![1; 256]).await?;
                held.push(hogged.recv().await?.expect("no end yet"));
            }
            let (left, right) = UnixStream::pair()?;
            let mut received = 0;
            for round in 0..100usize {
                left.write_all(pattern(round, 300)).await?;
                let ((), got) = right.read_exact(vec![0; 300]).await?;
                assert!(got == pattern(round, 300), "round {round}");
                left.write_all("lease me").await?;
                while received < 8 {
                    received += right.recv().await?.expect("no end yet").len();
                }
                received = 0;
            }
            assert!(metrics()?.heap_receives > 0, "the heap helped out");
            drop(held);
            all_returned().await
        });
    }
}

#[test]
fn a_socket_that_nobody_reads_cannot_take_the_whole_pool() {
    for incremental in [false, true] {
        run_on(tiny(16, incremental), async {
            let (hog, unread) = UnixStream::pair()?;
            // Arms the receive, then nobody is there any more.
            let mut reading = Box::pin(unread.recv());
            assert!(futures_util::poll!(&mut reading).is_pending());
            drop(reading);
            let flood = pattern(3, 100_000);
            let expected = flood.clone();
            let sending = annulus::spawn(async move {
                hog.write_all(flood).await?;
                io::Result::Ok(hog)
            });
            for _ in 0..100 {
                yield_to_kernel().await?;
            }
            let out = metrics()?.leases_out;
            assert!(out < 16 || incremental, "{out} of 16 buffers lie unread");
            // Others are served from the pool, not from the heap.
            let heap = metrics()?.heap_receives;
            let (left, right) = UnixStream::pair()?;
            for _ in 0..20 {
                left.write_all("question").await?;
                assert_eq!(&*right.recv().await?.expect("no end yet"), b"question");
            }
            assert_eq!(metrics()?.heap_receives, heap);
            // And nothing of the flood is lost.
            let reader = annulus::spawn(async move { read_to_end(&unread).await });
            let hog = sending.await.expect("no panic")?;
            drop(hog);
            assert!(reader.await.expect("no panic")? == expected);
            Ok(())
        });
    }
}

#[test]
fn ends_and_resets_and_cancels_lose_no_buffer() {
    for incremental in [false, true] {
        run_on(tiny(2, incremental), async {
            for round in 0..600usize {
                let (left, right) = UnixStream::pair()?;
                match round % 4 {
                    0 => {} // an end without data
                    1 => left.write_all(pattern(round, 100)).await.map(drop)?,
                    2 => {
                        // A receive that is given up with data under way.
                        let mut reading = Box::pin(right.recv());
                        assert!(futures_util::poll!(&mut reading).is_pending());
                        left.send_nowait(&[9; 50])?;
                        yield_to_kernel().await?;
                        drop(reading);
                        continue;
                    }
                    _ => {
                        let mut reading = Box::pin(right.recv());
                        assert!(futures_util::poll!(&mut reading).is_pending());
                        yield_to_kernel().await?;
                        drop(reading);
                    }
                }
                left.shutdown(Shutdown::Write)?;
                let expected = if round % 4 == 1 { 100 } else { 0 };
                assert_eq!(read_to_end(&right).await?, pattern(round, expected));
            }
            all_returned().await?;
            // Both buffers are still in circulation: the pool alone serves what fits into one.
            let (left, right) = UnixStream::pair()?;
            let heap = metrics()?.heap_receives;
            for round in 0..50usize {
                left.write_all(pattern(round, 200)).await?;
                let ((), got) = async {
                    let mut got = Vec::new();
                    while got.len() < 200 {
                        got.extend_from_slice(&right.recv().await?.expect("no end yet"));
                    }
                    io::Result::Ok(((), got))
                }
                .await?;
                assert_eq!(got, pattern(round, 200));
            }
            assert_eq!(metrics()?.heap_receives, heap, "a buffer was lost");
            Ok(())
        });
    }
}

#[test]
fn leases_of_one_buffer_keep_their_own_bytes() {
    run_on(tiny(4, true), async {
        let (left, right) = UnixStream::pair()?;
        let mut held = Vec::new();
        for round in 0..40usize {
            left.write_all(pattern(round, 16)).await?;
            held.push(right.recv().await?.expect("no end yet"));
        }
        for (round, lease) in held.iter_mut().enumerate() {
            assert_eq!(**lease, pattern(round, 16));
            lease.fill(0xee); // must not reach into its neighbours
        }
        for lease in &held {
            assert!(lease.iter().all(|&byte| byte == 0xee));
        }
        // In any order.
        while !held.is_empty() {
            held.swap_remove(held.len() * 7 / 13);
        }
        all_returned().await
    });
}

/// Connects `count` sockets of `std` to this core; gives both ends.
async fn connections(count: usize) -> io::Result<(Vec<std::net::TcpStream>, Vec<TcpStream>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (mut clients, mut servers) = (Vec::new(), Vec::new());
    for _ in 0..count {
        clients.push(std::net::TcpStream::connect(address)?);
        servers.push(listener.accept().await?.0);
    }
    Ok((clients, servers))
}

#[test]
fn an_overflowing_completion_queue_loses_nothing() {
    let _own = own_process();
    annulus::runtime::raise_descriptor_limit().unwrap();
    let sockets = 2000.min((crate::limits::descriptor_limit().0 as usize - 100) / 2);
    for incremental in [false, true] {
        let builder = Runtime::builder()
            .entries(8)
            .cq_entries(8)
            .buffer_bytes(512)
            .buffers_incremental(incremental);
        let last = check(builder, async move {
            let (clients, servers) = connections(sockets).await?;
            let received = Rc::new(Cell::new(0));
            let tasks: Vec<_> = servers
                .into_iter()
                .enumerate()
                .map(|(n, server)| {
                    let received = received.clone();
                    annulus::spawn(async move {
                        let mut all = Vec::new();
                        while let Some(lease) = server.recv().await? {
                            all.extend_from_slice(&lease);
                        }
                        assert!(all == pattern(n, 300), "socket {n}");
                        received.set(received.get() + 1);
                        io::Result::Ok(())
                    })
                })
                .collect();
            yield_to_kernel().await?; // all receives are armed
            // All at once, while the core stands still: every completion but eight overflows.
            for (n, mut client) in clients.iter().enumerate() {
                client.write_all(&pattern(n, 300))?;
            }
            drop(clients);
            for task in tasks {
                task.await.expect("no panic")?;
            }
            assert_eq!(received.get(), sockets);
            Ok(())
        });
        assert!(last.cq_overflows > 0, "nothing overflowed: {last:?}");
    }
}

#[test]
fn a_lease_from_a_dead_runtime_keeps_its_memory() {
    let _shared = share_process();
    let mut kept = Vec::new();
    for round in 0..20usize {
        let runtime = tiny(2, round % 2 == 0).build().unwrap();
        let lease = runtime.block_on(async {
            let (left, right) = UnixStream::pair()?;
            left.write_all(pattern(round, 100)).await?;
            right.recv().await
        });
        kept.push(lease.unwrap().expect("no end yet"));
    }
    for (round, lease) in kept.into_iter().enumerate() {
        assert_eq!(*lease, pattern(round, 100));
    }
}
