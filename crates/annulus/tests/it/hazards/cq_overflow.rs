//! The completion queue is full, and completions are lost or never flushed.
//!
//! *Evidence*: io-uring#302, tokio-uring#147, liburing#705.
//!
//! *Answer*: overflow is a state and no error: the kernel keeps what does not fit (NODROP), the
//! next enter asks for it (GETEVENTS on the OVERFLOW flag), and a multishot that the kernel ended
//! for it is armed again. It is counted.
//!
//! *Also proven*: `annulus-ring` (`queues`); `annulus-sim` overflows at random.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::rc::Rc;

use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::{Runtime, metrics};
use annulus_sim::{Fault, Faults};
use futures_util::future::join_all;

use super::{pattern, read_to_end};
use crate::cancel::yield_to_kernel;
use crate::harness::ground::on_seeds;
use crate::harness::{check, own_process, share_process};

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

/// Two entries: whatever more is ready overflows.
fn two_entries() -> annulus::runtime::Builder {
    Runtime::builder().entries(2).cq_entries(2).buffer_bytes(256).buffer_count(16)
}

#[test]
fn a_hundred_thousand_requests_complete_through_two_entries() {
    let _shared = share_process();
    let last = check(two_entries(), async {
        let done = Cell::new(0_u32);
        // The first poll of all submits again and again and reaps nothing: what does not fit into
        // the submission queue is submitted amid the turn, and a no-op completes at once.
        join_all((0..100).map(|_| async {
            for _ in 0..1000 {
                yield_to_kernel().await.expect("a no-op does not fail");
                done.set(done.get() + 1);
            }
        }))
        .await;
        assert_eq!(done.get(), 100_000);
        Ok(())
    });
    assert!(last.cq_overflows > 0, "nothing overflowed: {last:?}");
}

#[test]
fn a_flood_for_armed_receives_arrives_whole_through_two_entries() {
    let faults = Faults::all().with(Fault::Overflow, 600);
    let total = on_seeds(
        40,
        |world| world.set_faults(faults),
        two_entries,
        |_| async {
            let mut tasks = Vec::new();
            for n in 0..12 {
                let (left, right) = UnixStream::pair()?;
                tasks.push(annulus::spawn(async move {
                    assert!(read_to_end(&right).await? == pattern(n, 500), "stream {n}");
                    io::Result::Ok(())
                }));
                tasks.push(annulus::spawn(async move {
                    for piece in pattern(n, 500).chunks(50) {
                        left.write_all(piece.to_vec()).await?;
                    }
                    io::Result::Ok(())
                }));
            }
            for task in tasks {
                task.await.expect("no panic")?;
            }
            assert!(metrics()?.cq_overflows > 0, "nothing overflowed");
            Ok(())
        },
    );
    assert!(total.overflowed > 0);
}
