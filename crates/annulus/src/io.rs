//! Streams of bytes, whatever they come from and go to; and waiting until a descriptor is ready.
//!
//! | | |
//! |---|---|
//! | [`AsyncRead`], [`AsyncWrite`], [`AsyncBufRead`] | what code that takes any stream asks for; buffers go in by value and come back |
//! | [`copy`], [`copy_bidirectional`] | from one stream to another |
//! | [`BufReader`], [`BufWriter`], [`Lines`], [`split`] | made of a stream |
//! | [`Framed`] | a stream as a sequence of messages (feature `bytes`) |
//! | [`duplex`], [`empty`], [`sink`], `&[u8]`, `Vec<u8>`, `Cursor` | streams of memory |
//! | [`stdin`], [`stdout`], [`stderr`] | the standard streams |
//! | [`AsyncFd`], [`Readiness`] | any descriptor that can be polled |
//!
//! Code written for `tokio::io` ports by imports and by passing buffers: a method that filled a
//! `&mut [u8]` takes an owned buffer, and gives it back.

#[cfg(feature = "bytes")]
pub mod codec;

mod async_fd;
mod async_fd_guard;
mod buf_read;
mod buf_reader;
mod buf_writer;
mod copy;
mod duplex;
mod events;
mod memory;
mod read;
mod readiness;
mod split;
mod standard;
mod write;

pub use async_fd::AsyncFd;
pub use async_fd_guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
pub use buf_read::{AsyncBufRead, Lines};
pub use buf_reader::BufReader;
pub use buf_writer::BufWriter;
#[cfg(feature = "bytes")]
pub use codec::Framed;
pub use copy::{copy, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use events::Events;
pub use memory::{Empty, Sink, empty, sink};
pub use read::{AsyncRead, Chain, Take};
pub use readiness::Readiness;
pub use split::{ReadHalf, WriteHalf, split};
pub use standard::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use write::AsyncWrite;

/// What a wait is for: [`Events`] under the name that `tokio::io` has for it.
pub type Interest = Events;

/// What a wait has seen: [`Events`] under the name that `tokio::io` has for it.
pub type Ready = Events;
