//! Connections: parsing, time limits, how they end, layers, Unix sockets, outbound ones.

use std::any::Any;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::time::Duration;

use annulus::buf::Lease;
use annulus::net::{Polled, TcpStream};
use annulus::runtime::stopping;
use annulus::serve::{
    Config, Conn, Ended, Handler, Layer, Parsed, Peer, Server, Transport, Wrapping,
};

use super::{BOUND, Echo, Run, anywhere, eventually, exchange, rest, small};
use crate::harness::{Scratch, share_process, wait_until_left};

/// A server whose handler tells what its connection came to.
fn told<F, S>(config: Config, serve: F) -> (Run, mpsc::Receiver<Option<Ended>>)
where
    F: Fn(Conn) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = io::Result<()>> + 'static,
{
    let (tell, told) = mpsc::channel();
    let run = Run::tcp(config, move |conn| {
        let (tell, serving) = (tell.clone(), serve(conn.clone()));
        async move {
            let served = serving.await;
            tell.send(conn.ended()).unwrap();
            served
        }
    });
    (run, told)
}

#[test]
fn a_parser_is_called_when_what_it_asked_for_is_there() {
    let run = Run::tcp(small(), |conn| async move {
        // Messages: a length, and so many bytes.
        loop {
            let mut calls = 0;
            let mut message = Vec::new();
            let n = conn.parse(|bytes| {
                calls += 1;
                let Some((&len, body)) = bytes.split_first() else { return Parsed::NeedMore };
                let len = usize::from(len);
                if body.len() < len {
                    return Parsed::NeedAtLeast(1 + len);
                }
                message.extend_from_slice(&body[..len]);
                Parsed::Consumed(1 + len)
            });
            if n.await? == 0 {
                return Ok(());
            }
            assert!(calls <= 2, "it was asked {calls} times");
            conn.send(message).await?;
        }
    });
    let mut client = run.client();
    client.write_all(&[3, b'a']).unwrap();
    for byte in *b"bc" {
        client.write_all(&[byte]).unwrap();
    }
    // Two messages, and the beginning of a third, in one piece.
    client.write_all(&[1, b'd', 2, b'e', b'f', 1]).unwrap();
    client.write_all(b"g").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"abcdefg");
    assert_eq!(run.end().cores[0].failed, 0);
}

#[test]
fn a_stream_that_ends_in_a_message_is_cut_off_and_sending_goes_on() {
    let (run, told) = told(small(), |conn| async move {
        let error = conn.parse(|_| Parsed::NeedMore).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        conn.send("what?").await?;
        Ok(())
    });
    let mut client = run.client();
    client.write_all(b"half").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"what?");
    assert_eq!(told.recv_timeout(BOUND).unwrap(), Some(Ended::CutOff(4)));
    run.end();
}

#[test]
fn a_message_that_would_be_too_long_is_refused_before_it_is_received() {
    for wants in [Parsed::NeedAtLeast(1 << 30), Parsed::NeedMore] {
        let (run, told) = told(small().message_bytes_max(1000), move |conn| async move {
            assert_eq!(conn.with_data(|_| wants).await, 0);
            Ok(())
        });
        let mut client = run.client();
        client.write_all(&[0; 1000]).unwrap();
        let mut byte = [0];
        let _reset_or_end = client.read(&mut byte);
        assert_eq!(told.recv_timeout(BOUND).unwrap(), Some(Ended::TooLong));
        run.end();
    }
}

#[test]
fn a_reset_is_an_error_once_and_its_number_is_known() {
    let (run, told) = told(small(), |conn| async move {
        let greeting = conn.recv().await?.unwrap();
        conn.send(greeting).await?;
        let error = conn.recv().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET));
        assert_eq!(conn.ended(), Some(Ended::Failed(libc::ECONNRESET)));
        assert!(conn.recv().await?.is_none());
        Ok(())
    });
    let mut client = run.client();
    assert_eq!(exchange(&mut client, b"x"), b"x"); // else it would not even be accepted
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(told.recv_timeout(BOUND).unwrap(), Some(Ended::Eof));
    run.end();
}

#[test]
fn a_read_timeout_bounds_a_message_and_not_its_bytes() {
    let (tell, told) = mpsc::channel();
    let run = Run::tcp(small().read_timeout(Duration::from_millis(20)), move |conn| {
        let tell = tell.clone();
        async move {
            let error = conn.parse(|_| Parsed::NeedMore).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(conn.ended(), Some(Ended::TimedOut));
            // What came is still there, and the connection goes on.
            conn.set_read_timeout(None);
            tell.send(()).unwrap();
            let n = conn.parse(|bytes| match bytes.ends_with(b"\n") {
                true => Parsed::Consumed(bytes.len()),
                false => Parsed::NeedMore,
            });
            let n = n.await?;
            conn.send(vec![n as u8]).await?;
            Ok(())
        }
    });
    let mut client = run.client();
    client.write_all(b"abc").unwrap();
    told.recv_timeout(BOUND).unwrap();
    client.write_all(b"\n").unwrap();
    assert_eq!(rest(&mut client), [4]);
    run.end();
}

