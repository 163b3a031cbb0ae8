//! A range of a file in order, with several reads in flight.
//!
//! Owns: which reads are in flight, and what is delivered. Invariants: chunks come in the order of
//! the file, without gaps, as if one read followed the other; no more than `depth` buffers are in
//! flight or ready; dropping the stream cancels what is in flight, and its buffers are freed when
//! the kernel has let go of them.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Deref, Range};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::File;
use crate::buf::{IoBufMut, Slice};
use crate::core::file_op::ReadAt;
use crate::core::key::Handle;
use crate::core::op::Op;

impl File {
    /// Reads a range of the file from its beginning to its end, in chunks, with up to `depth` reads
    /// in flight. Chunks come in order, and the stream ends with the range or with the file.
    ///
    /// What is in flight and what has arrived takes `depth` × `chunk_bytes` of memory at most. A
    /// chunk that is given back ([`ReadStream::reuse`]) is the memory of a later one; else each is
    /// new.
    ///
    /// For sequential reads from the page cache the kernel reads ahead by itself, and a depth of 2
    /// is enough to work on one chunk while the next is read;
    /// [`Direct::read_stream`](super::Direct::read_stream) has nobody else to do it.
    ///
    /// # Errors
    /// `InvalidInput` if the depth or a chunk is 0, or if the range begins at 2^63 or behind. Reads
    /// that fail are items: as [`read_at`](Self::read_at); nothing comes after one.
    ///
    /// # Cancel safety
    /// Waiting for the next item can be dropped without loss. Dropping the stream cancels its
    /// reads.
    ///
    /// # Kernel
    /// `READ`, 5.6, for each chunk; more than one where a read is short.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::fs::File;
    ///
    /// let file = File::open("/etc/passwd").await?;
    /// let mut chunks = file.read_stream(0..u64::MAX, 4, 1024)?;
    /// let mut lines = 0;
    /// while let Some(chunk) = chunks.next().await {
    ///     let chunk = chunk?;
    ///     lines += chunk.iter().filter(|&&byte| byte == b'\n').count();
    ///     chunks.reuse(chunk);
    /// }
    /// assert_eq!(lines, std::fs::read_to_string("/etc/passwd")?.lines().count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_stream(
        &self,
        range: Range<u64>,
        depth: usize,
        chunk_bytes: usize,
    ) -> io::Result<ReadStream<'_>> {
        ReadStream::new(self, range, (depth, chunk_bytes), 1, |bytes| Ok(Vec::with_capacity(bytes)))
    }
}

/// A piece of a file, with the place where it was.
pub struct Chunk<B = Vec<u8>> {
    buf: B,
    offset: u64,
    len: usize,
}

impl<B> Chunk<B> {
    /// Where in the file it begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Its buffer, of which the first bytes, as many as the chunk is long, are the file's.
    #[must_use]
    pub fn into_buf(self) -> B {
        self.buf
    }
}

impl<B: AsRef<[u8]>> Deref for Chunk<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buf.as_ref()[..self.len]
    }
}

impl<B> fmt::Debug for Chunk<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, len, .. } = self;
        f.debug_struct("Chunk").field("offset", offset).field("len", len).finish_non_exhaustive()
    }
}

/// How a buffer is made.
type Make<'a, B> = Box<dyn FnMut(usize) -> io::Result<B> + Send + Sync + 'a>;

/// The stream of [`File::read_stream`] and [`Direct::read_stream`](super::Direct::read_stream).
#[must_use = "a stream reads nothing unless it is polled"]
pub struct ReadStream<'a, B: IoBufMut = Vec<u8>> {
    handle: Handle,
    /// What no read was made for yet.
    left: Range<u64>,
    depth: usize,
    chunk_bytes: usize,
    block_bytes: usize,
    make: Make<'a, B>,
    spare: Vec<B>,
    reads: VecDeque<Fill<B>>,
    is_over: bool,
}

impl<'a, B: IoBufMut> ReadStream<'a, B> {
    pub(super) fn new(
        file: &'a File,
        range: Range<u64>,
        (depth, chunk_bytes): (usize, usize),
        block_bytes: usize,
        make: impl FnMut(usize) -> io::Result<B> + Send + Sync + 'a,
    ) -> io::Result<Self> {
        let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if depth == 0 || chunk_bytes == 0 {
            return invalid("a stream has one read of one byte in flight at least");
        }
        // No file reaches further.
        let end = range.end.min(i64::MAX as u64);
        if range.start > end && range.start < range.end {
            return invalid("a file offset is below 2^63");
        }
        Ok(Self {
            handle: file.handle(),
            left: range.start..end,
            depth,
            chunk_bytes,
            block_bytes,
            make: Box::new(make),
            spare: Vec::new(),
            reads: VecDeque::new(),
            is_over: false,
        })
    }

