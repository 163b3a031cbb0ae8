//! A request that answers many times goes on answering after its handle is gone.
//!
//! *Evidence*: tokio-uring#129.
//!
//! *Answer*: the record keeps an armed receive or accept until its completion without `F_MORE`;
//! each result that comes meanwhile is given back: a buffer to the pool, a connection to close.
//! Who wants to go on arms it again, whatever its last result was.
//!
//! *Also proven*: `cancel`; `annulus-sim` ends multishots with successes.

use std::io;
use std::net::Shutdown;
use std::task::Poll;

use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::metrics;
use annulus_sim::{Fault, Faults};

use super::pattern;
use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::{on_both, on_seeds, tiny};

/// Results of a request in these tests.
const RESULTS: usize = 6;

#[test]
fn a_stream_dropped_after_any_number_of_messages_gives_all_buffers_back() {
    on_both(30, |_| async {
        for taken in 0..=RESULTS {
            for keep in [false, true] {
                let (left, right) = UnixStream::pair()?;
                let mut leases = Vec::new();
                let mut waiting = Box::pin(right.recv());
                assert!(futures_util::poll!(&mut waiting).is_pending());
                drop(waiting); // armed, with nobody there
                let mut bytes = 0;
                for message in 0..RESULTS {
                    left.write_all(pattern(message, 50)).await?;
                    if message < taken {
                        let lease = right.recv().await?.expect("no end yet");
                        bytes += lease.len();
                        leases.push(lease);
                    }
                }
                assert!(bytes <= RESULTS * 50);
                drop(right);
                if !keep {
                    leases.clear();
                }
                let held = leases.len() as u32;
                until("others are back", || metrics().expect("it runs").leases_out <= held).await?;
            }
        }
        at_rest().await
    });
}

#[test]
fn a_listener_dropped_after_any_number_of_connections_closes_the_others() {
    on_both(30, |_| async {
        for taken in 0..=RESULTS {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let mut accepting = Box::pin(listener.accept());
            assert!(futures_util::poll!(&mut accepting).is_pending());
            drop(accepting);
            let mut clients = Vec::new();
            for _ in 0..RESULTS {
                clients.push(TcpStream::connect(address).await?);
            }
            let mut servers = Vec::new();
            for _ in 0..taken {
                servers.push(listener.accept().await?);
            }
            drop(listener);
            for (server, peer) in &servers {
                let client = clients
                    .iter()
                    .position(|client| client.local_addr().expect("it is connected") == *peer);
                let client = clients.swap_remove(client.expect("it is one of ours"));
                server.write_all("taken").await?;
                assert_eq!(client.read_exact(vec![0; 5]).await?.1, b"taken");
            }
            for client in clients {
                // The end, or a reset: nobody holds the other side any more.
                assert!(matches!(client.recv().await, Ok(None) | Err(_)));
            }
        }
        at_rest().await
    });
}

#[test]
fn readers_that_come_and_go_between_the_results_lose_none() {
    on_both(60, |ground| async move {
        let (left, right) = UnixStream::pair()?;
        let sent = pattern(ground.seed() as usize, 3000);
        let expected = sent.clone();
        let writing = annulus::spawn(async move {
            for chunk in sent.chunks(30) {
                left.write_all(chunk.to_vec()).await?;
            }
            left.shutdown(Shutdown::Write)?;
            io::Result::Ok(left)
        });
        let mut all = Vec::new();
        for round in 0.. {
            let mut waiting = Box::pin(right.recv());
            let lease = match futures_util::poll!(&mut waiting) {
                Poll::Ready(lease) => lease?,
                // Some are there only for a moment.
                Poll::Pending if round % 3 > 0 => {
                    yield_to_kernel().await?;
                    continue;
                }
                Poll::Pending => waiting.await?,
            };
            let Some(lease) = lease else { break };
            all.extend_from_slice(&lease);
        }
        assert!(all == expected, "{} of {} bytes", all.len(), expected.len());
        drop(writing.await.expect("no panic")?);
        Ok(())
    });
}

#[test]
fn a_request_that_ends_with_a_success_is_armed_again() {
    let faults = Faults::all().with(Fault::MultishotEnd, 900);
    let total = on_seeds(
        60,
        |world| world.set_faults(faults),
        tiny,
        |ground| async move {
            let (left, right) = UnixStream::pair()?;
            let sent = pattern(ground.seed() as usize, 2000);
            let expected = sent.clone();
            let writing = annulus::spawn(async move {
                for chunk in sent.chunks(100) {
                    left.write_all(chunk.to_vec()).await?;
                    yield_to_kernel().await?;
                }
                io::Result::Ok(())
            });
            assert!(super::read_to_end(&right).await? == expected);
            writing.await.expect("no panic")
        },
    );
    assert!(total.count(Fault::MultishotEnd) > 0);
}
