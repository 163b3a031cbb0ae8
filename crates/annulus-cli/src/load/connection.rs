//! One connection of the load.
//!
//! ```text
//!        ┌────────── the window has room, and a request is due ──────────┐
//!        v                                                               │
//!     connect ──> send what is due ──> wait: an answer, or the next due time, or too late
//!        ^                                                               │
//!        └──────────── ended, broken, too late: count, and again ────────┘
//! ```
//!
//! Owns: the requests that are outstanding on it, and which way each ended. Does not own: when a
//! request starts (`core`), what it says (`exchange`).

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::buf::Lease;
use annulus::net::TcpStream;
use annulus::time::{Instant, sleep, sleep_until};

use super::core::Core;
use super::exchange::{Answer, Exchange, Fed};
use super::tally::{Failure, Tally};

/// How long it rests when it cannot connect: twice as long each time, up to a bound.
const REST: Duration = Duration::from_millis(5);
const REST_MAX: Duration = Duration::from_millis(500);

/// A request that was sent.
struct Sent {
    /// When it had to start.
    due: Instant,
    /// When it was sent.
    at: Instant,
}

/// What ended a wait.
enum Event {
    Bytes(Lease),
    End,
    Time,
}

/// A connection, and what is said on it.
pub struct Connection {
    core: Rc<Core>,
    exchange: Exchange,
    stream: Option<TcpStream>,
    outstanding: VecDeque<Sent>,
    /// When the next request starts, if this connection has taken one.
    next: Option<Instant>,
    /// Bytes that came and are not used yet.
    rest: Vec<u8>,
    out: Vec<u8>,
    pause: Duration,
}

impl Connection {
    /// A connection that is made already, or will be when it is needed.
    pub fn new(core: Rc<Core>, exchange: Exchange, stream: Option<TcpStream>) -> Self {
        Self {
            core,
            exchange,
            stream,
            outstanding: VecDeque::new(),
            next: None,
            rest: Vec::new(),
            out: Vec::new(),
            pause: REST,
        }
    }

    /// Sends requests until there are no more, and waits for their answers.
    pub async fn run(mut self) {
        loop {
            if self.outstanding.is_empty() {
                self.next = self.next.take().or_else(|| self.core.next());
                let Some(due) = self.next else {
                    return;
                };
                if !self.core.plan.keep_alive {
                    sleep_until(due).await;
                }
                if !self.connected().await {
                    continue;
                }
            }
            match self.turn().await {
                Ok(()) => {}
                Err(failure) => self.give_up(failure),
            }
        }
    }

    /// Connects, if it is not connected. If it cannot, the request that needed it has failed.
    async fn connected(&mut self) -> bool {
        if self.stream.is_some() {
            return true;
        }
        match self.core.connect().await {
            Ok(stream) => {
                self.core.tally.borrow_mut().connections += 1;
                self.pause = REST;
                self.stream = Some(stream);
                true
            }
            Err(error) => {
                if let Some(due) = self.next {
                    sleep_until(due).await;
                    self.next = None;
                    let mut tally = self.core.tally.borrow_mut();
                    let failure = kind(&error);
                    tally.started += 1;
                    tally.fail(failure, 1);
                    if failure == Failure::TimedOut {
                        let waited = due.elapsed();
                        tally.gave_up_after(waited, waited);
                    }
                }
                sleep(self.pause).await;
                self.pause = (2 * self.pause).min(REST_MAX);
                false
            }
        }
    }

