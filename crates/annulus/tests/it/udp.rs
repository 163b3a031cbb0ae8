//! UDP sockets, against those of `std`.

mod bounds;
mod leases;
mod options;

use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use annulus::OpExt as _;
use annulus::buf::BufError;
use annulus::net::control::{Control, ControlMessage};
use annulus::net::{UdpOptions, UdpSocket};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;
use annulus_ring::AnyKernel;

use crate::harness::{run, run_on};
use crate::hostile::is_quiet;

pub const ANY: &str = "127.0.0.1:0";

/// A socket of `std` that does not hang for ever.
pub fn std_socket() -> io::Result<(StdSocket, SocketAddr)> {
    let socket = StdSocket::bind(ANY)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// Bytes that tell their number.
pub fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + salt * 7) as u8).collect()
}

#[test]
fn datagrams_go_both_ways_with_a_socket_of_std() {
    run(async {
        let (peer, peer_address) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let address = socket.local_addr()?;
        for len in [0, 1, 64, 1472, 9000, 65507] {
            let bytes = pattern(len, len);
            let (n, bytes) = socket.send_to(bytes, peer_address).await?;
            assert_eq!(n, len);
            let mut got = vec![0; 65536];
            assert_eq!(peer.recv_from(&mut got)?, (len, address));
            assert!(got[..len] == bytes);

            peer.send_to(&bytes, address)?;
            let datagram = socket.recv().await?;
            assert!(*datagram == bytes[..] && *datagram.sender() == peer_address);
            assert!(!datagram.is_truncated() && datagram.sent_bytes() == len);
            drop(datagram);

            peer.send_to(&bytes, address)?;
            let ((n, sender), got) = socket.recv_from(Vec::with_capacity(65536)).await?;
            assert!(n == len && sender == peer_address && got == bytes);
        }
        Ok(())
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    run(async {
        let (peer, peer_address) = std_socket()?;
        let (stranger, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        assert_eq!(socket.peer_addr().unwrap_err().kind(), io::ErrorKind::NotConnected);
        let error = socket.send("nobody").await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(libc::EDESTADDRREQ));
        assert_eq!(error.into_buf(), Some("nobody"));
        socket.connect(peer_address).await?;
        assert_eq!(socket.peer_addr()?, peer_address);
        stranger.send_to(b"stranger", socket.local_addr()?)?;
        peer.send_to(b"peer", socket.local_addr()?)?;
        let (n, got) = socket.read(Vec::with_capacity(100)).await?;
        assert_eq!((n, &got[..]), (4, &b"peer"[..]));
        socket.send("answer").await?;
        let mut got = [0; 10];
        assert_eq!(peer.recv(&mut got)?, 6);
        assert_eq!(&got[..6], b"answer");
        Ok(())
    });
}

#[test]
fn a_name_is_connected_to_as_other_sockets_do() {
    run(async {
        let (peer, peer_address) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        // Of an IPv4 socket, so addresses of IPv6 are passed over.
        socket.connect(("localhost", peer_address.port())).await?;
        socket.send("found").await?;
        let mut got = [0; 10];
        assert_eq!(peer.recv(&mut got)?, 5);
        let v6: SocketAddr = "[::1]:9".parse().unwrap();
        socket.connect([v6, peer_address]).await?;
        assert_eq!(socket.peer_addr()?, peer_address);
        socket.connect([v6]).await.unwrap_err();
        let none = socket.connect(Vec::new()).await.unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::InvalidInput);
        let text = socket.connect("127.0.0.1").await.unwrap_err();
        assert_eq!(text.kind(), io::ErrorKind::InvalidInput);
        let early = socket.connect(peer_address).cancel().await.unwrap_err();
        assert!(Cancelled::of(&early).is_some());
        Ok(())
    });
}

#[test]
fn addresses_that_cannot_be_bound_are_errors() {
    run(async {
        let first = UdpSocket::bind(ANY)?;
        let taken = UdpSocket::bind(first.local_addr()?).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        let foreign = UdpSocket::bind("192.0.2.1:0").unwrap_err();
        assert_eq!(foreign.kind(), io::ErrorKind::AddrNotAvailable);
        let name = UdpSocket::bind("localhost:0").unwrap_err();
        assert!(name.to_string().contains("lookup_host"), "{name}");
        assert_eq!(UdpSocket::bind("nonsense").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let options = UdpOptions::new().reuse_port(true);
        let one = UdpSocket::bind_with(ANY, options)?;
        UdpSocket::bind_with(one.local_addr()?, options)?;
        UdpSocket::bind(one.local_addr()?).unwrap_err();
        Ok(())
    });
    let error = UdpSocket::bind(ANY).unwrap_err();
    assert!(error.to_string().contains("no Annulus runtime"), "{error}");
}

#[test]
fn a_datagram_that_is_too_long_is_refused_and_the_socket_goes_on() {
    run(async {
        let (peer, address) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let error = socket.send_to(vec![1; 65508], address).await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(libc::EMSGSIZE));
        assert!(error.to_string().contains("too long"), "{error}");
        assert_eq!(error.into_buf().map(|buf| buf.len()), Some(65508), "the buffer came back");
        let (n, _) = socket.send_to(vec![1; 65507], address).await?;
        assert_eq!(n, 65507);
        assert_eq!(peer.recv(&mut vec![0; 65536])?, 65507);
        let refused = socket.send_to("", "[::1]:1".parse().unwrap()).await;
        refused.unwrap_err();
        Ok(())
    });
}

#[test]
fn what_icmp_says_is_the_error_of_the_next_operation_as_std_has_it() {
    run(async {
        let nobody = StdSocket::bind(ANY)?.local_addr()?;
        let socket = UdpSocket::bind(ANY)?;
        socket.connect(nobody).await?;
        // Into a buffer, leased with the multishot armed, and by the next send.
        socket.send("one").await?;
        let error = socket.read(vec![0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.into_buf(), Some(vec![0; 8]));
        for _ in 0..3 {
            let mut receiving = Box::pin(socket.recv());
            assert!(futures_util::poll!(&mut receiving).is_pending());
            socket.send("two").await?;
            let error = receiving.await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        }
        // It is no end: whoever takes the port is heard.
        let peer = StdSocket::bind(nobody)?;
        peer.send_to(b"here", socket.local_addr()?)?;
        assert_eq!(&*socket.recv().await?, b"here");
        assert!(socket.take_error()?.is_none());
        Ok(())
    });
}

#[test]
fn what_does_not_fit_is_cut_and_said() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        for armed in [false, true] {
            if armed {
                arm(&socket);
            }
            peer.send_to(&pattern(100, 3), socket.local_addr()?)?;
            let received = socket.recv_msg(Vec::with_capacity(10), Control::new()).await?;
            let (received, (buf, control)) = received;
            assert_eq!((received.bytes, received.sent_bytes), (10, 100));
            assert!(received.is_truncated() && !control.is_truncated());
            assert_eq!(buf, pattern(100, 3)[..10]);
            peer.send_to(&pattern(20, 4), socket.local_addr()?)?;
            let ((n, _), buf) = socket.recv_from(Box::new([9; 30])).await?;
            assert_eq!((n, &buf[..20], buf[20]), (20, &pattern(20, 4)[..], 9));
            let error = socket.read(Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
        Ok(())
    });
}

/// Begins to receive by lease.
pub fn arm(socket: &UdpSocket) {
    assert!(socket.try_recv().expect("it can be received from").is_none());
}

#[test]
fn a_peek_leaves_the_datagram_where_it_is() {
    run(async {
        let (peer, peer_address) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        for round in 0..3 {
            peer.send_to(&pattern(50, round), socket.local_addr()?)?;
            let ((n, sender), buf) = socket.peek_from(Vec::with_capacity(20)).await?;
            assert_eq!((n, sender, &buf[..]), (20, peer_address, &pattern(50, round)[..20]));
            let (n, _) = socket.peek(Vec::with_capacity(200)).await?;
            assert_eq!(n, 50);
            assert_eq!(*socket.recv().await?, pattern(50, round)[..]);
        }
        let silent = socket.peek(vec![0; 4]).timeout(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        assert_eq!(silent.into_buf(), Some(vec![0; 4]));
        Ok(())
    });
}

#[test]
fn a_batch_is_sent_as_a_whole_and_each_has_its_result() {
    run(async {
        let socket = UdpSocket::bind(ANY)?;
        let receiver = UdpSocket::bind(ANY)?;
        let to = receiver.local_addr()?;
        assert!(socket.send_batch(Vec::<(Vec<u8>, SocketAddr)>::new()).await.is_empty());
        let lens = [10, 65508, 0, 1000, 65508, 30];
        let sent = socket.send_batch(lens.map(|len| (pattern(len, len), to))).await;
        let told: Vec<_> = sent.into_iter().map(|sent| sent.map_err(BufError::into_buf)).collect();
        assert_eq!(told.len(), lens.len());
        let mut expected = Vec::new();
        for (len, told) in lens.into_iter().zip(told) {
            if len <= 65507 {
                let (n, buf) = told.unwrap();
                assert!(n == len && buf == pattern(len, len));
                expected.push(buf);
            } else {
                assert_eq!(told.unwrap_err().map(|buf| buf.len()), Some(len));
            }
        }
        let mut got = Vec::new();
        while got.len() < expected.len() {
            got.extend(receiver.recv_batch(3).await?.iter().map(|datagram| datagram.to_vec()));
        }
        if !is_quiet() {
            // One that is tried again, as there was no worker for it, is overtaken.
            got.sort();
            expected.sort();
        }
        assert!(got == expected);
        assert!(receiver.recv_batch(0).await?.is_empty());
        let never = socket.send_batch([(b"late".to_vec(), to)]).cancel().await;
        let error = never.into_iter().next().unwrap().unwrap_err();
        assert!(Cancelled::of(error.error()).is_some());
        Ok(())
    });
}

#[test]
fn a_batch_of_more_than_one_call_takes_has_a_result_for_each() {
    // One that is cancelled and sent again comes behind others, so on no hostile kernel.
    run_on(Runtime::builder().kernel(AnyKernel::default), async {
        let (ours, (theirs, to)) = (UdpSocket::bind(ANY)?, std_socket()?);
        let is_too_long = |number: usize| number % 50 == 3;
        let datagrams = (0..150_usize).map(|number| {
            let len = if is_too_long(number) { 70_000 } else { 100 };
            (pattern(len, number), to)
        });
        for (number, sent) in ours.send_batch(datagrams).await.into_iter().enumerate() {
            let sent = sent.map(|(bytes, buf)| (bytes, buf.len()));
            match sent.map_err(BufError::into_parts) {
                Ok(lens) => assert!(!is_too_long(number) && lens == (100, 100)),
                Err((error, buf)) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{number}");
                    assert!(is_too_long(number) && buf == Some(pattern(70_000, number)));
                }
            }
        }
        let mut buf = [0; 200];
        for number in (0..150).filter(|number| !is_too_long(*number)) {
            let n = theirs.recv(&mut buf)?;
            assert_eq!(buf[..n], pattern(100, number), "in the order in which they were given");
        }
        assert!(ours.send_batch(Vec::<(Vec<u8>, SocketAddr)>::new()).await.is_empty());
        Ok(())
    });
}

#[test]
fn a_batch_takes_what_is_there_in_one_turn() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        for number in 0..20_u8 {
            peer.send_to(&[number], socket.local_addr()?)?;
        }
        let mut numbers = Vec::new();
        let mut batches = 0;
        while numbers.len() < 20 {
            let batch = socket.recv_batch(8).await?;
            assert!((1..=8).contains(&batch.len()));
            numbers.extend(batch.iter().map(|datagram| datagram[0]));
            batches += 1;
        }
        assert_eq!(numbers, (0..20).collect::<Vec<u8>>());
        assert!(batches <= 6, "{batches} batches: they do not hold what is there");
        Ok(())
    });
}

