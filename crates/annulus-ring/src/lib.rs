//! One io_uring, whole: negotiation, queues, registration, buffer rings and typed operations, over
//! a kernel that can be swapped.
//!
//! Owns: everything between the kernel's ABI ([`annulus_abi`]) and a runtime. Does not own:
//! futures, wakers, buffers, threads (but those of a [`proactor`]), or any policy of retrying.
//!
//! A [`Ring`] is opened by a [`Builder`], which finds out what the kernel has and says so in
//! [`Capabilities`]. Operations are pushed into the submission queue, given to the kernel with
//! [`Ring::submit`] or [`Ring::submit_and_wait`], and come back as completions.
//!
//! ```
//! use std::{fs::File, io, os::fd::AsRawFd};
//! use annulus_ring::{Op, Ring, Target, op::Read};
//!
//! fn main() -> io::Result<()> {
//!     let mut ring = Ring::new(8).map_err(io::Error::other)?;
//!     let file = File::open("/proc/self/cmdline")?;
//!     let mut bytes = vec![0; 4096];
//!     let read = Read {
//!         target: Target::Fd(file.as_raw_fd()),
//!         addr: bytes.as_mut_ptr(),
//!         len: bytes.len() as u32,
//!         offset: 0,
//!     };
//!     // SAFETY: `bytes` is neither moved, read nor freed until the completion has been reaped,
//!     // and the loop below does not end before that.
//!     unsafe { ring.push(&read, 1) }?;
//!     let cqe = loop {
//!         match ring.submit_and_wait(1, None) {
//!             Err(errno) if errno.0 != libc::EINTR => panic!("the ring is broken: {errno}"),
//!             _ => {}
//!         }
//!         if let Some(cqe) = ring.completions().next() {
//!             break cqe;
//!         }
//!     };
//!     assert_eq!(cqe.user_data, 1);
//!     let count = Read::decode(&cqe)?;
//!     println!("{}", bytes[..count as usize].escape_ascii());
//!     Ok(())
//! }
//! ```
//!
//! # The ladder
//!
//! A ring is opened with the first combination of setup flags that the kernel accepts; EINVAL
//! descends a rung. Nothing looks at version numbers: those below are for people.
//!
//! | rung | flags beyond `CQSIZE` and `CLAMP` | first kernel |
//! |---|---|---|
//! | 1 | `SINGLE_ISSUER` `DEFER_TASKRUN` `TASKRUN_FLAG` `SUBMIT_ALL` `R_DISABLED` `NO_SQARRAY` | 6.6 |
//! | 2 | the same without `NO_SQARRAY` | 6.1 |
//! | 3 | `COOP_TASKRUN` `TASKRUN_FLAG` `SUBMIT_ALL` `R_DISABLED` | 5.19 |
//! | 4 | none | 5.6 |
//!
//! [`Builder::task_work`] starts lower, [`Builder::sqpoll`] has a ladder of its own (without
//! `DEFER_TASKRUN` and `COOP_TASKRUN`, which exclude it), and a [`Mask`] takes rungs out. The first
//! rung of each ladder is also tried with `NO_SQARRAY`. ENOMEM halves the ring, down to 32 entries.
//! Then the operations are probed, buffer rings are tried out, the ring is enabled, a NOP goes
//! round, and the descriptor is registered with the thread. Any other refusal is a [`SetupError`]
//! with cause, evidence and remedy.
//!
//! # Waiting
//!
//! [`Ring::submit_and_wait`] is what a loop needs: how many, and how long at most. [`Ring::wait`]
//! takes a [`Wait`], which says everything that a kernel can be told: a point in time, a minimum
//! time for a batch, a signal mask. A [`WaitRegion`] holds such descriptions in memory that the
//! kernel reads without a copy.
//!
//! # Registrations
//!
//! Files, buffers, groups of buffers, an eventfd, credentials and settings are methods of [`Ring`],
//! named after the kernel's words. Those that can say more than an error number fail with a
//! [`RegisterError`]: what no kernel takes is refused before it is asked, a registration that this
//! kernel lacks is named with the version that has it, and memory that cannot be locked with the
//! limit. What needs no ring is in [`ringless`].
//!
//! # Other rings
//!
//! [`Builder`] lists every choice with its setup flag. Choices that exclude one another are refused
//! before the kernel is asked, by [`Conflict`], which names both. Entries of other sizes are other
//! types of ring, so that none of them costs the ordinary one anything: `Ring<Sqe128, Cqe32>`, see
//! [`SqeShape`] and [`CqeShape`]. A ring can live in memory of the application ([`Pages`]), be
//! restricted ([`Restrictions`]), go on without a descriptor ([`Ring::close_fd`]), and change its
//! size ([`Ring::resize`]).
//!
//! Methods of a ring answer the kernel's [`Errno`](abi::Errno); [`RingError`] says in words what it
//! means and what to do.
//!
//! # Several threads
//!
//! A [`Ring`] stays on its thread. Where requests must cross threads, from the cheapest to the most
//! convenient:
//!
//! | | who submits | who reaps | costs |
//! |---|---|---|---|
//! | [`with_capacity`], [`Builder::build_split`] | one thread | another | nothing but `DEFER_TASKRUN` |
//! | [`SharedRing`] | any | any | a few locked instructions for each batch |
//! | [`proactor`] | its thread, for all | its threads | two messages for each request, and no allocation up to 192 bytes; safe |
//!
//! # The seam
//!
//! All of this talks to [`Kernel`], a trait of calls and memory. [`Real`] is the real one; others
//! can be given to [`Builder::kernel`], and then the same queues run against them.

