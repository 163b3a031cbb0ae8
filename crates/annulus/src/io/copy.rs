//! From one stream to another.
//!
//! Owns: the loops. Invariant: no more than one piece of each direction is in memory.

use std::io;

use super::{AsyncRead, AsyncWrite};

/// Writes everything that `reader` gives until its end, flushes, and gives how many bytes that
/// were.
///
/// From a socket nothing is copied in user space: what the kernel has received into a buffer of the
/// pool is sent from there.
///
/// # Errors
/// Those of reading and of writing.
///
/// # Cancel safety
/// Dropping the future can lose the piece that was being written.
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
    let mut copied = 0;
    while let Some(piece) = reader.recv().await? {
        copied += piece.len() as u64;
        writer.write_all(piece).await?;
    }
    writer.flush().await?;
    Ok(copied)
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
