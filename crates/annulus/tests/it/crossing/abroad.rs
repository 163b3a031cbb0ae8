//! What handles say on a core that is not their own.
//!
//! Each test makes handles at home and uses them abroad, where every operation is the error that
//! names both cores and does nothing. At home everything goes on as if nothing had been asked.
//!
//! Not listed is what no core is needed for: what a handle remembers, calls that wait for nothing
//! and say so (`Child::try_wait`), threads that may block (`Inotify::add`).

mod files;
mod waits;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;

use annulus::fs::File;
use annulus::net::control::Control;
use annulus::net::{
    Parsed, TcpListener, TcpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
use annulus::runtime::Runtime;
use futures_util::TryStreamExt as _;

use crate::cancel::at_rest;
use crate::harness::{Scratch, made, pair, share_process};

/// What each operation says on a foreign core.
type Said = RefCell<Vec<(&'static str, Option<io::Error>)>>;

fn note<T>(said: &Said, name: &'static str, result: Result<T, impl Into<io::Error>>) {
    said.borrow_mut().push((name, result.err().map(Into::into)));
}

/// Each said whose handle it is, where it was used, and what to do about it.
fn assert_refused(said: Said, home: &Runtime, abroad: &Runtime) {
    let both = [home.core_id(), abroad.core_id()].map(|core| format!("{core:?}"));
    for (name, error) in said.into_inner() {
        let text = error.unwrap_or_else(|| panic!("{name} works on a foreign core")).to_string();
        assert!(text.contains("belongs to"), "{name}: {text}");
        assert!(text.contains("CoreHandle::spawn"), "{name}: {text} has no remedy for all handles");
        for core in &both {
            assert!(text.contains(core.as_str()), "{name}: {text} does not name {core}");
        }
    }
}

#[test]
fn every_operation_on_a_foreign_core_is_the_error_that_names_both() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (client, server, listener, file, left, right) = home.block_on(async {
        let (client, server) = pair().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let file = File::open("/proc/self/exe").await.unwrap();
        let (left, right) = UnixStream::pair().unwrap();
        (client, server, listener, file, left, right)
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "recv", client.recv().await);
        note(&said, "read", client.read(vec![0; 4]).await);
        note(&said, "read_exact", client.read_exact(vec![0; 4]).await);
        note(&said, "with_data", client.with_data(|bytes| Parsed::Consumed(bytes.len())).await);
        note(&said, "fill_buf", client.reader().fill_buf().await.map(drop));
        note(&said, "write", client.write("text").await);
        note(&said, "write_all", client.write_all("text").await);
        note(&said, "write_all_vectored", client.write_all_vectored(("a", "b")).await);
        note(&said, "send_nowait", client.send_nowait(b"text"));
        note(&said, "flush", client.flush().await);
        note(&said, "peek", client.peek(vec![0; 4]).await);
        note(&said, "read_vectored", client.read_vectored((vec![0; 4], vec![0])).await);
        note(&said, "write_vectored", client.write_vectored(("a", "b")).await);
        note(&said, "set_nodelay", client.set_nodelay(true));
        note(&said, "info", client.info());
        note(&said, "shutdown", client.shutdown(Shutdown::Write));
        note(&said, "send_file", client.send_file(&file, 0..4).await);
        note(&said, "send_file_after", client.send_file_after("text", &file, 0..4).await);
        note(&said, "accept", listener.accept().await);
        note(&said, "read_at", file.read_at(vec![0; 4], 0).await);
        note(&said, "try_read_at", file.try_read_at(vec![0; 4], 0));
        note(&said, "read_exact_at", file.read_exact_at(vec![0; 4], 0).await);
        note(&said, "write_at", file.write_at("text", 0).await);
        note(&said, "sync_all", file.sync_all().await);
        note(&said, "sync_data", file.sync_data().await);
        note(&said, "unix recv", left.recv().await);
        note(
            &said,
            "into_portable",
            right.into_portable().await.map(drop).map_err(io::Error::from),
        );
        note(&said, "into_std", server.into_std().await.map(drop).map_err(io::Error::from));
    });
    assert_refused(said, &home, &abroad);
    // And at home everything goes on as if nothing had been asked.
    home.block_on(async move {
        if let Err(error) = left.write_all("left").await {
            // The other end may have gone with the future that was to move it.
            assert_eq!(error.error().kind(), io::ErrorKind::BrokenPipe);
        }
        let ((), head) = file.read_exact_at(vec![0; 4], 0).await.unwrap();
        assert_eq!(head, b"\x7fELF");
        drop((client, listener, file, left));
        at_rest().await.unwrap();
    });
}

