//! Unix listeners and connections: names, files, full queues, peers of `std`.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net as std_unix;
use std::path::PathBuf;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::net::{UnixListenOptions, UnixListener, UnixStream};
use annulus::op::Cancelled;
use futures_util::StreamExt as _;

use crate::cancel::yield_to_kernel;
use crate::harness::{Scratch, run, share_process, wait_until_left};

/// A path at which there is nothing yet.
fn somewhere() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    (scratch, path)
}

fn abstract_name(what: &str) -> std_unix::SocketAddr {
    let name = format!("annulus-{what}-{}", std::process::id());
    std_unix::SocketAddr::from_abstract_name(name).unwrap()
}

#[test]
fn peers_of_std_connect_and_are_connected_to() {
    let (_scratch, path) = somewhere();
    run(async {
        let listener = UnixListener::bind(&path)?;
        assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
        let mut theirs = std_unix::UnixStream::connect(&path)?;
        let (ours, peer) = listener.accept().await?;
        assert!(peer.is_unnamed());
        theirs.write_all(b"hello")?;
        assert_eq!(&*ours.recv().await?.unwrap(), b"hello");
        ours.write_all("answer").await?;
        drop(ours);
        // The end comes with a turn of this core.
        let reading = annulus::task::spawn_blocking(move || {
            let mut answer = String::new();
            theirs.read_to_string(&mut answer).map(|_| answer)
        });
        assert_eq!(reading.await.expect("it does not panic")?, "answer");

        let other = path.with_extension("std");
        let theirs = std_unix::UnixListener::bind(&other)?;
        let ours = UnixStream::connect(&other).await?;
        assert_eq!(ours.peer_addr()?.as_pathname(), Some(&*other));
        let (mut accepted, _) = theirs.accept()?;
        ours.write_all("out").await?;
        let mut word = [0; 3];
        accepted.read_exact(&mut word)?;
        assert_eq!(&word, b"out");
        Ok(())
    });
}

