//! A server of datagrams that stops: its name stays until nothing has its address.

use std::future::pending;
use std::net::UdpSocket;
use std::rc::Rc;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use annulus::net::Datagram;
use annulus::serve::{Conn, Driver, HandOver, Handler, Server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::succession::{hanging, offer};
use super::{Run, anywhere, cores, small};
use crate::harness::Scratch;

fn ask(server: &Run) {
    let client = UdpSocket::bind(anywhere()).unwrap();
    client.send_to(b"question", server.addr()).unwrap();
}

/// Answers when it is told to; and says when it is to stop.
struct Holds;

static HELD: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> = Mutex::new(None);
static STOPS: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

impl Handler for Holds {
    fn for_core(_core: usize) -> Self {
        Self
    }

    async fn on_accept(&self, _conn: Conn) {}

    async fn on_datagram(&self, _socket: Rc<annulus::net::UdpSocket>, _datagram: Datagram) {
        let (begins, ends) = HELD.lock().unwrap().take().unwrap();
        begins.send(()).unwrap();
        // An error is that the test has failed.
        let _ = annulus::task::spawn_blocking(move || ends.recv()).await;
    }

    fn on_stop(&self, _driver: &Driver) {
        let stops = STOPS.lock().unwrap().clone();
        stops.unwrap().send(()).unwrap();
    }
}

/// Who starts in between would find nobody to take over from, and an address in use.
#[test]
fn the_name_stays_until_no_datagram_is_being_answered() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let (begins, begun) = mpsc::channel();
    let (release, ends) = mpsc::channel::<()>();
    let (stops, stopped) = mpsc::channel();
    *HELD.lock().unwrap() = Some((begins, ends));
    *STOPS.lock().unwrap() = Some(stops);
    let old = Run::handler::<Holds>(Server::builder(small()).bind_udp(anywhere()));
    let address = old.addr();
    let giving = offer(&old.handle, &path);
    ask(&old);
    begun.recv().unwrap();
    old.handle.shutdown();
    stopped.recv().unwrap();
    assert!(UdpSocket::bind(address).is_err(), "the answer is to go from there");
    let caller = hanging(&path);
    // An end here is the failure; it does not come, however long one waits.
    let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut fds = [PollFd::new(&caller, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&moment));
    assert!(
        matches!(ready, Ok(0) | Err(Errno::INTR)),
        "it is sent away while a datagram is being answered: {ready:?}"
    );
    assert!(path.exists() && !giving.is_finished());
    release.send(()).unwrap();
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Stopped);
    assert!(!path.exists());
    UdpSocket::bind(address).expect("the address is free");
    old.ended();
}

/// Never answers.
struct Hangs;

static BEGUN: Mutex<Option<mpsc::Sender<()>>> = Mutex::new(None);

impl Handler for Hangs {
    fn for_core(_core: usize) -> Self {
        Self
    }

    async fn on_accept(&self, _conn: Conn) {}

    async fn on_datagram(&self, _socket: Rc<annulus::net::UdpSocket>, _datagram: Datagram) {
        let begun = BEGUN.lock().unwrap().clone();
        begun.unwrap().send(()).unwrap();
        pending().await
    }
}

#[test]
fn the_name_stays_until_what_was_cut_off_has_closed_its_sockets() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let (begins, begun) = mpsc::channel();
    *BEGUN.lock().unwrap() = Some(begins);
    let config = cores(2).drain_timeout(Duration::from_millis(10));
    let old = Run::handler::<Hangs>(Server::builder(config).bind_udp(anywhere()));
    let address = old.addr();
    let giving = offer(&old.handle, &path);
    ask(&old);
    begun.recv().unwrap();
    old.handle.shutdown();
    assert_eq!(giving.join().unwrap().unwrap(), HandOver::Stopped);
    UdpSocket::bind(address).expect("the address is free");
    old.ended();
}
