//! A ring and one block of memory, for one request at a time.
//!
//! Owns: the block. Invariant: its memory is leaked, because a request may be in flight when an
//! error ends the loop.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use annulus_ring::abi::{RegisterOp, SqeFlags};
use annulus_ring::op::{Op, Read, ReadFixed, Write, WriteFixed};
use annulus_ring::{EMPTY_SLOT, Kernel, Ring, Target};

use crate::Job;

/// The only buffer that is registered.
const BUF_INDEX: u16 = 0;
/// Files that may be registered.
const FILES: u32 = 2;

pub struct Block {
    ring: Ring,
    /// Whether the memory is registered, and files are.
    registered: bool,
    memory: *mut u8,
    bytes: usize,
}

impl Block {
    /// As many bytes as the job says, registered if its variant says so.
    pub fn new(job: &Job) -> io::Result<Self> {
        let (bytes, registered) = (job.bytes, super::is_registered(&job.variant)?);
        let mut ring = super::builder().entries(8).build()?;
        let memory = vec![0u8; bytes].leak().as_mut_ptr();
        if registered {
            ring.register_files_sparse(FILES)?;
            let mut buffer = libc::iovec { iov_base: memory.cast(), iov_len: bytes };
            let arg = (&raw mut buffer).cast();
            // SAFETY: one vector, read during the call, of memory that outlives the registration.
            unsafe { ring.kernel().register(RegisterOp::BUFFERS, arg, 1) }?;
        }
        Ok(Self { ring, registered, memory, bytes })
    }

    /// A file as requests name it, put into this slot if files are registered.
    pub fn target(&mut self, slot: u32, file: &File) -> io::Result<Target> {
        if !self.registered {
            return Ok(Target::Fd(file.as_raw_fd()));
        }
        self.ring.update_files(slot, &[file.as_raw_fd()])?;
        Ok(Target::Fixed(slot))
    }

    /// Takes the file out of this slot, so that closing it is its end.
    pub fn release(&mut self, slot: u32) -> io::Result<()> {
        if self.registered {
            self.ring.update_files(slot, &[EMPTY_SLOT])?;
        }
        Ok(())
    }

    /// Reads a block, at most; gives the number of bytes.
    #[inline]
    pub fn read(&mut self, target: Target, offset: u64) -> io::Result<usize> {
        let (addr, len) = (self.memory, self.bytes as u32);
        if self.registered {
            self.ask(&ReadFixed { target, buf_index: BUF_INDEX, addr, len, offset })
        } else {
            self.ask(&Read { target, addr, len, offset })
        }
    }

    /// Writes the first bytes of the block; gives the number of bytes written.
    #[inline]
    pub fn write(&mut self, target: Target, bytes: usize, offset: u64) -> io::Result<usize> {
        let (addr, len) = (self.memory.cast_const(), bytes as u32);
        if self.registered {
            self.ask(&WriteFixed { target, buf_index: BUF_INDEX, addr, len, offset })
        } else {
            self.ask(&Write { target, addr, len, offset })
        }
    }

    /// The first bytes of the block.
    #[inline]
    pub fn bytes(&self, bytes: usize) -> &[u8] {
        assert!(bytes <= self.bytes);
        // SAFETY: initialised memory that no request writes to: each is awaited.
        unsafe { std::slice::from_raw_parts(self.memory, bytes) }
    }

    #[inline]
    fn ask<O: Op<Output = u32>>(&mut self, op: &O) -> io::Result<usize> {
        // SAFETY: the memory of the block, which is never freed; files outlive their requests,
        // because each is awaited.
        unsafe { super::push(&mut self.ring, op, 0, SqeFlags::EMPTY) }?;
        loop {
            super::wait(&mut self.ring, None)?;
            if let Some(cqe) = self.ring.completions().next() {
                return Ok(O::decode(&cqe)? as usize);
            }
        }
    }
}
