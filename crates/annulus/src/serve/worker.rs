//! One core of a server, from its start to its end.
//!
//! Owns: the order of things on a core, and what becomes of a handler that ends, panics or is cut
//! off. Does not own: accepting (`accept`), starting threads (`server`).
//!
//! ```text
//!   on_start ──> accept, tick, receive datagrams ──> stop
//!                   │                                  │ no more is accepted, but what the kernel
//!                   └─> a task for each connection     │ accepted is; on_stop; connections told
//!                                                      v
//!                                      tasks finish ── or are dropped when the drain is over
//! ```

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::Error;
use super::accept::{Acceptor, Arrival};
use super::backoff::Backoff;
use super::choice::Choice;
use super::conn::{Beginning, Conn};
use super::driver::{Driver, Hooks};
use super::handler::Serves;
use super::listen::{Seat, Socket};
use super::moving::Crossing;
use super::privileges::Became;
use super::shared::{OfCore, Shared, announce};
use super::transport::{Carrier, Layered, Plain};
use super::trouble::Spell;
use crate::net::UdpSocket;
use crate::runtime::stopping;
use crate::task::JoinSet;
use crate::time::{interval, sleep, timeout};

/// What the tasks of a core share.
pub(super) struct Site<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) core: usize,
    pub(super) choice: Choice,
    serves: S,
}

/// Awaits a future, or that the core is to stop: `None` then.
pub(super) async fn or_stop<F: Future>(future: F) -> Option<F::Output> {
    let (mut future, mut stop) = (pin!(future), pin!(stopping()));
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// A core that has not ended.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.subtract(1);
        if self.0.running.now() == 0 {
            announce(&self.0.ended);
        }
    }
}

/// A core of a server.
pub(super) async fn run<S: Serves>(
    (shared, became): (Arc<Shared>, Option<Became>),
    core: usize,
    make: Arc<impl Fn(usize) -> S>,
    seats: Vec<Seat>,
) -> Result<(), Error> {
    // First: a handler that panics as it is made ends the server as well.
    let _running = Running(shared.clone());
    let choice = Choice::new(core);
    let site = Rc::new(Site { shared: shared.clone(), core, choice, serves: make(core) });
    let served = match became.map_or(Ok(()), Became::check) {
        Ok(()) => serve(&site, seats).await,
        Err(error) => Err(error),
    };
    site.counts().set_takes(false);
    if served.is_err() {
        // The failure of one core is the end of all.
        shared.stop(shared.config.drain);
    }
    served
}

async fn serve<S: Serves>(site: &Rc<Site<S>>, seats: Vec<Seat>) -> Result<(), Error> {
    let (hears, begins) = (site.clone(), site.clone());
    let hooks = Hooks {
        notify: Box::new(move |driver, notice| {
            hears.contain(|| hears.serves.notify(driver, notice));
        }),
        arrive: Box::new(move |crossing| begins.arrive(crossing)),
    };
    let driver = Driver::install(site.shared.clone(), site.core, hooks);
    site.serves.start(&driver).await.map_err(Error::Start)?;
    if site.shared.config.idle.is_some() {
        super::idle::ensure(&site.shared, site.core);
    }
    if let Some(period) = site.shared.config.tick {
        drop(crate::task::spawn_named("serve: ticks", site.clone().ticks(driver.clone(), period)));
    }
    site.counts().set_takes(true);
    let mut acceptors = JoinSet::new();
    for seat in seats {
        match seat.socket {
            Socket::Udp(socket) => {
                let socket = UdpSocket::from_std(socket)?;
                let receiver = site.clone().receive(socket, seat.listener);
                acceptors.spawn_named("serve: receiving", receiver);
            }
            Socket::Tcp(_) | Socket::Unix(_) => {
                let acceptor = Acceptor::new(site.clone(), seat)?;
                acceptors.spawn_named("serve: accepting", acceptor.run());
            }
        }
    }
    let mut result = Ok(());
    while let Some(Some(ended)) = or_stop(acceptors.join_next()).await {
        result = result.and(flat(ended));
        if result.is_err() {
            site.shared.stop(site.shared.config.drain);
        }
    }
    stopping().await;
    site.counts().set_takes(false);
    // Nobody comes after us any more, if nobody has taken over.
    site.shared.let_go();
    site.contain(|| site.serves.stop(&driver));
    for conn in driver.conns() {
        conn.inner.stop();
    }
    while let Some(ended) = acceptors.join_next().await {
        result = result.and(flat(ended));
    }
    site.shared.closes(site.core);
    result
}

fn flat(ended: Result<io::Result<()>, crate::task::JoinError>) -> Result<(), Error> {
    match ended {
        Ok(result) => result.map_err(Error::Io),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_aborted) => Ok(()),
    }
}