#[test]
fn names_of_the_abstract_namespace_go_away_with_their_socket() {
    run(async {
        let name = abstract_name("gone");
        let listener = UnixListener::bind_addr(&name)?;
        let error = UnixListener::bind_addr(&name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let client = UnixStream::connect_addr(&name).await?;
        assert_eq!(client.peer_addr()?.as_abstract_name(), name.as_abstract_name());
        drop(listener);
        let error = UnixStream::connect_addr(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        UnixListener::bind_addr(&name)?;
        // Without a name the kernel chooses one.
        let unnamed = std_unix::SocketAddr::from_pathname("")?;
        let listener = UnixListener::bind_addr(&unnamed)?;
        let chosen = listener.local_addr()?;
        assert!(chosen.as_abstract_name().is_some_and(|name| !name.is_empty()));
        UnixStream::connect_addr(&chosen).await.map(drop)
    });
}

#[test]
fn both_ends_know_who_the_other_is() {
    run(async {
        let name = abstract_name("who");
        let listener = UnixListener::bind_addr(&name)?;
        let client = UnixStream::connect_addr(&name).await?;
        let (server, _) = listener.accept().await?;
        let (left, _right) = UnixStream::pair()?;
        // SAFETY: the call cannot fail, and touches nothing.
        let uid = unsafe { libc::geteuid() };
        // SAFETY: as above.
        let gid = unsafe { libc::getegid() };
        for stream in [&client, &server, &left] {
            let peer = stream.peer_cred()?;
            assert_eq!((peer.uid(), peer.gid()), (uid, gid));
            assert_eq!(peer.pid(), Some(std::process::id() as i32));
        }
        Ok(())
    });
}

#[test]
fn a_file_that_nobody_has_any_more_is_replaced_if_that_is_wanted() {
    let (_scratch, path) = somewhere();
    run(async {
        let replacing = UnixListenOptions::new().replace_leftover(true);
        drop(UnixListener::bind_with(&path, replacing)?);
        assert!(path.exists(), "the file is left over");
        wait_until_left(&path);
        let error = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);

        let listener = UnixListener::bind_with(&path, replacing)?;
        let error = UnixListener::bind_with(&path, replacing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "somebody listens there");
        let _client = UnixStream::connect(&path).await?;
        listener.accept().await?;
        Ok(())
    });
}

#[test]
fn a_file_that_is_no_socket_is_never_replaced() {
    let (scratch, path) = somewhere();
    let file = scratch.file("notes", b"precious");
    run(async {
        let replacing = UnixListenOptions::new().replace_leftover(true).unlink(true);
        let error = UnixListener::bind_with(&file, replacing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&file)?, b"precious");
        // Nor is one that a socket of another type has.
        let _datagrams = std_unix::UnixDatagram::bind(&path)?;
        let error = UnixListener::bind_with(&path, replacing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(std::fs::symlink_metadata(&path)?.file_type().is_socket());
        Ok(())
    });
}

#[test]
fn a_listener_removes_its_own_file_and_no_other() {
    let (_scratch, path) = somewhere();
    run(async {
        let unlinking = UnixListenOptions::new().unlink(true);
        let listener = UnixListener::bind_with(&path, unlinking)?;
        assert!(path.exists());
        drop(listener);
        assert!(!path.exists());

        let first = UnixListener::bind_with(&path, unlinking)?;
        std::fs::remove_file(&path)?;
        let second = UnixListener::bind(&path)?;
        drop(first);
        assert!(path.exists(), "it is the second one's");
        UnixStream::connect(&path).await?;
        drop(second);

        std::fs::remove_file(&path)?;
        let listener = UnixListener::bind_with(&path, unlinking)?;
        drop(listener.into_std().await?);
        assert!(!path.exists());
        Ok(())
    });
}

#[test]
fn who_connects_to_a_full_queue_waits_for_room() {
    run(async {
        let (_scratch, path) = somewhere();
        let options = UnixListenOptions::new().backlog(2);
        let listener = UnixListener::bind_with(&path, options)?;
        let mut connecting: Vec<_> = Vec::new();
        for _ in 0..6 {
            connecting.push(annulus::spawn(UnixStream::connect(path.clone())));
        }
        // Those that there is room for have come; the others do not fail.
        for _ in 0..200 {
            yield_to_kernel().await?;
        }
        let waiting = connecting.iter().filter(|task| !task.is_finished()).count();
        assert!((1..=4).contains(&waiting), "{waiting} wait");
        // Nobody waits longer than it wants to.
        let bound = Duration::from_millis(5);
        let error = UnixStream::connect_timeout(&path, bound).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let mut given_up = UnixStream::connect(path.clone());
        assert!(futures_util::poll!(&mut given_up).is_pending());
        yield_to_kernel().await?;
        let error = given_up.cancel().await.unwrap_err();
        assert!(Cancelled::of(&error).is_some(), "{error}");

        let mut accepted = Vec::new();
        for (n, task) in connecting.into_iter().enumerate() {
            // One that was given up may be among those that are accepted: it says nothing.
            accepted.push(listener.accept().await?.0);
            let client = task.await.expect("it does not panic")?;
            client.write_all(vec![n as u8]).await?;
        }
        Ok(())
    });
}

#[test]
fn a_peer_that_has_spoken_and_gone_is_accepted_with_its_words() {
    run(async {
        let name = abstract_name("gone-before");
        let listener = UnixListener::bind_addr(&name)?;
        let mut theirs = std_unix::UnixStream::connect_addr(&name)?;
        theirs.write_all(b"last words")?;
        drop(theirs);
        let (ours, _) = listener.accept().await?;
        let ((), words) = ours.read_exact(vec![0; 10]).await?;
        assert_eq!(words, b"last words");
        assert!(ours.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn connections_come_as_a_stream() {
    run(async {
        let name = abstract_name("stream");
        let listener = UnixListener::bind_addr(&name)?;
        let clients =
            [UnixStream::connect_addr(&name).await?, UnixStream::connect_addr(&name).await?];
        let mut incoming = listener.incoming().take(2);
        let mut count = 0_u8;
        while let Some(connection) = incoming.next().await {
            count += 1;
            connection?.0.write_all(vec![count]).await?;
        }
        assert_eq!(*clients[0].recv().await?.unwrap(), [1]);
        assert_eq!(*clients[1].recv().await?.unwrap(), [2]);
        Ok(())
    });
}

#[test]
fn connecting_fails_as_std_does() {
    let (scratch, path) = somewhere();
    let file = scratch.file("file", b"");
    run(async {
        let _datagrams = std_unix::UnixDatagram::bind(&path)?;
        for path in [&path, &file, &path.with_extension("none")] {
            let ours = UnixStream::connect(path).await.unwrap_err();
            let theirs = std_unix::UnixStream::connect(path).unwrap_err();
            assert_eq!(ours.raw_os_error(), theirs.raw_os_error(), "{}", path.display());
        }
        let long = PathBuf::from("x".repeat(200));
        let error = UnixStream::connect(&long).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(UnixListener::bind(&long).unwrap_err().kind(), ErrorKind::InvalidInput);
        let unnamed = std_unix::SocketAddr::from_pathname("")?;
        let error = UnixStream::connect_addr(&unnamed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(annulus::runtime::metrics()?.descriptors, 0);
        Ok(())
    });
}

#[test]
fn listeners_go_to_std_and_come_back() {
    let (_scratch, path) = somewhere();
    run(async {
        let listener = UnixListener::bind(&path)?;
        let client = UnixStream::connect(&path).await?;
        let first = listener.accept().await?.0;
        // The accept is armed by now, and takes what nobody has asked for.
        let second = UnixStream::connect(&path).await?;
        second.write_all("x").await?;
        for _ in 0..50 {
            yield_to_kernel().await?;
        }
        let listener = match listener.into_std().await {
            Err(error) => {
                assert!(error.to_string().contains("1 connections were accepted"), "{error}");
                let listener = error.into_buf().expect("it comes back");
                listener.accept().await?;
                listener.into_std().await?
            }
            Ok(listener) => listener,
        };
        drop((first, client));
        let theirs = std_unix::UnixStream::connect(&path)?;
        listener.accept()?;
        drop(theirs);

        let back = UnixListener::from_std(listener)?;
        let _client = UnixStream::connect(&path).await?;
        back.accept().await?;
        let tcp = annulus::net::TcpListener::bind("127.0.0.1:0")?.into_std().await?;
        let address = tcp.local_addr()?;
        let tcp = annulus::net::TcpListener::try_from(tcp)?;
        let _client = annulus::net::TcpStream::connect(address).await?;
        tcp.accept().await.map(drop)
    });
}

#[test]
fn descriptors_become_handles_if_they_are_what_they_should_be() {
    use annulus::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    run(async {
        let (left, right) = std_unix::UnixStream::pair()?;
        let ours = UnixStream::try_from(OwnedFd::from(left))?;
        let theirs = UnixStream::try_from(right)?;
        ours.write_all("x").await?;
        assert_eq!(&*theirs.recv().await?.unwrap(), b"x");

        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let stream = OwnedFd::from(std::net::TcpStream::connect(listener.local_addr()?)?);
        let wrong = TcpListener::try_from(stream.try_clone()?).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        assert!(wrong.to_string().contains("is no TcpListener"), "{wrong}");
        assert!(UnixStream::try_from(stream.try_clone()?).is_err());
        assert!(TcpStream::try_from(OwnedFd::from(listener.try_clone()?)).is_err());
        let no_socket = OwnedFd::from(std::fs::File::open("/dev/null")?);
        let error = TcpStream::try_from(no_socket).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));

        let listener = TcpListener::try_from(OwnedFd::from(listener))?;
        let client = TcpStream::try_from(stream)?;
        assert_eq!(listener.accept().await?.1, client.local_addr()?);
        Ok(())
    });
}

#[test]
fn without_a_runtime_nothing_is_taken_over() {
    let _shared = share_process();
    let (left, _right) = std_unix::UnixStream::pair().unwrap();
    let error = UnixStream::try_from(left).unwrap_err();
    assert!(error.to_string().contains("no Annulus runtime"), "{error}");
    let error: io::Error = UnixListener::bind_addr(&abstract_name("none")).unwrap_err();
    assert!(error.to_string().contains("no Annulus runtime"), "{error}");
}
