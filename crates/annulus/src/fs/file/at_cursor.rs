//! Reads and writes at the position of a file.
//!
//! Owns: what users call. Does not own: where the position is (`fs::cursor`). Mirrors read(2),
//! write(2), lseek(2).

use std::future::Future;
use std::io::{self, SeekFrom};

use super::File;
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut, Lease};
use crate::core::cursor_op::{Here, ONWARD};
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::op::Op;
use crate::core::vectored_op::{ReadVectoredAt, WriteVectoredAt};
use crate::fs::cursor::{Direction, Moved};
use crate::fs::whole::{Place, ReadExactAt, WriteAllAt, WriteAllVectoredAt};
use crate::io::{AsyncRead, AsyncWrite};
use crate::op::OpExt;

/// What is read at once where nobody says how much.
const PIECE_BYTES: usize = 64 * 1024;
/// Room behind what a file is said to have, for the read that finds its end.
const ROOM_BYTES: usize = 32;

impl File {
    /// Reads at the [position](Self#the-position) into `buf`, from its start up to its capacity.
    /// Gives the number of bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// Those of read(2), with the buffer; `InvalidInput` for a buffer without capacity;
    /// `IsADirectory`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the position, and drops the buffer as soon as the kernel has let
    /// go of it. Of a stream it may take bytes along.
    ///
    /// # Kernel
    /// As [`read_at`](Self::read_at). The first use of the position costs two system calls.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("words"), "one two")?;
    /// let mut file = annulus::fs::File::open(dir.path().join("words")).await?;
    /// let (n, buf) = file.read(vec![0; 4]).await?;
    /// assert_eq!(&buf[..n], b"one ");
    /// let (n, buf) = file.read(buf).await?;
    /// assert_eq!(&buf[..n], b"two");
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &mut self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        let read = ReadAt { handle: self.handle(), buf, offset: 0 };
        Moved::new((&self.owned, &mut self.cursor), Direction::Read, read)
    }

    /// Reads exactly as much as `buf` has room for, at the position.
    ///
    /// # Errors
    /// As [`read`](Self::read); `UnexpectedEof` if the file ends before, with the position at its
    /// end.
    ///
    /// # Cancel safety
    /// As [`read`](Self::read): the position stays where it was before.
    ///
    /// # Kernel
    /// As [`read`](Self::read), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let ((), word) = file.read_exact(vec![0; 5]).await?;
    /// assert_eq!(word, b"hello");
    /// assert_eq!(file.stream_position()?, 5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_exact<B: IoBufMut>(
        &mut self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        let (handle, offset) = (self.handle(), self.cursor.place(&self.owned, Direction::Read));
        ReadExactAt::new(handle, buf, Place::Cursor(&mut self.cursor, offset))
    }

    /// Reads at the position into several buffers, each to its capacity before the next. Gives the
    /// number of bytes, 0 at the end of the file.
    ///
    /// # Errors
    /// As [`read`](Self::read); `InvalidInput` for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    ///
    /// # Kernel
    /// `READV`, 5.1; as `READ`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let (_, (hello, world)) = file.read_vectored((vec![0; 6], vec![0; 5])).await?;
    /// assert_eq!((&hello[..], &world[..]), (&b"hello "[..], &b"world"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored<V: IoVecBufMut>(
        &mut self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        let read = ReadVectoredAt::new(self.handle(), bufs, 0);
        Moved::new((&self.owned, &mut self.cursor), Direction::Read, read)
    }

    /// Appends everything from the position to the end of the file to `buf`, and gives how much
    /// that was. Room is made for what the file is said to have; more and less are right as well,
    /// so files may grow and shrink meanwhile, and those of procfs, which are said to be empty, are
    /// read whole.
    ///
    /// # Errors
    /// As [`read`](Self::read), with what was read so far; `OutOfMemory` for a file that does not
    /// fit.
    ///
    /// # Cancel safety
    /// Dropping the future loses what it has read, and leaves the position where it was before.
    ///
    /// # Kernel
    /// As [`read`](Self::read), as often as it takes, and a system call for the size.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let (n, bytes) = file.read_to_end(Vec::new()).await?;
    /// assert_eq!((n, &bytes[..]), (11, &b"hello world"[..]));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_to_end(&mut self, mut buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        let (handle, before) = (self.handle(), buf.len());
        let offset = self.cursor.place(&self.owned, Direction::Read);
        if let Err(error) = self.make_room(&mut buf, offset) {
            return Err(BufError::new(error, buf));
        }
        let error = loop {
            let done = buf.len() - before;
            if buf.len() == buf.capacity() && buf.try_reserve(PIECE_BYTES.max(buf.len())).is_err() {
                break io::ErrorKind::OutOfMemory.into();
            }
            let read = ReadAt { handle, buf: buf.spare(), offset: 0 };
            let at = if offset == ONWARD { ONWARD } else { offset.saturating_add(done as u64) };
            match Op::new(Here::at_cursor(read, at)).await {
                Ok((n, part)) => {
                    buf = part.into_inner();
                    if n == 0 {
                        self.cursor.moved(done, Direction::Read);
                        return Ok((done, buf));
                    }
                }
                Err(failed) => {
                    let (error, part) = failed.into_parts();
                    let Some(part) = part else { return Err(BufError::without_buf(error)) };
                    buf = part.into_inner();
                    if error.raw_os_error() != Some(libc::EINTR) {
                        break error;
                    }
                }
            }
        };
        self.cursor.moved(buf.len() - before, Direction::Read);
        Err(BufError::new(error, buf))
    }

    /// Makes room for what is behind the offset, as far as anybody knows.
    fn make_room(&self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        let size = self.len().unwrap_or(0).saturating_sub(offset);
        if size == 0 {
            return Ok(());
        }
        let size = usize::try_from(size).ok().and_then(|size| size.checked_add(ROOM_BYTES));
        let reserved = size.map(|size| buf.try_reserve_exact(size).is_ok());
        if reserved == Some(true) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }

    /// Appends everything from the position to the end of the file, which must be UTF-8, and gives
    /// how many bytes that were.
    ///
    /// # Errors
    /// `InvalidData` if it is not UTF-8; as [`read_to_end`](Self::read_to_end). The string comes
    /// back as it was.
    ///
    /// # Cancel safety
    /// As [`read_to_end`](Self::read_to_end).
    ///
    /// # Kernel
    /// As [`read_to_end`](Self::read_to_end).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// # file.write_all_at("hello world", 0).await?;
    /// let (_, text) = file.read_to_string(String::new()).await?;
    /// assert_eq!(text, "hello world");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_to_string(&mut self, buf: String) -> BufResult<usize, String> {
        let before = buf.len();
        let (error, mut bytes) = match self.read_to_end(buf.into_bytes()).await {
            Ok((n, bytes)) => match String::from_utf8(bytes) {
                Ok(text) => return Ok((n, text)),
                Err(error) => {
                    let invalid = io::Error::new(io::ErrorKind::InvalidData, error.utf8_error());
                    (invalid, error.into_bytes())
                }
            },
            Err(failed) => {
                let (error, bytes) = failed.into_parts();
                let Some(bytes) = bytes else { return Err(BufError::without_buf(error)) };
                (error, bytes)
            }
        };
        bytes.truncate(before);
        // What was there before was text.
        Err(BufError::new(error, String::from_utf8(bytes).unwrap_or_default()))
    }

    /// Writes the bytes of `buf` at the [position](Self#the-position). Gives the number of bytes
    /// written, which may be fewer.
    ///
    /// # Errors
    /// Those of write(2), with the buffer: `StorageFull`, ….
    ///
    /// # Cancel safety
    /// Dropping the future leaves the position; any part of the write may happen.
    ///
    /// # Kernel
    /// As [`write_at`](Self::write_at).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("words");
    /// use std::io::SeekFrom;
    ///
    /// let mut file = annulus::fs::File::create_new(&path).await?;
    /// file.write_all("one ").await?;
    /// file.write_all("two").await?;
    /// file.seek(SeekFrom::Start(4))?;
    /// assert_eq!(file.read_to_string(String::new()).await?.1, "two");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B: IoBuf>(
        &mut self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        let write = WriteAt { handle: self.handle(), buf, offset: 0 };
        Moved::new((&self.owned, &mut self.cursor), Direction::Write, write)
    }

    /// Writes all bytes of `buf` at the position.
    ///
    /// # Errors
    /// As [`write`](Self::write); a part may have been written, and the position is behind it.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write). [`cancel`](OpExt::cancel) tells how many bytes were written.
    ///
    /// # Kernel
    /// As [`write`](Self::write), as often as it takes.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all("hello ").await?;
    /// file.write_all("world").await?;
    /// assert_eq!(file.stream_position()?, 11);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all<B: IoBuf>(
        &mut self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        let (handle, offset) = (self.handle(), self.cursor.place(&self.owned, Direction::Write));
        WriteAllAt::new(handle, buf, Place::Cursor(&mut self.cursor, offset))
    }

    /// Writes the bytes of several buffers, one after the other, at the position. Gives the number
    /// of bytes written, which may be fewer.
    ///
    /// # Errors
    /// As [`write`](Self::write); `InvalidInput` for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write).
    ///
    /// # Kernel
    /// `WRITEV`, 5.1; as `WRITE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// let (n, _) = file.write_vectored(("hello ", b"world".to_vec())).await?;
    /// assert!(n <= 11);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        let write = WriteVectoredAt::new(self.handle(), bufs, 0);
        Moved::new((&self.owned, &mut self.cursor), Direction::Write, write)
    }

    /// Writes all bytes of several buffers, however many, one after the other at the position.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    /// As [`write_all`](Self::write_all).
    ///
    /// # Kernel
    /// `WRITEV`, 5.1, for 1024 buffers at once, as often as it takes; as `WRITE`.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let mut file = annulus::fs::TempFile::new().await?;
    /// file.write_all_vectored(("hello ", b"world".to_vec())).await?;
    /// assert_eq!(file.stream_position()?, 11);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        let (handle, offset) = (self.handle(), self.cursor.place(&self.owned, Direction::Write));
        WriteAllVectoredAt::new(handle, bufs, Place::Cursor(&mut self.cursor, offset))
    }

    /// Moves the position, and gives where it is then: beyond the end if that is wanted.
    ///
    /// # Errors
    /// Those of lseek(2): `InvalidInput` for a place before the beginning, `NotSeekable` of a
    /// stream. The position stays then.
    ///
    /// # Kernel
    /// A system call, which does not block. (For the end of a file, a network file system may ask
    /// its server.)
    #[doc(alias = "lseek")]
    pub fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.cursor.seek(&self.owned, to)
    }

    /// Moves the position to the beginning.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn rewind(&mut self) -> io::Result<()> {
        self.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Where the position is.
    ///
    /// # Errors
    /// `NotSeekable` of a stream.
    pub fn stream_position(&mut self) -> io::Result<u64> {
        self.cursor.position(&self.owned)
    }
}

impl AsyncRead for File {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        Self::read(self, buf)
    }

    async fn recv(&mut self) -> io::Result<Option<Lease>> {
        let (n, buf) = Self::read(self, Vec::with_capacity(PIECE_BYTES)).await?;
        Ok((n > 0).then(|| Lease::from(buf)))
    }

    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        Self::read_exact(self, buf)
    }

    fn read_to_end(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        Self::read_to_end(self, buf)
    }

    fn read_to_string(&mut self, buf: String) -> impl Future<Output = BufResult<usize, String>> {
        Self::read_to_string(self, buf)
    }
}

/// Nothing is kept back, so flushing waits for nothing: what makes data last is
/// [`sync_all`](File::sync_all).
impl AsyncWrite for File {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        Self::write(self, buf)
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        Self::write_all(self, buf)
    }
    fn write_all_vectored<V: IoVecBuf>(
        &mut self,
        bufs: V,
    ) -> impl Future<Output = BufResult<(), V>> {
        Self::write_all_vectored(self, bufs)
    }
}
