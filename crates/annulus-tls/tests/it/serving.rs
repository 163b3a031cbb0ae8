//! A server of `annulus::serve` whose connections speak TLS.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream as StdStream};
use std::time::Duration;

use annulus::net::{Parsed, TcpStream};
use annulus::runtime::Cores;
use annulus::serve::{Config, Conn, Ended, Handler, Server};
use annulus_tls::{Certificates, Reloadable, TlsAcceptor, TlsConnector, TlsInfo};

use crate::support::{BOUND, Made, ends, made, run};

/// Says whom the client asked for, echoes lines, and ends when the client does.
struct Lines;

impl Handler for Lines {
    fn for_core(_core: usize) -> Self {
        Lines
    }

    async fn on_accept(&self, conn: Conn) {
        let info = conn.info::<TlsInfo>().expect("it speaks TLS");
        let name = info.server_name.clone().expect("the client asks for a name");
        conn.send(format!("{name}\n")).await.expect("the client reads");
        loop {
            let n = conn.with_data(|bytes| match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    conn.send_nowait(&bytes[..=end]).expect("there is room");
                    Parsed::Consumed(end + 1)
                }
                None => Parsed::NeedMore,
            });
            if n.await == 0 {
                break;
            }
        }
        assert_eq!(conn.ended(), Some(Ended::Eof));
        let _ = conn.finish().await;
    }
}

#[test]
fn connections_of_a_server_speak_tls_and_their_handler_does_not_notice() {
    let (acceptor, connector) = ends();
    let config = Config::new()
        .cores(Cores::Count(1))
        .handshake_timeout(Duration::from_secs(20))
        .drain_timeout(BOUND);
    let server = Server::builder(config).bind_with(([127, 0, 0, 1], 0).into(), acceptor);
    let (handle, workers) = server.launch::<Lines>().expect("it starts");
    let address = handle.addr().expect("it listens");

    // What is no TLS is closed, and is nobody else's concern.
    let mut plain = StdStream::connect(address).expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is read");
    plain.shutdown(Shutdown::Write).expect("it is connected");
    let mut said = Vec::new();
    if let Err(error) = plain.read_to_end(&mut said) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    assert!(!said.starts_with(b"HTTP"), "{said:?}");

    run(async {
        let stream = connector.connect("localhost", TcpStream::connect(address).await?).await?;
        let much = [&vec![b'x'; 300_000][..], b"\n"].concat();
        stream.write_all("one\ntwo\n").await?;
        stream.write_all(much.clone()).await?;
        let expected = [b"localhost\none\ntwo\n", &much[..]].concat();
        let ((), answer) = stream.read_exact(vec![0; expected.len()]).await?;
        assert!(answer == expected, "other bytes came back");
        stream.shutdown().await?;
        assert!(stream.recv().await?.is_none(), "the server says that it ends");
        Ok(())
    });
    let metrics = handle.metrics();
    handle.shutdown();
    workers.join().expect("no core fails");
    assert_eq!(metrics.cores[0].handshakes_failed, 1);
}

#[test]
fn a_server_exchanges_its_certificate_and_keeps_its_connections() {
    let (old, new) = (made(&["localhost"]), made(&["localhost"]));
    let certificates = Reloadable::new(Certificates::from(old.identity()));
    let acceptor = TlsAcceptor::builder().reloadable(certificates.clone()).build().unwrap();
    let connector =
        |made: &Made| TlsConnector::builder().roots(made.roots()).sessions(0).build().unwrap();
    let (of_old, of_new) = (connector(&old), connector(&new));
    let config = Config::new().cores(Cores::Count(1)).drain_timeout(BOUND);
    let server = Server::builder(config).bind_with(([127, 0, 0, 1], 0).into(), acceptor);
    let (handle, workers) = server.launch::<Lines>().expect("it starts");
    let address = handle.addr().expect("it listens");
    run(async move {
        let before = of_old.connect("localhost", TcpStream::connect(address).await?).await?;
        let ((), _) = before.read_exact(vec![0; "localhost\n".len()]).await?;
        certificates.replace(Certificates::from(new.identity()));
        let after = of_new.connect("localhost", TcpStream::connect(address).await?).await?;
        let ((), _) = after.read_exact(vec![0; "localhost\n".len()]).await?;
        let refused = of_old.connect("localhost", TcpStream::connect(address).await?).await;
        refused.expect_err("the certificate is another one");
        for stream in [&before, &after] {
            stream.write_all("still here\n").await?;
            let ((), line) = stream.read_exact(vec![0; "still here\n".len()]).await?;
            assert_eq!(line, b"still here\n");
            stream.shutdown().await?;
            assert!(stream.recv().await?.is_none());
        }
        Ok(())
    });
    handle.shutdown();
    workers.join().expect("no core fails");
}

/// Hears one byte, and leaves in the way that it says.
struct Leaves;

impl Handler for Leaves {
    fn for_core(_core: usize) -> Self {
        Leaves
    }

    async fn on_accept(&self, conn: Conn) {
        let way = conn.recv().await.expect("it is TLS").expect("a byte was sent")[0];
        conn.send_nowait(b"bye").expect("there is room");
        match way {
            b'c' => conn.close(),
            b'f' => conn.finish().await.expect("the client is there"),
            _ => {}
        }
    }
}

#[test]
fn however_a_handler_leaves_the_client_sees_a_clean_end() {
    let (acceptor, connector) = ends();
    let config = Config::new().cores(Cores::Count(1)).drain_timeout(BOUND);
    let server = Server::builder(config).bind_with(([127, 0, 0, 1], 0).into(), acceptor);
    let (handle, workers) = server.launch::<Leaves>().expect("it starts");
    let address = handle.addr().expect("it listens");
    run(async {
        for way in ["close", "finish", "drop"] {
            let stream = connector.connect("localhost", TcpStream::connect(address).await?).await?;
            stream.write_all(&way.as_bytes()[..1]).await?;
            let ((), bye) = stream.read_exact(vec![0; 3]).await?;
            assert_eq!(bye, b"bye", "{way}");
            let end = stream.recv().await;
            assert!(matches!(end, Ok(None)), "{way}: {end:?}");
        }
        Ok(())
    });
    handle.shutdown();
    workers.join().expect("no core fails");
}

/// Answers each line with a hundred kilobytes, without waiting.
struct Floods;

impl Handler for Floods {
    fn for_core(_core: usize) -> Self {
        Floods
    }

    async fn on_accept(&self, conn: Conn) {
        let answer = vec![b'.'; 100_000];
        while conn
            .with_data(|bytes| {
                conn.send_nowait(&answer).expect("a parser is called only if there is room");
                Parsed::Consumed(bytes.len().min(1))
            })
            .await
            > 0
        {}
        let _ = conn.finish().await;
    }
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let (acceptor, connector) = ends();
    let config = Config::new().cores(Cores::Count(1)).drain_timeout(BOUND);
    let server = Server::builder(config).bind_with(([127, 0, 0, 1], 0).into(), acceptor);
    let (handle, workers) = server.launch::<Floods>().expect("it starts");
    let address = handle.addr().expect("it listens");
    const ASKED: usize = 200;
    run(async {
        let stream = connector.connect("localhost", TcpStream::connect(address).await?).await?;
        stream.write_all(vec![b'?'; ASKED]).await?;
        stream.shutdown().await?;
        let mut came = 0;
        while let Some(lease) = stream.recv().await? {
            assert!(lease.iter().all(|byte| *byte == b'.'));
            came += lease.len();
        }
        assert_eq!(came, ASKED * 100_000);
        Ok(())
    });
    handle.shutdown();
    workers.join().expect("no core fails");
}