#[test]
fn a_connection_that_is_still_is_aborted_and_one_that_is_not_lives() {
    let (run, told) = told(small().idle_timeout(Duration::from_millis(40)), |conn| async move {
        while conn.with_data(|bytes| Parsed::Consumed(bytes.len())).await > 0 {
            conn.send("x").await?;
        }
        Ok(())
    });
    let mut still = run.client();
    assert_eq!(told.recv_timeout(BOUND).unwrap(), Some(Ended::Idle));
    let error = still.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(run.end().cores[0].idle, 1);
}

#[test]
fn a_peer_that_does_not_read_is_given_up_after_the_write_timeout() {
    let (run, told) = told(small().write_timeout(Duration::from_millis(30)), |conn| async move {
        let large = vec![0; 64 << 20];
        let error = conn.send(large).await.unwrap_err();
        assert_eq!(error.error().kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.into_buf().map(|buf| buf.len()), Some(64 << 20), "the buffer comes back");
        assert!(!conn.is_open());
        Ok(())
    });
    let _client = run.client();
    assert_eq!(told.recv_timeout(BOUND).unwrap(), Some(Ended::TimedOut));
    run.end();
}

#[test]
fn an_abort_resets_and_throws_away_and_a_close_sends_what_was_accepted() {
    let run = Run::tcp(small(), |conn| async move {
        let closes = conn.recv().await?.is_some_and(|lease| &*lease == b"close");
        conn.send_nowait(b"accepted")?;
        if closes {
            conn.close();
        } else {
            conn.abort();
            assert!(conn.recv().await.is_err());
            assert_eq!(conn.ended(), Some(Ended::Aborted));
        }
        Ok(())
    });
    let mut client = run.client();
    client.write_all(b"close").unwrap();
    assert_eq!(rest(&mut client), b"accepted");
    let mut client = run.client();
    client.write_all(b"abort").unwrap();
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    run.end();
}

#[test]
fn what_a_dropped_connection_had_accepted_is_sent() {
    let run = Run::tcp(small().runtime(|core| core.send_high_bytes(8 << 20)), |conn| async move {
        conn.send_nowait(&vec![b'x'; 4 << 20])?;
        Ok(()) // and is dropped
    });
    let mut client = run.client();
    eventually("the handler has ended", || run.metrics().cores[0].finished == 1);
    assert_eq!(rest(&mut client).len(), 4 << 20);
    run.end();
}

#[test]
fn a_last_answer_is_seen_although_the_peer_still_sends() {
    let run = Run::tcp(small(), |conn| async move {
        let _head = conn.recv().await?;
        conn.send("go away").await?;
        conn.linger(BOUND).await;
        Ok(())
    });
    let mut client = run.client();
    client.write_all(&[1; 100_000]).unwrap();
    let mut answer = [0; 7];
    client.write_all(&[1; 100_000]).unwrap();
    client.read_exact(&mut answer).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&answer, rest(&mut client).len()), (b"go away", 0));
    run.end();
}

#[test]
fn bytes_are_forwarded_between_connections_in_both_directions() {
    let backend = Run::echo(small());
    let address = backend.addr();
    for limited in [false, true] {
        let run = Run::tcp(small(), move |conn| async move {
            let other = Conn::connect_timeout(address, BOUND).await?;
            if limited {
                conn.set_read_timeout(BOUND); // goes lease by lease
                other.set_read_timeout(BOUND);
            }
            let (there, back) = annulus::join!(
                async {
                    let there = conn.forward_to(&other).await?;
                    other.finish().await?;
                    io::Result::Ok(there)
                },
                other.forward_to(&conn),
            );
            assert_eq!(there?, back?);
            Ok(())
        });
        let mut client = run.client();
        let mut writer = client.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(&vec![7; 3 << 20]).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(rest(&mut client), vec![7; 3 << 20]);
        writing.join().unwrap();
        assert_eq!(run.end().cores[0].failed, 0);
    }
    backend.end();
}

#[test]
fn unix_sockets_are_served_and_know_their_peer() {
    struct Who;
    impl Handler for Who {
        fn for_core(_core: usize) -> Self {
            Who
        }

        async fn on_accept(&self, conn: Conn) {
            assert!(matches!(conn.peer(), Peer::Unix(_)) && conn.peer_addr().is_none());
            let cred = conn.unix().unwrap().peer_cred().unwrap();
            let who = format!("{:?}", cred.pid());
            conn.send(who).await.unwrap();
        }
    }
    let _shared = share_process();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    for cores in [1, 2] {
        let builder = Server::builder(super::cores(cores)).bind_unix(&path).bind(anywhere());
        let run = Run::handler::<Who>(builder);
        assert_eq!(run.handle.bound()[0].to_string(), path.display().to_string());
        for _ in 0..20 {
            let mut client = UnixStream::connect(&path).unwrap();
            let mut who = String::new();
            client.read_to_string(&mut who).unwrap();
            assert!(who.contains(&std::process::id().to_string()), "{who}");
        }
        assert_eq!(run.end().accepted(), 20);
        assert!(!path.exists(), "its file goes with the server");
    }
    // A leftover of a process that died is replaced.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    wait_until_left(&path);
    Run::handler::<Who>(Server::builder(small()).bind_unix(&path)).end();
}

