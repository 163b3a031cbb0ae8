//! Every future of a socket that keeps messages apart, ended at every point: no message is lost,
//! none comes twice, and no descriptor that travels in one is left open.

use std::future::Future;
use std::io;
use std::net::UdpSocket as StdSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdUnix;
use std::sync::{Arc, Mutex};

use annulus::net::control::Control;
use annulus::net::{UdpSocket, UnixDatagram, UnixSeqpacket};

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Cut, Points};

/// What the peer sends, and then `END`.
const PIECES: [&[u8]; 6] = [b"a", b"bc", b"", b"def", b"ghij", b"k"];
const END: &[u8] = b"the end";
const ANY: &str = "127.0.0.1:0";

type Taken = Arc<Mutex<Vec<Vec<u8>>>>;

fn note(taken: &Taken, bytes: impl Into<Vec<u8>>) {
    taken.lock().unwrap().push(bytes.into());
}

/// A value that a future may borrow and be forgotten.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// # Safety
/// * From `leaked`; whoever borrowed it is gone, or is never polled again.
unsafe fn unleak<T>(value: &'static T) {
    // SAFETY: the caller's contract; `leaked` made the box.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(value).cast_mut()) });
}

/// Ends `take` of a socket whose peer sends [`PIECES`]. What it took and what is left must be what
/// was sent.
async fn receiving<F>(cut: Cut, take: impl FnOnce(&'static UdpSocket, Taken) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let socket = leaked(UdpSocket::bind(ANY)?);
    let (peer, to) = (StdSocket::bind(ANY)?, socket.local_addr()?);
    let sending = annulus::spawn(async move {
        for piece in PIECES {
            peer.send_to(piece, to)?;
            super::yield_to_kernel().await?;
        }
        peer.send_to(END, to).map(drop)
    });
    let taken = Taken::default();
    cut.end(take(socket, taken.clone())).await.transpose()?;
    sending.await.expect("the peer does not panic")?;
    if !cut.forgets() {
        loop {
            let datagram = socket.recv().await?;
            if *datagram == *END {
                break;
            }
            note(&taken, &*datagram);
        }
        assert_eq!(*taken.lock().unwrap(), PIECES, "{cut:?}");
    }
    // SAFETY: the future that borrowed it is gone, or forgotten and never polled again.
    unsafe { unleak(socket) };
    Ok(())
}

#[test]
fn a_leased_receive_ended_anywhere_loses_no_datagram() {
    Points::of(&["net::udp_socket::receiving::recv", "net::udp_socket::receiving::recv_batch"])
        .real_only("datagrams")
        .run(|cut| {
            receiving(cut, |socket, taken| async move {
                note(&taken, &*socket.recv().await?);
                note(&taken, &*socket.recv().await?);
                for datagram in socket.recv_batch(2).await? {
                    note(&taken, &*datagram);
                }
                Ok(())
            })
        });
}

#[test]
fn a_stream_of_datagrams_ended_anywhere_loses_none() {
    Points::of(&["net::datagrams::Datagrams"]).real_only("datagrams").run(|cut| {
        receiving(cut, |socket, taken| async move {
            let mut datagrams = socket.datagrams().take(4);
            while let Some(datagram) = datagrams.try_next().await? {
                note(&taken, &*datagram);
            }
            Ok(())
        })
    });
}

#[test]
fn a_receive_into_a_buffer_ended_anywhere_loses_no_datagram() {
    Points::of(&[
        "net::udp_socket::receiving::read",
        "net::udp_socket::receiving::recv_from",
        "net::udp_socket::receiving::recv_msg",
    ])
    .real_only("datagrams")
    .run(|cut| {
        receiving(cut, |socket, taken| async move {
            note(&taken, socket.read(Vec::with_capacity(9)).await?.1);
            note(&taken, socket.recv_from(Vec::with_capacity(9)).await?.1);
            let (_, (buf, _)) =
                socket.recv_msg(Vec::with_capacity(9), Control::with_room(64)).await?;
            note(&taken, buf);
            Ok(())
        })
    });
}

#[test]
fn receives_of_all_kinds_ended_anywhere_lose_no_datagram() {
    Points::of(&["net::udp_socket::receiving::recv", "net::udp_socket::receiving::read"])
        .real_only("datagrams")
        .run(|cut| {
            receiving(cut, |socket, taken| async move {
                // Noted at once: a join that is dropped drops the outputs that it has.
                let read = async {
                    note(&taken, socket.read(Vec::with_capacity(9)).await?.1);
                    io::Result::Ok(())
                };
                let recv = async {
                    note(&taken, &*socket.recv().await?);
                    io::Result::Ok(())
                };
                let (read, received) = futures_util::join!(read, recv);
                read?;
                received?;
                note(&taken, socket.read(Vec::with_capacity(9)).await?.1);
                Ok(())
            })
        });
}

#[test]
fn a_peek_ended_anywhere_takes_nothing() {
    Points::of(&["net::udp_socket::receiving::peek", "net::udp_socket::receiving::peek_from"])
        .real_only("datagrams")
        .run(|cut| {
            receiving(cut, |socket, _| async {
                let (n, buf) = socket.peek(vec![0; 9]).await?;
                assert_eq!(&buf[..n], PIECES[0]);
                let ((n, _), buf) = socket.peek_from(vec![0; 9]).await?;
                assert_eq!(&buf[..n], PIECES[0]);
                Ok(())
            })
        });
}

#[test]
fn a_send_ended_anywhere_sends_whole_datagrams_or_none() {
    Points::of(&[
        "net::udp_socket::connect",
        "net::udp_socket::sending::send",
        "net::udp_socket::sending::send_to",
        "net::udp_socket::sending::send_segments",
        "net::udp_socket::sending::send_batch",
        "net::udp_socket::sending::send_msg",
    ])
    .real_only("datagrams")
    .run(|cut| async move {
        let receiver = UdpSocket::bind(ANY)?;
        let (socket, to) = (leaked(UdpSocket::bind(ANY)?), receiver.local_addr()?);
        let exchange = async move {
            socket.connect(to).await?;
            socket.send("a").await?;
            socket.send_to(vec![b'b'; 2], to).await?;
            socket.send_segments("cccd", 3, None).await?;
            for sent in socket.send_batch([("e", to), ("f", to)]).await {
                sent?;
            }
            socket.send_msg(("g", vec![b'h']), None, Control::new()).await?;
            io::Result::Ok(())
        };
        let sent = cut.end(exchange).await.transpose()?;
        super::yield_to_kernel().await?;
        socket.send_to(END, to).await?;
        let mut got: Vec<u8> = Vec::new();
        loop {
            let datagram = receiver.recv().await?;
            if *datagram == *END {
                break;
            }
            got.push(datagram[0]);
            let len = [1, 2, 3, 1, 1, 1, 2][usize::from(datagram[0] - b'a')];
            assert_eq!(datagram.len(), len, "{cut:?}");
        }
        assert!(b"abcdefg".starts_with(&got[..]), "{cut:?}: {got:?}");
        assert!(sent.is_none() || got.len() == 7, "{cut:?}: {got:?}");
        // SAFETY: the future that borrowed it is gone, or forgotten and never polled again.
        unsafe { unleak(socket) };
        Ok(())
    });
}

#[test]
fn into_std_ended_anywhere_closes_the_socket() {
    Points::of(&["net::udp_socket::into_std"]).real_only("a std socket").run(|cut| async move {
        let socket = UdpSocket::bind(ANY)?;
        // Arms the receive, which into_std has to end first.
        assert!(socket.try_recv()?.is_none());
        super::yield_to_kernel().await?;
        drop(cut.end(socket.into_std()).await);
        Ok(())
    });
}

/// A message with a descriptor.
fn passing() -> io::Result<Control> {
    let mut control = Control::new();
    control.pass(vec![OwnedFd::from(std::fs::File::open("/dev/null")?)])?;
    Ok(control)
}

#[test]
fn receives_of_unix_datagrams_ended_anywhere_lose_nothing_and_leave_no_descriptor() {
    Points::of(&[
        "net::unix_datagram::receiving::recv",
        "net::unix_datagram::receiving::recv_batch",
        "net::unix_datagram::receiving::read",
        "net::unix_datagram::receiving::recv_from",
        "net::unix_datagram::receiving::recv_msg",
        "net::unix_datagram::receiving::peek_from",
        "net::unix_datagram::send_msg",
    ])
    .real_only("datagrams")
    .run(|cut| async move {
        let (left, right) = UnixDatagram::pair()?;
        let right = leaked(right);
        let sending = annulus::spawn(async move {
            for piece in PIECES {
                left.send_msg((piece,), None, passing()?).await?;
                super::yield_to_kernel().await?;
            }
            left.send(END).await?;
            io::Result::Ok(())
        });
        let taken = Taken::default();
        let exchange = {
            let taken = taken.clone();
            async move {
                let (_, (buf, mut control)) =
                    right.recv_msg(Vec::with_capacity(9), Control::with_room(24)).await?;
                assert_eq!(control.take_rights().len(), 1);
                note(&taken, buf);
                let mut datagram = right.recv().await?;
                assert_eq!(datagram.take_rights().len(), 1);
                note(&taken, &*datagram);
                right.peek_from(Vec::with_capacity(9)).await?;
                note(&taken, right.read(Vec::with_capacity(9)).await?.1);
                note(&taken, right.recv_from(Vec::with_capacity(9)).await?.1);
                note(&taken, &*right.recv_batch(1).await?[0]);
                io::Result::Ok(())
            }
        };
        cut.end(exchange).await.transpose()?;
        sending.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            loop {
                let datagram = right.recv().await?;
                if *datagram == *END {
                    break;
                }
                note(&taken, &*datagram);
            }
            assert_eq!(*taken.lock().unwrap(), PIECES, "{cut:?}");
        }
        // SAFETY: the future that borrowed it is gone, or forgotten and never polled again.
        unsafe { unleak(right) };
        Ok(())
    });
}

