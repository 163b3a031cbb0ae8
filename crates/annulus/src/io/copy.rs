//! From one stream to another.
//!
//! Owns: the loops. Invariant: no more than one piece of each direction is in memory.

use std::io;

use super::{AsyncRead, AsyncWrite};
use crate::net::{Forwarded, forward};
use crate::pipe::{Receiver, Sender};

/// How many pieces are looked at together, and how many bytes of them are worth to be spliced, from
/// a TCP stream to another or from a pipe to another. One message may come as a large piece and a
/// small one, so single pieces say little.
const PIECES: u32 = 16;
const PIECE_BYTES: u64 = 1024;
/// What one move out of a pipe is at most: as much as a pipe can hold.
const MOVE_BYTES: usize = 1024 * 1024;
/// So many small moves in a row end the moving.
const SMALL_MOVES_MAX: u32 = 8;
/// Each time that splicing did not last, so many times as many pieces are looked at.
const PATIENCE: u32 = 8;

/// Writes everything that `reader` gives until its end, flushes, and gives how many bytes that
/// were.
///
/// From a socket nothing is copied in user space: what the kernel has received into a buffer of the
/// pool is sent from there. Between two TCP streams, what comes in large pieces goes through a pipe
/// instead, from socket to socket in the kernel: a third of the CPU time for pieces of 64 KiB over
/// loopback. Nothing else may read from the one or send on the other meanwhile. From a
/// [pipe](crate::pipe) to another, pieces of some KiB are moved, too, for 0.6 of the CPU time;
/// small ones are read and written. From a pipe to a socket everything is: there moving gains and
/// loses.
///
/// # Errors
/// Those of reading and of writing.
///
/// # Cancel safety
/// Dropping the future can lose the piece that was being written.
///
/// # Kernel
/// What reader and writer ask for. Between TCP streams splice(2), and polls of the ring
/// (`POLL_ADD`, 5.1) where one is not ready; between pipes splice(2) as well.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::io::{AsyncRead, copy};
///
/// let mut seven = (&b"1234567890"[..]).take(7);
/// let mut copied = Vec::new();
/// assert_eq!(copy(&mut seven, &mut copied).await?, 7);
/// assert_eq!(copied, b"1234567");
/// # Ok(())
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + ?Sized,
    W: AsyncWrite + ?Sized,
{
    let (mut copied, mut looked_at) = (0, 0);
    let (mut pieces, mut enough, mut splices) = (0, PIECES, true);
    while let Some(piece) = reader.recv().await? {
        copied += piece.len() as u64;
        writer.write_all(piece).await?;
        pieces += 1;
        if !splices || pieces < enough {
            continue;
        }
        let is_large = copied - looked_at >= u64::from(enough) * PIECE_BYTES;
        (pieces, looked_at) = (0, copied);
        if !is_large {
            continue;
        }
        let pipes = reader.as_pipe_source().zip(writer.as_pipe_target());
        let sockets = reader.as_tcp_source().zip(writer.as_tcp_target());
        let forwarded = match (pipes, sockets) {
            (Some((from, to)), _) => move_large(from, to).await?,
            (_, Some((from, to))) => forward(from, to).await?,
            _ => {
                splices = false;
                continue;
            }
        };
        copied += forwarded.bytes;
        if forwarded.ended {
            break;
        }
        looked_at = copied;
        enough = enough.saturating_mul(PATIENCE);
        splices = !forwarded.refused;
    }
    writer.flush().await?;
    Ok(copied)
}

/// Moves what comes from a pipe in the kernel, until it ends or until it comes in small pieces.
async fn move_large(source: &Receiver, target: &Sender) -> io::Result<Forwarded> {
    let (mut bytes, mut small) = (0, 0);
    while small < SMALL_MOVES_MAX {
        let moved = source.splice_to(target, MOVE_BYTES).await? as u64;
        if moved == 0 {
            return Ok(Forwarded { bytes, ended: true, refused: false });
        }
        bytes += moved;
        small = if moved < PIECE_BYTES { small + 1 } else { 0 };
    }
    Ok(Forwarded { bytes, ended: false, refused: false })
}

/// Joins two streams: what comes from one goes to the other, until both directions have ended.
/// Gives how many bytes went from `a` to `b`, and from `b` to `a`.
///
/// The end of one direction is passed on (see [`AsyncWrite::shutdown`]) and does not end the other.
///
/// # Errors
/// The first error of either direction ends both.
///
/// # Cancel safety
/// As [`copy`].
///
/// # Kernel
/// As [`copy`], in both directions.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::io::copy_bidirectional;
/// use annulus::net::UnixStream;
/// use std::net::Shutdown;
///
/// let ((client, here), (there, server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// let joined = annulus::spawn(async move { copy_bidirectional(&here, &there).await });
/// client.write_all("ping").await?;
/// client.shutdown(Shutdown::Write)?;
/// let ((), ping) = server.read_exact(vec![0; 4]).await?;
/// server.write_all("answer").await?;
/// drop(server);
/// assert_eq!(ping, b"ping");
/// assert_eq!(joined.await.expect("it does not panic")?, (4, 6));
/// # Ok(())
/// # }
/// ```
pub async fn copy_bidirectional<A, B>(a: &A, b: &B) -> io::Result<(u64, u64)>
where
    A: ?Sized,
    B: ?Sized,
    for<'a> &'a A: AsyncRead + AsyncWrite,
    for<'b> &'b B: AsyncRead + AsyncWrite,
{
    crate::try_join!(one_way(a, b), one_way(b, a))
}

async fn one_way<R, W>(mut reader: R, mut writer: W) -> io::Result<u64>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    let copied = copy(&mut reader, &mut writer).await?;
    writer.shutdown().await?;
    Ok(copied)
}
