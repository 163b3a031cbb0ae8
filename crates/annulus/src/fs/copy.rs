//! Copying a file whole.
//!
//! Owns: the order of the ways to copy, and the job that goes them. The kernel copies, on a thread
//! where it may block; nothing of it runs on the core. Mirrors copy_file_range(2),
//! ioctl_ficlone(2), sendfile(2).
//!
//! | way | what moves | where |
//! |---|---|---|
//! | `FICLONE` | nothing: both files share blocks | one file system that can (btrfs, xfs, bcachefs) |
//! | copy_file_range(2) | pages, within the kernel | one file system, or two of one type |
//! | sendfile(2) | pages, within the kernel | file systems of different types |
//! | pread(2), pwrite(2) | bytes, through the program | what has no pages: procfs and its like |

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::aside::{Stop, aside};
use super::named::{at, between};

/// What is moved between two looks whether anybody still wants it.
const STEP_BYTES: u64 = 8 << 20;
/// The buffer of the last way.
const BUFFER_BYTES: usize = 256 << 10;

/// Copies the contents and the permission bits of a file, and gives the number of bytes. A file
/// that is there at `to` is overwritten; the same file twice is emptied.
///
/// The bytes do not pass through the program, where the kernel can help it: it copies them from
/// page cache to page cache, or only shares them where the file system can. Holes stay holes. A
/// loop of [`File::read_at`](super::File::read_at) and [`File::write_at`](super::File::write_at) is
/// for bytes that are looked at on the way.
///
/// # Errors
/// Those of [`std::fs::copy`], with the path or both: `InvalidInput` if `from` is no regular file.
/// `Other` if the runtime ended before the copy did.
///
/// # Cancel safety
/// Dropping the future stops the copy within 8 MiB; what was written until then stays.
///
/// # Kernel
/// None of the calls has an operation of the ring. All are made on a thread of
/// [`spawn_blocking`](crate::task::spawn_blocking), which is handed over to once for a file:
/// `FICLONE`, else copy_file_range(2), else sendfile(2), else reads and writes.
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
#[doc(alias = "copy_file_range")]
#[doc(alias = "FICLONE")]
pub async fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    copy_with(from, to, |_| {}).await
}

/// As [`copy`], and tells `progress` of each piece how many bytes it had: at most 8 MiB, or all at
/// once where nothing has to be moved. It is called on the thread that copies. The bytes of holes
/// are told, too.
///
/// # Errors
/// As [`copy`].
///
/// # Cancel safety
/// As [`copy`].
///
/// # Kernel
/// As [`copy`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, "hello")?;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
///
/// static COPIED: AtomicU64 = AtomicU64::new(0);
/// let progress = |bytes| {
///     COPIED.fetch_add(bytes, Relaxed);
/// };
/// annulus::fs::copy_with(&from, &to, progress).await?;
/// assert_eq!(COPIED.load(Relaxed), 5);
/// # Ok(())
/// # }
/// ```
pub async fn copy_with<P, Q, F>(from: P, to: Q, progress: F) -> io::Result<u64>
where
    P: AsRef<Path>,
    Q: AsRef<Path>,
    F: FnMut(u64) + Send + 'static,
{
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    let stop = Stop::default();
    let _stop = stop.on_drop();
    aside(move || {
        let (source, target) = open(&from, &to)?;
        let mut copy = Copy { source, target, way: Way::Range, done: 0, stop, progress };
        copy.whole().map_err(|error| between("copy", &from, &to, error))?;
        Ok(copy.done)
    })
    .await
}

/// Opens both as `std::fs::copy` does, and gives the new file its permissions.
fn open(from: &PathBuf, to: &PathBuf) -> io::Result<(File, File)> {
    let reading = || {
        let source = File::open(from)?;
        let metadata = source.metadata()?;
        if metadata.is_file() {
            return Ok((source, metadata));
        }
        let what = "only regular files, or links to them, can be copied";
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    };
    let (source, metadata) = reading().map_err(|error| at("copy", from, error))?;
    let writing = || {
        let mode = metadata.mode();
        let mut options = OpenOptions::new();
        let target = options.write(true).create(true).truncate(true).mode(mode).open(to)?;
        // What was there before has a mode, and the umask has taken some of this one. A device
        // keeps its own.
        if target.metadata()?.is_file() {
            target.set_permissions(metadata.permissions())?;
        }
        io::Result::Ok(target)
    };
    Ok((source, writing().map_err(|error| at("copy to", to, error))?))
}

/// How bytes are moved now; the ways after it have not been tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Range,
    Send,
    Bytes,
}

struct Copy<F> {
    source: File,
    target: File,
    way: Way,
    done: u64,
    stop: Stop,
    progress: F,
}

