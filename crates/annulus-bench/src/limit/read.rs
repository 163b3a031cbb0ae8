//! Random reads of a file, plain or registered.
//!
//! Owns: the buffers. Invariant: they are freed only after the last read has completed.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use annulus_ring::abi::{RegisterOp, SqeFlags};
use annulus_ring::op::{Op, Read, ReadFixed};
use annulus_ring::{Kernel, Ring, Target};

use crate::pages::{self, PAGE_BYTES, Page, Pages, Random};
use crate::{Job, Meter, Sample};

/// Keeps as many reads in flight as the job has tasks, until the meter has enough. The variant
/// `registered` registers file and buffers, any other neither.
///
/// # Errors
/// A ring is refused, or fails; wrong bytes were read.
pub fn run(job: &Job) -> io::Result<Sample> {
    let pages = Pages::at(&job.file);
    of(job, &pages, &pages.open()?)
}

/// The same of a file that is open already.
///
/// # Errors
/// As [`run`].
pub fn of(job: &Job, pages: &Pages, file: &File) -> io::Result<Sample> {
    let meter = job.meter();
    let mut reads = Reads::new(job.tasks, file, super::is_registered(&job.variant)?)?;
    let result = reads.run(&meter, pages);
    // An error leaves reads behind that may still write.
    if result.is_err() {
        std::mem::forget(reads);
    }
    result.and_then(|()| meter.sample())
}

struct Reads {
    ring: Ring,
    /// Whether the memory is registered as buffer 0.
    registered: bool,
    target: Target,
    /// A page for each slot, aligned.
    memory: *mut u8,
    /// Which page each buffer waits for, and where the next one comes from.
    slots: Vec<(u64, Random)>,
}

impl Reads {
    fn new(parallel: u32, file: &File, registered: bool) -> io::Result<Self> {
        let mut ring = super::builder().entries(parallel.max(8)).build()?;
        let mut target = Target::Fd(file.as_raw_fd());
        let bytes = parallel as usize * PAGE_BYTES;
        let memory: *mut u8 = vec![Page::ZERO; parallel as usize].leak().as_mut_ptr().cast();
        if registered {
            ring.register_files_sparse(1)?;
            ring.update_files(0, &[file.as_raw_fd()])?;
            target = Target::Fixed(0);
            let mut buffer = libc::iovec { iov_base: memory.cast(), iov_len: bytes };
            let arg = (&raw mut buffer).cast();
            // SAFETY: one vector, read during the call, of memory that outlives the registration.
            unsafe { ring.kernel().register(RegisterOp::BUFFERS, arg, 1) }?;
        }
        let slots = (0..parallel).map(|slot| (0, Random::new(slot))).collect();
        Ok(Self { ring, registered, target, memory, slots })
    }

    fn run(&mut self, meter: &Meter, pages: &Pages) -> io::Result<()> {
        let mut batch = Vec::with_capacity(self.slots.len());
        for slot in 0..self.slots.len() {
            self.start(slot, pages)?;
        }
        let mut in_flight = self.slots.len();
        let mut going = true;
        while in_flight > 0 {
            super::wait(&mut self.ring, None)?;
            self.ring.reap_into(&mut batch);
            for cqe in batch.drain(..) {
                let slot = cqe.user_data as usize;
                let bytes = Read::decode(&cqe)? as usize;
                self.check(slot, bytes)?;
                in_flight -= 1;
                going = going && meter.tick();
                if going {
                    self.start(slot, pages)?;
                    in_flight += 1;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn start(&mut self, slot: usize, pages: &Pages) -> io::Result<()> {
        let addr = self.address(slot);
        let (page, random) = &mut self.slots[slot];
        *page = pages.pick(random);
        let offset = *page * PAGE_BYTES as u64;
        let (target, len) = (self.target, PAGE_BYTES as u32);
        if self.registered {
            let read = ReadFixed { target, buf_index: 0, addr, len, offset };
            // SAFETY: the slot's own memory, which is not freed before its completion.
            unsafe { super::push(&mut self.ring, &read, slot as u64, SqeFlags::EMPTY) }
        } else {
            let read = Read { target, addr, len, offset };
            // SAFETY: as above.
            unsafe { super::push(&mut self.ring, &read, slot as u64, SqeFlags::EMPTY) }
        }
    }

    #[inline]
    fn check(&self, slot: usize, bytes: usize) -> io::Result<()> {
        // SAFETY: the slot's memory, filled with so many bytes by the read that has completed.
        let read = unsafe { std::slice::from_raw_parts(self.address(slot), bytes) };
        pages::check(self.slots[slot].0, read)
    }

    fn address(&self, slot: usize) -> *mut u8 {
        self.memory.wrapping_add(slot * PAGE_BYTES)
    }
}
