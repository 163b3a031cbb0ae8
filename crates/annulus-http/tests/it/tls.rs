//! HTTPS: the server with curl and with our client, and what is no TLS.

use std::cell::RefCell;
use std::io;
use std::process::{Command, Stdio};
use std::rc::Rc;

use annulus::net::{TcpListener, TcpStream};
use annulus::sync::Notify;
use annulus_http::{Client, Error, Server};
use annulus_tls::{Identity, Roots, TlsAcceptor, TlsConnector};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Version};

use crate::support::{AnyBody, BOUND, answer, full, pattern, run, skip};

/// Both ends of TLS for `localhost`, and the certificate as PEM.
fn ends(offers: &[&str]) -> (TlsAcceptor, TlsConnector, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("it can be made");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
    let identity = identity.expect("it belongs together");
    let acceptor = TlsAcceptor::builder().identity(identity).alpn(["h2", "http/1.1"]);
    let mut roots = Roots::new();
    roots.add_pem(certificate.as_bytes()).expect("it is a certificate");
    let offers = offers.iter().map(|&offer| offer.to_owned());
    let connector = TlsConnector::builder().roots(roots).alpn(offers);
    let acceptor = acceptor.build().expect("it has a certificate");
    (acceptor, connector.build().expect("it has roots"), certificate)
}

/// Runs a test beside a server; `ask` gets its port. Gives what went wrong with connections.
async fn beside<F>(acceptor: TlsAcceptor, ask: impl FnOnce(u16) -> F) -> io::Result<Vec<Error>>
where
    F: Future<Output = io::Result<()>>,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (asked, errors) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
    let (stop, told) = (asked.clone(), errors.clone());
    let service = service_fn(answer);
    let server = Server::new()
        .tls(acceptor)
        .serve(listener, move |_peer| service)
        .on_error(move |error| told.borrow_mut().push(error))
        .with_graceful_shutdown(async move { stop.notified().await });
    let serving = annulus::spawn(server.into_future());
    let asking = ask(port).await;
    asked.notify_one();
    serving.await.expect("the server does not panic")?;
    asking?;
    Ok(errors.take())
}

#[test]
fn our_client_speaks_what_the_server_chooses() {
    for (offers, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ] {
        let (acceptor, connector, _) = ends(offers);
        run(async move {
            let errors = beside(acceptor, async |port| {
                let client: Client<AnyBody> = Client::<AnyBody>::builder().tls(connector).build();
                for round in 0..3 {
                    let url = format!("https://localhost:{port}/whole/{}", round * 100_000);
                    let request = Request::get(url).body(full("")).expect("it is one");
                    let response = client.request(request).await?;
                    assert_eq!(response.version(), version);
                    let body = response.collect().await.map_err(io::Error::other)?.to_bytes();
                    assert!(body == pattern(round * 100_000), "{} bytes came", body.len());
                }
                let url = format!("https://localhost:{port}/echo");
                let request = Request::post(url).body(full(pattern(300_000))).expect("it is one");
                let response = client.request(request).await?;
                let body = response.collect().await.map_err(io::Error::other)?.to_bytes();
                assert!(body == pattern(300_000), "{} bytes came back", body.len());
                Ok(())
            });
            assert!(errors.await?.is_empty());
            Ok(())
        });
    }
}

#[test]
fn a_client_without_tls_refuses_https_and_one_with_it_strangers() {
    let (acceptor, _, _) = ends(&[]);
    let (_, stranger, _) = ends(&[]);
    run(async move {
        let errors = beside(acceptor, async |port| {
            let url = format!("https://localhost:{port}/hello");
            let ask = || Request::get(&url).body(Full::<Bytes>::default()).expect("it is one");
            let error = Client::new().request(ask()).await.expect_err("it has no TLS");
            assert!(matches!(error, Error::Uri(_)), "{error:?}");
            let client = Client::<Full<Bytes>>::builder().tls(stranger).build();
            let error = client.request(ask()).await.expect_err("it trusts somebody else");
            assert!(matches!(error, Error::Connect { .. }), "{error:?}");
            assert!(error.to_string().contains("TLS handshake failed"), "{error}");
            Ok(())
        });
        // Whether the server hears of it before it is told to end, is open.
        errors.await?;
        Ok(())
    });
}

#[test]
fn plain_http_to_a_port_of_tls_is_told_by_its_name() {
    let (acceptor, _, _) = ends(&[]);
    run(async move {
        let errors = beside(acceptor, async |port| {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            while stream.recv().await.unwrap_or(None).is_some() {}
            Ok(())
        });
        let errors = errors.await?;
        let [Error::Beginning { source, .. }] = &errors[..] else { panic!("{errors:?}") };
        assert!(source.to_string().contains("plain HTTP"), "{source}");
        Ok(())
    });
}

#[test]
fn a_server_that_ends_does_not_wait_for_handshakes() {
    let (acceptor, _, _) = ends(&[]);
    run(async move {
        let acceptor = acceptor.with_handshake_timeout(None);
        let mut silent = None;
        let open = &mut silent;
        beside(acceptor, async |port| {
            *open = Some(TcpStream::connect(("127.0.0.1", port)).await?);
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn curl_speaks_both_protocols_over_tls() -> io::Result<()> {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if found.is_err() {
        skip("curl_speaks_both_protocols_over_tls", "curl is not installed");
        return Ok(());
    }
    let (acceptor, _, certificate) = ends(&[]);
    let directory = tempfile::tempdir()?;
    let roots = directory.path().join("roots");
    std::fs::write(&roots, certificate)?;
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let (acceptor, roots) = (acceptor.clone(), roots.clone());
        run(async move {
            let errors = beside(acceptor, async |port| {
                let mut command = Command::new("curl");
                command
                    .args(["--silent", "--show-error", "--noproxy", "*", flag])
                    .args(["--max-time", &BOUND.as_secs().to_string()])
                    .args(["--write-out", "%{http_version}\n", "--cacert"])
                    .arg(roots)
                    .arg(format!("https://localhost:{port}/hello"))
                    .arg(format!("https://localhost:{port}/whole/1000000"));
                let asking = annulus::task::spawn_blocking(move || command.output());
                let output = asking.await.expect("it does not panic")?;
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                let version = format!("{version}\n");
                let expected =
                    [b"hello\n", version.as_bytes(), &pattern(1_000_000), version.as_bytes()];
                assert!(output.stdout == expected.concat(), "{} bytes", output.stdout.len());
                Ok(())
            });
            assert!(errors.await?.is_empty());
            Ok(())
        });
    }
    Ok(())
}
