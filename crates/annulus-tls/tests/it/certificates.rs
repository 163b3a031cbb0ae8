//! Who one is: several certificates, those of clients, files that are exchanged.

use std::cell::Cell;
use std::fs;
use std::io;
use std::rc::Rc;

use annulus_tls::rustls::{self, AlertDescription};
use annulus_tls::{
    Certificates, HandshakeError, Identity, PemReason, Reloadable, Roots, TlsAcceptor, TlsConnector,
};

use crate::support::{Made, all, connected, made, run, sockets};

#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let first = made(&["first.example", "*.first.example"]);
    let second = made(&["second.example"]);
    let both = || Certificates::new(vec![first.identity(), second.identity()]);
    let mut roots = first.roots();
    roots.add_pem(second.certificate.as_bytes()).unwrap();
    let connector = TlsConnector::builder().roots(roots).build().unwrap();
    let acceptor = TlsAcceptor::builder().certificates(both()).build().unwrap();
    let strict = TlsAcceptor::builder().certificates(both().strict()).build().unwrap();
    run(async move {
        for (name, shown) in
            [("first.example", &first), ("www.first.example", &first), ("SECOND.example", &second)]
        {
            for acceptor in [&acceptor, &strict] {
                let (client, server) = connected(&connector, acceptor, name).await?;
                assert_eq!(server.server_name(), Some(name.to_ascii_lowercase()));
                assert_eq!(client.server_name(), None);
                let certificates = client.peer_certificates().expect("a server shows one");
                assert_eq!(certificates, shown.identity().certificates());
            }
        }
        // The first is the default, which the client finds to be another's.
        let error = connected(&connector, &acceptor, "third.example").await;
        assert!(error.expect_err("it is for others").to_string().contains("not valid for"));
        let (client, server) = sockets().await?;
        let (client, server) =
            annulus::join!(connector.connect("third.example", client), strict.accept(server));
        let error = client.expect_err("it was refused");
        assert!(matches!(error, HandshakeError::Tls(rustls::Error::AlertReceived(_))), "{error:?}");
        server.expect_err("it refused");
        Ok(())
    });
}

#[test]
fn the_choice_by_name_goes_from_exact_to_wildcard_to_the_first() {
    let [default, plain, wild, other] = [
        &["elsewhere"][..],
        &["a.host.example"],
        &["*.host.example"],
        &["b.host.example", "a.host.example"],
    ]
    .map(made);
    let all = [&default, &wild, &plain, &other].map(Made::identity);
    let certificates = Certificates::new(all.to_vec());
    let chosen = |name| certificates.find(name).map(|found| found.certificates().to_vec());
    let of = |made: &Made| Some(made.identity().certificates().to_vec());
    assert_eq!(chosen(Some("a.host.example")), of(&plain));
    assert_eq!(chosen(Some("A.Host.Example.")), of(&plain));
    assert_eq!(chosen(Some("b.host.example")), of(&other));
    assert_eq!(chosen(Some("c.host.example")), of(&wild));
    assert_eq!(chosen(Some("a.b.host.example")), of(&default), "the default");
    assert_eq!(chosen(Some("not a name")), of(&default));
    assert_eq!(chosen(None), of(&default));
    let strict = certificates.strict();
    assert!(strict.find(None).is_none() && strict.find(Some("a.b.host.example")).is_none());
}

/// How both sides of a handshake fare in which the client shows what is given.
async fn shown(
    acceptor: &TlsAcceptor,
    roots: Roots,
    identity: Option<Identity>,
) -> io::Result<Result<Option<usize>, HandshakeError>> {
    let mut connector = TlsConnector::builder().roots(roots);
    if let Some(identity) = identity {
        connector = connector.identity(identity);
    }
    let connector = connector.build()?;
    let (client, server) = sockets().await?;
    let (client, server) =
        annulus::join!(connector.connect("localhost", client), acceptor.accept(server));
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            // A client of TLS 1.3 hears of it when it first reads.
            if let Ok(client) = client {
                let told = client.recv().await.expect_err("it was refused");
                assert_eq!(told.kind(), io::ErrorKind::InvalidData, "{told}");
            }
            return Ok(Err(error));
        }
    };
    let client = client?;
    client.write_all("hello").await?;
    client.shutdown().await?;
    assert_eq!(all(&server).await?, b"hello");
    Ok(Ok(server.peer_certificates().map(|certificates| certificates.len())))
}

#[test]
fn certificates_of_clients_are_required_or_welcome() {
    let [server, client, stranger] =
        [["localhost"], ["a client"], ["a stranger"]].map(|n| made(&n));
    let acceptor = || TlsAcceptor::builder().identity(server.identity());
    let required = acceptor().require_client_certificates(client.roots()).build().unwrap();
    let welcome = acceptor().accept_client_certificates(client.roots()).build().unwrap();
    run(async move {
        for acceptor in [&required, &welcome] {
            let known = shown(acceptor, server.roots(), Some(client.identity())).await?;
            assert_eq!(known.expect("it is trusted"), Some(1));
            let unknown = shown(acceptor, server.roots(), Some(stranger.identity())).await?;
            let error = unknown.expect_err("nobody trusted has signed it");
            let HandshakeError::Tls(rustls::Error::InvalidCertificate(_)) = error else {
                panic!("{error:?}");
            };
        }
        let none = shown(&required, server.roots(), None).await?;
        let error = none.expect_err("one is required");
        let HandshakeError::Tls(rustls::Error::NoCertificatesPresented) = error else {
            panic!("{error:?}");
        };
        assert_eq!(shown(&welcome, server.roots(), None).await?.expect("it is welcome"), None);
        Ok(())
    });
}

