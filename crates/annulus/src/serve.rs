//! A server: a core for each CPU, and a handler for each connection.
//!
//! [`Server::builder`] says where to listen, [`Handler`] what to do with a [`Conn`], [`Config`]
//! how. A launch gives a [`Handle`] and the [`Workers`]. For a server of a few lines there is
//! [`tcp`].
//!
//! ```
//! use annulus::net::Parsed;
//! use annulus::serve::{Config, Conn, Error, Handler, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     async fn on_accept(&self, conn: Conn) {
//!         loop {
//!             let n = conn.with_data(|data| {
//!                 conn.send_nowait(data).ok();
//!                 Parsed::Consumed(data.len())
//!             }).await;
//!             if n == 0 { break; }
//!         }
//!     }
//!     fn for_core(_id: usize) -> Self { Echo }
//! }
//!
//! fn main() -> Result<(), Error> {
//!     let config = Config::default();
//!     let (handle, workers) = Server::builder(config)
//!         .bind("127.0.0.1:0".parse().unwrap())
//!         .launch::<Echo>()?;
//!     handle.shutdown(); // without this line, it serves until `handle` or a signal says so
//!     for worker in workers { worker.join().unwrap()?; }
//!     Ok(())
//! }
//! ```
//!
//! # The end of a server
//! [`Handle::shutdown`], [`Driver::shutdown`], a signal ([`Builder::run`]), or a core that fails:
//!
//! 1. Accepting ends. Connections that the kernel had accepted already are served.
//! 2. Handlers are told: [`Handler::on_stop`], and [`stopping`](crate::runtime::stopping) in every
//!    task. A connection that waits for its next message is read from for
//!    [`Config::idle_on_stop`] more; then its wait ends, with [`Ended::Stopping`].
//! 3. Tasks finish. What is left after [`Config::drain_timeout`] is dropped, and counted.
//! 4. What was accepted for sending is sent, within `close_flush`; the cores end.
//!
//! # When descriptors run out
//! Connections wait in the kernel, and accepting tries again by itself: the server goes on.
//! [`Config::on_trouble`] hears of it at once, with the error and the rest, and hears that
//! accepting goes on; [`CoreMetrics::resting`] says how many listeners are in that state,
//! [`CoreMetrics::exhausted`] how often it was met.
//!
//! # A new process in the place of the old
//! [`Handle::succession`] waits for a successor, which takes the listeners by
//! [`Inherited::receive`]; [`Inherited::from_env`] takes those of a service manager. Until it
//! accepts, the old process serves; a stop of that meanwhile leaves everything to the new one, if
//! it has all sockets already.

mod accept;
mod backoff;
mod choice;
mod config;
mod conn;
mod driver;
mod error;
mod estate;
mod handler;
mod handover;
mod idle;
mod inherit;
mod listen;
mod meeting;
mod metrics;
mod moving;
mod packets;
mod privileges;
mod registry;
mod running;
mod server;
mod shared;
mod successor;
mod transport;
mod trouble;
mod worker;

pub use crate::net::Parsed;
pub use config::{Accept, Config};
pub use conn::{Conn, Ended, Peer};
pub use driver::{Driver, driver};
pub use error::{ConfigError, Error};
pub use handler::{Handler, Notice};
pub use handover::{HandOver, Succession};
pub use inherit::Inherited;
pub use listen::Bound;
pub use metrics::{CoreMetrics, Metrics};
pub use registry::ConnId;
pub use running::{Handle, Signal, Worker, Workers};
pub use server::{Builder, Server, Service, tcp};
pub use shared::Permit;
pub use transport::{Layer, Transport, Wrapping};
pub use trouble::Trouble;