#[test]
fn several_buffers_are_one_datagram() {
    run(async {
        let (peer, address) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let bufs = ("head ", vec![b'x'; 3], String::new(), " tail");
        let (n, (bufs, _)) = socket.send_msg(bufs, Some(address), Control::new()).await?;
        assert_eq!((n, bufs.1.len()), (13, 3));
        let mut got = [0; 100];
        assert_eq!(peer.recv(&mut got)?, 13);
        assert_eq!(&got[..13], b"head xxx tail");
        let empty = socket.send_msg(Vec::<Vec<u8>>::new(), Some(address), Control::new()).await?;
        assert_eq!(empty.0, 0);
        assert_eq!(peer.recv(&mut got)?, 0);
        let many = socket.send_msg(vec!["x"; 1025], Some(address), Control::new()).await;
        assert_eq!(many.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let mut bad = Control::new();
        bad.push(ControlMessage::Raw { level: libc::IPPROTO_IP, kind: 9999, bytes: b"?" })?;
        let error = socket.send_msg(("x",), Some(address), bad).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_socket_comes_from_std_and_goes_back() {
    run(async {
        let (std_one, address) = std_socket()?;
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::from_std(std_one)?;
        arm(&socket);
        peer.send_to(b"unread", address)?;
        socket.peek(vec![0; 8]).await?;
        let refused = socket.into_std().await.unwrap_err();
        assert!(refused.to_string().starts_with("1 datagrams were received"), "{refused}");
        let socket = refused.into_buf().expect("the socket came back");
        assert_eq!(&*socket.recv().await?, b"unread");
        let std_one = socket.into_std().await?;
        assert_eq!(std_one.local_addr()?, address);
        peer.send_to(b"blocking", address)?;
        let mut got = [0; 10];
        assert_eq!(std_one.recv(&mut got)?, 8, "it waits");
        let socket = UdpSocket::try_from(std::os::fd::OwnedFd::from(std_one))?;
        socket.send_to("back", peer.local_addr()?).await?;
        assert_eq!(peer.recv(&mut got)?, 4);
        Ok(())
    });
}