#[test]
fn a_client_is_told_that_a_certificate_is_wanted() {
    let [server, client] = [["localhost"], ["a client"]].map(|names| made(&names));
    let acceptor = TlsAcceptor::builder().identity(server.identity());
    let acceptor = acceptor.require_client_certificates(client.roots()).build().unwrap();
    let connector = TlsConnector::builder().roots(server.roots()).build().unwrap();
    run(async move {
        let (client, server) = sockets().await?;
        let (client, server) =
            annulus::join!(connector.connect("localhost", client), acceptor.accept(server));
        server.expect_err("it has none");
        let told = client?.recv().await.expect_err("it was refused");
        let inner = told.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let wanted = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert_eq!(inner, Some(&wanted));
        Ok(())
    });
}

#[test]
fn certificates_are_exchanged_while_connections_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (made(&["localhost"]), made(&["localhost"]));
    let files = old.write(directory.path(), "server");
    let certificates = Reloadable::from_pem_files([files]).unwrap();
    let acceptor = TlsAcceptor::builder().reloadable(certificates.clone()).build().unwrap();
    let connector = |roots| TlsConnector::builder().roots(roots).sessions(0).build().unwrap();
    let (of_old, of_new) = (connector(old.roots()), connector(new.roots()));
    run(async move {
        let (client, server) = connected(&of_old, &acceptor, "localhost").await?;
        client.write_all("before").await?;
        assert_eq!(&*server.recv().await?.expect("bytes"), b"before");

        new.write(directory.path(), "server");
        certificates.reload()?;
        connected(&of_new, &acceptor, "localhost").await?;
        let refused = connected(&of_old, &acceptor, "localhost").await;
        refused.expect_err("the certificate is another one");

        client.write_all("behind").await?;
        client.shutdown().await?;
        assert_eq!(all(&server).await?, b"behind");
        Ok(())
    });
}

#[test]
fn files_that_cannot_be_used_change_nothing_and_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let (old, other) = (made(&["localhost"]), made(&["localhost"]));
    let (chain, key) = old.write(directory.path(), "server");
    let certificates = Reloadable::from_pem_files([(&chain, &key)]).unwrap();
    let loaded = certificates.current().identities()[0].certificates().to_vec();
    let cut = &old.certificate[..old.certificate.len() - 30];
    type Wrong<'a> = (&'a std::path::Path, &'a [u8], fn(&PemReason) -> bool);
    let wrongs: [Wrong<'_>; 5] = [
        (&chain, b"", |reason| matches!(reason, PemReason::NoCertificate)),
        (&chain, cut.as_bytes(), |reason| matches!(reason, PemReason::Unended { .. })),
        (&key, b"not a key", |reason| matches!(reason, PemReason::NoKey)),
        (&key, other.key.as_bytes(), |reason| matches!(reason, PemReason::Mismatch { .. })),
        (&chain, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", |reason| {
            matches!(reason, PemReason::Certificate(_))
        }),
    ];
    for (file, text, is_reason) in wrongs {
        let good = fs::read(file).unwrap();
        fs::write(file, text).unwrap();
        let error = certificates.reload().expect_err("it cannot be used");
        assert!(is_reason(error.reason()), "{error}");
        assert_eq!(error.file(), Some(file), "{error}");
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
        assert_eq!(certificates.current().identities()[0].certificates(), loaded);
        fs::write(file, good).unwrap();
        certificates.reload().expect("it is as it was");
    }
    fs::remove_file(&key).unwrap();
    let error = certificates.reload().expect_err("there is no key");
    assert_eq!(error.file(), Some(&*key));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_key_of_another_certificate_is_refused_when_it_is_loaded() {
    let (one, other) = (made(&["localhost"]), made(&["localhost"]));
    let error = Identity::from_pem(one.certificate.as_bytes(), other.key.as_bytes());
    let error = error.expect_err("they do not belong together");
    assert!(matches!(error.reason(), PemReason::Mismatch { .. }), "{error}");
    assert_eq!(error.line(), Some(1));
}

#[test]
fn nobody_is_refused_while_certificates_are_exchanged() {
    let directory = tempfile::tempdir().unwrap();
    let pairs = [made(&["localhost"]), made(&["localhost"])];
    let files = pairs[0].write(directory.path(), "server");
    let mut roots = pairs[0].roots();
    roots.add_pem(pairs[1].certificate.as_bytes()).unwrap();
    let certificates = Reloadable::from_pem_files([files]).unwrap();
    let acceptor = TlsAcceptor::builder().reloadable(certificates.clone()).build().unwrap();
    let connector = TlsConnector::builder().roots(roots).sessions(0).build().unwrap();
    run(async move {
        let left = Rc::new(Cell::new(4));
        let mut tasks = Vec::new();
        for _ in 0..left.get() {
            let (acceptor, connector, left) = (acceptor.clone(), connector.clone(), left.clone());
            tasks.push(annulus::spawn(async move {
                for _ in 0..25 {
                    let (client, server) = connected(&connector, &acceptor, "localhost").await?;
                    client.write_all("hello").await?;
                    client.shutdown().await?;
                    assert_eq!(all(&server).await?, b"hello");
                }
                left.set(left.get() - 1);
                io::Result::Ok(())
            }));
        }
        let mut exchanged = 0;
        while left.get() > 0 {
            exchanged += 1;
            pairs[exchanged % 2].write(directory.path(), "server");
            certificates.reload()?;
            annulus::task::yield_now().await;
        }
        for task in tasks {
            task.await.expect("it does not panic")?;
        }
        assert!(exchanged > 1, "it was exchanged {exchanged} times");
        Ok(())
    });
}
