//! A server that runs.
//!
//! Owns: what other threads may ask of it, and the results of its cores.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use annulus_task::{Closed, JoinError};

use super::handler::Notice;
use super::listen::Bound;
use super::shared::{Shared, lock};
use super::{Error, Metrics, driver};
use crate::core::signals::Exits;
use crate::runtime::CoreHandle;

/// A server, for any thread. Clones are the same; dropping them changes nothing: the server runs on
/// until it is asked to stop.
#[derive(Clone)]
#[doc(alias = "ShutdownHandle")]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

/// The signals that [`Handle::wait_for_signal`] waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager asks.
    Terminate,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Where it listens, in the order in which it was told to; with the ports that were chosen.
    /// Inherited listeners of one name come in the order in which they were passed on.
    #[doc(alias = "bound_addr")]
    pub fn bound(&self) -> &[Bound] {
        &self.shared.bound
    }

    /// The first Internet address at which it listens.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.bound().iter().find_map(Bound::addr)
    }

    /// The CPUs of its cores, by index.
    pub fn cpus(&self) -> &[usize] {
        &self.shared.cpus
    }

    /// Its cores, by index: for their own metrics, and for tasks of other kinds.
    pub fn cores(&self) -> &[CoreHandle] {
        self.shared.handles()
    }

    /// What it has counted.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.shared)
    }

    /// Asks it to stop: it accepts no more, connections have
    /// [`Config::drain_timeout`](super::Config::drain_timeout) to finish, and then its cores end.
    /// Does not wait for that: [`Workers::join`] does.
    pub fn shutdown(&self) {
        self.shared.stop(self.shared.config.drain);
    }

    /// As [`shutdown`](Self::shutdown), within so much time. A later call can only bring the end
    /// nearer.
    pub fn shutdown_within(&self, bound: Duration) {
        self.shared.stop(bound);
    }

    /// Sends a message to a core: [`on_notify`](super::Handler::on_notify) is called there.
    ///
    /// # Errors
    /// [`Closed`] if there is no such core, or it has ended.
    pub fn notify<T: Any + Send>(&self, core: usize, value: T) -> Result<(), Closed> {
        driver::notify(&self.shared, core, Notice::new(value))
    }

    /// Waits until SIGINT or SIGTERM comes, or until all cores have ended (`None`).
    ///
    /// It handles each of the two signals once: a second one of the same kind does what it did
    /// before, so it ends the process, unless there was a handler, or a
    /// [`signal`](crate::signal::signal) listens to it. Before this is called, the first one does.
    /// Any number of threads, also for several servers, may call this: each hears of it, once.
    ///
    /// # Errors
    /// Those of sigaction(2) and epoll_wait(2).
    ///
    /// # Kernel
    /// sigaction(2), eventfd(2), epoll_wait(2).
    #[doc(alias = "wait_on_signal")]
    pub fn wait_for_signal(&self) -> io::Result<Option<Signal>> {
        let seen = *lock(&self.shared.signals);
        let mut exits = Exits::listen(seen, self.shared.ended.as_fd())?;
        lock(&self.shared.signals).get_or_insert(exits.seen());
        loop {
            let signal = exits.take();
            if signal.is_some() {
                *lock(&self.shared.signals) = Some(exits.seen());
            }
            match signal {
                Some(libc::SIGINT) => return Ok(Some(Signal::Interrupt)),
                Some(_) => return Ok(Some(Signal::Terminate)),
                None if self.shared.running.now() == 0 => return Ok(None),
                None => exits.wait()?,
            }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("bound", &self.bound()).finish_non_exhaustive()
    }
}

/// The threads of a server, one for each core, by index.
///
/// Dropping them lets the server run on.
#[derive(Debug)]
#[must_use = "dropping it lets the server run on"]
pub struct Workers {
    pub(super) workers: Vec<Worker>,
}

/// The thread of one core.
#[derive(Debug)]
#[must_use = "dropping it lets the core run on"]
pub struct Worker {
    pub(super) thread: JoinHandle<Result<Result<(), Error>, JoinError>>,
}

impl Worker {
    /// Waits until the core has ended, and gives its result. That the drain was over is no error:
    /// [`Metrics::cancelled`] counts whom it cut off.
    ///
    /// # Errors
    /// [`JoinError::Panic`] if the core itself panicked: handlers do not do that to it.
    pub fn join(self) -> Result<Result<(), Error>, JoinError> {
        match self.thread.join() {
            Ok(Err(error)) if error.is_aborted() => Ok(Ok(())),
            Ok(result) => result,
            Err(payload) => Err(JoinError::panicked(payload)),
        }
    }
}

impl Workers {
    /// Waits until all cores have ended.
    ///
    /// # Errors
    /// The first of theirs.
    pub fn join(self) -> Result<(), Error> {
        let ended: Vec<_> = self.workers.into_iter().map(Worker::join).collect();
        ended.into_iter().try_for_each(|ended| match ended {
            Ok(result) => result,
            Err(error) => Err(Error::Io(io::Error::other(error))),
        })
    }
}

impl IntoIterator for Workers {
    type Item = Worker;
    type IntoIter = std::vec::IntoIter<Worker>;

    fn into_iter(self) -> Self::IntoIter {
        self.workers.into_iter()
    }
}
