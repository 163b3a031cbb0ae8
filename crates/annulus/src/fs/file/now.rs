//! Reading a file without waiting.
//!
//! Owns: a read of what is in memory. Does not own: reads that wait (`ReadAt`). Mirrors preadv2(2).

use std::io;

use super::File;
use crate::buf::{BufError, BufResult, IoBufMut, receive_len};
use crate::core::errors;
use crate::core::file_op::no_such_offset;
use crate::core::now::Now;

impl File {
    /// Reads at `offset` into `buf`, from its start up to its capacity, what is in the page cache.
    /// Gives the number of bytes, fewer if the rest is not there, 0 at the end of the file.
    ///
    /// For small reads of what is probably cached: there is no request, and no other task runs in
    /// between. What is not there is read by [`read_at`](Self::read_at).
    ///
    /// # Errors
    /// Those of preadv2(2), with the buffer: `WouldBlock` if nothing is there, or if the kernel
    /// or the file system cannot tell; `InvalidInput` for a buffer without capacity and for
    /// offsets from 2^63; `IsADirectory`.
    ///
    /// # Kernel
    /// preadv2(2) with `RWF_NOWAIT`, 4.14; a system call, which does not block.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("page"), "hello")?;
    /// # let path = dir.path().join("page");
    /// use annulus::fs::File;
    ///
    /// let file = File::open(path).await?;
    /// let (n, buf) = match file.try_read_at(Vec::with_capacity(64), 1) {
    ///     Ok(read) => read,
    ///     Err(_) => file.read_at(Vec::with_capacity(64), 1).await?,
    /// };
    /// assert_eq!(&buf[..n], b"ello");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "preadv2")]
    #[doc(alias = "RWF_NOWAIT")]
    pub fn try_read_at<B: IoBufMut>(&self, mut buf: B, offset: u64) -> BufResult<usize, B> {
        if receive_len(&buf).is_err() {
            return Err(BufError::new(errors::no_capacity(), buf));
        }
        if let Some(error) = no_such_offset(offset) {
            return Err(BufError::new(error, buf));
        }
        match self.owned.read_at_now(&mut buf, offset) {
            Ok(Now::Done(n)) => Ok((n, buf)),
            Ok(Now::Wait) => Err(BufError::new(io::ErrorKind::WouldBlock.into(), buf)),
            Err(error) => Err(BufError::new(error, buf)),
        }
    }
}
