//! Requests that own what the kernel may touch.
//!
//! Owns: [`Request`] and the usual ones. Does not own: when they are submitted. Invariant: a
//! request is encoded once, where it will stay until it has completed.

use core::time::Duration;
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use annulus_abi::{Cqe, FsyncFlags, Sqe, Timespec};

use crate::op::{self, Op as _, Target};

/// A request that a [`Proactor`](super::Proactor) can carry out for safe code, because it owns all
/// that the kernel may touch.
///
/// # Safety
/// * All memory and each descriptor that the entry names belongs to the request: it is valid, and
///   accessed by nobody else, from [`encode`](Self::encode) until
///   [`complete`](Self::complete), for as long as the request is neither moved nor dropped.
/// * The entry's `user_data` is left alone.
pub unsafe trait Request: Send + 'static {
    /// What it gives back: a result, and what it owned.
    type Output: Send + 'static;

    /// Writes the request down. It does not move from now on until it has completed.
    fn encode(&mut self, sqe: &mut Sqe);

    /// Turns the completion into the output.
    fn complete(self, cqe: &Cqe) -> Self::Output;
}

/// Reads a file, or a stream, into a vector: from its beginning, at most as many bytes as it has
/// capacity. Gives back how many were read, and the vector with this length.
#[derive(Debug)]
pub struct ReadAt<F> {
    /// The file.
    pub file: F,
    /// Where the bytes go.
    pub buffer: Vec<u8>,
    /// Where they come from; `u64::MAX` for the file's own position, and for streams.
    pub offset: u64,
}

// SAFETY: the vector's memory and the descriptor are the request's own; a vector's memory stays
// where it is.
unsafe impl<F: AsFd + Send + 'static> Request for ReadAt<F> {
    type Output = (io::Result<usize>, Vec<u8>);

    fn encode(&mut self, sqe: &mut Sqe) {
        let read = op::Read {
            target: Target::Fd(self.file.as_fd().as_raw_fd()),
            addr: self.buffer.as_mut_ptr(),
            len: u32::try_from(self.buffer.capacity()).unwrap_or(u32::MAX),
            offset: self.offset,
        };
        read.encode(sqe);
    }

    fn complete(mut self, cqe: &Cqe) -> Self::Output {
        let read = op::Read::decode(cqe).map(|bytes| bytes as usize);
        // SAFETY: the kernel wrote so many bytes, which is at most the capacity; none without it.
        unsafe { self.buffer.set_len(*read.as_ref().unwrap_or(&0)) };
        (read, self.buffer)
    }
}

/// Writes a vector to a file, or a stream. Gives back how many bytes were written, and the vector.
#[derive(Debug)]
pub struct WriteAt<F> {
    /// The file.
    pub file: F,
    /// The bytes.
    pub buffer: Vec<u8>,
    /// Where they go; `u64::MAX` for the file's own position, and for streams.
    pub offset: u64,
}

// SAFETY: as for `ReadAt`.
unsafe impl<F: AsFd + Send + 'static> Request for WriteAt<F> {
    type Output = (io::Result<usize>, Vec<u8>);

    fn encode(&mut self, sqe: &mut Sqe) {
        let write = op::Write {
            target: Target::Fd(self.file.as_fd().as_raw_fd()),
            addr: self.buffer.as_ptr(),
            len: u32::try_from(self.buffer.len()).unwrap_or(u32::MAX),
            offset: self.offset,
        };
        write.encode(sqe);
    }

    fn complete(self, cqe: &Cqe) -> Self::Output {
        (op::Write::decode(cqe).map(|bytes| bytes as usize), self.buffer)
    }
}

/// Makes a file durable.
#[derive(Debug)]
pub struct Sync<F>(pub F);

// SAFETY: the descriptor is the request's own; there is no memory.
unsafe impl<F: AsFd + Send + 'static> Request for Sync<F> {
    type Output = io::Result<()>;

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = op::Fsync::OPCODE;
        sqe.fd = self.0.as_fd().as_raw_fd();
        sqe.op_flags = FsyncFlags::EMPTY.bits();
    }

    fn complete(self, cqe: &Cqe) -> Self::Output {
        op::Fsync::decode(cqe)
    }
}

/// Ends after a time.
#[derive(Debug)]
pub struct Sleep {
    time: Timespec,
}

impl Sleep {
    /// For so long.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        let sec = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Self { time: Timespec { sec, nsec: i64::from(time.subsec_nanos()) } }
    }
}

// SAFETY: the time lies in the request, which does not move.
unsafe impl Request for Sleep {
    /// An error if it was cancelled.
    type Output = io::Result<()>;

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = op::Timeout::OPCODE;
        sqe.fd = -1;
        sqe.addr = (&raw const self.time).expose_provenance() as u64;
        sqe.len = 1;
    }

    fn complete(self, cqe: &Cqe) -> Self::Output {
        op::Timeout::decode(cqe).map(drop)
    }
}

/// Does nothing, and completes.
#[derive(Debug)]
pub struct Nop;

// SAFETY: the kernel touches nothing.
unsafe impl Request for Nop {
    type Output = io::Result<()>;

    fn encode(&mut self, sqe: &mut Sqe) {
        op::Nop.encode(sqe);
    }

    fn complete(self, cqe: &Cqe) -> Self::Output {
        op::Nop::decode(cqe)
    }
}
