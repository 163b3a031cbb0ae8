//! Handshakes with what is no TLS, too little of it, or the wrong one.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use annulus::net::TcpStream;
use annulus_tls::rustls::{self, CertificateError};
use annulus_tls::{ConfigError, HandshakeError, TlsAcceptor, TlsConnector};

use crate::support::{Tls, connected, ends, made, run, sockets};

/// How a server's handshake ends with a client that says `bytes` and then nothing.
async fn told(bytes: &[u8], then_end: bool) -> io::Result<(HandshakeError, Vec<u8>)> {
    let (acceptor, _) = ends();
    let acceptor = acceptor.with_handshake_timeout(None);
    let (client, server) = sockets().await?;
    client.write_all(bytes.to_vec()).await?;
    if then_end {
        client.shutdown(Shutdown::Write)?;
    }
    let error = acceptor.accept(server).await.expect_err("this is no handshake");
    let mut answer = Vec::new();
    while let Some(bytes) = client.recv().await.unwrap_or(None) {
        answer.extend_from_slice(&bytes);
    }
    Ok((error, answer))
}

/// What a client says first.
async fn hello() -> io::Result<Vec<u8>> {
    let (_, connector) = ends();
    let (client, server) = sockets().await?;
    let connecting = annulus::spawn(async move { connector.connect("localhost", client).await });
    let mut hello = server.recv().await?.expect("a client speaks first").to_vec();
    let len = 5 + usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    while hello.len() < len {
        hello.extend_from_slice(&server.recv().await?.expect("the rest of the hello"));
    }
    drop(server);
    assert!(connecting.await.expect("it does not panic").is_err());
    Ok(hello)
}

#[test]
fn garbage_is_answered_with_an_alert() {
    run(async {
        for garbage in
            [&b"\x00\x01\x02\x03\x04\x05\x06\x07"[..], b"SSH-2.0-OpenSSH_9.9\r\n", &[22; 300]]
        {
            let (error, answer) = told(garbage, false).await?;
            assert!(matches!(error, HandshakeError::Tls(_)), "{error:?}");
            assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
        }
        Ok(())
    });
}

#[test]
fn plain_http_is_called_by_its_name() {
    run(async {
        for request in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.0\r\n\r\n"] {
            let (error, _) = told(request.as_bytes(), false).await?;
            assert!(matches!(error, HandshakeError::PlainHttp), "{error:?}");
            assert!(error.to_string().contains("plain HTTP"), "{error}");
        }
        Ok(())
    });
}

#[test]
fn a_record_that_is_too_large_is_refused_by_its_head() {
    run(async {
        let (error, answer) = told(&[22, 3, 1, 0xff, 0xff, 1], false).await?;
        assert!(matches!(error, HandshakeError::Tls(_)), "{error:?}");
        assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
        Ok(())
    });
}

/// A record of a handshake.
fn record(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("it fits").to_be_bytes();
    [&[22, 3, 1][..], &len, bytes].concat()
}

#[test]
fn a_message_that_is_too_large_is_refused_before_it_comes() {
    run(async {
        // A hello of a mebibyte, by what it says of itself.
        let (error, _) = told(&record(&[1, 0x10, 0, 0, 3, 3]), false).await?;
        assert!(matches!(error, HandshakeError::Tls(_)), "{error:?}");
        Ok(())
    });
}

#[test]
fn garbage_behind_half_a_message_is_refused() {
    run(async {
        let hello = hello().await?;
        for cut in [1, 3, 4, 50] {
            let half = record(&hello[5..5 + cut]);
            for garbage in [&[99; 40][..], &[22, 3, 1, 0, 0], &[21, 3, 1, 0, 2, 9, 9]] {
                let (error, _) = told(&[&half, garbage].concat(), false).await?;
                assert!(matches!(error, HandshakeError::Tls(_)), "{error:?}");
            }
            // And a message in two records is one.
            let rest = record(&hello[5 + cut..]);
            let (error, _) = told(&[half, rest].concat(), true).await?;
            assert!(matches!(error, HandshakeError::Closed { silent: false }), "{error:?}");
        }
        Ok(())
    });
}