#[test]
fn what_else_a_stream_offers_is_of_its_core() {
    let scratch = Scratch::new();
    let path = scratch.file("page", b"page");
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (client, server, file) = home.block_on(async {
        let (client, server) = pair().await.unwrap();
        (client, server, File::open(&path).await.unwrap())
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "write_all_zc", client.write_all_zc("text").await);
        note(&said, "write_all_vectored_zc", client.write_all_vectored_zc(("a", "b")).await);
        note(&said, "send_nowait_vec", client.send_nowait_vec(&mut b"text".to_vec()));
        note(&said, "leases", client.leases().try_next().await);
        note(&said, "set_receive_pool", client.set_receive_pool(0));
        note(&said, "set_linger", client.set_linger(None));
        note(&said, "local_addr", client.local_addr());
        note(&said, "peer_addr", client.peer_addr());
        let (mut polled, pieces) = (client.polled(), [IoSlice::new(b"text")]);
        note(&said, "poll_recv", poll_fn(|cx| polled.poll_recv(cx)).await);
        note(&said, "poll_write", poll_fn(|cx| polled.poll_write(cx, &pieces)).await);
        note(&said, "poll_room", poll_fn(|cx| polled.poll_room(cx)).await);
        note(&said, "poll_flush", poll_fn(|cx| polled.poll_flush(cx)).await);
        // The file is another core's, although its pages are there for all.
        let (ours, theirs) = pair().await.unwrap();
        note(&said, "send_file", ours.send_file(&file, 0..4).await);
        note(&said, "send_file_after", ours.send_file_after("head", &file, 0..4).await);
        ours.shutdown(Shutdown::Write).unwrap();
        assert!(theirs.recv().await.unwrap().is_none(), "nothing was sent");
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        client.shutdown(Shutdown::Write).unwrap();
        assert!(server.recv().await.unwrap().is_none(), "nothing was sent");
        drop((client, server, file));
        at_rest().await.unwrap();
    });
}

#[test]
fn listeners_and_sockets_that_are_neither_are_of_their_core() {
    let scratch = Scratch::new();
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let at = |name: &str| scratch.path().join(name);
    let (tcp, unix, packets, sockets) = home.block_on(async {
        (
            [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()),
            ["a", "b"].map(|name| UnixListener::bind(at(name)).unwrap()),
            ["c", "d"].map(|name| UnixSeqpacketListener::bind(at(name)).unwrap()),
            [(); 3].map(|()| TcpSocket::new_v4().unwrap()),
        )
    });
    let ([tcp, leaving_tcp], [unix, leaving_unix]) = (tcp, unix);
    let ([packets, leaving_packets], [socket, listening, connecting]) = (packets, sockets);
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "tcp incoming", tcp.incoming().try_next().await);
        note(&said, "tcp local_addr", tcp.local_addr());
        note(&said, "tcp set_receive_pool", tcp.set_receive_pool(0));
        note(&said, "tcp into_std", leaving_tcp.into_std().await);
        note(&said, "unix accept", unix.accept().await);
        note(&said, "unix incoming", unix.incoming().try_next().await);
        note(&said, "unix local_addr", unix.local_addr());
        note(&said, "unix into_std", leaving_unix.into_std().await);
        note(&said, "packets accept", packets.accept().await);
        note(&said, "packets incoming", packets.incoming().try_next().await);
        note(&said, "packets local_addr", packets.local_addr());
        note(&said, "packets into_fd", leaving_packets.into_fd().await);
        note(&said, "socket bind", socket.bind("127.0.0.1:0"));
        note(&said, "socket set_reuseport", socket.set_reuseport(true));
        note(&said, "socket set_zero_linger", socket.set_zero_linger());
        note(&said, "socket local_addr", socket.local_addr());
        note(&said, "socket listen", listening.listen(8));
        note(&said, "socket connect", connecting.connect("127.0.0.1:1").await);
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        let client = UnixStream::connect(at("a")).await.unwrap();
        drop((client, unix.accept().await.unwrap()));
        drop((tcp, unix, packets, socket));
        at_rest().await.unwrap();
    });
}

#[test]
fn unix_sockets_of_messages_are_of_their_core() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (unix, packets, leaving) = home.block_on(async {
        let leaving = (UnixDatagram::unbound().unwrap(), UnixSeqpacket::pair().unwrap().0);
        (UnixDatagram::pair().unwrap(), UnixSeqpacket::pair().unwrap(), leaving)
    });
    let ((left, right), (first, second)) = (unix, packets);
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "connect", left.connect("/nowhere").await);
        note(&said, "recv_batch", left.recv_batch(2).await);
        let mut stream = left.datagrams();
        note(&said, "datagrams", stream.try_next().await);
        note(&said, "datagrams, the same again", stream.try_next().await);
        note(&said, "try_recv", left.try_recv());
        note(&said, "read", left.read(vec![0; 4]).await);
        note(&said, "recv_from", left.recv_from(vec![0; 4]).await);
        note(&said, "recv_msg", left.recv_msg(vec![0; 4], Control::new()).await);
        note(&said, "peek_from", left.peek_from(vec![0; 4]).await);
        note(&said, "send_to", left.send_to("text", "/nowhere").await);
        note(&said, "send_msg", left.send_msg(("text",), None, Control::new()).await);
        note(&said, "set_receive_credentials", left.set_receive_credentials(true));
        note(&said, "shutdown", left.shutdown(Shutdown::Both));
        note(&said, "local_addr", left.local_addr());
        note(&said, "peer_addr", left.peer_addr());
        note(&said, "into_std", leaving.0.into_std().await);
        note(&said, "packets read", first.read(vec![0; 4]).await);
        note(&said, "packets recv_msg", first.recv_msg(vec![0; 4], Control::new()).await);
        note(&said, "packets", first.packets().try_next().await);
        note(&said, "packets send", first.send("text").await);
        note(&said, "packets send_msg", first.send_msg(("text",), Control::new()).await);
        note(&said, "packets shutdown", first.shutdown(Shutdown::Both));
        note(&said, "packets peer_cred", first.peer_cred());
        note(&said, "packets into_fd", leaving.1.into_fd().await);
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        left.send("datagram").await.unwrap();
        assert_eq!(&*right.recv().await.unwrap(), b"datagram");
        first.send("packet").await.unwrap();
        assert_eq!(&*second.recv().await.unwrap().expect("no end yet"), b"packet");
        drop((left, right, first, second));
        at_rest().await.unwrap();
    });
}
