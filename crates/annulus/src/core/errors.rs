//! The errors that a core itself gives, with what to do about them.

use std::io;

use annulus_task::CoreId;

use crate::op::Cancelled;

/// A handle of one core was used on another.
pub(crate) fn wrong_core(owner: CoreId, here: CoreId) -> io::Error {
    io::Error::other(format!(
        "this handle belongs to {owner:?} and was used on {here:?}: a descriptor's requests live on \
         the core that made it; use it there, for instance in a task that CoreHandle::spawn starts \
         there (a TcpStream or UnixStream can be moved: call into_portable there, attach it here)"
    ))
}

/// A handle or an operation was used where no runtime runs.
pub(crate) fn no_runtime() -> io::Error {
    io::Error::other(
        "no Annulus runtime runs on this thread: call this inside Runtime::block_on, in a task that \
         it spawned, or under #[annulus::main]",
    )
}

/// The record behind a handle was closed or its core ended.
pub(crate) fn handle_gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the descriptor behind this handle is closed: its runtime has shut down",
    )
}

/// A send after `shutdown(Shutdown::Write)`.
pub(crate) fn shut() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the sending direction has been shut down")
}

/// A read into a buffer without room would look like end of file.
pub(crate) fn no_capacity() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the buffer has no capacity, so a read could only return 0, which means end of file: give a \
         buffer with room, for instance Vec::with_capacity(4096)",
    )
}

/// Stands for an errno where a receive failed because the kernel named a buffer that it did not
/// have: above all that the kernel returns.
pub(crate) const MISNAMED: i32 = 4096;

/// What a receive failed with.
#[cold]
pub(crate) fn of_receive(errno: i32) -> io::Error {
    match errno {
        MISNAMED => io::Error::other(
            "for what came here the kernel named a buffer that it did not have, so the bytes are \
             lost: close the socket, and report it (Metrics::stale_cqes counts such completions)",
        ),
        errno => io::Error::from_raw_os_error(errno),
    }
}

/// `-errno` as an error.
pub(crate) fn from_res(res: i32) -> io::Error {
    io::Error::from_raw_os_error(-res)
}

/// An operation ended before its time because it was asked to. Who asked gives it its kind.
pub(crate) fn cancelled() -> io::Error {
    from_res(-libc::ECANCELED)
}

/// As [`cancelled`], after a part was done.
pub(crate) fn cut_short(bytes_done: usize) -> io::Error {
    Cancelled::error(io::ErrorKind::Interrupted, bytes_done)
}
