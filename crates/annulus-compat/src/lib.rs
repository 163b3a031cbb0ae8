//! The handles of Annulus, for code that was written for `tokio::io` or `futures::io`.
//!
//! Such code lends a buffer for the length of a poll. The kernel keeps one for longer, so something
//! has to own the bytes meanwhile. Each wrapper here does that in its own way:
//!
//! | wrapper | of | a read | a write |
//! |---|---|---|---|
//! | [`Buffered`] | `TcpStream`, `UnixStream`, halves of them, `duplex` | copied out of the buffer that the kernel received into | copied into the send queue, sent at the end of the turn |
//! | [`Direct`] | any socket or pipe of `std` | read(2) into the caller's buffer, `POLL_ADD` when there is nothing | write(2) from the caller's buffer, `POLL_ADD` when there is no room |
//! | [`FileStream`] | a file, at a position | copied out of a piece that was read | copied into a piece that is written |
//!
//! [`Buffered`] is what a server wants: an idle connection holds no buffer, all that a turn writes
//! goes out with one system call, and its [`AsyncBufRead`](tokio::io::AsyncBufRead) copies nothing
//! at all. [`Direct`] makes a system call for each read and each write, and saves the copy: it pays
//! where messages are large and few.
//!
//! The features `futures-io` and `tokio` implement the traits of those crates. Of tokio nothing but
//! the traits is used. Without a feature, the wrappers have methods that poll.
//!
//! All wrappers are `Send`, as the handles are, and do their work on the core of their handle.
//! Dropping one while an operation is in flight is sound: the operation owns what the kernel uses.
//!
//! # Errors come late, and come
//! A write that was taken is not yet sent. If sending fails, the next write, flush or shutdown says
//! so: flush or shut down before a stream is dropped, if that matters.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod buffered;
mod direct;
mod file;
mod handle;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
mod traits;

pub use buffered::Buffered;
pub use direct::Direct;
pub use file::FileStream;
pub use handle::{Handle, Readable, Writable};

/// The program of the crate's front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
