//! Files whole, by their names.
//!
//! Owns: reading one and writing one in a single call. Errors say which file it was.

use std::io;
use std::path::Path;

use super::named::at;
use super::{AtomicFile, File};
use crate::buf::{BufError, IoBuf};

/// Reads a file whole. It may grow or shrink meanwhile, and may be one of those that do not tell
/// their size.
///
/// # Errors
/// Those of open(2) and read(2), as [`PathError`](super::PathError).
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// `OPENAT` and `READ`, 5.6, until there is no more: for a file that does not change, one read of
/// its bytes, and one that finds the end.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let uptime = annulus::fs::read("/proc/uptime").await?;
/// assert!(uptime.contains(&b'.'));
/// # Ok(())
/// # }
/// ```
pub async fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let failed = |error| at("read", path, error);
    let mut file = File::open(path).await.map_err(failed)?;
    let read = file.read_to_end(Vec::new()).await;
    let (_, bytes) = read.map_err(|error| failed(error.into_error()))?;
    Ok(bytes)
}

/// Reads a file of UTF-8 whole.
///
/// # Errors
/// As [`read`]; `InvalidData` if it is not UTF-8.
///
/// # Cancel safety
/// Nothing is changed.
///
/// # Kernel
/// As [`read`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # use annulus::fs;
/// # let dir = tempfile::tempdir()?;
/// # let (one, two) = (dir.path().join("one"), dir.path().join("two"));
/// # std::fs::write(&one, "1")?;
/// assert_eq!(fs::read_to_string(&one).await?, "1");
/// # Ok(())
/// # }
/// ```
pub async fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref();
    let failed = |error| at("read", path, error);
    let mut file = File::open(path).await.map_err(failed)?;
    let read = file.read_to_string(String::new()).await;
    let (_, text) = read.map_err(|error| failed(error.into_error()))?;
    Ok(text)
}

/// Writes a file whole: makes it if it is missing, empties it if not.
///
/// Who reads it meanwhile sees a part, and a crash may leave one: [`replace`] does not.
///
/// # Errors
/// Those of open(2) and write(2), as [`PathError`](super::PathError).
///
/// # Cancel safety
/// The file may be there, with any part of the contents.
///
/// # Kernel
/// `OPENAT` and `WRITE`, 5.6.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("greeting");
/// annulus::fs::write(&path, "hello").await?;
/// assert_eq!(annulus::fs::read_to_string(&path).await?, "hello");
/// # Ok(())
/// # }
/// ```
pub async fn write<P: AsRef<Path>, B: IoBuf>(path: P, contents: B) -> io::Result<()> {
    let path = path.as_ref();
    let failed = |error| at("write", path, error);
    let mut file = File::create(path).await.map_err(failed)?;
    // At its position: it may be a pipe.
    let wrote = file.write_all(contents).await;
    wrote.map_err(|error: BufError<B>| failed(error.into_error()))?;
    Ok(())
}

/// Replaces the contents of a file, or makes it: whoever opens it, and whatever happens, finds the
/// old file or the new one, whole. [`AtomicFile`] is the same for contents that come bit by bit,
/// and says how it is done and what may go wrong.
///
/// # Errors
/// As [`AtomicFile::commit`], as [`PathError`](super::PathError).
///
/// # Cancel safety
/// The file is the old one or the new one.
///
/// # Kernel
/// As [`AtomicFile`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("settings");
/// annulus::fs::replace(&path, "colour = blue\n").await?;
/// annulus::fs::replace(&path, "colour = green\n").await?;
/// assert_eq!(std::fs::read_to_string(&path)?, "colour = green\n");
/// # Ok(())
/// # }
/// ```
pub async fn replace<P: AsRef<Path>, B: IoBuf>(path: P, contents: B) -> io::Result<()> {
    let path = path.as_ref();
    let failed = |error| at("replace", path, error);
    let file = AtomicFile::create(path).await.map_err(failed)?;
    let wrote = file.write_all_at(contents, 0).await;
    wrote.map_err(|error: BufError<B>| failed(error.into_error()))?;
    file.commit().await.map_err(failed)
}