impl<S: Serves> Site<S> {
    pub(super) fn counts(&self) -> &OfCore {
        &self.shared.cores[self.core]
    }

    /// The failures of a listener, none so far.
    pub(super) fn spell(&self, listener: usize) -> Spell {
        Spell::new(self.shared.clone(), self.core, listener)
    }

    /// Runs user code that has no task of its own.
    fn contain(&self, user_code: impl FnOnce()) {
        self.shared.contain(self.core, user_code);
    }

    fn has_panicked(&self) {
        self.shared.has_panicked(self.core);
    }

    async fn ticks(self: Rc<Self>, driver: Driver, period: Duration) {
        let mut interval = interval(period);
        interval.set_missed_ticks(crate::time::MissedTicks::Skip);
        while or_stop(interval.tick()).await.is_some() {
            self.contain(|| self.serves.tick(&driver));
        }
    }

    /// Receives datagrams until the core is to stop, with so many readers, each of which waits for
    /// its handler; and closes the socket, unless a handler has kept it.
    async fn receive(self: Rc<Self>, socket: UdpSocket, listener: usize) -> io::Result<()> {
        let (socket, spell) = (Rc::new(socket), Rc::new(self.spell(listener)));
        let mut readers = JoinSet::new();
        for _ in 0..self.shared.config.datagrams_at_once {
            let reader = self.clone().datagrams(socket.clone(), spell.clone());
            readers.spawn_named("serve: datagrams", reader);
        }
        while readers.join_next().await.is_some() {}
        if let Ok(socket) = Rc::try_unwrap(socket) {
            // It is closed here and now, not by the ring some time later.
            drop(socket.into_std().await);
        }
        Ok(())
    }

    async fn datagrams(self: Rc<Self>, socket: Rc<UdpSocket>, spell: Rc<Spell>) {
        let mut backoff = Backoff::default();
        while let Some(received) = or_stop(socket.recv()).await {
            let datagram = match received {
                Ok(datagram) => datagram,
                Err(error) => {
                    // It is news of an earlier datagram, but for those that do not end.
                    let Some(rest) = backoff.failed() else { continue };
                    spell.rests(&error, rest);
                    match or_stop(sleep(rest)).await {
                        Some(()) => continue,
                        None => break,
                    }
                }
            };
            backoff = Backoff::default();
            spell.works();
            self.counts().datagrams.add(1);
            let answering = self.serves.datagram(socket.clone(), datagram);
            if crate::spawn(answering).await.is_err_and(|error| error.is_panic()) {
                self.has_panicked();
            }
        }
    }

    /// A connection has come from another core.
    fn arrive(self: &Rc<Self>, crossing: Crossing) {
        if let Some(arrival) = crossing.take() {
            self.begin(arrival);
        }
    }

    /// Starts the task of a connection that has come to this core.
    pub(super) fn begin(self: &Rc<Self>, arrival: Arrival) {
        self.counts().accepted.add(1);
        let (plain, layer, peer, listener, permit) = match arrival.attach() {
            Ok(parts) => parts,
            // The socket is gone, and the connection with it.
            Err(_error) => return,
        };
        let watch = Watch { site: self.clone(), finished: Cell::new(false) };
        let Some(layer) = layer else {
            let carrier = Carrier::Plain(plain);
            let conn = Conn::of_server(permit, Beginning { carrier, peer, listener });
            drop(crate::spawn(async move {
                let served = watch.site.serves.serve(conn).await;
                watch.finish(served.is_err());
            }));
            return;
        };
        let Plain::Tcp(stream) = plain else { return };
        let bound = self.shared.config.handshake;
        drop(crate::spawn(async move {
            let Ok(Ok(transport)) = timeout(bound, layer.wrap(stream)).await else {
                watch.site.counts().handshakes_failed.add(1);
                watch.finish(true);
                return;
            };
            let carrier = Carrier::Layered(Layered::new(transport));
            let conn = Conn::of_server(permit, Beginning { carrier, peer, listener });
            let served = watch.site.serves.serve(conn).await;
            watch.finish(served.is_err());
        }));
    }
}

/// Sees how the handler of a connection ends.
struct Watch<S: Serves> {
    site: Rc<Site<S>>,
    finished: Cell<bool>,
}

impl<S: Serves> Watch<S> {
    fn finish(&self, failed: bool) {
        self.finished.set(true);
        self.site.counts().finished.add(1);
        self.site.counts().failed.add(u64::from(failed));
    }
}

impl<S: Serves> Drop for Watch<S> {
    fn drop(&mut self) {
        if self.finished.get() {
        } else if std::thread::panicking() {
            self.site.has_panicked();
        } else {
            self.site.counts().cancelled.add(1);
        }
    }
}
