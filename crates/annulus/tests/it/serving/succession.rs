//! The windows of a hand-over: successors that hang, that are late, that come at the wrong time.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use annulus::serve::{Conn, Driver, Error, HandOver, Handle, Handler, Inherited, Notice, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};

use super::{Echo, Run, anywhere, cores, eventually, exchange, small};
use crate::harness::Scratch;

/// A successor that has connected, and says and reads nothing.
pub fn hanging(path: &Path) -> OwnedFd {
    let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(path).unwrap()).expect("who finds the name is answered");
    socket
}

/// What a successor hears until it has everything.
pub fn everything(successor: &OwnedFd) -> Vec<String> {
    let mut packet = [0; 64];
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "end") {
        let received = retry_on_intr(|| recv(successor, &mut packet[..], RecvFlags::empty()));
        let (_, len) = received.unwrap();
        assert!(len > 0, "it is sent away: {heard:?}");
        heard.push(String::from_utf8_lossy(&packet[..len]).into_owned());
    }
    heard
}

pub fn offer(handle: &Handle, path: &Path) -> JoinHandle<Result<HandOver, Error>> {
    let (handle, at) = (handle.clone(), path.to_owned());
    let giving = thread::spawn(move || handle.hand_over(at));
    eventually("it offers its listeners", || path.exists());
    giving
}

pub fn kind(result: Result<HandOver, Error>) -> ErrorKind {
    let Err(Error::HandOver(error)) = result else { panic!("{result:?}") };
    error.kind()
}

/// It would hold the thread that waits for successors, and the name, for as long as it likes.
#[test]
fn a_successor_that_hangs_is_given_up_and_the_next_one_takes_over() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let bound = Duration::from_millis(100);
    let builder = Server::builder(small().hand_over_timeout(bound)).bind(anywhere());
    let old = Run::handler::<Echo>(builder);
    let giving = offer(&old.handle, &path);
    let hangs = hanging(&path);
    assert_eq!(kind(giving.join().unwrap()), ErrorKind::TimedOut);
    assert!(!path.exists());
    assert_eq!(exchange(&mut old.client(), b"still here"), b"still here");
    // The bound is short, so on a busy machine a good one may be late, too.
    let (handle, at) = (old.handle.clone(), path.clone());
    let giving = thread::spawn(move || while handle.hand_over(&at).is_err() {});
    let new = loop {
        let Ok(inherited) = Inherited::receive(&path) else { continue };
        let builder = Server::builder(small()).inherit(inherited).bind(old.addr());
        match builder.launch::<Echo>() {
            Err(Error::Inherited { source, .. }) if source.kind() == ErrorKind::TimedOut => {}
            launched => break Run::of(launched),
        }
    };
    giving.join().unwrap();
    old.ended();
    assert_eq!(exchange(&mut new.client(), b"taken over"), b"taken over");
    new.end();
    drop(hangs);
}

/// Who connects while another hangs would be sent away, and find the addresses taken.
#[test]
fn who_waits_behind_a_successor_that_fails_is_answered_next() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let old = Run::echo(small());
    let giving = offer(&old.handle, &path);
    let (fails, next) = (hanging(&path), hanging(&path));
    drop(fails);
    let heard = everything(&next);
    assert!(heard.len() == 2 && heard[0].starts_with("listener"), "{heard:?}");
    send(&next, b"ready", SendFlags::NOSIGNAL).unwrap();
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Taken);
    assert!(!path.exists());
    old.ended();
}

/// Else both would serve, and the old one for ever.
#[test]
fn a_successor_that_is_late_hears_so_and_does_not_run() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let bound = Duration::from_millis(1);
    let builder = Server::builder(small().hand_over_timeout(bound)).bind(anywhere());
    let old = Run::handler::<Echo>(builder);
    let inherited = loop {
        let giving = offer(&old.handle, &path);
        let received = Inherited::receive(&path);
        assert_eq!(kind(giving.join().unwrap()), ErrorKind::TimedOut);
        // On a busy machine it is too late already for being given anything.
        if let Ok(inherited) = received {
            break inherited;
        }
    };
    let launched = Server::builder(small()).inherit(inherited).bind(old.addr()).launch::<Echo>();
    let Err(Error::Inherited { name, source }) = launched else { panic!("{launched:?}") };
    assert_eq!((name, source.kind()), (path.display().to_string(), ErrorKind::TimedOut));
    assert!(source.to_string().contains("hand_over_timeout"), "{source}");
    assert_eq!(exchange(&mut old.client(), b"still here"), b"still here");
    old.end();
}

/// Has its core wait for a word, when it is told to; and says when it is to stop.
struct Blocks {
    core: usize,
}

static BLOCKED: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> = Mutex::new(None);
static STOPS: Mutex<Option<mpsc::Sender<usize>>> = Mutex::new(None);

impl Handler for Blocks {
    fn for_core(core: usize) -> Self {
        Self { core }
    }

    async fn on_accept(&self, _conn: Conn) {}

    fn on_notify(&self, _driver: &Driver, _notice: Notice) {
        let (begins, ends) = BLOCKED.lock().unwrap().take().unwrap();
        begins.send(()).unwrap();
        // An error is that the test has failed.
        let _ = ends.recv();
    }

    fn on_stop(&self, _driver: &Driver) {
        let stops = STOPS.lock().unwrap().clone();
        stops.unwrap().send(self.core).unwrap();
    }
}

/// The name may not go before the listeners: who starts in between finds nobody to take over from,
/// and an address in use.
#[test]
fn the_name_stays_until_no_core_listens() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let (begins, begun) = mpsc::channel();
    let (release, ends) = mpsc::channel::<()>();
    let (stops, stopped) = mpsc::channel();
    *BLOCKED.lock().unwrap() = Some((begins, ends));
    *STOPS.lock().unwrap() = Some(stops);
    let old = Run::handler::<Blocks>(Server::builder(cores(2)).bind(anywhere()));
    let address = old.addr();
    let giving = offer(&old.handle, &path);
    // One core does not hear that it is to stop; the other does.
    old.handle.notify(1, ()).unwrap();
    begun.recv().unwrap();
    old.handle.shutdown();
    assert_eq!(stopped.recv().unwrap(), 0);
    assert!(TcpListener::bind(address).is_err(), "the other core listens");
    let caller = hanging(&path);
    let (at, (came, comes)) = (path.clone(), mpsc::channel());
    let successor = thread::spawn(move || {
        came.send(()).unwrap();
        let received = Inherited::receive(at);
        (received, TcpListener::bind(address).map(drop))
    });
    comes.recv().unwrap();
    // An end here is the failure; it does not come, however long one waits.
    let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut fds = [PollFd::new(&caller, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&moment));
    assert!(
        matches!(ready, Ok(0) | Err(Errno::INTR)),
        "it is sent away while the other core listens: {ready:?}"
    );
    assert!(path.exists() && !giving.is_finished());
    release.send(()).unwrap();
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Stopped);
    assert!(!path.exists());
    let (received, bound) = successor.join().unwrap();
    let Err(Error::Inherited { source, .. }) = received else { panic!("there is nothing to give") };
    let nobody = [ErrorKind::NotFound, ErrorKind::ConnectionRefused];
    assert!(nobody.contains(&source.kind()), "{source}");
    bound.expect("the address is free");
    old.ended();
}
