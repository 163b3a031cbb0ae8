//! The life of a connection: requests in, answers out, in order.
//!
//! ```text
//!           ┌──────────── keep-alive ───────────┐
//!           v                                   │
//!   wait for bytes ──> head ──> exchange ──> out buffer ──> (large body) ──> linger, close
//!      │  flush first             ^                │
//!      │                          └── pipelined ───┘
//!      └─ end, idle too long, stopping: close     too slow with a head: 408
//! ```
//!
//! Answers collect in one buffer while further requests are at hand, and are sent when the
//! connection would wait, when the buffer is full, or when a large body follows. A connection that
//! waits holds no buffer of its own.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use annulus::time::Instant;

use super::clock::Clock;
use super::counts::Counts;
use super::exchange::Exchange;
use super::head::{self, Body, HEAD_LIMIT, Head, Method, Refused};
use super::input::Input;
use super::log::{Line, Log};
use super::page::{self, Stamp};
use super::response::{Persistence, Status};
use super::wire::{Received, Site, Wait, Wire};

/// Answers are sent when this many bytes have collected.
const OUT_BYTES: usize = 64 * 1024;
/// The longest body that is skipped so that the connection can go on.
const SKIPPED_BODY: u64 = 64 * 1024;
/// How long, and for how many bytes, a closed connection is still read: closing it with bytes
/// unread would reset it, and the client might lose the answer that says why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;
/// Buffers that a core keeps for answers to come.
const SPARE_BUFFERS: usize = 16;

/// What the connections of one core share.
pub struct Server<S> {
    /// The directory that is served.
    pub site: S,
    /// Whether directories without an index are shown.
    pub list: bool,
    /// How long a head may take.
    pub header_timeout: Duration,
    /// How long a connection may be silent.
    pub idle_timeout: Duration,
    /// The date of responses.
    pub clock: Clock,
    /// The access log, if there is one.
    pub log: Option<Log>,
    /// The numbers of the core.
    pub counts: Arc<Counts>,
    /// Empty buffers.
    pub spare: RefCell<Vec<Vec<u8>>>,
}