    /// Sends what is due, waits, and takes what came.
    async fn turn(&mut self) -> Result<(), Failure> {
        self.send()?;
        let event = self.wait().await.map_err(|error| kind(&error))?;
        match event {
            Event::Bytes(lease) => self.take(&lease),
            Event::End => match self.exchange.end() {
                Some(answer) => self.answered(answer),
                None => Err(Failure::Closed),
            },
            Event::Time => {
                let timeout = self.core.plan.timeout;
                match self.outstanding.front() {
                    Some(first) if first.at.elapsed() >= timeout => Err(Failure::TimedOut),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Sends requests as long as one is due and the window has room.
    fn send(&mut self) -> Result<(), Failure> {
        let plan = &self.core.plan;
        let window = if plan.keep_alive { plan.pipeline as usize } else { 1 };
        let mut now = Instant::now();
        while self.outstanding.len() < window {
            self.next = self.next.take().or_else(|| self.core.next());
            let Some(due) = self.next else {
                break;
            };
            if due > now {
                now = Instant::now();
                if due > now {
                    break;
                }
            }
            self.next = None;
            self.exchange.request(&mut self.out);
            self.outstanding.push_back(Sent { due, at: now });
            self.core.tally.borrow_mut().started += 1;
        }
        if self.out.is_empty() {
            return Ok(());
        }
        self.core.tally.borrow_mut().sent_bytes += self.out.len() as u64;
        let sent = match &self.stream {
            Some(stream) => stream.send_nowait(&self.out),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        self.out.clear();
        sent.map_err(|error| kind(&error))
    }

    /// Waits for bytes, but not longer than until the next request is due, or the oldest is too
    /// late.
    async fn wait(&mut self) -> io::Result<Event> {
        let Some(stream) = &self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let late = self.outstanding.front().map(|first| first.at + self.core.plan.timeout);
        // A due time that has passed waits for room, and that for bytes.
        let due = self.next.filter(|due| *due > Instant::now());
        let until = match (late, due) {
            (Some(late), Some(due)) => late.min(due),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Ok(Event::Time),
        };
        match stream.recv().deadline(until).await {
            Ok(Some(lease)) => Ok(Event::Bytes(lease)),
            Ok(None) => Ok(Event::End),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(Event::Time),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.core.tally.borrow_mut().received_bytes += bytes.len() as u64;
        if self.rest.is_empty() {
            let used = self.feed(bytes)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let used = self.feed(&rest)?;
        rest.drain(..used);
        self.rest = rest;
        Ok(())
    }

    /// Takes answers out of `bytes`; gives how many bytes they are.
    fn feed(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut used = 0;
        while used < bytes.len() {
            if self.outstanding.is_empty() {
                self.core.tally.borrow_mut().unasked += 1;
                return Err(Failure::Wrong);
            }
            match self.exchange.feed(&bytes[used..]) {
                Ok(Fed::More { used: more }) => return Ok(used + more),
                Ok(Fed::Answer { used: more, answer }) => {
                    used += more;
                    self.answered(answer)?;
                    if self.stream.is_none() {
                        return Ok(bytes.len());
                    }
                }
                Err(_) => return Err(Failure::Wrong),
            }
        }
        Ok(used)
    }

    /// The oldest request is answered.
    fn answered(&mut self, answer: Answer) -> Result<(), Failure> {
        let Some(sent) = self.outstanding.pop_front() else {
            return Err(Failure::Wrong);
        };
        let now = Instant::now();
        let times =
            (now.saturating_duration_since(sent.due), now.saturating_duration_since(sent.at));
        let at = self.core.since_begin(now);
        self.core.tally.borrow_mut().answer(answer.status, at, times);
        if answer.last && !self.outstanding.is_empty() {
            return Err(Failure::Closed);
        }
        if answer.last || !self.core.plan.keep_alive {
            self.disconnect();
        }
        Ok(())
    }

    /// What is outstanding has failed, and the connection with it.
    fn give_up(&mut self, failure: Failure) {
        {
            let mut tally = self.core.tally.borrow_mut();
            tally.fail(failure, self.outstanding.len() as u64);
            // What is slow is part of how slow it is; what is refused or wrong is not.
            if failure == Failure::TimedOut {
                let now = Instant::now();
                self.outstanding.iter().for_each(|sent| sent.gave_up(now, &mut tally));
            }
        }
        self.outstanding.clear();
        self.disconnect();
    }

    fn disconnect(&mut self) {
        self.stream = None;
        self.rest.clear();
        self.exchange.restart();
    }
}

impl Sent {
    fn gave_up(&self, now: Instant, tally: &mut Tally) {
        let since = |then: Instant| now.saturating_duration_since(then);
        tally.gave_up_after(since(self.due), since(self.at));
    }
}

/// The run is over: what it has not had an answer to has waited until now.
impl Drop for Connection {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut tally = self.core.tally.borrow_mut();
        self.outstanding.iter().for_each(|sent| sent.gave_up(now, &mut tally));
        if let Some(due) = self.next.filter(|due| *due <= now && self.core.plan.rate.is_some()) {
            tally.unsent(1, now.saturating_duration_since(due));
        }
    }
}

fn kind(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Failure::Reset,
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => Failure::Closed,
        io::ErrorKind::TimedOut => Failure::TimedOut,
        _ => Failure::Other,
    }
}