    /// The next chunk; `None` at the end of the range or of the file, and after an error.
    ///
    /// # Errors
    /// The item is the error: that of the first read that failed, as
    /// [`File::read_at`](super::File::read_at) gives it.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the chunk comes with the next call.
    ///
    /// # Kernel
    /// As [`File::read_at`](super::File::read_at), for as many chunks ahead as the stream is deep.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let mut chunks = file.read_stream(0..11, 2, 4)?;
    /// let mut bytes = 0;
    /// while let Some(chunk) = chunks.next().await {
    ///     bytes += chunk?.len();
    /// }
    /// assert_eq!(bytes, 11);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<io::Result<Chunk<B>>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Gives the memory of a chunk back, for a read to come. That of another stream does as well,
    /// if it is as large and lies where this one's has to; else it is freed.
    pub fn reuse(&mut self, chunk: Chunk<B>) {
        let buf = chunk.buf;
        let fits = buf.bytes_capacity() >= self.chunk_bytes
            && buf.bytes_ptr() as usize % self.block_bytes == 0;
        if fits && self.spare.len() < self.depth && !self.is_over {
            self.spare.push(buf);
        }
    }

    /// Begins as many reads as may be in flight.
    fn fill_up(&mut self) -> io::Result<()> {
        while self.reads.len() < self.depth && self.left.start < self.left.end {
            let left = self.left.end - self.left.start;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(self.chunk_bytes);
            // The last of a direct file is read whole, and what is behind the range is cut off.
            let room = len.next_multiple_of(self.block_bytes);
            let buf = match self.spare.pop() {
                Some(buf) => buf,
                None => (self.make)(self.chunk_bytes)?,
            };
            self.reads.push_back(Fill::new(self.handle, buf, (self.left.start, room, len)));
            self.left.start += len as u64;
        }
        Ok(())
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk<B>>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let begun = self.reads.len();
        if let Err(error) = self.fill_up() {
            return Poll::Ready(Some(Err(self.end(error))));
        }
        // New ones go to the kernel now; those before it are on their way.
        for read in self.reads.iter_mut().skip(begun) {
            read.look(cx);
        }
        let Some(first) = self.reads.front_mut() else {
            self.is_over = true;
            return Poll::Ready(None);
        };
        let done = ready!(first.poll(cx, self.block_bytes));
        self.reads.pop_front();
        match done {
            Err(error) => Poll::Ready(Some(Err(self.end(error)))),
            Ok((chunk, is_whole)) => {
                if !is_whole {
                    // The file ended there, even if it has grown since.
                    self.finish();
                }
                Poll::Ready((chunk.len > 0).then_some(Ok(chunk)))
            }
        }
    }

    fn end(&mut self, error: io::Error) -> io::Error {
        self.finish();
        error
    }

    fn finish(&mut self) {
        self.is_over = true;
        self.reads.clear();
        self.spare.clear();
    }
}

impl<B: IoBufMut> Unpin for ReadStream<'_, B> {}

impl<B: IoBufMut> Stream for ReadStream<'_, B> {
    type Item = io::Result<Chunk<B>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(cx)
    }
}

impl<B: IoBufMut> fmt::Debug for ReadStream<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadStream")
            .field("left", &self.left)
            .field("depth", &self.depth)
            .field("chunk_bytes", &self.chunk_bytes)
            .field("in_flight", &self.reads.len())
            .finish_non_exhaustive()
    }
}

/// A read that goes on until its buffer is full or the file ends.
pub(super) struct Fill<B: IoBufMut> {
    handle: Handle,
    offset: u64,
    /// Up to where the buffer is filled, and how much of that is wanted.
    room: usize,
    wanted: usize,
    done: usize,
    stage: Stage<B>,
}

enum Stage<B: IoBufMut> {
    Reading(Op<ReadAt<Slice<B>>>),
    /// The first request has ended; nobody has asked for it yet.
    Ended(Result<(usize, Slice<B>), io::Error>),
    Done,
}

impl<B: IoBufMut> Fill<B> {
    pub(super) fn new(handle: Handle, buf: B, (offset, room, wanted): (u64, usize, usize)) -> Self {
        let mut this = Self { handle, offset, room, wanted, done: 0, stage: Stage::Done };
        this.go(buf.slice_mut(..room));
        this
    }

    /// Reads on into the rest.
    fn go(&mut self, buf: Slice<B>) {
        let offset = self.offset.saturating_add(self.done as u64);
        self.stage = Stage::Reading(Op::new(ReadAt { handle: self.handle, buf, offset }));
    }

    /// Polls without taking what has ended.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) {
        if let Stage::Reading(read) = &mut self.stage {
            if let Poll::Ready(ended) = Pin::new(read).poll(cx) {
                self.stage = Stage::Ended(ended.map_err(io::Error::from));
            }
        }
    }

    /// The bytes, and whether they are as many as were wanted.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        block_bytes: usize,
    ) -> Poll<io::Result<(Chunk<B>, bool)>> {
        loop {
            self.look(cx);
            let (n, mut rest) = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Ended(ended) => ended?,
                reading => {
                    self.stage = reading;
                    return Poll::Pending;
                }
            };
            self.done += n;
            // What does not end with a block ends with the file.
            if n == 0 || self.done >= self.room || self.done % block_bytes != 0 {
                let len = self.done.min(self.wanted);
                let chunk = Chunk { buf: rest.into_inner(), offset: self.offset, len };
                return Poll::Ready(Ok((chunk, len == self.wanted)));
            }
            rest.advance(n);
            self.go(rest);
        }
    }
}