#[test]
fn sends_of_unix_datagrams_ended_anywhere_send_whole_ones_or_none() {
    Points::of(&[
        "net::unix_datagram::connect",
        "net::unix_datagram::connect_addr",
        "net::unix_datagram::send",
        "net::unix_datagram::send_to",
        "net::unix_datagram::send_to_addr",
        "net::unix_datagram::into_std",
    ])
    .real_only("datagrams")
    .run(|cut| async move {
        let path = cut.file("socket", b"");
        std::fs::remove_file(&path)?;
        let receiver = StdUnix::bind(&path)?;
        receiver.set_nonblocking(true)?;
        let address = receiver.local_addr()?;
        let socket = UnixDatagram::unbound()?;
        let exchange = {
            let path = path.clone();
            async move {
                socket.send_to("a", &path).await?;
                socket.send_to_addr("b", &address).await?;
                socket.connect(&path).await?;
                socket.send("c").await?;
                socket.connect_addr(&address).await?;
                socket.send("d").await?;
                drop(socket.into_std().await?);
                io::Result::Ok(())
            }
        };
        let sent = cut.end(exchange).await.transpose()?;
        super::yield_to_kernel().await?;
        let (mut got, mut buf) = (Vec::new(), [0; 10]);
        while let Ok(1) = receiver.recv(&mut buf) {
            got.push(buf[0]);
        }
        assert!(b"abcd".starts_with(&got[..]), "{cut:?}: {got:?}");
        assert!(sent.is_none() || got.len() == 4, "{cut:?}: {got:?}");
        std::fs::remove_file(&path)
    });
}

