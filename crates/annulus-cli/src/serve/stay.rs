//! A connection's stay on its core: its permit, its bounds, and what it hears of the end.
//!
//! Owns how long a connection that waits for a request is still read from once the server is to
//! stop. Does not own: the socket, nor the drain (`annulus::serve`), which bounds it all.
//!
//! | the server is to stop, and the connection | |
//! |---|---|
//! | has had no answer yet | is waited for: its request may be on its way |
//! | waits for a further request | is waited for a moment; what comes is its last request |
//! | is being answered | that is finished, as its last answer |

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use annulus::op::OpExt;
use annulus::runtime::{Stopping, is_stopping, stopping};
use annulus::serve::Permit;
use annulus::time::{Instant, Sleep, sleep};

use super::alarm::Alarm;
use super::counts::Counts;

/// How long the first request of a connection may take once the server is to stop.
const FIRST: Duration = Duration::from_secs(1);
/// How long a further one may take.
const NEXT: Duration = Duration::from_millis(100);

/// What a client has to take of an answer in each write timeout, or it takes nothing: of one of
/// HTTP/1 without TLS, and of each of HTTP/2. One that takes a byte now and then would else keep
/// its connection, a file and a part of the kernel's memory for as long as it likes.
pub const LEAST_BYTES: u64 = 16 * 1024;

/// A connection's stay.
pub struct Stay {
    /// The numbers of the core.
    pub counts: Arc<Counts>,
    /// How long the client may take nothing of what is sent.
    stall: Duration,
    answered: Cell<bool>,
    end: RefCell<End>,
    alarm: Alarm,
    /// The connection counts for as long as this is here.
    _permit: Option<Permit>,
}

struct End {
    stopping: Stopping,
    /// What is left once it has come.
    grace: Option<Pin<Box<Sleep>>>,
}

impl Stay {
    /// A stay that begins.
    pub fn new(permit: Option<Permit>, counts: Arc<Counts>, stall: Duration) -> Self {
        let end = RefCell::new(End { stopping: stopping(), grace: None });
        let (answered, alarm) = (Cell::new(false), Alarm::new());
        Self { counts, stall, answered, end, alarm, _permit: permit }
    }

    /// How long the client may take nothing of what is sent.
    pub fn stall(&self) -> Duration {
        self.stall
    }

    /// Whether the server is to stop.
    pub fn is_ending(&self) -> bool {
        is_stopping()
    }

    /// Ready once the server is to stop.
    pub fn poll_ending(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut end = self.end.borrow_mut();
        if end.grace.is_some() {
            return Poll::Ready(());
        }
        Pin::new(&mut end.stopping).poll(context)
    }

    /// Ready once the server is to stop and the client has had the time to send what it was about
    /// to.
    pub fn poll_over(&self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_ending(context));
        let bound = if self.answered.get() { NEXT } else { FIRST };
        let mut end = self.end.borrow_mut();
        end.grace.get_or_insert_with(|| Box::pin(sleep(bound))).as_mut().poll(context)
    }

    /// Ready once the client has taken too long. One wait at a time has a deadline.
    pub fn poll_late(&self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll(deadline, context)
    }

    /// Waits as long as the client may take nothing; `None` if that was too long.
    async fn unless_late<F: Future + Unpin>(&self, sending: &mut F) -> Option<F::Output> {
        let deadline = Instant::now() + self.stall;
        poll_fn(|context| match Pin::new(&mut *sending).poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_late(deadline, context).map(|()| None),
        })
        .await
    }

    /// Waits for an operation, as long as the client may take nothing, and asks it to end then.
    pub async fn or_end<O: OpExt>(&self, mut operation: O) -> O::Output {
        match self.unless_late(&mut operation).await {
            Some(done) => done,
            None => operation.cancel().await,
        }
    }

    /// Waits for a send, as long as the client may take nothing.
    ///
    /// # Errors
    /// That of the send; `TimedOut`, which is counted.
    pub async fn in_time<T, E>(&self, sending: impl Future<Output = Result<T, E>>) -> io::Result<T>
    where
        io::Error: From<E>,
    {
        match self.unless_late(&mut pin!(sending)).await {
            Some(sent) => sent.map_err(io::Error::from),
            None => {
                self.counts.stuck.add(1);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Whether the client may go on that has taken so many bytes in a write timeout, and has more
    /// to take. If not, that is counted.
    pub fn suffices(&self, bytes: u64) -> bool {
        let suffices = bytes >= LEAST_BYTES;
        self.counts.stuck.add(u64::from(!suffices));
        suffices
    }

    /// So many bytes of answers are with the kernel.
    pub fn sent(&self, bytes: u64) {
        self.answered.set(true);
        self.counts.sent_bytes.add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use annulus::runtime::Runtime;

    use super::*;

    #[test]
    fn less_than_the_least_in_a_write_timeout_is_too_little_and_counted() {
        Runtime::new().unwrap().block_on(async {
            let counts = Arc::<Counts>::default();
            let stay = Stay::new(None, counts.clone(), Duration::from_secs(60));
            assert!(stay.suffices(LEAST_BYTES) && stay.suffices(u64::MAX));
            assert_eq!(counts.stuck.now(), 0);
            assert!(!stay.suffices(LEAST_BYTES - 1) && !stay.suffices(0));
            assert_eq!(counts.stuck.now(), 2);
        });
    }
}
