//! A file at a position.
//!
//! Owns: the position, one piece of the file that was read and not used up, and the one operation
//! that is in flight. Does not own: the file's length, which others may change.
//!
//! Invariants: the position is that of the next byte for the user, wherever the piece ends; at most
//! one operation is in flight, and it owns its buffer; a write that failed is reported once, by the
//! next call that could.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use annulus::fs::File;

/// Bytes that one operation reads or writes at most.
const PIECE_BYTES: usize = 64 * 1024;

/// A buffer that comes back from an operation, with how much of it counts.
type Flight = Pin<Box<dyn Future<Output = (io::Result<usize>, Vec<u8>)> + Send>>;

/// A file with a position, as `AsyncRead`, `AsyncBufRead`, `AsyncWrite` and `AsyncSeek` of tokio
/// and of futures.
///
/// It reads ahead and writes behind by one piece of 64 KiB at most. Flushing waits until what was
/// written is with the kernel; [`File::sync_all`] of [`get_ref`](Self::get_ref) then makes it last.
/// Several positions in one file are as many of these, over clones of one `Arc`.
///
/// # Errors
/// Those of the file. A write that fails after it was taken is reported once, by the next write,
/// flush, shutdown, seek or read.
///
/// # Cancel safety
/// Dropping it lets an operation in flight end by itself: a write that was taken may or may not
/// come to pass. Flush first.
///
/// # Kernel
/// `READ` and `WRITE`, 5.6; inline if the pages are cached, else punted or polled, as the file
/// system has it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("numbers");
/// use annulus::fs::OpenOptions;
/// use annulus_compat::FileStream;
/// use std::io::SeekFrom;
/// use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
///
/// let file = OpenOptions::new().read(true).write(true).create(true).open(&path).await?;
/// let mut file = FileStream::new(file);
/// file.write_all(b"0123456789").await?;
/// file.seek(SeekFrom::End(-3)).await?;
/// let mut rest = String::new();
/// file.read_to_string(&mut rest).await?;
/// assert_eq!(rest, "789");
/// # Ok(())
/// # }
/// ```
pub struct FileStream {
    file: Arc<File>,
    position: u64,
    state: State,
    /// The piece: of a file that is read, its bytes from `position - used` on.
    piece: Vec<u8>,
    /// Bytes of the piece that the user has had.
    used: usize,
    /// Of a write that nobody was told of.
    failed: Option<io::Error>,
    /// A seek that was started and not completed.
    aim: Option<SeekFrom>,
}

enum State {
    Idle,
    Reading(Flight),
    Writing(Flight),
}

impl FileStream {
    /// A file at its beginning.
    pub fn new(file: impl Into<Arc<File>>) -> Self {
        Self::at(file, 0)
    }

    /// A file at a position.
    pub fn at(file: impl Into<Arc<File>>, position: u64) -> Self {
        Self {
            file: file.into(),
            position,
            state: State::Idle,
            piece: Vec::new(),
            used: 0,
            failed: None,
            aim: None,
        }
    }

    /// The file.
    pub fn get_ref(&self) -> &Arc<File> {
        &self.file
    }

