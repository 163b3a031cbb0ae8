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
//! rustls decrypts in the buffer into which the kernel received, copies the plaintext out of it
//! once, and that copy is made another time for whoever reads. What is written is copied into a
//! record and encrypted there, and from there copied to memory that the send queue takes over where
//! it is large, and copies where it is small.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acceptor;
mod connector;
mod handshake;
mod stream;

mod engine;
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
