//! Names of hosts, and connecting to whichever of several addresses answers.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use annulus::OpExt as _;
use annulus::net::{TcpListener, TcpStream, lookup_host};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;

use crate::harness::{run, run_on};

/// An address of this machine at which nobody listens.
fn nobody() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// An address that does not answer for now: its queue is full.
fn silent() -> io::Result<(OwnedFd, Vec<std::net::TcpStream>, SocketAddr)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    // SAFETY: a listening socket may be told another length of its queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let waiting = std::net::TcpStream::connect(address)?;
    Ok((listener.into(), vec![waiting], address))
}

#[test]
fn a_host_is_connected_to_by_its_name() {
    run(async {
        let listener = TcpListener::bind(([127, 0, 0, 1], 0))?;
        let port = listener.local_addr()?.port();
        let by_text = TcpStream::connect(format!("localhost:{port}")).await?;
        let by_pair = TcpStream::connect(("localhost", port)).await?;
        assert_eq!(listener.accept().await?.1, by_text.local_addr()?);
        assert_eq!(listener.accept().await?.1, by_pair.local_addr()?);
        Ok(())
    });
}

#[test]
fn addresses_are_looked_up_as_they_are_and_names_with_their_port() {
    run(async {
        let address: SocketAddr = "10.1.2.3:4".parse().unwrap();
        assert_eq!(lookup_host(address).await?.collect::<Vec<_>>(), [address]);
        assert_eq!(lookup_host([address, address]).await?.count(), 2);
        for _again_from_the_cache in 0..2 {
            let found: Vec<_> = lookup_host("localhost:7").await?.collect();
            assert!(found.contains(&SocketAddr::from((Ipv4Addr::LOCALHOST, 7))), "{found:?}");
        }
        Ok(())
    });
}

#[test]
fn a_name_that_nobody_knows_is_an_error_with_the_name() {
    run(async {
        let error = TcpStream::connect("no-such-host.invalid:80").await.unwrap_err();
        assert!(error.to_string().contains("the host \"no-such-host.invalid\" cannot"), "{error}");
        let error = lookup_host("no port").await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpListener::bind("localhost:0").unwrap_err();
        assert!(error.to_string().contains("lookup_host"), "{error}");
        Ok(())
    });
}

#[test]
fn an_address_that_refuses_makes_room_for_the_next() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stream = TcpStream::connect([nobody()?, nobody()?, address]).await?;
        assert_eq!(stream.peer_addr()?, address);
        Ok(())
    });
}

#[test]
fn when_all_addresses_refuse_the_error_says_how_many_they_were() {
    run(async {
        let error = TcpStream::connect([nobody()?, nobody()?]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().ends_with("(the last of 2 addresses)"), "{error}");
        let error = TcpStream::connect(Vec::<SocketAddr>::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn an_address_that_is_silent_does_not_hold_up_the_next() {
    run(async {
        let (_listener, _waiting, silent) = silent()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stream = TcpStream::connect([silent, address]).await?;
        assert_eq!(stream.peer_addr()?, address);
        Ok(())
    });
}

#[test]
fn a_connect_that_waits_for_an_address_can_be_ended() {
    run_on(Runtime::builder().blocking_threads(1), async {
        // The one thread that could ask is busy, so there is no answer.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = annulus::task::spawn_blocking(move || released.recv().is_err());
        let mut resolving = TcpStream::connect("some-host.invalid:80");
        assert!(futures_util::poll!(&mut resolving).is_pending());
        assert!(Cancelled::of(&resolving.cancel().await.unwrap_err()).is_some());
        drop(release);
        assert!(busy.await.expect("no panic"));
        Ok(())
    });
}

#[test]
fn a_connect_to_several_can_be_ended_at_any_time() {
    run(async {
        let (_listener, _waiting, silent) = silent()?;
        let unpolled = TcpStream::connect([silent, silent]).cancel().await.unwrap_err();
        assert!(Cancelled::of(&unpolled).is_some());
        for polls in 0..2 {
            let mut connect = TcpStream::connect([silent, silent]);
            for _ in 0..polls {
                assert!(futures_util::poll!(&mut connect).is_pending());
            }
            let error = connect.cancel().await.unwrap_err();
            assert!(Cancelled::of(&error).is_some(), "{error}");
        }
        Ok(())
    });
}
