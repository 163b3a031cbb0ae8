//! HTTP on Annulus.
//!
//! | | |
//! |---|---|
//! | [`Io`], [`CoreExecutor`], [`CoreTimer`] | hyper's `rt::{Read, Write, Executor, Timer}`, for whoever uses hyper directly |
//! | [`Server`] | HTTP/1 and HTTP/2 on one port, told apart by how the client begins; graceful shutdown, bounds |
//! | [`serve`] | the same for a router of axum, or another service of tower (feature `axum`) |
//! | [`Client`] | requests over connections that are kept for the next one |
//! | [`Server::tls`], [`ClientBuilder::tls`] | HTTPS, by [`annulus_tls`] |
//!
//! All of it runs on the core where it is started: a connection, its requests and what they spawn
//! stay on one thread, and services need not be `Send`. What axum demands to be `Send` may all the
//! same hold streams, files and timers of Annulus across its awaits, because these are.
//!
//! ```
//! use annulus::net::TcpListener;
//! use annulus_http::{Client, Server};
//! use http_body_util::{BodyExt as _, Full};
//! use hyper::body::Bytes;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//!
//! # #[annulus::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let url = format!("http://{}/", listener.local_addr()?);
//! let hello = service_fn(|_request| async {
//!     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from("hello\n")))
//! });
//! annulus::spawn(async move { Server::new().serve(listener, move |_peer| hello).await });
//!
//! let client = Client::<Full<Bytes>>::new();
//! let response = client.request(Request::get(url).body(Full::default())?).await?;
//! assert_eq!(response.collect().await?.to_bytes(), "hello\n");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod connection;
mod error;
mod executor;
mod io;
mod peer;
mod server;
mod stopping;
mod timer;
#[cfg(feature = "axum")]
mod tower;

pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use executor::CoreExecutor;
pub use hyper;
pub use io::Io;
pub use peer::ConnectInfo;
pub use server::{Serve, Server};
pub use timer::{CoreTimer, TimerSleep};
#[cfg(feature = "axum")]
pub use tower::{MakeService, OfMaker, OfRouter, TowerServe, TowerService, serve};

/// The programs of the crate's front page compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;

/// The programs of the guide for those who come from tokio compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/coming-from.md")]
struct ComingFrom;
