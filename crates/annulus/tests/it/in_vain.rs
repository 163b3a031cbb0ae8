//! Errors that would pass and do not: whoever waits is told, or the core rests; it does not spin.

use std::io;
use std::time::Duration;

use annulus::io::{Events, Readiness};
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use annulus::runtime::{Runtime, metrics};
use annulus::time::timeout;
use annulus_ring::abi::{Errno, Opcode};
use annulus_ring::{AnyKernel, Real};
use annulus_sim::{Failing, Faults, Unreliable};
use futures_util::StreamExt as _;

use crate::harness::run_on;

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);
/// More completions than a few tries cost, and fewer than a turn of a core that spins for a while.
const FEW: u64 = 200;

/// Runs a test on the real kernel, where what is in the list fails from its first request on.
fn run_failing<F: Future<Output = io::Result<()>>>(
    failing: &[(Opcode, i32)],
    test: impl FnOnce(Failing) -> F,
) {
    let list = Failing::default();
    list.lock().unwrap().extend(failing.iter().map(|&(opcode, errno)| (opcode, Errno(errno))));
    let given = list.clone();
    let builder = Runtime::builder().kernel(move || {
        let kernel = Unreliable::new(Real::new(), 1, Faults::none()).failing(given.clone());
        AnyKernel::Dyn(Box::new(kernel))
    });
    run_on(builder, test(list));
}

const PASSING: [i32; 3] = [libc::EAGAIN, libc::EINTR, libc::ENOBUFS];

#[test]
fn a_receive_that_always_fails_says_so_in_the_end() {
    for errno in PASSING {
        run_failing(&[(Opcode::RECV, errno)], |failing| async move {
            let (left, right) = UnixStream::pair()?;
            let before = metrics()?.cqes;
            let received = timeout(BOUND, right.recv()).await.expect("it is told");
            assert_eq!(received.expect_err("it failed").raw_os_error(), Some(errno));
            assert!(metrics()?.cqes - before < FEW);
            // Others are not concerned.
            failing.lock().unwrap().clear();
            let (third, fourth) = UnixStream::pair()?;
            third.write_all("well").await?;
            assert_eq!(&*fourth.recv().await?.expect("it is there"), b"well");
            drop(left);
            Ok(())
        });
    }
}

#[test]
fn a_receive_of_messages_that_always_fails_says_so_in_the_end() {
    for errno in PASSING {
        run_failing(&[(Opcode::RECVMSG, errno)], |failing| async move {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            let before = metrics()?.cqes;
            let received = timeout(BOUND, socket.recv()).await.expect("it is told");
            assert_eq!(received.expect_err("it failed").raw_os_error(), Some(errno));
            assert!(metrics()?.cqes - before < FEW);
            // It was news of the receive, and no end of the socket.
            failing.lock().unwrap().clear();
            let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
            peer.send_to(b"well", socket.local_addr()?)?;
            let datagram = timeout(BOUND, socket.recv()).await.expect("it comes")?;
            assert_eq!(&datagram[..], b"well");
            Ok(())
        });
    }
}

#[test]
fn an_accept_that_always_fails_rests_and_goes_on() {
    for errno in [libc::ECONNABORTED, libc::EAGAIN, libc::EPROTO] {
        run_failing(&[(Opcode::ACCEPT, errno)], |failing| async move {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let before = metrics()?.cqes;
            let mut accepting = Box::pin(listener.accept());
            let waited = timeout(Duration::from_millis(100), &mut accepting).await;
            assert!(waited.is_err(), "there is nobody");
            assert!(metrics()?.cqes - before < FEW);
            failing.lock().unwrap().clear();
            let client = TcpStream::connect(address).await?;
            let (_stream, peer) = timeout(BOUND, accepting).await.expect("it goes on")?;
            assert_eq!(peer, client.local_addr()?);
            Ok(())
        });
    }
}

#[test]
fn a_poll_that_always_fails_says_so_in_the_end() {
    for errno in [libc::EAGAIN, libc::EINTR] {
        run_failing(&[(Opcode::POLL_ADD, errno)], |_| async move {
            let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
            let mut readiness = Readiness::new(ours, Events::READABLE)?;
            let before = metrics()?.cqes;
            let report = timeout(BOUND, readiness.next()).await.expect("it is told");
            let error = report.expect("it has no end").expect_err("it failed");
            assert_eq!(error.raw_os_error(), Some(errno));
            assert!(metrics()?.cqes - before < FEW);
            Ok(())
        });
    }
}