impl<S> Server<S> {
    fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS && buffer.capacity() <= 2 * OUT_BYTES {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// Serves one connection until it ends.
///
/// # Errors
/// Those of the connection. There is nobody left to tell; they may be counted, or ignored.
pub async fn serve<S: Site, W: Wire<S::File>>(
    server: &Server<S>,
    wire: &W,
    client: IpAddr,
) -> io::Result<()> {
    let connection = Connection {
        server,
        wire,
        client,
        input: Input::new(),
        out: Vec::new(),
        deadline: Instant::now() + server.header_timeout,
        reading_head: false,
    };
    connection.run().await
}

struct Connection<'c, S: Site, W: Wire<S::File>> {
    server: &'c Server<S>,
    wire: &'c W,
    client: IpAddr,
    input: Input<W::Lease>,
    /// Answers that are not sent yet.
    out: Vec<u8>,
    /// When the client has taken too long.
    deadline: Instant,
    /// Whether the deadline is that of a head whose beginning is there.
    reading_head: bool,
}

/// How the connection goes on after an answer.
enum Next {
    /// With the request behind this many bytes of a body.
    Request { skip: u64 },
    /// Not at all.
    Close,
}

impl<S: Site, W: Wire<S::File>> Connection<'_, S, W> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            self.input.skip_line_ends();
            let worth = self.input.worth_parsing(HEAD_LIMIT);
            match if worth { head::parse(self.input.bytes()) } else { Ok(None) } {
                Err(refused) => return self.refuse(refused).await,
                Ok(None) => {
                    if !self.more().await? {
                        return Ok(());
                    }
                }
                Ok(Some((head, len))) => {
                    let now = SystemTime::now();
                    let (stamp, next) = plan(self.server, &head, now, self.wire.stopping());
                    if self.out.capacity() == 0 {
                        self.out = self.server.buffer();
                    }
                    let exchange = Exchange {
                        site: &self.server.site,
                        list: self.server.list,
                        room: &|| true,
                        head: &head,
                        stamp: &stamp,
                        now,
                        out: &mut self.out,
                    };
                    let reply = exchange.run().await?;
                    self.server.counts.answer(reply.status.code());
                    if let Some(log) = &self.server.log {
                        log.record(&Line {
                            client: self.client,
                            date: &stamp.date,
                            head: Some(&head),
                            status: reply.status,
                            content: reply.content,
                        });
                    }
                    self.input.consume(len);
                    if let Some((file, part)) = reply.body {
                        // The lease goes back: a slow client may keep this waiting for long.
                        self.input.park();
                        let out = std::mem::take(&mut self.out);
                        let sent = self.wire.send_with_file(out, &file, part).await?;
                        self.server.give_back(sent);
                    }
                    if !self.go_on(next).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What comes after an answer. Returns whether there can be another request.
    async fn go_on(&mut self, next: Next) -> io::Result<bool> {
        self.reading_head = false;
        self.deadline = Instant::now() + self.server.idle_timeout;
        match next {
            Next::Close => {
                self.flush().await?;
                self.linger().await?;
                Ok(false)
            }
            Next::Request { skip } => {
                if self.out.len() >= OUT_BYTES {
                    self.flush().await?;
                }
                self.skip(skip).await
            }
        }
    }

    /// Waits for more of a request. Returns whether there is more.
    async fn more(&mut self) -> io::Result<bool> {
        self.flush().await?;
        let idle = self.input.is_empty();
        if !idle && !self.reading_head {
            self.reading_head = true;
            self.deadline = Instant::now() + self.server.header_timeout;
        }
        match self.wire.recv(Wait { deadline: self.deadline, idle }).await? {
            Received::Bytes(lease) => self.input.feed(lease),
            Received::TimedOut if !idle => {
                self.server.counts.slow.add(1);
                self.refuse_here(Refused {
                    status: Status::REQUEST_TIMEOUT,
                    why: "The request's head took too long.",
                })
                .await?;
                return Ok(false);
            }
            Received::TimedOut | Received::End | Received::Stopping => return Ok(false),
        }
        Ok(true)
    }

    /// Passes over the body of a request. Returns whether it ended in time.
    async fn skip(&mut self, mut bytes: u64) -> io::Result<bool> {
        while bytes > 0 {
            if self.input.is_empty() {
                self.flush().await?;
                match self.wire.recv(Wait { deadline: self.deadline, idle: false }).await? {
                    Received::Bytes(lease) => self.input.feed(lease),
                    _ => return Ok(false),
                }
            }
            let here = self.input.bytes().len();
            let used = usize::try_from(bytes).map_or(here, |bytes| here.min(bytes));
            self.input.consume(used);
            bytes -= used as u64;
        }
        Ok(true)
    }

    async fn refuse(mut self, refused: Refused) -> io::Result<()> {
        self.refuse_here(refused).await
    }

    /// Answers what is not a request, and ends the connection.
    async fn refuse_here(&mut self, refused: Refused) -> io::Result<()> {
        let date = self.server.clock.date(SystemTime::now());
        let stamp = Stamp { date, persistence: Persistence::Close, method: Method::Other };
        let content = page::write(&mut self.out, &stamp, refused.status, refused.why, None);
        self.server.counts.answer(refused.status.code());
        if let Some(log) = &self.server.log {
            let (client, status) = (self.client, refused.status);
            log.record(&Line { client, date: &date, head: None, status, content });
        }
        self.flush().await?;
        self.linger().await
    }

    /// Sends the answers that have collected.
    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.wire.send(std::mem::take(&mut self.out)).await?;
        self.server.give_back(sent);
        // What the client took its time for is over; its silence begins now.
        self.deadline = Instant::now() + self.server.idle_timeout;
        Ok(())
    }

    /// Says that nothing more comes, and reads what the client had sent by then, within limits.
    async fn linger(&mut self) -> io::Result<()> {
        self.input = Input::new();
        self.wire.finish().await?;
        let deadline = Instant::now() + LINGER;
        let mut bytes = 0;
        while bytes < LINGER_BYTES {
            match self.wire.recv(Wait { deadline, idle: true }).await? {
                Received::Bytes(lease) => bytes += lease.len(),
                Received::End | Received::TimedOut | Received::Stopping => break,
            }
        }
        Ok(())
    }
}

/// What the response says of the connection, and what is done with it.
fn plan<S>(server: &Server<S>, head: &Head<'_>, now: SystemTime, stopping: bool) -> (Stamp, Next) {
    let next = match head.body {
        Body::Length(skip) if head.keep_alive && !stopping && skip <= SKIPPED_BODY => {
            Next::Request { skip }
        }
        _ => Next::Close,
    };
    let persistence = match next {
        Next::Close => Persistence::Close,
        Next::Request { .. } if head.minor == 0 => Persistence::KeepAlive,
        Next::Request { .. } => Persistence::Implied,
    };
    (Stamp { date: server.clock.date(now), persistence, method: head.method }, next)
}

#[cfg(test)]
mod tests;