    /// Where the next byte is read or written.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that are not used up; reads some if there are none. Empty at the end of the file.
    ///
    /// # Errors
    /// Those of read(2), and that of an earlier write.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if !matches!(self.state, State::Reading(_)) {
            ready!(self.poll_written(cx))?;
            if self.used < self.piece.len() {
                return Poll::Ready(Ok(&self.piece[self.used..]));
            }
            self.start_reading();
        }
        ready!(self.poll_read_piece(cx))?;
        Poll::Ready(Ok(&self.piece[self.used..]))
    }

    fn start_reading(&mut self) {
        let mut buf = std::mem::take(&mut self.piece);
        buf.clear();
        buf.reserve(PIECE_BYTES);
        self.used = 0;
        let (file, position) = (Arc::clone(&self.file), self.position);
        self.state = State::Reading(Box::pin(async move {
            match file.read_at(buf, position).await {
                Ok((n, buf)) => (Ok(n), buf),
                Err(error) => apart(error),
            }
        }));
    }

    fn poll_read_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Reading(flight) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let (read, buf) = ready!(flight.as_mut().poll(cx));
        self.state = State::Idle;
        self.piece = buf;
        self.used = 0;
        // The buffer was empty before, so what is in it now was read.
        self.piece.truncate(*read.as_ref().unwrap_or(&0));
        Poll::Ready(read.map(drop))
    }

    /// Uses up the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn consume(&mut self, n: usize) {
        let left = self.piece.len() - self.used;
        assert!(n <= left, "consume({n}) of {left} bytes");
        self.used += n;
        self.position += n as u64;
    }

    /// Takes bytes to be written at the position, as many as a piece has room for.
    ///
    /// # Errors
    /// That of an earlier write.
    pub fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(cx))?;
        let mut buf = self.without_piece();
        for slice in bufs {
            let room = PIECE_BYTES - buf.len();
            buf.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let taken = buf.len();
        if taken == 0 {
            self.piece = buf;
            return Poll::Ready(Ok(0));
        }
        let (file, position) = (Arc::clone(&self.file), self.position);
        self.position += taken as u64;
        self.state = State::Writing(Box::pin(async move {
            match file.write_all_at(buf, position).await {
                Ok(((), buf)) => (Ok(taken), buf),
                Err(error) => apart(error),
            }
        }));
        // Started now; what it comes to is for the next call, if it has not come to it yet.
        if let Poll::Ready(Err(error)) = self.poll_written(cx) {
            self.failed = Some(error);
        }
        Poll::Ready(Ok(taken))
    }

    /// Waits until what was written is with the kernel.
    ///
    /// # Errors
    /// That of an earlier write.
    pub fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let State::Writing(flight) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let (written, mut buf) = ready!(flight.as_mut().poll(cx));
        self.state = State::Idle;
        buf.clear();
        self.piece = buf;
        self.used = 0;
        Poll::Ready(written.map(drop))
    }

    /// Moves the position, when what was written is with the kernel; gives where it is then.
    ///
    /// # Errors
    /// `InvalidInput` for a position before the beginning; that of an earlier write.
    pub fn poll_seek_to(&mut self, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        ready!(self.poll_written(cx))?;
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.file.len()?.checked_add_signed(by),
        };
        let Some(position) = position else {
            let why = format!("{to:?} is no position in a file that is read at {}", self.position);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, why)));
        };
        if position != self.position {
            self.piece = self.without_piece();
            self.position = position;
        }
        Poll::Ready(Ok(position))
    }

    /// A seek in two steps, as tokio has it: says where to.
    pub fn start_seek(&mut self, to: SeekFrom) {
        self.aim = Some(to);
    }

    /// The second step; without the first, gives the position.
    ///
    /// # Errors
    /// As [`poll_seek_to`](Self::poll_seek_to).
    pub fn poll_sought(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let sought = ready!(self.poll_seek_to(cx, self.aim.unwrap_or(SeekFrom::Current(0))));
        self.aim = None;
        Poll::Ready(sought)
    }

    /// The memory of the piece, which counts no more. An operation that reads is given up.
    fn without_piece(&mut self) -> Vec<u8> {
        self.state = State::Idle;
        self.used = 0;
        let mut piece = std::mem::take(&mut self.piece);
        piece.clear();
        piece
    }
}

fn apart(error: annulus::buf::BufError<Vec<u8>>) -> (io::Result<usize>, Vec<u8>) {
    let (error, buf) = error.into_parts();
    (Err(error), buf.unwrap_or_default())
}

impl fmt::Debug for FileStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle => "idle",
            State::Reading(_) => "reading",
            State::Writing(_) => "writing",
        };
        f.debug_struct("FileStream")
            .field("file", &self.file)
            .field("position", &self.position)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