#[test]
fn an_end_is_told_from_silence_and_from_the_middle() {
    run(async {
        let (error, _) = told(b"", true).await?;
        assert!(matches!(error, HandshakeError::Closed { silent: true }), "{error:?}");
        let hello = hello().await?;
        for len in [1, 4, 5, 6, hello.len() / 2, hello.len() - 1, hello.len()] {
            let (error, _) = told(&hello[..len], true).await?;
            assert!(matches!(error, HandshakeError::Closed { silent: false }), "{len}: {error:?}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::UnexpectedEof);
        }
        Ok(())
    });
}

#[test]
fn a_hello_in_single_bytes_is_one() {
    run(async {
        let (acceptor, connector) = ends();
        let (left, right) = sockets().await?;
        let (relay_left, relay_right) = sockets().await?;
        // Between the client and the server somebody passes on single bytes.
        let relay = annulus::spawn(async move {
            let relay = annulus::io::split(right);
            let onward = annulus::io::split(relay_left);
            let forth = annulus::spawn(single_bytes(relay.0, onward.1));
            single_bytes(onward.0, relay.1).await?;
            forth.await.expect("it does not panic")
        });
        let (client, server) =
            annulus::join!(connector.connect("localhost", left), acceptor.accept(relay_right));
        let (client, server): (Tls, Tls) = (client?, server?);
        client.write_all("hello").await?;
        let ((), got) = server.read_exact(vec![0; 5]).await?;
        assert_eq!(got, b"hello");
        client.shutdown().await?;
        server.shutdown().await?;
        assert!(server.recv().await?.is_none());
        assert!(client.recv().await?.is_none());
        relay.await.expect("it does not panic")
    });
}

async fn single_bytes(
    mut from: annulus::io::ReadHalf<TcpStream>,
    mut to: annulus::io::WriteHalf<TcpStream>,
) -> io::Result<()> {
    use annulus::io::{AsyncRead as _, AsyncWrite as _};
    while let Some(bytes) = from.recv().await? {
        for &byte in &*bytes {
            to.write_all(vec![byte]).await?;
        }
    }
    to.shutdown().await
}

#[test]
fn half_a_hello_and_silence_end_in_time() {
    run(async {
        let bound = Duration::from_millis(50);
        let (acceptor, connector) = ends();
        let hello = hello().await?;
        for said in [&hello[..0], &hello[..3], &hello[..hello.len() / 2], &hello[..]] {
            let acceptor = acceptor.clone().with_handshake_timeout(bound);
            let (client, server) = sockets().await?;
            client.write_all(said.to_vec()).await?;
            let error = acceptor.accept(server).await.expect_err("nothing more comes");
            assert!(matches!(error, HandshakeError::TimedOut(b) if b == bound), "{error:?}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
        }
        let (client, _server) = sockets().await?;
        let connector = connector.with_handshake_timeout(bound);
        let error = connector.connect("localhost", client).await.expect_err("nothing comes");
        assert!(matches!(error, HandshakeError::TimedOut(_)), "{error:?}");
        Ok(())
    });
}

#[test]
fn a_server_that_ends_in_the_middle_is_told_of() {
    run(async {
        for answers in [&b""[..], b"\x16", b"\x16\x03\x03\x00\x7a\x02"] {
            let (_, connector) = ends();
            let (client, server) = sockets().await?;
            let serve = async {
                let _hello = server.recv().await?;
                server.write_all(answers).await?;
                server.shutdown(Shutdown::Write)
            };
            let (connected, served) = annulus::join!(connector.connect("localhost", client), serve);
            served?;
            let error = connected.expect_err("the server went away");
            let silent = answers.is_empty();
            assert!(
                matches!(error, HandshakeError::Closed { silent: said } if said == silent),
                "{error:?}"
            );
        }
        Ok(())
    });
}

#[test]
fn a_client_that_trusts_somebody_else_says_so_to_both() {
    run(async {
        let (acceptor, _) = ends();
        let (_, stranger) = ends();
        let (client, server) = sockets().await?;
        let (client, server) =
            annulus::join!(stranger.connect("localhost", client), acceptor.accept(server));
        let error = client.expect_err("the certificate is not trusted");
        assert!(
            matches!(
                error,
                HandshakeError::Tls(rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature
                ))
            ),
            "{error:?}"
        );
        let error = server.expect_err("the client was told, and told us");
        assert!(matches!(error, HandshakeError::Tls(rustls::Error::AlertReceived(_))), "{error:?}");
        Ok(())
    });
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    run(async {
        let (acceptor, connector) = ends();
        let error = connected(&connector, &acceptor, "elsewhere.example").await;
        let error = error.expect_err("the certificate is for localhost");
        assert!(error.to_string().contains("not valid for"), "{error}");
        for name in ["", "with space", "-"] {
            let (client, _server) = sockets().await?;
            let error = connector.connect(name, client).await.expect_err("this is no name");
            assert!(matches!(error, HandshakeError::Name(_)), "{name}: {error:?}");
        }
        Ok(())
    });
}

#[test]
fn what_cannot_be_configured_says_what_is_missing() {
    let error = TlsAcceptor::builder().build().expect_err("it has no certificate");
    assert!(matches!(error, ConfigError::NoIdentity), "{error:?}");
    let error = TlsConnector::builder().build().expect_err("it trusts nobody");
    assert!(matches!(error, ConfigError::NoRoots), "{error:?}");
    let made = made(&["localhost"]);
    let nobody = TlsAcceptor::builder()
        .identity(made.identity())
        .require_client_certificates(annulus_tls::Roots::new());
    let error = nobody.build().expect_err("it trusts nobody");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
}
