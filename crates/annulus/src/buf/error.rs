//! The error that brings the buffer back.
//!
//! Owns [`BufError`] and [`BufResult`]. A failed operation returns its buffer as a successful one
//! does, and `?` turns the pair into a plain [`io::Error`] for whoever does not want it.
//!
//! Invariant: none of the trait implementations asks anything of `B`, so `?`, `unwrap` and
//! `Box<dyn Error>` work for every buffer.

use std::error::Error;
use std::fmt;
use std::io;

/// What an operation on a buffer returns: the result and the buffer, either way.
///
/// ```
/// use annulus::buf::{BufError, BufResult};
/// use std::io::{Error, ErrorKind};
///
/// fn refused() -> BufResult<usize, Vec<u8>> {
///     Err(BufError::new(ErrorKind::ConnectionReset.into(), b"to retry".to_vec()))
/// }
///
/// match refused() {
///     Ok((n, buf)) => println!("{n} bytes of {}", buf.len()),
///     Err(failed) => {
///         let (error, buf) = failed.into_parts();
///         assert_eq!(error.kind(), ErrorKind::ConnectionReset);
///         assert_eq!(buf.as_deref(), Some(b"to retry".as_slice()));
///     }
/// }
///
/// fn plain() -> std::io::Result<usize> {
///     let (n, _buf) = refused()?;
///     Ok(n)
/// }
/// assert_eq!(plain().unwrap_err().kind(), ErrorKind::ConnectionReset);
/// ```
pub type BufResult<T, B> = Result<(T, B), BufError<B>>;

/// An [`io::Error`] together with the buffer of the operation that failed.
///
/// The buffer is there whenever the kernel has given it back, which is always but in one case: the
/// future was polled on a core that does not own the operation, and the owner still has it.
///
/// Converts into [`io::Error`] with `?`, which drops the buffer.
pub struct BufError<B> {
    error: io::Error,
    buf: Option<B>,
}

impl<B> BufError<B> {
    /// An error that gives the buffer back.
    pub fn new(error: io::Error, buf: B) -> Self {
        Self { error, buf: Some(buf) }
    }

    /// The error of an operation whose buffer is given back if it can still be reached.
    pub(crate) fn with(error: io::Error, buf: Option<B>) -> Self {
        Self { error, buf }
    }

    /// An error whose buffer cannot be given back, because somebody else still owns it.
    pub fn without_buf(error: io::Error) -> Self {
        Self { error, buf: None }
    }

    /// What went wrong.
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    pub(crate) fn error_mut(&mut self) -> &mut io::Error {
        &mut self.error
    }

    /// The kind of what went wrong.
    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }

    /// The buffer, if it came back.
    pub fn buf(&self) -> Option<&B> {
        self.buf.as_ref()
    }

    /// Takes the error apart.
    pub fn into_parts(self) -> (io::Error, Option<B>) {
        (self.error, self.buf)
    }

    /// The error alone; the buffer is dropped.
    pub fn into_error(self) -> io::Error {
        self.error
    }

    /// The buffer alone, if it came back.
    pub fn into_buf(self) -> Option<B> {
        self.buf
    }

    /// The same error with another buffer, for example the whole one instead of a slice of it.
    ///
    /// ```
    /// use annulus::buf::{BufError, IoBuf, Slice};
    ///
    /// let failed = BufError::new(std::io::ErrorKind::TimedOut.into(), vec![1, 2, 3].slice(1..));
    /// let failed: BufError<Vec<u8>> = failed.map_buf(Slice::into_inner);
    /// assert_eq!(failed.into_buf(), Some(vec![1, 2, 3]));
    /// ```
    pub fn map_buf<C>(self, map: impl FnOnce(B) -> C) -> BufError<C> {
        BufError { error: self.error, buf: self.buf.map(map) }
    }
}

impl<B> From<BufError<B>> for io::Error {
    fn from(failed: BufError<B>) -> Self {
        failed.error
    }
}

impl<B> fmt::Debug for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents may be large or secret, and need not be `Debug`: only whether it came back.
        let buf = match self.buf {
            Some(_) => "returned",
            None => "not returned",
        };
        f.debug_struct("BufError")
            .field("error", &self.error)
            .field("buf", &format_args!("{buf}"))
            .finish()
    }
}

impl<B> fmt::Display for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<B> Error for BufError<B> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // This error prints as the inner one does, so the chain goes on behind it.
        self.error.source()
    }
}