/// A layer for tests: a greeting for a handshake, and every byte xor-ed.
struct Xor;

struct Xored(TcpStream);

impl Layer for Xor {
    fn wrap(&self, stream: TcpStream) -> Wrapping {
        Box::pin(async move {
            let (_, greeting) = stream.read_exact(vec![0; 2]).await?;
            if greeting != b"hi" {
                return Err(io::ErrorKind::InvalidData.into());
            }
            stream.write_all("ok").await?;
            Ok(Box::new(Xored(stream)) as Box<dyn Transport>)
        })
    }
}

fn xored(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x55).collect()
}

impl Transport for Xored {
    fn poll_recv(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>> {
        places.poll_recv(cx).map_ok(|lease| lease.map(|lease| Lease::from(xored(&lease))))
    }

    fn poll_write(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
        places.poll_write(cx, &[IoSlice::new(&xored(first))])
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn poll_room(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        places.poll_room(cx)
    }

    fn send_nowait(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.send_nowait(&xored(bytes))
    }

    fn poll_flush(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        places.poll_flush(cx)
    }

    fn poll_finish(&mut self, _places: &mut Polled, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown(Shutdown::Write))
    }

    fn close(&mut self) {}

    fn tcp(&self) -> &TcpStream {
        &self.0
    }

    fn info(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new("xor"))
    }
}

#[test]
fn a_layer_above_a_connection_is_the_same_connection_to_its_handler() {
    struct Layered;
    impl Handler for Layered {
        fn for_core(_core: usize) -> Self {
            Layered
        }

        async fn on_accept(&self, conn: Conn) {
            assert_eq!(conn.info::<&str>().as_deref(), Some(&"xor"));
            assert!(conn.info::<String>().is_none() && conn.peer_addr().is_some());
            // Two messages of three bytes, that come in whatever pieces.
            for _ in 0..2 {
                let n = conn.with_data(|bytes| {
                    if bytes.len() < 3 {
                        return Parsed::NeedAtLeast(3);
                    }
                    conn.send_nowait(&bytes[..3]).unwrap();
                    Parsed::Consumed(3)
                });
                assert_eq!(n.await, 3);
            }
            conn.send(vec![b'.'; 600_000]).await.unwrap();
            conn.send_vectored(("a", vec![b'b'])).await.unwrap();
            conn.flush().await.unwrap();
            let lease = conn.recv().await.unwrap().unwrap();
            conn.send(lease).await.unwrap();
            assert!(conn.recv().await.unwrap().is_none());
            conn.finish().await.unwrap();
        }
    }
    let layered = |config: Config| {
        Run::handler::<Layered>(Server::builder(config).bind_with(anywhere(), Xor))
    };
    let run = layered(small().handshake_timeout(Duration::from_millis(20)));
    assert_eq!(rest(&mut run.client()), b"", "who does not shake hands is closed");
    assert_eq!(run.end().cores[0].handshakes_failed, 1);
    let run = layered(small().handshake_timeout(BOUND));
    let mut client = run.client();
    client.write_all(b"hi").unwrap();
    let mut ok = [0; 2];
    client.read_exact(&mut ok).unwrap();
    assert_eq!(exchange(&mut client, &xored(b"onetwo")), xored(b"onetwo"));
    let mut much = vec![0; 600_002];
    client.read_exact(&mut much).unwrap();
    assert_eq!(much, xored(&[&vec![b'.'; 600_000], &b"ab"[..]].concat()));
    assert_eq!(exchange(&mut client, b"end"), b"end");
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), b"");
    let metrics = run.end();
    assert_eq!((metrics.cores[0].handshakes_failed, metrics.panicked()), (0, 0));
}

#[test]
fn a_socket_that_is_taken_out_of_its_connection_still_counts() {
    let run = Run::tcp(small(), |conn| async move {
        let clone = conn.clone();
        let conn = conn.into_tcp().expect_err("there is another handle");
        drop(clone);
        let Ok((stream, permit)) = conn.into_tcp() else { panic!("there is no other") };
        let driver = annulus::serve::driver().unwrap();
        assert_eq!((driver.connections(), driver.conns().len()), (1, 0));
        stream.write_all("bare").await?;
        drop(permit);
        assert_eq!(driver.connections(), 0);
        Ok(())
    });
    assert_eq!(rest(&mut run.client()), b"bare");
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn an_echo_goes_on_while_others_wait_to_be_stopped() {
    let run = Run::tcp(small(), |conn| async move {
        stopping().await;
        conn.close();
        Ok(())
    });
    let waiting: Vec<_> = (0..10).map(|_| run.client()).collect();
    eventually("all are open", || run.metrics().open() == 10);
    let echo = Run::handler::<Echo>(Server::builder(small()).bind(anywhere()).bind(anywhere()));
    assert_eq!(echo.handle.bound().len(), 2);
    assert_eq!(exchange(&mut echo.client(), b"other server"), b"other server");
    echo.end();
    run.end();
    drop(waiting);
}
