//! Sockets between socket(2) and connect(2) or listen(2).

use std::io::{self, ErrorKind};

use annulus::OpExt as _;
use annulus::net::{TcpListener, TcpSocket, TcpStream};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;

use crate::harness::{assert_nothing_left, run, share_process, skip};

#[test]
fn a_socket_becomes_a_listener_or_a_connection_with_what_was_set() {
    run(async {
        let socket = TcpSocket::new_v4()?;
        assert!(!socket.reuseaddr()? && !socket.reuseport()?);
        socket.set_reuseaddr(true)?;
        socket.set_recv_buffer_size(70_000)?;
        socket.bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let listener = socket.listen(16)?;
        assert_eq!(listener.local_addr()?, address);

        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        socket.set_bind_address_no_port(true)?;
        socket.bind(([127, 0, 0, 3], 0))?;
        let client = socket.connect(address).await?;
        let (server, peer) = listener.accept().await?;
        assert!(client.nodelay()?);
        assert_eq!(peer.ip().to_string(), "127.0.0.3");
        assert_eq!(server.recv_buffer_size()?, 140_000, "inherited");
        client.write_all("hello").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"hello");
        Ok(())
    });
}

#[test]
fn a_socket_that_listens_unbound_is_given_a_port() {
    run(async {
        let listener = TcpSocket::new_v4()?.listen(4)?;
        let port = listener.local_addr()?.port();
        let client = TcpStream::connect(([127, 0, 0, 1], port)).await?;
        assert_eq!(listener.accept().await?.1, client.local_addr()?);
        Ok(())
    });
}

#[test]
fn addresses_that_cannot_be_had_are_told_apart() {
    run(async {
        let kind = |result: io::Result<()>| result.unwrap_err().kind();
        let first = TcpListener::bind("127.0.0.1:0")?;
        let socket = TcpSocket::new_v4()?;
        assert_eq!(kind(socket.bind(first.local_addr()?)), ErrorKind::AddrInUse);
        assert_eq!(kind(socket.bind("192.0.2.1:0")), ErrorKind::AddrNotAvailable);
        assert_eq!(kind(socket.bind("localhost:0")), ErrorKind::InvalidInput);
        assert_eq!(kind(socket.bind("no address")), ErrorKind::InvalidInput);
        socket.set_freebind(true)?;
        socket.bind("192.0.2.1:0")?;
        assert_eq!(kind(socket.bind("192.0.2.1:0")), ErrorKind::InvalidInput, "it has one");
        Ok(())
    });
}

/// The lowest port that anybody may bind to.
fn first_free_port() -> u16 {
    let setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    std::fs::read_to_string(setting).map_or(1024, |text| text.trim().parse().unwrap())
}

#[test]
fn a_privileged_port_is_refused_to_others() {
    let _shared = share_process();
    if first_free_port() < 2 {
        return skip("every port is free for all here");
    }
    // Rights are a thread's own, whatever the C library makes of them.
    let unprivileged = std::thread::spawn(|| {
        let nobody = 65534_i64;
        // SAFETY: the call has no pointers, and changes nothing but this thread's credentials.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, -1_i64, nobody, -1_i64) };
        if changed != 0 && io::Error::last_os_error().kind() != ErrorKind::PermissionDenied {
            panic!("setresuid: {}", io::Error::last_os_error());
        }
        let runtime = match Runtime::builder().build() {
            Ok(runtime) => runtime,
            Err(error) => return skip(&format!("no rings for others here: {error}")),
        };
        let errors = runtime.block_on(async {
            let bound = TcpSocket::new_v4().unwrap().bind("127.0.0.1:1").unwrap_err();
            [bound, TcpListener::bind("127.0.0.1:1").unwrap_err()]
        });
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        }
        assert_nothing_left(&runtime.shutdown());
    });
    unprivileged.join().unwrap();
}

#[test]
fn connecting_fails_as_std_does_and_closes_the_socket() {
    run(async {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let error = TcpSocket::new_v4()?.connect(nobody).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let std = std::net::TcpStream::connect(nobody).unwrap_err();
        assert_eq!(error.raw_os_error(), std.raw_os_error());
        for name in ["localhost:80", "nonsense"] {
            let error = TcpSocket::new_v4()?.connect(name).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let error = TcpSocket::new_v4()?.connect("[::1]:80").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAFNOSUPPORT), "{error}");
        let given_up = TcpSocket::new_v4()?.connect(nobody).cancel().await.unwrap_err();
        assert!(Cancelled::of(&given_up).is_some());
        assert_eq!(annulus::runtime::metrics()?.descriptors, 0);
        Ok(())
    });
}

#[test]
fn first_bytes_travel_with_the_request_to_connect() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_fastopen_queue(16)?;
        let address = listener.local_addr()?;
        // The first time there is no cookie yet; whether there ever is one is the system's setting.
        for _ in 0..2 {
            let socket = TcpSocket::new_v4()?;
            socket.set_fastopen_connect(true)?;
            assert!(socket.fastopen_connect()?);
            let client = socket.connect(address).await?;
            client.write_all("question").await?;
            let (server, _) = listener.accept().await?;
            assert_eq!(&*server.recv().await?.unwrap(), b"question");
            server.write_all("answer").await?;
            assert_eq!(&*client.recv().await?.unwrap(), b"answer");
        }
        Ok(())
    });
}

#[test]
fn a_socket_of_std_goes_on_here() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let fd = TcpSocket::new_v4()?;
        let copy = std::os::fd::AsFd::as_fd(&fd).try_clone_to_owned()?;
        drop(fd);
        let socket = TcpSocket::from_std_stream(copy.into())?;
        let client = socket.connect(listener.local_addr()?).await?;
        assert_eq!(listener.accept().await?.1, client.local_addr()?);
        Ok(())
    });
}
