//! The life of a connection: bytes in, a batch of commands, answers out.
//!
//! ```text
//!   with_data ──> batch ──> (answers of other shards, in portions) ──> send ──┐
//!       ^─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A connection that waits has no buffer: requests are parsed where the kernel put them, and
//! answers are written into a buffer of the core. One whose client does not read its answers is not
//! read from.

use std::future::Future;
use std::io;
use std::time::Duration;

use annulus::net::TcpStream;
use annulus::time::timeout;

use super::session::Session;
use super::shards::Place;

/// Answers of at least so many bytes are sent from where they are; smaller ones are copied into the
/// send queue, which does not wait for them.
const OWNED_BYTES: usize = 16 * 1024;
/// A buffer that is larger is not kept.
const KEPT_BYTES: usize = 256 * 1024;
/// Buffers that a core keeps.
const SPARE_BUFFERS: usize = 16;

/// A connection, and how long it may be still.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) stream: &'a TcpStream,
    pub(super) idle: Option<Duration>,
}

/// Answers until the client is gone, is still for too long, or breaks the protocol.
///
/// # Errors
/// Those of the connection. There is nobody left to tell.
pub(super) async fn serve(place: &Place, line: Line<'_>, id: u64) -> io::Result<()> {
    line.stream.set_nodelay(true)?;
    let mut session = Session::new(id, place.limits);
    while !session.closing {
        let taking = line.stream.with_data(|bytes| {
            if session.batch.out.capacity() == 0 {
                session.batch.out = place.spare.borrow_mut().pop().unwrap_or_default();
            }
            session.take(place, bytes)
        });
        let n = match line.idle {
            None => taking.await?,
            Some(bound) => line.unless_still(bound, taking).await?,
        };
        if n == 0 {
            break;
        }
        while session.batch.has_gaps() {
            let portion = session.batch.portion(place).await?;
            line.send(portion).await?;
        }
        session.end_batch(place);
        let answers = std::mem::take(&mut session.batch.out);
        give_back(place, line.send(answers).await?);
    }
    Ok(())
}

impl Line<'_> {
    async fn send(self, answers: Vec<u8>) -> io::Result<Vec<u8>> {
        if answers.len() < OWNED_BYTES {
            self.stream.send_nowait(&answers)?;
            return Ok(answers);
        }
        let sending = self.stream.write_all(answers);
        let ((), answers) = match self.idle {
            None => sending.await?,
            Some(bound) => self.unless_still(bound, sending).await?,
        };
        Ok(answers)
    }

    /// Awaits something, for as long as bytes come or the client acknowledges some: a long value
    /// over a slow line is not cut off.
    async fn unless_still<T, E>(
        self,
        bound: Duration,
        future: impl Future<Output = Result<T, E>>,
    ) -> io::Result<T>
    where
        io::Error: From<E>,
    {
        let mut future = std::pin::pin!(future);
        let mut moved = None;
        loop {
            match timeout(bound, future.as_mut()).await {
                Ok(ended) => return Ok(ended?),
                Err(_over) => {
                    let info = self.stream.info()?;
                    let now = Some((info.bytes_acked, info.bytes_received));
                    // The first time nothing is known of before: it is given another such time.
                    if std::mem::replace(&mut moved, now) == now {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
        }
    }
}

fn give_back(place: &Place, mut buffer: Vec<u8>) {
    let mut spare = place.spare.borrow_mut();
    if buffer.capacity() <= KEPT_BYTES && spare.len() < SPARE_BUFFERS {
        buffer.clear();
        spare.push(buffer);
    }
}
