//! The kernel begins a connect, and does not end the request that asked for it.
//!
//! *Evidence*: io_connect() of Linux connects without waiting and then waits for the socket by
//! poll. If it cannot, it punts the request to a worker, which asks the socket again: that does not
//! wait either and says EALREADY. If no worker can be started, the request is cancelled and this
//! runtime asks again (`unasked_cancel`), with the same answer; a socket that is connected by then
//! may say EISCONN.
//!
//! *Answer*: EALREADY and EINPROGRESS mean that the connect is under way: the socket is waited for,
//! and its error is the result, or EISCONN if it leads to another address. EISCONN is a success if
//! this very connect was asked for before.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use annulus::OpExt as _;
use annulus::net::{TcpSocket, TcpStream};
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;
use futures_util::poll;
use rustix::event::{PollFd, PollFlags, poll as poll_fds};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily, SocketType};

use crate::cancel::{at_rest, yield_to_kernel};
use crate::files::faulty::{Fault, Faults};
use crate::harness::run_on;

/// A connect that nobody waits for: what the kernel has done of a request that came to nothing.
fn begin(socket: &TcpSocket, to: SocketAddr) -> Result<(), Errno> {
    retry_on_intr(|| net::connect(socket, &to))
}

/// Runs a test on a kernel where connects end like this, one after the other, before any succeeds.
fn run_answered<F: Future<Output = io::Result<()>>>(
    answers: &[i32],
    test: impl FnOnce(Faults) -> F,
) {
    let faults = Faults::default();
    for &errno in answers {
        faults.plan_for(Opcode::CONNECT, 0, Fault::Fails(errno));
    }
    let seen = faults.clone();
    run_on(Runtime::builder().kernel(faults.kernel()), test(faults));
    assert!(seen.are_done(), "fewer connects than were expected");
}

/// Both ways.
async fn works(stream: &TcpStream, listener: &TcpListener) -> io::Result<()> {
    let peer = TcpStream::from_std(listener.accept()?.0)?;
    stream.write_all("there").await?;
    assert_eq!(peer.read_exact(vec![0; 5]).await?.1, b"there");
    peer.write_all("back").await?;
    assert_eq!(stream.read_exact(vec![0; 4]).await?.1, b"back");
    Ok(())
}

#[test]
fn a_connect_that_is_under_way_is_waited_for() {
    for errno in [libc::EALREADY, libc::EINPROGRESS] {
        for answers in [&[errno][..], &[libc::ECANCELED, errno]] {
            run_answered(answers, |_| async {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let (socket, address) = (TcpSocket::new_v4()?, listener.local_addr()?);
                assert!(matches!(begin(&socket, address), Ok(()) | Err(Errno::INPROGRESS)));
                let stream = socket.connect(address).await?;
                assert_eq!(stream.peer_addr()?, address);
                works(&stream, &listener).await
            });
        }
    }
}

#[test]
fn a_connect_of_somebody_else_to_another_address_is_no_success() {
    run_answered(&[libc::EALREADY], |_| async {
        let (other, asked) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let socket = TcpSocket::new_v4()?;
        assert!(matches!(begin(&socket, other.local_addr()?), Ok(()) | Err(Errno::INPROGRESS)));
        let error = socket.connect(asked.local_addr()?).await.expect_err("it is the other's");
        assert_eq!(error.raw_os_error(), Some(libc::EISCONN));
        at_rest().await
    });
}

#[test]
fn an_address_that_means_this_machine_is_that_of_a_connect_under_way() {
    run_answered(&[libc::EALREADY], |_| async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let any = SocketAddr::from(([0, 0, 0, 0], listener.local_addr()?.port()));
        let socket = TcpSocket::new_v4()?;
        assert!(matches!(begin(&socket, any), Ok(()) | Err(Errno::INPROGRESS)));
        works(&socket.connect(any).await?, &listener).await
    });
}

#[test]
fn its_error_is_told() {
    run_answered(&[libc::ECANCELED, libc::EALREADY], |_| async {
        // It has the address, and nobody listens there.
        let silent = TcpSocket::new_v4()?;
        silent.bind("127.0.0.1:0".parse::<SocketAddr>().expect("an address"))?;
        let address = match net::getsockname(&silent)?.try_into() {
            Ok(address) => address,
            Err(error) => panic!("{error:?} of a TCP socket"),
        };
        let socket = TcpSocket::new_v4()?;
        assert_eq!(begin(&socket, address), Err(Errno::INPROGRESS));
        let error = socket.connect(address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        drop(silent);
        at_rest().await
    });
}

#[test]
fn a_socket_that_is_connected_is_a_success_only_of_a_connect_that_was_asked_for_before() {
    for (answers, succeeds) in [(&[libc::ECANCELED][..], true), (&[], false)] {
        run_answered(answers, |faults| async move {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let (socket, address) = (TcpSocket::new_v4()?, listener.local_addr()?);
            // The second one is told that the first has succeeded.
            while begin(&socket, address) != Err(Errno::ISCONN) {}
            match socket.connect(address).await {
                Ok(stream) => {
                    assert!(succeeds, "somebody else had connected it");
                    works(&stream, &listener).await?;
                }
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EISCONN));
                    assert!(!succeeds, "{error}");
                }
            }
            assert_eq!(faults.seen(Opcode::CONNECT), answers.len() + 1);
            at_rest().await
        });
    }
}

/// A listener with room for one connection, and that connection. Others wait in the network.
fn full() -> io::Result<(TcpListener, std::net::TcpStream)> {
    let socket: OwnedFd = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
    net::listen(&socket, 0)?;
    let listener = TcpListener::from(socket);
    let first = std::net::TcpStream::connect(listener.local_addr()?)?;
    // Its last packet may be on its way, and until then there is room for one more.
    let mut there = [PollFd::new(&listener, PollFlags::IN)];
    retry_on_intr(|| poll_fds(&mut there, None))?;
    Ok((listener, first))
}

#[test]
fn what_the_kernel_has_begun_comes_to_its_end_or_is_ended() {
    for (way, answers) in
        [("goes on", &[libc::ECANCELED][..]), ("is cancelled", &[]), ("is dropped", &[])]
    {
        run_answered(answers, |faults| async move {
            let (listener, first) = full()?;
            let (socket, address) = (TcpSocket::new_v4()?, listener.local_addr()?);
            assert_eq!(begin(&socket, address), Err(Errno::INPROGRESS));
            let mut connecting = socket.connect(address);
            // Until the socket is waited for.
            while faults.seen(Opcode::POLL_ADD) == 0 {
                assert!(poll!(&mut connecting).is_pending());
                yield_to_kernel().await?;
            }
            match way {
                "goes on" => {
                    drop(listener.accept()?);
                    // The kernel asks once more, a second after the first time.
                    works(&connecting.await?, &listener).await?;
                }
                "is cancelled" => {
                    let error = connecting.cancel().await.expect_err("there is no room");
                    assert_eq!(error.kind(), ErrorKind::Interrupted);
                }
                _ => drop(connecting),
            }
            drop(first);
            at_rest().await
        });
    }
}