impl<F: FnMut(u64)> Copy<F> {
    fn whole(&mut self) -> io::Result<()> {
        let metadata = self.source.metadata()?;
        let len = metadata.len();
        self.stop.check()?;
        if len > 0 && rustix::fs::ioctl_ficlone(&self.target, &self.source).is_ok() {
            self.told(len);
            return Ok(());
        }
        if metadata.blocks().saturating_mul(512) < len {
            return self.with_holes(len);
        }
        // Not up to the length, which procfs does not know and another process may change.
        self.range(0, u64::MAX)
    }

    fn told(&mut self, bytes: u64) {
        self.done += bytes;
        (self.progress)(bytes);
    }

    /// Copies what is data, and leaves what is a hole.
    fn with_holes(&mut self, len: u64) -> io::Result<()> {
        while self.done < len {
            self.stop.check()?;
            let (start, end) = match self.data_after(self.done, len) {
                Ok(data) => data,
                // A file system that does not tell.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => return self.range(self.done, u64::MAX),
                Err(errno) => return Err(errno.into()),
            };
            if start > self.done {
                self.told(start - self.done);
            }
            self.range(start, end)?;
            if self.done < end {
                break; // it has become shorter
            }
        }
        // A hole at the end has not been written.
        self.target.set_len(self.done)
    }

    /// Where the next data begins and ends; nothing at the end, if a hole is all that is left.
    fn data_after(&self, offset: u64, len: u64) -> rustix::io::Result<(u64, u64)> {
        let start = match rustix::fs::seek(&self.source, SeekFrom::Data(offset)) {
            Ok(start) => start.min(len),
            Err(Errno::NXIO) => len,
            Err(errno) => return Err(errno),
        };
        if start == len {
            return Ok((len, len));
        }
        match rustix::fs::seek(&self.source, SeekFrom::Hole(start)) {
            Ok(end) => Ok((start, end.min(len))),
            Err(Errno::NXIO) => Ok((start, len)),
            Err(errno) => Err(errno),
        }
    }

    /// Copies from an offset to another one, or to the end of the file.
    fn range(&mut self, start: u64, end: u64) -> io::Result<()> {
        let mut at = start;
        while at < end {
            self.stop.check()?;
            match self.step(at, (end - at).min(STEP_BYTES))? {
                // The end, or a file that has no pages to tell about.
                0 if self.way == Way::Bytes => break,
                0 => self.way = Way::Bytes,
                bytes => {
                    at += bytes;
                    self.told(bytes);
                }
            }
        }
        Ok(())
    }

    /// Moves some bytes at an offset.
    fn step(&mut self, at: u64, want: u64) -> io::Result<u64> {
        loop {
            let moved = match self.way {
                Way::Range => self.by_range(at, want),
                Way::Send => self.by_send(at, want),
                Way::Bytes => return self.by_bytes(at, want),
            };
            match (moved, self.way) {
                (Ok(bytes), _) => return Ok(bytes as u64),
                (Err(Errno::INTR), _) => self.stop.check()?,
                (Err(errno), Way::Range) if cannot(errno) => self.way = Way::Send,
                (Err(errno), Way::Send) if cannot(errno) => self.way = Way::Bytes,
                (Err(errno), _) => return Err(errno.into()),
            }
        }
    }

    fn by_range(&self, at: u64, want: u64) -> rustix::io::Result<usize> {
        let (mut from, mut to) = (at, at);
        let want = want as usize;
        rustix::fs::copy_file_range(
            &self.source,
            Some(&mut from),
            &self.target,
            Some(&mut to),
            want,
        )
    }

    fn by_send(&self, at: u64, want: u64) -> rustix::io::Result<usize> {
        let mut from = at;
        rustix::fs::seek(&self.target, SeekFrom::Start(at))?;
        rustix::fs::sendfile(&self.target, &self.source, Some(&mut from), want as usize)
    }

    fn by_bytes(&self, at: u64, want: u64) -> io::Result<u64> {
        let mut buffer = vec![0; BUFFER_BYTES.min(want as usize)];
        let bytes = loop {
            match self.source.read_at(&mut buffer, at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.stop.check()?,
                read => break read?,
            }
        };
        self.target.write_all_at(&buffer[..bytes], at)?;
        Ok(bytes as u64)
    }
}

/// Whether an error says that this way does not lead from the one file to the other. It is final:
/// bytes that were moved are not moved again, because the next way goes on where this one ended.
fn cannot(errno: Errno) -> bool {
    let ways =
        [Errno::NOSYS, Errno::XDEV, Errno::INVAL, Errno::PERM, Errno::OPNOTSUPP, Errno::BADF];
    ways.contains(&errno) || errno == Errno::SPIPE
}