#[test]
fn futures_of_packets_ended_anywhere_lose_none_and_leave_no_descriptor() {
    Points::of(&[
        "net::unix_seqpacket::recv",
        "net::unix_seqpacket::read",
        "net::unix_seqpacket::recv_msg",
        "net::unix_seqpacket::send",
        "net::unix_seqpacket::send_msg",
        "net::unix_seqpacket::into_fd",
    ])
    .real_only("datagrams")
    .run(|cut| async move {
        let (left, right) = UnixSeqpacket::pair()?;
        let right = leaked(right);
        let pieces = || PIECES.into_iter().filter(|piece| !piece.is_empty());
        let sending = annulus::spawn(async move {
            for piece in pieces() {
                left.send_msg((piece,), passing()?).await?;
                super::yield_to_kernel().await?;
            }
            left.send(END).await?;
            drop(left.into_fd().await?);
            io::Result::Ok(())
        });
        let taken = Taken::default();
        let exchange = {
            let taken = taken.clone();
            async move {
                let (_, (buf, mut control)) =
                    right.recv_msg(Vec::with_capacity(9), Control::with_room(24)).await?;
                assert_eq!(control.take_rights().len(), 1);
                note(&taken, buf);
                note(&taken, &*right.recv().await?.expect("no end yet"));
                note(&taken, right.read(Vec::with_capacity(9)).await?.1);
                io::Result::Ok(())
            }
        };
        cut.end(exchange).await.transpose()?;
        sending.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            while let Some(packet) = right.recv().await? {
                note(&taken, &*packet);
            }
            let mut expected: Vec<&[u8]> = pieces().collect();
            expected.push(END);
            assert_eq!(*taken.lock().unwrap(), expected, "{cut:?}");
        }
        // SAFETY: the future that borrowed it is gone, or forgotten and never polled again.
        unsafe { unleak(right) };
        Ok(())
    });
}

#[test]
fn a_connect_of_packets_ended_anywhere_leaves_no_socket() {
    Points::of(&["net::unix_seqpacket::connect", "net::unix_seqpacket::connect_addr"])
        .real_only("datagrams")
        .run(|cut| async move {
            let path = cut.file("listener", b"");
            std::fs::remove_file(&path)?;
            let listener = crate::unix_messages::packet_listener(&path)?;
            let address = crate::unix_messages::address_of(&path)?;
            let connecting = {
                let path = path.clone();
                async move {
                    drop(UnixSeqpacket::connect(&path).await?);
                    UnixSeqpacket::connect_addr(&address).await
                }
            };
            let connected = cut.end(connecting).await.transpose()?;
            if let Some(connected) = connected {
                connected.send("is there").await?;
            }
            drop(listener);
            std::fs::remove_file(&path)
        });
}
