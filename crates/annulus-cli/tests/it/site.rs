//! `annulus serve` over a directory of its own, and a client of HTTP/1.1.
//!
//! Owns: the files, the process, reading answers and the page of metrics.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::program::Program;

/// Far beyond what anything here takes: what hangs fails its test instead of stopping all.
pub const WATCHDOG: Duration = Duration::from_secs(60);

pub struct Site {
    pub program: Program,
    pub address: SocketAddr,
    /// Where the metrics are, if they were asked for.
    pub metrics: Option<SocketAddr>,
    pub files: Files,
}

/// What is served, and beside it a certificate for localhost.
pub struct Files {
    directory: tempfile::TempDir,
}

pub fn large() -> Vec<u8> {
    (0..8_000_000_u32).map(|at| (at % 251) as u8).collect()
}

impl Files {
    pub fn new() -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(files.path("site")).unwrap();
        fs::write(files.path("site/a.txt"), "alpha").unwrap();
        fs::write(files.path("site/large.bin"), large()).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(files.path("crt"), made.cert.pem()).unwrap();
        fs::write(files.path("key"), made.signing_key.serialize_pem()).unwrap();
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The command line of a server, without an address.
    pub fn args(&self, more: &[&str]) -> Vec<String> {
        let mut args = vec!["serve".to_owned(), self.text("site")];
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        args
    }

    /// The arguments of TLS.
    pub fn tls(&self) -> [String; 4] {
        ["--tls-cert".to_owned(), self.text("crt"), "--tls-key".to_owned(), self.text("key")]
    }
}

impl Site {
    /// Over plain HTTP on a port of its own, with metrics.
    pub fn start(more: &[&str]) -> Self {
        let files = Files::new();
        let mut args = files.args(&["--addr", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        Self::of(Program::start(&args), files)
    }

    /// The same over TLS.
    pub fn start_tls(more: &[&str]) -> Self {
        let files = Files::new();
        let mut args = files.args(&["--addr", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
        args.extend(files.tls());
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        Self::of(Program::start(&args), files)
    }

    /// A process that was started, with one address and metrics.
    pub fn of(mut program: Program, files: Files) -> Self {
        let address = listening(&program.line());
        let line = program.line();
        let metrics = line.strip_prefix("Metrics at http://").unwrap_or_else(|| panic!("{line}"));
        let metrics = metrics.strip_suffix("/metrics").unwrap().parse().unwrap();
        Self { program, address, metrics: Some(metrics), files }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// The sum over all cores of the series that begin so.
    pub fn count(&self, series: &str) -> u64 {
        sum(&self.page(), series)
    }

    pub fn page(&self) -> String {
        let mut stream = connect(self.metrics.unwrap());
        stream.write_all(get("/metrics").as_bytes()).unwrap();
        let (head, body) = answer(&mut BufReader::new(stream)).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        String::from_utf8(body).unwrap()
    }

    /// Waits until the numbers say so.
    pub fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < WATCHDOG, "{what}:\n{}", self.page());
            std::thread::yield_now();
        }
    }
}

/// The address of a line that announces it.
pub fn listening(line: &str) -> SocketAddr {
    let (_, address) = line.split_once("://").unwrap_or_else(|| panic!("{line}"));
    assert!(line.starts_with("Listening on http"), "{line}");
    address.parse().unwrap()
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream.set_write_timeout(Some(WATCHDOG)).unwrap();
    stream
}

pub fn sum(page: &str, series: &str) -> u64 {
    let of =
        |line: &str| line.starts_with(series).then(|| line.rsplit_once(' ').unwrap().1.parse());
    let numbers: Result<Vec<u64>, _> = page.lines().filter_map(of).collect();
    let numbers = numbers.unwrap();
    assert!(!numbers.is_empty(), "no {series} in\n{page}");
    numbers.into_iter().sum()
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// One answer: its head, and as many bytes as the head says. `None` if the connection ended before
/// its first byte.
pub fn answer(stream: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match stream.read_line(&mut head) {
            Ok(0) | Err(_) if head.is_empty() => return None,
            Ok(0) => panic!("the head ends early: {head}"),
            Ok(_) => {}
            Err(error) => panic!("the head breaks off: {head}: {error}"),
        }
    }
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).expect("the whole content comes");
    Some((head, body))
}

/// Asks once on a connection of its own.
pub fn ask(address: SocketAddr, target: &str) -> Option<(String, Vec<u8>)> {
    let mut stream = connect(address);
    stream.write_all(get(target).as_bytes()).ok()?;
    answer(&mut BufReader::new(stream))
}

/// Whether the connection ends, whatever comes before.
pub fn ends(stream: &mut impl Read) -> bool {
    let mut buf = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                return !matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
            }
        }
    }
}

/// TLS by a client that blocks, with these protocols offered.
pub fn over_tls(
    site: &Site,
    protocols: &[&str],
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.files.path("crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    rustls::StreamOwned::new(client, site.connect())
}
