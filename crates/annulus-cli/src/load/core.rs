//! A core of the load: its connections, its share of the requests, and when they start.
//!
//! ```text
//!   closed loop:  an answer comes ──> the next request starts
//!   open loop:    request k starts at begin + k / rate, and is sent by whichever connection is
//!                 free; if none is, later. Its latency counts from when it had to start.
//! ```
//!
//! Owns: the schedule, the count of a core, connecting before the first request. Does not own: what
//! happens on a connection (`connection`). Invariant: no more requests start than were asked for.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::net::TcpStream;
use annulus::runtime::Runtime;
use annulus::task::JoinSet;
use annulus::time::Instant;

use super::args::{Args, Plan};
use super::connection::Connection;
use super::exchange::Question;
use super::gate::Gate;
use super::tally::Tally;
use crate::stop::Stop;

/// Groups of requests that were never sent, each of which counts with one time.
const UNSENT_GROUPS: u64 = 4096;
/// Connections that are made at once.
const CONNECTING: usize = 128;

/// What a core is told.
pub struct Seat<'a> {
    /// The arguments as they were given.
    pub args: &'a Args,
    /// What they come to.
    pub plan: &'a Plan,
    /// Where to connect to.
    pub address: SocketAddr,
    /// Which core it is.
    pub index: u32,
    /// Where all cores wait for each other before the first request.
    pub gate: &'a Gate,
    /// The request to stop.
    pub stop: &'a Stop,
    /// What others see while it runs.
    pub live: &'a Live,
}

/// What is seen of a core while it runs.
#[derive(Default)]
pub struct Live {
    /// Requests that have ended, one way or another.
    pub ended: AtomicU64,
    /// Those of them that failed.
    pub failed: AtomicU64,
}

/// What the connections of a core share.
pub struct Core {
    /// What is to be done.
    pub plan: Plan,
    /// Where to connect to.
    pub address: SocketAddr,
    /// What came of it.
    pub tally: RefCell<Tally>,
    begin: Cell<Instant>,
    index: u32,
    issued: Cell<u64>,
}

