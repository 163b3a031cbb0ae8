//! Copying a file whole.
//!
//! Owns nothing: the kernel copies, on a thread where it may block. Mirrors copy_file_range(2).

use std::io;
use std::path::Path;

use crate::task::spawn_blocking;

/// Copies the contents and the permission bits of a file, and gives the number of bytes. A file
/// that is there at `to` is overwritten; the same file twice is emptied.
///
/// The bytes do not pass through the program: the kernel copies them from page cache to page cache,
/// or only shares them where the file system can. A loop of [`File::read_at`](super::File::read_at)
/// and [`File::write_at`](super::File::write_at) is for bytes that are looked at on the way.
///
/// # Errors
/// Those of [`std::fs::copy`]. `Other` if the runtime ended before the copy began.
///
/// # Cancel safety
/// Dropping the future lets a copy that has begun go on; one that waits for a thread is not made.
///
/// # Panics
/// If no runtime runs on this thread.
///
/// # Kernel
/// copy_file_range(2), which blocks and has no operation of the ring, on a thread of
/// [`spawn_blocking`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, "hello")?;
/// assert_eq!(annulus::fs::copy(&from, &to).await?, 5);
/// # Ok(())
/// # }
/// ```
pub async fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    let copied = spawn_blocking(move || std::fs::copy(from, to)).await;
    copied.map_err(|error| io::Error::other(error.to_string()))?
}
