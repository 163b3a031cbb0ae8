//! Memory of the other side: the only unsafe code of this crate.
//!
//! Owns: the kernel's side of the two rings ([`Queues`]), of buffer rings ([`GroupMemory`]), the
//! memory that entries describe ([`Span`]), and the implementation of the seam, where all promises
//! come in. Does not own: any behaviour.
//!
//! The argument for soundness, once for all: whoever pushes an entry promises (unsafely) that what
//! it describes stays valid until its last completion; whoever registers a buffer ring promises the
//! same of the ring and its buffers. An [`Entry`], and each [`Span`] made of it, is held by exactly
//! one request, which is dropped before its last completion is posted; a [`GroupMemory`] is dropped
//! when the group is unregistered. All access is copying, by raw pointers, in instrumented code, so
//! a broken promise is seen by AddressSanitizer.

mod address;
mod entry;
mod group;
mod message;
mod published;
mod queues;
mod seam;
mod span;
mod unreliable;

pub(crate) use address::{address_bytes, socket_address};
pub(crate) use entry::{Entry, blank_statx, statx_bytes};
pub(crate) use group::GroupMemory;
pub(crate) use message::MessageHeader;
pub(crate) use published::Published;
pub(crate) use queues::Queues;
pub(crate) use seam::Registration;
pub(crate) use span::{Saved, Span};
