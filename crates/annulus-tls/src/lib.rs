//! TLS on Annulus, by rustls.
//!
//! | | |
//! |---|---|
//! | [`TlsAcceptor`], [`TlsConnector`] | of a stream, a [`TlsStream`]: a server's and a client's |
//! | [`Identity`], [`Certificates`], [`Reloadable`] | a certificate and its key; several, by host name; such as are exchanged while a server runs |
//! | [`Roots`] | whom one trusts |
//! | [`HandshakeError`], [`ConfigError`], [`PemError`] | what went wrong, and where |
//!
//! A [`TlsStream`] lies above a TCP stream, or any other [`Handle`](annulus_compat::Handle), and is
//! one itself: [`Buffered`](annulus_compat::Buffered) gives it the traits of tokio and of futures,
//! `annulus_http` HTTP. A [`TlsAcceptor`] is a layer of [`annulus::serve`]. TLS 1.3 and 1.2, with
//! the cryptography of `ring`.
//!
//! # Copies
//! A record is decrypted in the buffer into which the kernel received it, and that is what a reader
//! gets. (A record that came in two pieces is put together first.) What is written is copied once,
//! to where it is encrypted and sent from; small records are copied once more, so that those of one
//! turn leave together. A configuration of rustls that comes from elsewhere
//! ([`TlsAcceptor::with_config`]) has ciphers that know nothing of that: two copies more each way.
//!
//! # Memory
//! As below other streams, received bytes stay in the runtime's buffers until later ones overwrite
//! them, and so does what was sent: plaintext is no exception. rustls overwrites its secrets when a
//! connection ends.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acceptor;
mod connector;
mod handshake;
mod stream;

mod engine;
mod in_place;
mod plain;
mod scratch;

mod certificates;
mod identity;
mod pem;
mod reload;
mod roots;
mod sni;

mod serving;

mod error;
mod provider;

pub use acceptor::{AcceptorBuilder, Resumption, TlsAcceptor};
pub use certificates::Certificates;
pub use connector::{ConnectorBuilder, TlsConnector};
pub use error::{ConfigError, HandshakeError};
pub use identity::Identity;
pub use pem::{PemError, PemReason};
pub use reload::Reloadable;
pub use roots::Roots;
pub use rustls;
pub use serving::TlsInfo;
pub use stream::TlsStream;

/// The program of the crate's front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
