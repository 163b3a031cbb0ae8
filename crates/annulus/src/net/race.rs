//! Connecting to whichever of several addresses answers first.
//!
//! Owns: which attempt starts when ("Happy Eyeballs", RFC 8305). Does not own: attempts
//! (`connect`), the resolver (`names`).
//!
//! | | what happens |
//! |---|---|
//! | an attempt succeeds | the others are given up, and their sockets closed |
//! | an attempt fails | the next one starts at once |
//! | neither, for 250 ms | the next one starts besides |
//!
//! Invariants: families alternate, beginning with the one that the resolver prefers; nothing starts
//! any more once somebody asked for the end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::TcpStream;
use super::connect::Attempt;
use crate::core::end::End;
use crate::core::errors;
use crate::time::{Instant, Sleep, sleep};

/// The head start of an attempt ("Connection Attempt Delay", RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Attempts to connect to some of these addresses.
pub(super) struct Race {
    /// Those that were not tried, the next one last.
    untried: Vec<SocketAddr>,
    tried: usize,
    attempts: Vec<Attempt>,
    head_start: Option<Sleep>,
    /// Why the attempt that failed last did.
    error: Option<io::Error>,
    /// Asked to end.
    ending: bool,
}

impl Race {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        let mut untried = alternating(addresses);
        untried.reverse();
        let attempts = Vec::new();
        Self { untried, tried: 0, attempts, head_start: None, error: None, ending: false }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        loop {
            if let Some(stream) = self.poll_attempts(cx) {
                return Poll::Ready(Ok(stream));
            }
            if self.attempts.is_empty() && (self.untried.is_empty() || self.ending) {
                return Poll::Ready(Err(self.failed()));
            }
            if self.untried.is_empty() || self.ending {
                return Poll::Pending;
            }
            if !self.attempts.is_empty() {
                let head_start = self.head_start.get_or_insert_with(|| sleep(HEAD_START));
                if Pin::new(head_start).poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            self.start_next();
        }
    }

    /// The stream of the first attempt that succeeded. Those that failed make room for the next.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<TcpStream> {
        let mut index = 0;
        while index < self.attempts.len() {
            match Pin::new(&mut self.attempts[index]).poll(cx) {
                Poll::Pending => index += 1,
                Poll::Ready(Ok(stream)) => return Some(stream),
                Poll::Ready(Err(error)) => {
                    drop(self.attempts.remove(index));
                    self.error = Some(error);
                    if !self.ending {
                        self.start_next();
                    }
                }
            }
        }
        None
    }

    /// Starts the next attempt, if there is one.
    fn start_next(&mut self) {
        while let Some(address) = self.untried.pop() {
            self.tried += 1;
            match Attempt::start(address) {
                Ok(attempt) => {
                    self.attempts.push(attempt);
                    let until = Instant::now() + HEAD_START;
                    self.head_start.get_or_insert_with(|| sleep(HEAD_START)).reset(until);
                    return;
                }
                // No socket of this family, for instance.
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn failed(&mut self) -> io::Error {
        let Some(error) = self.error.take() else {
            let none = "there is no address to connect to";
            return io::Error::new(io::ErrorKind::InvalidInput, none);
        };
        if self.ending {
            return error;
        }
        io::Error::new(error.kind(), format!("{error} (the last of {} addresses)", self.tried))
    }

    /// Asks all attempts to end. Gives the output if there is nothing to wait for.
    pub(super) fn ask_to_end(&mut self) -> Option<io::Result<TcpStream>> {
        self.ending = true;
        self.error = Some(errors::cancelled());
        let mut index = 0;
        while index < self.attempts.len() {
            match self.attempts[index].ask_to_end() {
                None => index += 1,
                Some(Ok(stream)) => return Some(Ok(stream)),
                Some(Err(_)) => drop(self.attempts.remove(index)),
            }
        }
        self.attempts.is_empty().then(|| Err(self.failed()))
    }
}

/// The addresses with families in turn, each in its order, beginning with that of the first.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        all.extend(first.next());
        all.extend(second.next());
    }
    all
}

#[cfg(test)]
mod tests;
