//! What a refusal of io_uring_enter(2) or io_uring_register(2) means for a ring that works.
//!
//! Owns: the words. Does not own: the refusals of a ring that is being made
//! ([`SetupError`](crate::SetupError)). Mirrors the ERRORS of both pages.
//!
//! Ring methods answer an [`Errno`], a number, because a runtime branches on it; a person wants
//! [`RingError`], which says what to do.

use core::fmt;
use std::io;

use annulus_abi::Errno;

/// A refusal of a call on a ring, in words: what it means and what to do about it.
///
/// ```
/// use annulus_ring::{RingError, abi::Errno};
///
/// let error = RingError(Errno(libc::EEXIST));
/// assert!(error.to_string().contains("another thread"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RingError(pub Errno);

impl RingError {
    /// What it means and what to do, if that is more than the error's own text says.
    #[must_use]
    pub fn advice(self) -> Option<&'static str> {
        Some(match self.0.0 {
            libc::EEXIST => {
                "the ring has a single issuer (SINGLE_ISSUER), and this is another thread: submit \
                 from the thread that made the ring (or enabled it), send that thread a message, \
                 or build the ring with single_issuer(false)"
            }
            libc::EBADFD => "the ring is disabled: call enable before the first submit",
            libc::EBADF => {
                "the ring's descriptor is closed: somebody else closed it, or this is not the \
                 thread that registered it"
            }
            libc::EOPNOTSUPP => {
                "the descriptor is no longer that of a ring: somebody else closed it, and another \
                 file has its number now"
            }
            libc::EBUSY => {
                "completions have overflowed: reap some, then submit again; a larger completion \
                 queue (cq_entries) makes it rarer"
            }
            libc::EBADR => {
                "completions were lost, because the kernel had no memory to keep them: what was in \
                 flight is unknown, so end those requests and make a new ring"
            }
            libc::EAGAIN => "the kernel has no memory for another request: reap, then submit again",
            libc::EINTR => "a signal came; nothing is lost, call again",
            libc::EACCES => "the restrictions of this ring forbid it",
            libc::ENXIO => "the ring's teardown has begun, or what is named was never registered",
            libc::EOWNERDEAD => "the submission thread (SQPOLL) has died; make a new ring",
            _ => return None,
        })
    }
}

impl From<Errno> for RingError {
    fn from(errno: Errno) -> Self {
        Self(errno)
    }
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.advice() {
            Some(advice) => write!(f, "{}: {advice}", self.0),
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for RingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl From<RingError> for io::Error {
    /// Keeps the kind of the errno, and the words inside.
    fn from(error: RingError) -> Self {
        Self::new(Self::from(error.0).kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_thread_is_told_what_to_do() {
        let error = io::Error::from(RingError(Errno(libc::EEXIST)));
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let text = error.to_string();
        assert!(text.contains("os error 17") && text.contains("single_issuer(false)"), "{text}");
    }

    #[test]
    fn an_error_without_advice_keeps_its_own_text() {
        let errno = Errno(libc::ENOSPC);
        assert_eq!(RingError(errno).to_string(), errno.to_string());
        assert_eq!(RingError(errno).advice(), None);
    }
}
