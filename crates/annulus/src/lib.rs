//! A thread-per-core async runtime on io_uring.
//!
//! Read [`net`] for sockets, [`io`] for what streams of all kinds have in common, [`fs`] for files,
//! [`pipe`] for pipes, [`process`] for children, [`signal`] for signals, [`futex`] for waits on
//! words of memory, [`mem`] for such words between processes and for advice about buffers, [`time`]
//! for timers, [`buf`] for the buffers that operations take, [`op`] for ending them early, bounding
//! and linking them, [`task`] for tasks and for work that blocks, [`sync`] for channels and locks,
//! [`runtime`] for how it all is started and tuned, on one core or on many, [`serve`] for servers.
//! What happens below, down to the bits that the kernel reads, is in the crates `annulus-ring` and
//! `annulus-abi`.
//!
//! ```
//! use annulus::net::{TcpListener, TcpStream};
//!
//! async fn echo(stream: TcpStream) -> std::io::Result<()> {
//!     let mut buf = vec![0; 1024];
//!     loop {
//!         let (n, filled) = stream.read(buf).await?;
//!         if n == 0 {
//!             return Ok(()); // the peer has said all it had to say
//!         }
//!         ((), buf) = stream.write_all(filled).await?;
//!     }
//! }
//!
//! #[annulus::main]
//! async fn main() -> std::io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let address = listener.local_addr()?;
//!     annulus::spawn(async move {
//!         while let Ok((stream, _peer)) = listener.accept().await {
//!             annulus::spawn(echo(stream));
//!         }
//!     });
//!
//!     let client = TcpStream::connect(address).await?;
//!     client.write_all("hello").await?;
//!     let ((), answer) = client.read_exact(vec![0; 5]).await?;
//!     assert_eq!(answer, b"hello");
//!     Ok(())
//! }
//! ```

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod buf;
mod core;
pub mod fs;
pub mod futex;
pub mod io;
pub mod mem;
pub mod net;
pub mod op;
pub mod pipe;
pub mod process;
pub mod runtime;
pub mod serve;
pub mod signal;
pub mod task;
pub mod time;

pub use annulus_macros::{main, test};
pub use annulus_sync as sync;
pub use core::submit::submit;
pub use op::OpExt;
pub use runtime::Error;
pub use task::{spawn, task_local};

/// The program of the project's front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;

/// The guide for newcomers compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/why-io_uring.md")]
struct WhyIoUring;
