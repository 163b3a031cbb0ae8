//! Descriptors of another kind than a handle is for. A socket of streams under the name of a socket
//! of messages would be received from with `MSG_TRUNC`, by which TCP throws bytes away that it
//! tells as received.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream, UdpSocket as StdUdp};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram as StdUnix, UnixListener, UnixStream};

use annulus::net::{UdpSocket, UnixDatagram, UnixSeqpacket, UnixSeqpacketListener};

use crate::harness::{Scratch, run};
use crate::unix_messages::packet_listener;

/// One socket of each kind, by the name of what it is.
fn sockets(scratch: &Scratch) -> io::Result<Vec<(&'static str, OwnedFd)>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    let unix = UnixListener::bind(scratch.path().join("stream"))?;
    Ok(vec![
        ("TcpListener", listener.into()),
        ("TcpStream", stream.into()),
        ("TcpStream", multipath()?),
        ("UdpSocket", StdUdp::bind("127.0.0.1:0")?.into()),
        ("UdpSocket", StdUdp::bind("[::1]:0")?.into()),
        ("UnixListener", unix.into()),
        ("UnixStream", UnixStream::pair()?.0.into()),
        ("UnixDatagram", StdUnix::unbound()?.into()),
        ("UnixSeqpacket", packets()?),
        ("UnixSeqpacketListener", packet_listener(&scratch.path().join("packets"))?),
    ])
}

fn opened(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) touches no memory.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A socket of MPTCP, or of TCP where the system has none.
fn multipath() -> io::Result<OwnedFd> {
    opened(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)
        .or_else(|_| opened(libc::AF_INET, libc::SOCK_STREAM, 0))
}

fn packets() -> io::Result<OwnedFd> {
    opened(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0)
}

/// Tries a handle with a socket of each kind: it must take those of its own name alone, and name
/// the one that takes it when it refuses.
fn refuses_others<T>(name: &str, make: impl Fn(OwnedFd) -> io::Result<T>) -> io::Result<()> {
    let scratch = Scratch::new();
    for (other, fd) in sockets(&scratch)? {
        let number = fd.as_raw_fd();
        match make(fd) {
            Ok(_) => assert_eq!(other, name, "taken for a {name}"),
            Err(error) => {
                assert_ne!(other, name, "{error}");
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                let text = error.to_string();
                assert!(text.starts_with(&format!("descriptor {number} is no {name}")), "{text}");
                assert!(text.contains(&format!(": {other} takes it")), "{text}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_handle_of_messages_takes_no_other_descriptor_by_any_way() {
    run(async {
        refuses_others("UdpSocket", UdpSocket::try_from)?;
        refuses_others("UdpSocket", |fd| UdpSocket::from_std(fd.into()))?;
        refuses_others("UnixDatagram", UnixDatagram::try_from)?;
        refuses_others("UnixDatagram", |fd| UnixDatagram::from_std(fd.into()))?;
        refuses_others("UnixSeqpacket", UnixSeqpacket::try_from)?;
        // What it accepts are handles of messages without a further look.
        refuses_others("UnixSeqpacketListener", UnixSeqpacketListener::try_from)
    });
}

#[test]
fn streams_and_listeners_take_no_other_descriptor() {
    use annulus::net;
    run(async {
        refuses_others("TcpStream", net::TcpStream::try_from)?;
        refuses_others("TcpListener", net::TcpListener::try_from)?;
        refuses_others("UnixStream", net::UnixStream::try_from)?;
        refuses_others("UnixListener", net::UnixListener::try_from)
    });
}

#[test]
fn what_no_handle_takes_is_refused_with_what_it_is() {
    run(async {
        let raw = opened(libc::AF_NETLINK, libc::SOCK_RAW, 0)?;
        let text = UdpSocket::try_from(raw).unwrap_err().to_string();
        assert!(text.ends_with("its domain is 16, its type SOCK_RAW, and it does not listen"));
        let file = OwnedFd::from(std::fs::File::open("/dev/null")?);
        let error = UnixSeqpacket::try_from(file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
        Ok(())
    });
}

#[test]
fn a_refused_descriptor_keeps_its_mode() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        UdpSocket::try_from(OwnedFd::from(stream.try_clone()?)).unwrap_err();
        // SAFETY: fcntl(2) with F_GETFL touches no memory.
        let flags = unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_GETFL) };
        assert_eq!(flags & libc::O_NONBLOCK, 0, "who shares the file still waits");
        Ok(())
    });
}
