//! What is agreed upon: protocols, versions, sessions, and the log of keys.

use std::io;
use std::process::Command;

use annulus_tls::rustls::{self, ProtocolVersion, version};
use annulus_tls::{HandshakeError, Resumption, TlsAcceptor, TlsConnector};

use crate::support::{Made, all, connected, made, run, sockets};

#[test]
fn the_server_prefers_among_what_the_client_offers() {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).alpn(["h2", "http/1.1"]);
    let acceptor = acceptor.build().unwrap();
    let connector = move |offers: &[&str]| {
        let offers = offers.iter().map(|&offer| offer.to_owned());
        TlsConnector::builder().roots(made.roots()).alpn(offers).build()
    };
    run(async move {
        for (offers, chosen) in [
            (&["http/1.1", "h2"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&["gopher", "http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let (client, server) = connected(&connector(offers)?, &acceptor, "localhost").await?;
            let chosen = chosen.map(|chosen: &str| chosen.as_bytes().to_vec());
            assert_eq!((client.alpn(), server.alpn()), (chosen.clone(), chosen));
        }
        let (client, server) = sockets().await?;
        let gopher = connector(&["gopher"])?;
        let (client, server) =
            annulus::join!(gopher.connect("localhost", client), acceptor.accept(server));
        let error = server.expect_err("it does not speak that");
        assert!(
            matches!(error, HandshakeError::Tls(rustls::Error::NoApplicationProtocol)),
            "{error:?}"
        );
        client.expect_err("it was refused");
        Ok(())
    });
}

/// A connector that speaks one version.
fn speaking(made: &Made, version: &'static rustls::SupportedProtocolVersion) -> TlsConnector {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into());
    let config = config.with_protocol_versions(&[version]).unwrap();
    TlsConnector::with_config(&config.with_root_certificates(roots).with_no_client_auth())
}

#[test]
fn a_second_handshake_goes_on_from_the_first() {
    let made = made(&["localhost"]);
    for (resumption, resumes) in
        [(Resumption::Tickets, true), (Resumption::Cache(16), true), (Resumption::Off, false)]
    {
        for version in [&version::TLS13, &version::TLS12] {
            let acceptor = TlsAcceptor::builder().identity(made.identity());
            let acceptor = acceptor.resumption(resumption).build().unwrap();
            let connector = speaking(&made, version);
            run(async move {
                for expected in [false, resumes, resumes] {
                    let (client, server) = connected(&connector, &acceptor, "localhost").await?;
                    assert_eq!(
                        (client.is_resumed(), server.is_resumed()),
                        (expected, expected),
                        "{resumption:?}, {:?}",
                        version.version
                    );
                    assert_eq!(server.server_name().as_deref(), Some("localhost"));
                    assert_eq!(client.version(), Some(version.version));
                    assert!(client.cipher_suite().is_some());
                    // Tickets of TLS 1.3 come behind the handshake.
                    server.write_all("x").await?;
                    server.shutdown().await?;
                    assert_eq!(all(&client).await?, b"x");
                }
                Ok(())
            });
        }
    }
}

#[test]
fn another_key_of_tickets_means_a_full_handshake() {
    let made = made(&["localhost"]);
    let acceptor = || TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    let (one, other) = (acceptor(), acceptor());
    let connector = TlsConnector::builder().roots(made.roots()).build().unwrap();
    run(async move {
        for (acceptor, resumed) in [(&one, false), (&one, true), (&other, false)] {
            let (client, server) = connected(&connector, acceptor, "localhost").await?;
            assert_eq!(client.is_resumed(), resumed);
            assert_eq!(client.version(), Some(ProtocolVersion::TLSv1_3));
            server.shutdown().await?;
            assert!(all(&client).await?.is_empty());
        }
        Ok(())
    });
}

/// Not a test of its own: the next one runs it in a process that has the variable.
#[test]
#[ignore = "run by the next test, in a process of its own"]
fn in_a_process_of_its_own_keys_are_logged() {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).key_log(true).build().unwrap();
    let silent = TlsConnector::builder().roots(made.roots()).build().unwrap();
    let telling = TlsConnector::builder().roots(made.roots()).key_log(true).build().unwrap();
    let quiet = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    run(async move {
        connected(&silent, &acceptor, "localhost").await?;
        connected(&telling, &quiet, "localhost").await?;
        connected(&silent, &quiet, "localhost").await?;
        Ok(())
    });
}

#[test]
fn keys_are_logged_where_that_was_asked_for() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("keys");
    let ended = Command::new(std::env::current_exe()?)
        .args(["--ignored", "--exact", "sessions::in_a_process_of_its_own_keys_are_logged"])
        .env("SSLKEYLOGFILE", &log)
        .output()?;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let keys = std::fs::read_to_string(&log)?;
    let logged = |label: &str| keys.lines().filter(|line| line.starts_with(label)).count();
    assert_eq!(logged("CLIENT_TRAFFIC_SECRET_0 "), 2, "of three connections two are logged");
    assert_eq!(logged("SERVER_TRAFFIC_SECRET_0 "), 2);
    Ok(())
}
