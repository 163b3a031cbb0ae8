//! Certificates, connections, and a runtime of which nothing may be left.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::Runtime;
use annulus_tls::{Identity, Roots, TlsAcceptor, TlsConnector, TlsStream};

/// How long anything may take that takes milliseconds: a bound against hanging, not a measurement.
pub const BOUND: Duration = Duration::from_secs(120);

/// A certificate that signs itself, and its key, as PEM.
pub struct Made {
    pub certificate: String,
    pub key: String,
}

/// For these hosts.
pub fn made(names: &[&str]) -> Made {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("it can be made");
    Made { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

impl Made {
    pub fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes())
            .expect("it belongs together")
    }

    pub fn roots(&self) -> Roots {
        let mut roots = Roots::new();
        roots.add_pem(self.certificate.as_bytes()).expect("it is a certificate");
        roots
    }

    /// Writes both to a directory.
    pub fn write(&self, directory: &std::path::Path, name: &str) -> (PathBuf, PathBuf) {
        let (chain, key) =
            (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        std::fs::write(&chain, &self.certificate).expect("the directory can be written to");
        std::fs::write(&key, &self.key).expect("the directory can be written to");
        (chain, key)
    }
}

/// An acceptor and a connector that trust each other, for `localhost`.
pub fn ends() -> (TlsAcceptor, TlsConnector) {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build();
    let connector = TlsConnector::builder().roots(made.roots()).build();
    (acceptor.expect("it has a certificate"), connector.expect("it has roots"))
}

/// Two ends of a TCP connection: of the client, of the server.
pub async fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?.0))
}

pub type Tls = TlsStream<TcpStream>;

/// Two ends of a TLS connection: of the client, of the server.
pub async fn pair() -> io::Result<(Tls, Tls)> {
    let (acceptor, connector) = ends();
    connected(&connector, &acceptor, "localhost").await
}

/// As [`pair`], of these two.
pub async fn connected(
    connector: &TlsConnector,
    acceptor: &TlsAcceptor,
    name: &str,
) -> io::Result<(Tls, Tls)> {
    let (client, server) = sockets().await?;
    let (client, server) = annulus::join!(connector.connect(name, client), acceptor.accept(server));
    Ok((client?, server?))
}

/// Runs a future on a runtime of its own, and checks that nothing is left.
pub fn run<F>(future: F)
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = Runtime::builder().build().expect("io_uring is there");
    let result = runtime.block_on(async { annulus::time::timeout(BOUND, future).await? });
    nothing_left(runtime);
    result.expect("the test ends without an error");
}

pub fn nothing_left(runtime: Runtime) {
    let last = runtime.shutdown();
    assert_eq!(last.leases_out, 0, "leases are left");
    assert_eq!(last.ops_in_flight, 0, "requests are left");
    assert_eq!(last.descriptors, 0, "descriptors are left");
    assert_eq!(last.tasks, 0, "tasks are left");
}

/// Bytes that do not repeat for long.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
}

/// A sequence that looks random and is the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }

    /// Cuts bytes into pieces, most of them small and some large.
    pub fn chop<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let most = 1 << self.below(18);
            let (piece, rest) = bytes.split_at((1 + self.below(most)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// Reads to the end.
pub async fn all(stream: &Tls) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(lease) = stream.recv().await? {
        bytes.extend_from_slice(&lease);
    }
    Ok(bytes)
}

/// Says on standard error, which the harness does not swallow, that a test has nothing to ask.
pub fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let text = format!("skipped: {test} ({why})\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether there is an `openssl` to talk to; says so if there is none.
pub fn has_openssl(test: &str) -> bool {
    use std::process::{Command, Stdio};
    let found = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip(test, "openssl is not installed");
    }
    found
}