impl Seat<'_> {
    /// Makes its part of the load.
    ///
    /// # Errors
    /// io_uring is refused; nobody can be connected to.
    pub fn run(&self) -> io::Result<Tally> {
        // What a connection may have queued is what it may have outstanding, so there is no need
        // of another bound.
        let runtime = Runtime::builder().send_high_bytes(usize::MAX / 2).build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                self.gate.pass();
                return Err(error.into());
            }
        };
        runtime.block_on(self.load())
    }

    async fn load(&self) -> io::Result<Tally> {
        let core = Rc::new(Core {
            plan: self.plan.clone(),
            address: self.address,
            tally: RefCell::new(Tally::new()),
            begin: Cell::new(Instant::now()),
            index: self.index,
            issued: Cell::new(0),
        });
        let question = Question::new(self.args, &self.plan.target);
        // Nothing, if it is to stop meanwhile.
        let connected = self.unless_stopped(self.connect(&core)).await;
        let passed = self.gate.pass();
        let question = question?;
        let Some(streams) = connected.filter(|_| passed).transpose()? else {
            return Ok(core.tally.replace(Tally::new()));
        };
        core.begin.set(Instant::now());
        let mut tasks = JoinSet::new();
        for (number, stream) in streams.into_iter().enumerate() {
            let number = number as u64 * u64::from(self.plan.cores) + u64::from(self.index);
            let connection = Connection::new(core.clone(), question.begin(number), stream);
            tasks.spawn(connection.run());
        }
        self.wait(&core, &mut tasks).await;
        let end = Instant::now();
        core.count_unsent(end);
        let mut tally = core.tally.replace(Tally::new());
        tally.elapsed = core.since_begin(end);
        Ok(tally)
    }

    /// Awaits it, or that stopping is asked for.
    async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.stop.poll_requested(context).is_ready() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Makes the connections that are kept. Those that fail are tried again when they are needed,
    /// unless all do.
    async fn connect(&self, core: &Core) -> io::Result<Vec<Option<TcpStream>>> {
        let own = |all: u32| all / self.plan.cores + u32::from(self.index < all % self.plan.cores);
        let wanted = own(self.plan.connections) as usize;
        let mut streams = Vec::with_capacity(wanted);
        let mut failed = None;
        while streams.len() < wanted {
            let now = if streams.is_empty() { 1 } else { CONNECTING.min(wanted - streams.len()) };
            let attempts: Vec<_> = (0..now).map(|_| annulus::spawn(core.connect())).collect();
            for attempt in attempts {
                match attempt.await.map_err(io::Error::other)? {
                    Ok(stream) => streams.push(Some(stream)),
                    Err(error) => {
                        failed = Some(error);
                        streams.push(None);
                    }
                }
            }
            if streams.len() == 1 && streams[0].is_none() {
                break;
            }
        }
        match failed {
            Some(error) if streams.iter().all(Option::is_none) => {
                let text = format!("cannot connect to {}: {error}", self.address);
                Err(io::Error::new(error.kind(), text))
            }
            _ => {
                let made = streams.iter().flatten().count() as u64;
                core.tally.borrow_mut().connections += made;
                Ok(streams)
            }
        }
    }

    /// Waits until all connections have ended, the time is over, or stopping was asked for.
    async fn wait(&self, core: &Core, tasks: &mut JoinSet<()>) {
        let late = core.end().map(|end| end + self.plan.timeout);
        let mut look = annulus::time::interval(Duration::from_millis(50));
        poll_fn(|context| {
            while look.poll_tick(context).is_ready() {
                self.show(core);
            }
            if self.stop.poll_requested(context).is_ready() {
                return Poll::Ready(());
            }
            while let Poll::Ready(ended) = tasks.poll_join_next(context) {
                if ended.is_none() {
                    return Poll::Ready(());
                }
            }
            match late {
                Some(late) if Instant::now() >= late => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        self.show(core);
        tasks.abort_all();
        while poll_fn(|context| tasks.poll_join_next(context)).await.is_some() {}
    }

    fn show(&self, core: &Core) {
        let tally = core.tally.borrow();
        let failed = tally.failed();
        // ORDERING: Relaxed; numbers for people, which guard nothing.
        self.live.ended.store(tally.answered + failed, Ordering::Relaxed);
        // ORDERING: as above.
        self.live.failed.store(failed, Ordering::Relaxed);
    }
}

impl Core {
    /// A new connection.
    ///
    /// # Errors
    /// Those of connecting; it takes longer than a request may.
    pub fn connect(&self) -> impl Future<Output = io::Result<TcpStream>> + use<> {
        let (address, timeout) = (self.address, self.plan.timeout);
        async move {
            let stream = TcpStream::connect(address).timeout(timeout).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
    }

    /// When the next request of this core starts; nothing if there is none any more.
    pub fn next(&self) -> Option<Instant> {
        let issued = self.issued.get();
        let now = Instant::now();
        if self.end().is_some_and(|end| now >= end) {
            return None;
        }
        let start = match (self.plan.rate, self.scheduled()) {
            (Some(rate), Some(scheduled)) if issued < scheduled => self.due(issued, rate),
            (None, None) => now,
            (None, Some(requests)) if issued < requests => now,
            _ => return None,
        };
        self.issued.set(issued + 1);
        Some(start)
    }

    /// When request number `number` of this core has to start.
    fn due(&self, number: u64, rate: f64) -> Instant {
        let number = number as f64 * f64::from(self.plan.cores) + f64::from(self.index);
        self.begin.get() + Duration::from_secs_f64(number / rate)
    }

    /// Counts the requests that were due by `end` and that no connection has taken: all of them
    /// have waited since then, and would have waited longer.
    fn count_unsent(&self, end: Instant) {
        let (Some(rate), Some(scheduled)) = (self.plan.rate, self.scheduled()) else { return };
        let each = f64::from(self.plan.cores) / rate;
        let own_begin = f64::from(self.index) / rate;
        let elapsed = self.since_begin(end).as_secs_f64();
        let due = ((elapsed - own_begin) / each).max(-1.0).floor() + 1.0;
        let (mut from, due) = (self.issued.get(), scheduled.min(due as u64));
        let mut tally = self.tally.borrow_mut();
        // Those that are next to each other have waited for the same time, nearly.
        let step = (due.saturating_sub(from) / UNSENT_GROUPS).max(1);
        while from < due {
            let requests = step.min(due - from);
            let middle = self.due(from + requests / 2, rate);
            tally.unsent(requests, end.saturating_duration_since(middle));
            from += requests;
        }
    }

    /// How many requests this core starts, if that is known.
    fn scheduled(&self) -> Option<u64> {
        let all = if self.plan.rate.is_some() { self.plan.scheduled() } else { self.plan.requests };
        let (cores, index) = (u64::from(self.plan.cores), u64::from(self.index));
        all.map(|all| all / cores + u64::from(index < all % cores))
    }

    /// When no request starts any more.
    fn end(&self) -> Option<Instant> {
        self.plan.duration.map(|duration| self.begin.get() + duration)
    }

    /// How long after the beginning that is.
    pub fn since_begin(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begin.get())
    }
}
