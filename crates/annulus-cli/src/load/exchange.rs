//! Requests and answers of a protocol, as bytes that come in any pieces.
//!
//! Owns: which protocol it is. Does not own: sockets, clocks, counts. Invariant: answers are fed in
//! the order of their requests, and bytes that were used are not fed again.

mod echo;
mod http;
mod redis;

use std::io;
use std::rc::Rc;

use super::args::Args;
use super::target::{Scheme, Target};

/// What bytes came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fed {
    /// So many are used; there must be more.
    More { used: usize },
    /// So many are used, and they end an answer.
    Answer { used: usize, answer: Answer },
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// Its status, where there is such a thing.
    pub status: Option<u16>,
    /// The server ends the connection behind it.
    pub last: bool,
}

/// An answer is not what it has to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong;

/// What is asked, the same for each connection.
#[derive(Clone, Debug)]
pub enum Question {
    /// A message that comes back.
    Echo(Rc<[u8]>),
    /// A request of HTTP.
    Http(http::Request),
    /// Commands of Redis.
    Redis(redis::Commands),
}

impl Question {
    /// What the arguments ask.
    ///
    /// # Errors
    /// `InvalidInput` for what is no request; those of reading the body.
    pub fn new(args: &Args, target: &Target) -> io::Result<Self> {
        Ok(match target.scheme {
            Scheme::Tcp => Self::Echo(echo::message(args.size.unwrap_or(64) as usize)),
            Scheme::Http => Self::Http(http::Request::new(args, target)?),
            Scheme::Redis => {
                Self::Redis(redis::Commands::new(args.size.unwrap_or(3), args.sets, args.keys))
            }
        })
    }

    /// A conversation: connection number `number` of all.
    pub fn begin(&self, number: u64) -> Exchange {
        match self {
            Self::Echo(message) => Exchange::Echo(echo::Echo::new(message.clone())),
            Self::Http(request) => Exchange::Http(http::Http::new(request.clone())),
            Self::Redis(commands) => Exchange::Redis(redis::Redis::new(commands.clone(), number)),
        }
    }
}

/// What is said on a connection.
#[derive(Debug)]
pub enum Exchange {
    /// See [`Question::Echo`].
    Echo(echo::Echo),
    /// See [`Question::Http`].
    Http(http::Http),
    /// See [`Question::Redis`].
    Redis(redis::Redis),
}

impl Exchange {
    /// Appends the next request.
    pub fn request(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Echo(echo) => echo.request(out),
            Self::Http(http) => http.request(out),
            Self::Redis(redis) => redis.request(out),
        }
    }

    /// Takes bytes of answers.
    ///
    /// # Errors
    /// They are not what they have to be.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Wrong> {
        match self {
            Self::Echo(echo) => echo.feed(bytes),
            Self::Http(http) => http.feed(bytes),
            Self::Redis(redis) => redis.feed(bytes),
        }
    }

    /// The connection has ended; that may be the end of an answer.
    pub fn end(&mut self) -> Option<Answer> {
        match self {
            Self::Http(http) => http.end(),
            Self::Echo(_) | Self::Redis(_) => None,
        }
    }

    /// Forgets what was under way: the next request goes over a new connection.
    pub fn restart(&mut self) {
        match self {
            Self::Echo(echo) => echo.restart(),
            Self::Http(http) => http.restart(),
            Self::Redis(redis) => redis.restart(),
        }
    }
}

/// Feeds `bytes` in pieces that end at `cuts`, as a connection does: what is not used comes again,
/// with more behind it.
#[cfg(test)]
fn answers(exchange: &mut Exchange, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Answer>, Wrong> {
    let (mut begin, mut answers) = (0, Vec::new());
    for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            match exchange.feed(&bytes[begin..end])? {
                Fed::More { used } => {
                    begin += used;
                    break;
                }
                Fed::Answer { used, answer } => {
                    begin += used;
                    answers.push(answer);
                    if begin == end {
                        break;
                    }
                }
            }
        }
    }
    Ok(answers)
}
