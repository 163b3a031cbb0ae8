//! The life of a connection: bytes in, a batch of commands, answers out.
//!
//! ```text
//!   with_data ──> batch ──> (answers of other shards) ──> one send ──┐
//!       ^────────────────────────────────────────────────────────────┘
//! ```
//!
//! A connection that waits has no buffer: requests are parsed where the kernel put them, and
//! answers are written into a buffer of the core. One whose client does not read its answers is not
//! read from.

use std::io;

use annulus::net::TcpStream;

use super::session::Session;
use super::shards::Place;

/// Answers of at least so many bytes are sent from where they are; smaller ones are copied into the
/// send queue, which does not wait for them.
const OWNED_BYTES: usize = 16 * 1024;
/// A buffer that is larger is not kept.
const KEPT_BYTES: usize = 256 * 1024;
/// Buffers that a core keeps.
const SPARE_BUFFERS: usize = 16;

/// Answers until the client is gone, or breaks the protocol.
///
/// # Errors
/// Those of the connection. There is nobody left to tell.
pub(super) async fn serve(place: &Place, stream: &TcpStream, id: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session::new(id);
    while !session.closing {
        let n = stream
            .with_data(|bytes| {
                if session.batch.out.capacity() == 0 {
                    session.batch.out = place.spare.borrow_mut().pop().unwrap_or_default();
                }
                session.take(place, bytes)
            })
            .await?;
        if n == 0 {
            break;
        }
        if session.batch.has_gaps() {
            session.batch.settle(place).await?;
        }
        session.end_batch(place);
        let answers = std::mem::take(&mut session.batch.out);
        give_back(place, send(stream, answers).await?);
    }
    Ok(())
}

async fn send(stream: &TcpStream, answers: Vec<u8>) -> io::Result<Vec<u8>> {
    if answers.len() < OWNED_BYTES {
        stream.send_nowait(&answers)?;
        return Ok(answers);
    }
    let ((), answers) = stream.write_all(answers).await?;
    Ok(answers)
}

fn give_back(place: &Place, mut buffer: Vec<u8>) {
    let mut spare = place.spare.borrow_mut();
    if buffer.capacity() <= KEPT_BYTES && spare.len() < SPARE_BUFFERS {
        buffer.clear();
        spare.push(buffer);
    }
}
