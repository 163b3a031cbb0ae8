//! Unix sockets that keep messages apart, against those of `std` and of the C library.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnix, UnixStream as StdStream};
use std::path::Path;

use annulus::net::UCred;
use annulus::net::control::{Control, ControlMessage};
use annulus::net::{
    UnixDatagram, UnixListenOptions, UnixListener, UnixSeqpacket, UnixSeqpacketListener,
};
use annulus::runtime::Runtime;
use annulus_ring::Mask;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::cancel::yield_to_kernel;
use crate::harness::{
    NOTHING, Scratch, check, descriptors, opened_since, own_process, run, run_on,
};
use crate::udp::pattern;

pub fn address_of(path: &Path) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
}

fn checked(res: i32) -> io::Result<i32> {
    if res < 0 { Err(io::Error::last_os_error()) } else { Ok(res) }
}

fn socket(kind: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) touches no memory.
    let fd = checked(unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A listener of packets, which `std` has no type for.
pub fn packet_listener(path: &Path) -> io::Result<OwnedFd> {
    let fd = socket(libc::SOCK_SEQPACKET)?;
    let address = annulus_ring::SocketAddress::unix(path)?;
    // SAFETY: the address is valid for its length.
    checked(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr(), address.len()) })?;
    // SAFETY: listen(2) touches no memory.
    checked(unsafe { libc::listen(fd.as_raw_fd(), 10) })?;
    Ok(fd)
}

/// A socket whose path fills its address to the last byte, so that `std` has no room for it.
fn named_to_the_last_byte(kind: i32, directory: &Path) -> io::Result<OwnedFd> {
    // SAFETY: zero is a value of it.
    let mut address = unsafe { std::mem::zeroed::<libc::sockaddr_un>() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    address.sun_path.fill(b'n' as libc::c_char);
    let directory = directory.as_os_str().as_bytes();
    for (to, from) in address.sun_path.iter_mut().zip(directory.iter().chain(b"/")) {
        *to = *from as libc::c_char;
    }
    let fd = socket(kind)?;
    let bytes = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is valid for its length.
    checked(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), bytes) })?;
    Ok(fd)
}

fn connect(fd: &OwnedFd, path: &Path) -> io::Result<()> {
    let address = annulus_ring::SocketAddress::unix(path)?;
    // SAFETY: the address is valid for its length.
    checked(unsafe { libc::connect(fd.as_raw_fd(), address.as_ptr(), address.len()) }).map(drop)
}

fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let null = std::ptr::null_mut();
    // SAFETY: no address is asked for.
    let fd = unsafe { libc::accept4(listener.as_raw_fd(), null, null.cast(), libc::SOCK_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[test]
fn datagrams_go_both_ways_by_path_by_abstract_name_and_without_one() {
    let scratch = Scratch::new();
    let path = scratch.path().join("ours");
    let theirs = scratch.path().join("theirs");
    run(async move {
        let peer = StdUnix::bind(&theirs)?;
        let ours = UnixDatagram::bind(&path)?;
        assert_eq!(ours.local_addr()?.as_pathname(), Some(&*path));
        ours.send_to("by path", &theirs).await?;
        let mut got = [0; 100];
        let (n, from) = peer.recv_from(&mut got)?;
        assert_eq!((&got[..n], from.as_pathname()), (&b"by path"[..], Some(&*path)));
        peer.send_to(b"back", &path)?;
        let datagram = ours.recv().await?;
        assert_eq!(&*datagram, b"back");
        assert_eq!(datagram.sender().as_pathname(), Some(&*theirs));
        ours.connect(&theirs).await?;
        assert_eq!(ours.peer_addr()?.as_pathname(), Some(&*theirs));
        ours.send("connected").await?;
        assert_eq!(peer.recv(&mut got)?, 9);

        let name = format!("annulus {}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name)?;
        let named = UnixDatagram::bind_addr(&abstract_name)?;
        let unbound = UnixDatagram::unbound()?;
        unbound.send_to_addr("by name", &abstract_name).await?;
        let ((n, from), got) = named.recv_from(Vec::with_capacity(100)).await?;
        assert!(got[..n] == *b"by name" && from.is_unnamed());
        let stranger = named.send_to("not its peer", &path).await.unwrap_err();
        assert_eq!(stranger.kind(), io::ErrorKind::PermissionDenied);
        Ok(())
    });
}

#[test]
fn what_a_unix_socket_cannot_do_is_an_error() {
    let scratch = Scratch::new();
    let gone = scratch.path().join("gone");
    run(async move {
        let socket = UnixDatagram::unbound()?;
        let error = socket.send("nobody").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        let error = socket.send_to("nobody", &gone).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let error = socket.send_to("nobody", "x".repeat(200)).await.unwrap_err();
        assert_eq!((error.kind(), error.buf()), (io::ErrorKind::InvalidInput, Some(&"nobody")));
        assert_eq!(socket.connect(&gone).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(UnixDatagram::bind(&gone)?);
        let error = socket.connect(&gone).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(UnixDatagram::bind(&gone).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (left, right) = UnixDatagram::pair()?;
        let error = left.send(vec![0; 4 << 20]).await.unwrap_err();
        assert_eq!(error.error().raw_os_error(), Some(libc::EMSGSIZE));
        drop(right);
        let error = left.send("gone").await.unwrap_err();
        let kinds = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotConnected];
        assert!(kinds.contains(&error.kind()), "{error}");
        Ok(())
    });
}

#[test]
fn a_unix_datagram_longer_than_a_buffer_of_the_core_is_cut_and_said() {
    run(async {
        let (left, right) = UnixDatagram::pair()?;
        for len in [65535, 65536, 65537, 100_000] {
            left.send(pattern(len, 1)).await?;
            let datagram = right.recv().await?;
            assert_eq!(datagram.sent_bytes(), len);
            assert_eq!(datagram.is_truncated(), len > 65536);
            assert!(*datagram == pattern(len, 1)[..len.min(65536)]);
            left.send(pattern(len, 2)).await?;
            let (n, buf) = right.read(Vec::with_capacity(200_000)).await?;
            assert!(n == len.min(65536) && buf == pattern(len, 2)[..n], "it was queued");
        }
        let (left, right) = UnixDatagram::pair()?;
        left.send(pattern(100_000, 3)).await?;
        let (n, buf) = right.read(Vec::with_capacity(200_000)).await?;
        assert!(n == 100_000 && buf == pattern(n, 3), "straight into the buffer");
        Ok(())
    });
}

/// A file whose contents tell which one it is.
pub fn marked(mark: u8) -> io::Result<OwnedFd> {
    let mut file = tempfile::tempfile()?;
    file.write_all(&[mark])?;
    Ok(file.into())
}

/// Which one it is.
pub fn mark_of(fd: OwnedFd) -> io::Result<u8> {
    use std::io::{Seek as _, SeekFrom};
    let mut file = File::from(fd);
    file.seek(SeekFrom::Start(0))?;
    let mut mark = [0];
    file.read_exact(&mut mark)?;
    Ok(mark[0])
}

#[test]
fn descriptors_are_passed_and_none_is_left_open() {
    let _own = own_process();
    let before = descriptors();
    for mask in [Mask::none(), Mask::none().buf_rings()] {
        check(Runtime::builder().mask(mask), async {
            let (left, right) = UnixDatagram::pair()?;
            right.set_receive_credentials(true)?;
            for armed in [false, true] {
                let mut control = Control::new();
                control.pass(vec![marked(1)?, marked(2)?])?;
                control.push(ControlMessage::Rights(&[marked(3)?]))?;
                let (_, (_, control)) = left.send_msg(("three",), None, control).await?;
                let mut got = if armed {
                    let mut datagram = right.recv().await?;
                    assert!(tells_us(datagram.control()));
                    datagram.take_rights()
                } else {
                    let room = Control::with_room(128);
                    let (_, (_, mut got)) = right.recv_msg(vec![0; 9], room).await?;
                    assert!(tells_us(got.messages()) && !got.is_truncated());
                    got.take_rights()
                };
                assert_eq!(got.len(), 3);
                for (index, fd) in got.drain(..).enumerate() {
                    // SAFETY: fcntl(2) with F_GETFD touches no memory.
                    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
                    assert_eq!(flags, libc::FD_CLOEXEC);
                    assert_eq!(mark_of(fd)?, index as u8 + 1);
                }
                drop(control);
            }
            // Nobody takes these: not read, without room, cut off, in the queue at the end.
            let (near, far) = UnixDatagram::pair()?;
            let send = || async {
                let mut control = Control::new();
                control.pass((0..253).map(|_| marked(9)).collect::<io::Result<_>>()?)?;
                near.send_msg(("many",), None, control).await.map(drop)?;
                io::Result::Ok(())
            };
            send().await?;
            let (_, (_, control)) = far.recv_msg(vec![0; 9], Control::with_room(24 + 8)).await?;
            assert!(control.is_truncated());
            assert!(control.messages().count() <= 1);
            drop(control);
            send().await?;
            far.read(vec![0; 9]).await?;
            send().await?;
            assert_eq!(far.recv().await?.take_rights().len(), 253);
            send().await?;
            far.peek_from(vec![0; 9]).await?;
            let (_, (_, control)) = far.recv_msg(vec![0; 9], Control::with_room(40)).await?;
            assert!(control.is_truncated(), "what was queued is cut as well");
            send().await?;
            drop(far.recv().await?);
            send().await?;
            yield_to_kernel().await?;
            drop(far);
            crate::cancel::until("it is closed", || {
                annulus::runtime::metrics().expect("a runtime runs").descriptors == 3
            })
            .await
        });
    }
    assert_eq!(opened_since(&before), NOTHING);
}

/// Whether the kernel says that the message is ours.
fn tells_us(messages: annulus::net::control::ControlMessages<'_>) -> bool {
    let mut messages = messages;
    messages.any(|message| match message {
        ControlMessage::Credentials(cred) => cred.pid() == Some(std::process::id() as i32),
        _ => false,
    })
}

#[test]
fn credentials_can_be_sent() {
    run(async {
        let (left, right) = UnixDatagram::pair()?;
        right.set_receive_credentials(true)?;
        // SAFETY: getuid(2) cannot fail and touches no memory.
        let uid = unsafe { libc::getuid() };
        // SAFETY: so does getgid(2).
        let gid = unsafe { libc::getgid() };
        let own = UCred::new(std::process::id() as i32, uid, gid);
        let mut control = Control::new();
        control.push(ControlMessage::Credentials(own))?;
        left.send_msg(("me",), None, control).await?;
        let datagram = right.recv().await?;
        let told = datagram.control().find_map(|message| match message {
            ControlMessage::Credentials(told) => Some(told),
            _ => None,
        });
        assert_eq!(told, Some(own));
        Ok(())
    });
}

#[test]
fn packets_keep_order_and_edges_and_have_an_end() {
    for mask in [Mask::none(), Mask::none().buf_rings()] {
        run_on(Runtime::builder().mask(mask), async {
            let (left, right) = UnixSeqpacket::pair()?;
            let sending = annulus::spawn(async move {
                for number in 0..300 {
                    left.send(pattern(1 + number * 97 % 3000, number)).await?;
                }
                left.shutdown(std::net::Shutdown::Write)?;
                let (n, last) = left.read(vec![0; 10]).await?;
                assert_eq!(&last[..n], b"answer");
                assert_eq!(left.read(vec![0; 10]).await?.0, 0);
                assert!(left.recv().await?.is_none());
                io::Result::Ok(())
            });
            for number in 0..300 {
                let expected = pattern(1 + number * 97 % 3000, number);
                if number % 3 == 0 {
                    let (_, got) = right.read(Vec::with_capacity(4000)).await?;
                    assert!(got == expected);
                } else {
                    let got = right.recv().await?.expect("no end yet");
                    assert!(*got == expected[..]);
                }
            }
            assert!(right.recv().await?.is_none());
            assert!(right.recv().await?.is_none(), "again");
            let mut packets = right.packets();
            assert!(packets.try_next().await?.is_none());
            assert!(packets.try_next().await?.is_none(), "and again");
            right.send("answer").await?;
            drop(right);
            sending.await.expect("the sender does not panic")
        });
    }
}

#[test]
fn packets_go_to_a_listener_of_another_interface_and_its_descriptors_are_taken_over() {
    let scratch = Scratch::new();
    let path = scratch.path().join("listener");
    run(async move {
        let listener = packet_listener(&path)?;
        let client = UnixSeqpacket::connect(&path).await?;
        assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
        let server = UnixSeqpacket::try_from(accept(&listener)?)?;
        client.send("one").await?;
        client.send("two").await?;
        assert_eq!(&*server.recv().await?.expect("no end yet"), b"one");
        let (received, (buf, _)) = server.recv_msg(vec![0; 2], Control::new()).await?;
        assert_eq!((received.bytes, received.sent_bytes, &buf[..]), (2, 3, &b"tw"[..]));
        let fd = server.into_fd().await?;
        client.send("three").await?;
        let mut got = [0; 10];
        let n = StdUnix::from(fd).recv(&mut got)?;
        assert_eq!(&got[..n], b"three", "blocking, and by anybody");
        assert!(client.recv().await?.is_none());
        let error = client.send("late").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "and no signal");
        let nobody = UnixSeqpacket::connect(scratch.path().join("nobody")).await.unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::NotFound);
        Ok(())
    });
}

#[test]
fn a_listener_of_packets_accepts_whoever_connects() {
    let scratch = Scratch::new();
    let path = scratch.path().join("listener");
    run(async move {
        let options = UnixListenOptions::new().backlog(8).unlink(true);
        let listener = UnixSeqpacketListener::bind_with(&path, options)?;
        assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
        let taken = UnixSeqpacketListener::bind(&path).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        // One that has spoken and gone is accepted with its words.
        let gone = UnixSeqpacket::connect(&path).await?;
        gone.send("farewell").await?;
        drop(gone);
        let client = UnixSeqpacket::connect(&path).await?;
        let mut incoming = listener.incoming();
        let (first, _) = incoming.next().await.expect("there is no end")?;
        assert_eq!(&*first.recv().await?.expect("a packet"), b"farewell");
        assert!(first.recv().await?.is_none());
        let (second, peer) = incoming.next().await.expect("there is no end")?;
        assert!(peer.is_unnamed());
        assert_eq!(second.peer_cred()?, client.peer_cred()?, "both are this process");
        second.set_receive_credentials(true)?;
        client.send("who is it?").await?;
        assert!(tells_us(second.recv().await?.expect("a packet").control()));
        // A stream cannot connect to it.
        let other = annulus::net::UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(other.raw_os_error(), Some(libc::EPROTOTYPE));
        drop(incoming);
        let fd = listener.into_fd().await?;
        assert!(!path.exists(), "its file is gone with the handle");
        let again = UnixSeqpacketListener::try_from(fd)?;
        assert!(again.recv_buffer_size()? > 0);
        Ok(())
    });
}

#[test]
fn a_unix_datagram_socket_comes_from_std_and_goes_back() {
    run(async {
        let (one, other) = StdUnix::pair()?;
        let ours = UnixDatagram::from_std(one)?;
        other.send(b"hello")?;
        assert_eq!(&*ours.recv().await?, b"hello");
        let one = ours.into_std().await?;
        other.send(b"again")?;
        let mut got = [0; 10];
        assert_eq!(one.recv(&mut got)?, 5);
        Ok(())
    });
}

#[test]
fn a_sender_whose_name_std_has_no_room_for_is_unnamed_and_loses_nothing() {
    let scratch = Scratch::new();
    let path = scratch.path().join("ours");
    run(async move {
        let ours = UnixDatagram::bind(&path)?;
        let named = scratch.path().join("short");
        let short = StdUnix::bind(&named)?;
        let long = StdUnix::from(named_to_the_last_byte(libc::SOCK_DGRAM, scratch.path())?);
        let send = || {
            for (number, peer) in [&short, &long, &short].into_iter().enumerate() {
                peer.send_to(&[number as u8], &path)?;
            }
            io::Result::Ok(())
        };
        let expected = [Some(&*named), None, Some(&*named)];

        send()?;
        let batch = ours.recv_batch(3).await?;
        assert_eq!(batch.len(), 3);
        for (number, (datagram, from)) in batch.iter().zip(expected).enumerate() {
            assert_eq!((&**datagram, datagram.sender().as_pathname()), (&[number as u8][..], from));
        }
        send()?;
        let stream: Vec<_> = ours.datagrams().take(3).try_collect().await?;
        assert_eq!(stream.iter().map(|datagram| datagram[0]).collect::<Vec<_>>(), [0, 1, 2]);
        send()?;
        for from in expected {
            let ((_, sender), _) = ours.recv_from(vec![0; 1]).await?;
            assert_eq!(sender.as_pathname(), from);
        }
        Ok(())
    });
}

#[test]
fn a_client_whose_name_std_has_no_room_for_is_accepted() {
    let scratch = Scratch::new();
    run(async move {
        let path = scratch.path().join("streams");
        let listener = UnixListener::bind(&path)?;
        let client = named_to_the_last_byte(libc::SOCK_STREAM, scratch.path())?;
        connect(&client, &path)?;
        let (stream, peer) = listener.accept().await?;
        assert!(peer.is_unnamed());
        stream.write_all("welcome").await?;
        let mut got = [0; 7];
        StdStream::from(client).read_exact(&mut got)?;
        assert_eq!(&got, b"welcome");

        let path = scratch.path().join("packets");
        let listener = UnixSeqpacketListener::bind(&path)?;
        let again = Scratch::new();
        let client = named_to_the_last_byte(libc::SOCK_SEQPACKET, again.path())?;
        connect(&client, &path)?;
        let (packets, peer) = listener.accept().await?;
        assert!(peer.is_unnamed());
        packets.send("welcome").await?;
        let mut file = File::from(client);
        file.read_exact(&mut got)?;
        assert_eq!(&got, b"welcome");
        Ok(())
    });
}
