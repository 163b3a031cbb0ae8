//! A stop in the middle of a hand-over, and successors that come at the same time or between two
//! others.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use annulus::serve::{Builder, Error, HandOver, Handle, Inherited, Server, Succession};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind,
    listen, recv, send, socket_with,
};

use super::succession::{everything, hanging, kind, offer};
use super::{BOUND, Echo, Run, anywhere, exchange, small};
use crate::harness::Scratch;

/// Of a server that waits for a successor for longer than any test.
fn patient() -> Builder {
    Server::builder(small().hand_over_timeout(BOUND * 100))
}

/// The next packet; empty if the other side has hung up.
fn hear(socket: &OwnedFd) -> String {
    let mut packet = [0; 64];
    match retry_on_intr(|| recv(socket, &mut packet[..], RecvFlags::empty())) {
        Ok((_, len)) => String::from_utf8_lossy(&packet[..len]).into_owned(),
        Err(Errno::CONNRESET) => String::new(),
        Err(error) => panic!("{error}"),
    }
}

fn say(socket: &OwnedFd, packet: &str) {
    send(socket, packet.as_bytes(), SendFlags::NOSIGNAL).unwrap();
}

/// Has it meet the next one, on a thread, and gives how that ends.
fn meet(mut succession: Succession) -> mpsc::Receiver<(Succession, Result<HandOver, Error>)> {
    let (ends, ended) = mpsc::channel();
    thread::spawn(move || {
        let met = succession.meet();
        // An error is that the test has failed.
        let _ = ends.send((succession, met));
    });
    ended
}

fn waiting(handle: &Handle, path: &Path) -> Succession {
    handle.succession(path).unwrap()
}

/// The server that stops would remove the file, and its successor would listen where no name leads.
#[test]
fn a_successor_whose_predecessor_is_stopped_as_it_starts_has_the_name_of_a_unix_socket() {
    let scratch = Scratch::new();
    let (at, meeting) = (scratch.path().join("socket"), scratch.path().join("successor"));
    let old = Run::handler::<Echo>(patient().bind_unix(&at));
    let giving = offer(&old.handle, &meeting);
    let inherited = Inherited::receive(&meeting).unwrap();
    old.handle.shutdown();
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Left);
    assert!(!meeting.exists(), "the successor may wait there");
    old.ended();
    assert!(at.exists(), "the successor listens there");
    // It waits until the successor is ready.
    let mut early = UnixStream::connect(&at).unwrap();
    let builder = Server::builder(small()).inherit(inherited).bind_unix(&at);
    let new = Run::of(builder.launch::<Echo>());
    std::io::Write::write_all(&mut early, b"hello").unwrap();
    let mut answer = [0; 5];
    std::io::Read::read_exact(&mut early, &mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    drop(early);
    new.end();
    assert!(!at.exists(), "it goes with the last server");
}

#[test]
fn a_stop_does_not_wait_for_a_successor_that_hangs() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let old = Run::handler::<Echo>(patient().bind(anywhere()));
    let ended = meet(waiting(&old.handle, &path));
    let (hangs, waits) = (hanging(&path), hanging(&path));
    everything(&hangs);
    old.handle.shutdown();
    let (mut succession, met) = ended.recv_timeout(BOUND).expect("it does not wait");
    assert_eq!(met.unwrap(), HandOver::Left);
    assert_eq!(succession.meet().unwrap(), HandOver::Left, "it is over");
    // It may go on; another one may not, and is told so.
    assert_eq!(hear(&hangs), "");
    assert_eq!(hear(&waits), "taken");
    assert!(!path.exists());
    assert_eq!(old.handle.hand_over(&path).unwrap(), HandOver::Left, "as it was");
    assert!(!path.exists());
    old.ended();
}

/// It would be sent away as from nobody, and find the address in use.
#[test]
fn who_waits_behind_a_successor_that_takes_over_is_told_so() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let old = Run::handler::<Echo>(patient().bind(anywhere()));
    let giving = offer(&old.handle, &path);
    let (first, second) = (hanging(&path), hanging(&path));
    everything(&first);
    say(&first, "ready");
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Taken);
    assert_eq!((hear(&first), hear(&second)), (String::new(), "taken".to_owned()));
    old.ended();
}

/// What a successor makes of a predecessor that says this, and hangs up.
fn received(path: &Path, packet: &str) -> (ErrorKind, String) {
    let kind = SocketType::SEQPACKET;
    let there = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    bind(&there, &SocketAddrUnix::new(path).unwrap()).unwrap();
    listen(&there, 1).unwrap();
    let received = thread::scope(|scope| {
        let receiving = scope.spawn(|| Inherited::receive(path));
        let successor = retry_on_intr(|| accept(&there)).unwrap();
        if !packet.is_empty() {
            say(&successor, packet);
        }
        drop(successor);
        receiving.join().unwrap()
    });
    std::fs::remove_file(path).unwrap();
    let Err(Error::Inherited { source, .. }) = received else { panic!("{received:?}") };
    (source.kind(), source.to_string())
}

#[test]
fn a_successor_says_why_it_has_not_taken_over_and_what_to_do() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let cases = [
        ("taken", ErrorKind::ResourceBusy, "start again"),
        ("late", ErrorKind::TimedOut, "hand_over_timeout"),
        ("failed", ErrorKind::Other, "it says why"),
        ("nonsense", ErrorKind::UnexpectedEof, "no server that gives"),
        ("", ErrorKind::ConnectionRefused, ""),
    ];
    for (packet, kind, words) in cases {
        let (is, text) = received(&path, packet);
        assert!(is == kind && text.contains(words), "{packet:?}: {is:?}, {text}");
    }
}

#[test]
fn who_comes_after_a_successor_that_failed_finds_the_name_and_is_served() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let old = Run::handler::<Echo>(patient().bind(anywhere()));
    let ended = meet(waiting(&old.handle, &path));
    drop(hanging(&path));
    let (succession, met) = ended.recv_timeout(BOUND).expect("it has failed");
    assert_eq!(kind(met), ErrorKind::UnexpectedEof);
    // Nobody waits for it yet.
    let next = hanging(&path);
    assert_eq!(exchange(&mut old.client(), b"still here"), b"still here");
    let ended = meet(succession);
    everything(&next);
    say(&next, "ready");
    let (_, met) = ended.recv_timeout(BOUND).expect("it has taken over");
    assert_eq!(met.unwrap(), HandOver::Taken);
    assert!(!path.exists());
    old.ended();
}

/// What is said to a successor that was too late means nothing to others.
#[test]
fn who_does_not_speak_as_a_successor_is_told_nothing() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let old = Run::handler::<Echo>(patient().bind(anywhere()));
    let giving = offer(&old.handle, &path);
    let stranger = hanging(&path);
    everything(&stranger);
    say(&stranger, "GET / HTTP/1.1");
    assert_eq!(kind(giving.join().unwrap()), ErrorKind::UnexpectedEof);
    assert_eq!(hear(&stranger), "");
    // One that hangs may be a successor.
    let bound = Duration::from_millis(1);
    let other = Run::handler::<Echo>(Server::builder(small().hand_over_timeout(bound)));
    let giving = offer(&other.handle, &path);
    let late = hanging(&path);
    assert_eq!(kind(giving.join().unwrap()), ErrorKind::TimedOut);
    let heard = std::iter::from_fn(|| Some(hear(&late)).filter(|packet| !packet.is_empty()));
    assert_eq!(heard.last().as_deref(), Some("late"));
    other.end();
    old.end();
}
