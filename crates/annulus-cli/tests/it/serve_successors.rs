//! `annulus serve` and successors that hang, or come when they should not.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};

use crate::program::{Program, ready};
use crate::site::{Files, WATCHDOG, ask, listening};

/// A successor that has been given everything, and says nothing.
fn hanging(path: &Path) -> OwnedFd {
    let begun = Instant::now();
    let successor = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let address = SocketAddrUnix::new(path).unwrap();
    while let Err(error) = connect(&successor, &address) {
        assert!(error == Errno::NOENT && begun.elapsed() < WATCHDOG, "{error}");
        std::thread::yield_now();
    }
    let mut heard = hear(&successor);
    while heard != "end" {
        assert!(heard.starts_with("listener"), "{heard:?}");
        heard = hear(&successor);
    }
    successor
}

/// The next packet; empty if the other side has hung up.
fn hear(successor: &OwnedFd) -> String {
    let mut packet = [0; 64];
    match retry_on_intr(|| recv(successor, &mut packet[..], RecvFlags::empty())) {
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
    let files = Files::new();
    let path = files.text("hand-over");
    let args = ["--cores", "1", "--hand-over", &path, "--addr", "127.0.0.1:0"];
    let mut old = Program::start(&files.args(&args));
    listening(&old.line());
    let successor = hanging(path.as_ref());
    let (status, said) = old.end(libc::SIGTERM);
    assert!(status.success(), "{said}");
    assert!(said.contains("A successor that is starting has the listeners"), "{said}");
    assert_eq!(hear(&successor), "");
    assert!(!Path::new(&path).exists(), "the successor may wait there");
}

#[test]
fn a_successor_that_fails_leaves_the_name_to_the_next_one() {
    if !ready() {
        return;
    }
    let files = Files::new();
    let path = files.text("hand-over");
    let more =
        |address: &str| files.args(&["--cores", "1", "--hand-over", &path, "--addr", address]);
    let mut old = Program::start(&more("127.0.0.1:0"));
    let address = listening(&old.line()).to_string();
    let successor = hanging(path.as_ref());
    send(&successor, b"nonsense", rustix::net::SendFlags::NOSIGNAL).unwrap();
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
