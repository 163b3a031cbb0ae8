//! `annulus serve` and its successors: those that take over, those that hang or die, and those that
//! come when they should not.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};

use crate::crowd::Crowd;
use crate::program::{Program, ready};
use crate::site::{Files, WATCHDOG, ask, connect, get, listening};

/// What is served by one server after the other, and the name at which each waits for the next.
struct Succession {
    files: Files,
    name: PathBuf,
}

impl Succession {
    fn new() -> Self {
        let files = Files::new();
        let name = files.path("hand-over");
        Self { files, name }
    }

    /// The command line of a server that waits there.
    fn args(&self, more: &[&str]) -> Vec<String> {
        let name = self.files.text("hand-over");
        self.files.args(&[&["--hand-over", &name], more].concat())
    }

    /// Whether somebody waits there: a name that is there is that of one who listens.
    fn one_waits(&self) -> bool {
        self.name.exists()
    }

    /// Waits until somebody does.
    fn until_one_waits(&self) {
        let begun = Instant::now();
        while !self.one_waits() {
            assert!(begun.elapsed() < WATCHDOG, "nobody waits at {}", self.name.display());
            thread::yield_now();
        }
    }

    /// A successor that has been given everything, and says nothing.
    fn hanging(&self) -> OwnedFd {
        let begun = Instant::now();
        let successor = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        let address = SocketAddrUnix::new(&self.name).unwrap();
        while let Err(error) = net::connect(&successor, &address) {
            assert!(error == Errno::NOENT && begun.elapsed() < WATCHDOG, "{error}");
            thread::yield_now();
        }
        let mut heard = hear(&successor);
        while heard != "end" {
            assert!(heard.starts_with("listener"), "{heard:?}");
            heard = hear(&successor);
        }
        successor
    }
}

/// The next packet; empty if the other side has hung up.
fn hear(successor: &OwnedFd) -> String {
    let mut packet = [0; 64];
    match retry_on_intr(|| net::recv(successor, &mut packet[..], RecvFlags::empty())) {
        Ok((_, len)) => String::from_utf8_lossy(&packet[..len]).into_owned(),
        Err(Errno::CONNRESET) => String::new(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_server_that_is_stopped_leaves_everything_to_a_successor_that_is_starting() {
    if !ready() {
        return;
    }
    let servers = Succession::new();
    let mut old = Program::start(&servers.args(&["--cores", "1", "--addr", "127.0.0.1:0"]));
    listening(&old.line());
    let successor = servers.hanging();
    let (status, said) = old.end(libc::SIGTERM);
    assert!(status.success(), "{said}");
    assert!(said.contains("A successor that is starting has the listeners"), "{said}");
    assert_eq!(hear(&successor), "");
    assert!(!servers.one_waits(), "the successor may wait there");
}

#[test]
fn a_successor_that_fails_leaves_the_name_to_the_next_one() {
    if !ready() {
        return;
    }
    let servers = Succession::new();
    let more = |address: &str| servers.args(&["--cores", "1", "--addr", address]);
    let mut old = Program::start(&more("127.0.0.1:0"));
    let address = listening(&old.line()).to_string();
    let successor = servers.hanging();
    net::send(&successor, b"nonsense", SendFlags::NOSIGNAL).unwrap();
    assert_eq!(hear(&successor), "");
    // Whatever the old one does now, its name is there.
    let mut new = Program::start(&more(&address));
    assert_eq!(listening(&new.line()).to_string(), address);
    let (status, said) = old.wait();
    assert!(status.success(), "{said}");
    assert!(said.contains("a successor did not take over") && said.contains("has taken over"));
    assert_eq!(ask(address.parse().unwrap(), "/a.txt").unwrap().1, b"alpha");
    assert!(new.end(libc::SIGTERM).0.success());
}

#[test]
fn a_successor_takes_over_under_load_and_no_connection_is_refused() {
    if !ready() {
        return;
    }
    let servers = Succession::new();
    let of = |address: &str, metrics: &str| {
        servers.args(&["--cores", "2", "--addr", address, "--metrics", metrics])
    };
    let mut old = Program::start(&of("127.0.0.1:0", "127.0.0.1:0"));
    let address = listening(&old.line());
    let told = old.line();
    let metrics = told.strip_prefix("Metrics at http://").unwrap_or_else(|| panic!("{told}"));
    let metrics = metrics.strip_suffix("/metrics").unwrap();
    let crowd = Crowd::start(address, 8);
    crowd.until_answered(200);
    // The successor is told the addresses that the first one was given.
    let args = of(&address.to_string(), metrics);
    for _ in 0..2 {
        let mut new = Program::start(&args);
        assert_eq!(listening(&new.line()), address);
        assert_eq!(new.line(), told);
        let (status, said) = std::mem::replace(&mut old, new).wait();
        assert!(status.success(), "{said}");
        assert!(said.contains("A successor has taken over"), "{said}");
        assert!(!said.contains("cut off"), "{said}");
        let answered = crowd.answered.load(Ordering::Relaxed);
        crowd.until_answered(answered + 200);
    }
    let (_, refused) = crowd.end();
    assert_eq!(refused, 0);
    assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    let (status, said) = old.end(libc::SIGTERM);
    assert!(status.success(), "{said}");
    assert!(!servers.one_waits(), "nobody waits there any more");
}

#[test]
fn successors_that_die_as_they_start_change_nothing_and_a_good_one_needs_no_address() {
    if !ready() {
        return;
    }
    let servers = Succession::new();
    let mut old = Program::start(&servers.args(&["--cores", "1", "--addr", "127.0.0.1:0"]));
    let address = listening(&old.line());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let dying = servers.args(&["--cores", "1", "--metrics", &at]);
    for _ in 0..2 {
        servers.until_one_waits();
        let (status, said) = Program::start(&dying).wait();
        assert!(status.code() == Some(1) && said.contains("cannot listen"), "{said}");
        let said = old.complaint();
        assert!(said.contains("a successor did not take over"), "{said}");
        assert!(servers.one_waits(), "the next one finds it");
        assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    }
    servers.until_one_waits();
    let mut new = Program::start(&servers.args(&["--cores", "1"]));
    assert_eq!(listening(&new.line()), address);
    assert!(old.wait().0.success());
    assert_eq!(ask(address, "/a.txt").unwrap().1, b"alpha");
    assert!(new.end(libc::SIGTERM).0.success());
}

#[test]
fn a_server_that_drains_leaves_the_name_to_the_next_one() {
    if !ready() {
        return;
    }
    let servers = Succession::new();
    let more = |address: &str| servers.args(&["--cores", "1", "--addr", address]);
    let mut old = Program::start(&more("127.0.0.1:0"));
    let address = listening(&old.line());
    servers.until_one_waits();
    let mut stuck = connect(address);
    stuck.write_all(get("/large.bin").as_bytes()).unwrap();
    stuck.read_exact(&mut [0; 64]).unwrap();
    old.signal(libc::SIGTERM);
    let begun = Instant::now();
    while servers.one_waits() || TcpStream::connect(address).is_ok() {
        assert!(begun.elapsed() < WATCHDOG, "it still waits");
        thread::yield_now();
    }
    let mut new = Program::start(&more(&address.to_string()));
    assert_eq!(listening(&new.line()), address);
    servers.until_one_waits();
    drop(stuck);
    let (status, said) = old.wait();
    assert!(status.success() && !said.contains("successor"), "{said}");
    assert!(servers.one_waits(), "the next one waits there");
    assert!(new.end(libc::SIGTERM).0.success());
    assert!(!servers.one_waits());
}