// Under loom the insides of shared rings are public, for the models.
#![cfg_attr(not(loom), deny(missing_debug_implementations))]

mod address;
mod buf_ring;
mod builder;
mod capabilities;
mod chain;
mod conflict;
mod cq;
pub mod diagnose;
mod enter;
mod files;
// Public under loom, for the models in `tests/loom`.
#[cfg(not(loom))]
mod handover;
#[cfg(loom)]
pub mod handover;
mod kernel;
mod ladder;
mod memory;
mod mmap;
pub mod op;
mod pages;
pub mod proactor;
mod real;
mod refusal;
mod register;
mod resize;
mod restrictions;
mod ring;
mod ring_error;
pub mod ringless;
mod setup_error;
mod shape;
// Public under loom, for the models in `tests/loom`.
#[cfg(not(loom))]
mod shared;
#[cfg(loom)]
pub mod shared;
pub mod since;
mod split;
mod sq;
mod wait;
mod wide;
// Public under loom, for the models in `tests/loom.rs`.
#[cfg(not(loom))]
mod tail;
#[cfg(loom)]
pub mod tail;
mod threads;
// Public under loom, for the models in `tests/loom`.
#[cfg(not(loom))]
mod wakeup;
#[cfg(loom)]
pub mod wakeup;

pub use address::SocketAddress;
pub use buf_ring::{BufRing, BufRingSpec};
pub use builder::Builder;
pub use capabilities::{Capabilities, Mask, Missing, Unsupported, Version, What, Why};
pub use chain::{Chain, ChainError};
pub use conflict::Conflict;
pub use cq::{Completions, Peeked, Run};
pub use files::{EMPTY_SLOT, SAME_SLOT};
pub use kernel::{AnyKernel, Enter, Kernel, Layer};
pub use ladder::TaskWork;
pub use memory::RingMemory;
pub use op::{Op, Target, WideOp};
pub use pages::{Pages, PagesError};
pub use real::Real;
pub use refusal::{Inadmissible, OpConflict, Refused};
pub use register::{
    BufferRange, BusyPoll, Clock, Filter, MemoryRegion, Personality, Refusal, RegisterError,
    RingFds, Tracking, WaitRegion, ZcrxIfq, ZcrxSpec,
};
pub use resize::ResizeError;
pub use restrictions::Restrictions;
pub use ring::{Ring, SqFull};
pub use ring_error::RingError;
pub use setup_error::{Cause, SetupError, Stage};
pub use shape::{CqeMixed, CqeShape, SqeMixed, SqeShape};
pub use shared::{OpenChain, PushError, SharedRing, SubmitError, Submitter};
pub use split::{CompletionQueue, SubmissionQueue, with_capacity};
pub use sq::Reservation;
pub use threads::ShareError;
pub use wait::{Wait, WaitError};

pub use annulus_abi as abi;
