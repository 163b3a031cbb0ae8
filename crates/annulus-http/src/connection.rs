//! One connection of a server, from its first byte on.
//!
//! Owns: finding out which protocol the client speaks. Does not own: the protocols (hyper), TLS.
//! Invariant: no byte is used up before hyper has the stream.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use annulus::net::TcpStream;
use annulus::time::timeout;
use annulus_compat::{Readable, Writable};
use annulus_tls::{TlsAcceptor, TlsStream};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::service::Service;

use crate::server::{Protocols, Server};
use crate::stopping::{Listener, until_end};
use crate::{CoreExecutor, Error, Io};

/// How a client of HTTP/2 begins that knows its server speaks it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    Http1,
    Http2,
}

/// Serves one connection to its end, by TLS if the server speaks it.
pub(crate) async fn begin<S, B>(
    server: &Server,
    stream: TcpStream,
    service: S,
    (peer, stop): (SocketAddr, Listener),
) -> Result<(), Error>
where
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    CoreExecutor: Http2ServerConnExec<S::Future, B>,
{
    if let Some(acceptor) = server.acceptor() {
        let shaken = handshake(acceptor, stream, stop.clone()).await;
        let stream = match shaken.map_err(|source| Error::Beginning { peer, source })? {
            Some(stream) => stream,
            None => return Ok(()),
        };
        let agreed = match stream.alpn().as_deref() {
            Some(b"h2") => Some(Version::Http2),
            Some(_) => Some(Version::Http1),
            None => None,
        };
        // On the heap, so that connections without TLS are no larger than they were.
        return Box::pin(serve(server, Io::new(stream), (service, agreed), (peer, stop))).await;
    }
    serve(server, Io::new(stream), (service, None), (peer, stop)).await
}

/// `None` if the server is to end first.
async fn handshake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    mut stop: Listener,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let (mut shaking, mut requested) = (pin!(acceptor.accept(stream)), pin!(stop.requested()));
    poll_fn(|cx| {
        if let Poll::Ready(shaken) = shaking.as_mut().poll(cx) {
            return Poll::Ready(shaken.map(Some).map_err(io::Error::from));
        }
        requested.as_mut().poll(cx).map(|()| Ok(None))
    })
    .await
}

/// Serves one connection to its end, by the protocol that was agreed upon, if one was.
async fn serve<H, S, B>(
    server: &Server,
    mut io: Io<H>,
    (service, agreed): (S, Option<Version>),
    (peer, stop): (SocketAddr, Listener),
) -> Result<(), Error>
where
    H: Readable<Places: Send> + Writable + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    CoreExecutor: Http2ServerConnExec<S::Future, B>,
{
    let version = match (agreed, server.protocols()) {
        (Some(agreed), _) => Some(agreed),
        (None, Protocols::Http1) => Some(Version::Http1),
        (None, Protocols::Http2) => Some(Version::Http2),
        (None, Protocols::Both) => {
            let found = first_bytes(server, &mut io, stop.clone()).await;
            found.map_err(|source| Error::Beginning { peer, source })?
        }
    };
    let ended = match version {
        None => return Ok(()),
        Some(Version::Http1) => {
            let connection = server.http1.serve_connection(io, service).with_upgrades();
            until_end(connection, stop, |connection| connection.graceful_shutdown()).await
        }
        Some(Version::Http2) => {
            let connection = server.http2.serve_connection(io, service);
            until_end(connection, stop, |connection| connection.graceful_shutdown()).await
        }
    };
    ended.map_err(|source| Error::Connection { peer, source })
}

/// Waits for enough bytes to know; `None` if the client ends the connection before it says
/// anything, or the server is to end.
async fn first_bytes<H: Readable>(
    server: &Server,
    io: &mut Io<H>,
    mut stop: Listener,
) -> io::Result<Option<Version>> {
    let mut requested = pin!(stop.requested());
    let mut fresh = true;
    let found = poll_fn(|cx| {
        if let Poll::Ready(found) = poll_version(io, &mut fresh, cx) {
            return Poll::Ready(found);
        }
        requested.as_mut().poll(cx).map(|()| Ok(None))
    });
    match server.header_timeout() {
        None => found.await,
        Some(bound) => match timeout(bound, found).await {
            Ok(found) => found,
            Err(_elapsed) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not begin a request within {bound:?}"),
            )),
        },
    }
}

fn poll_version<H: Readable>(
    io: &mut Io<H>,
    fresh: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Option<Version>>> {
    loop {
        let before = io.buffered().buffer().len();
        let bytes = match *fresh {
            true => ready!(io.buffered().poll_fill(cx))?,
            false => ready!(io.buffered().poll_fill_more(cx))?,
        };
        *fresh = false;
        if bytes.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if bytes.starts_with(PREFACE) {
            return Poll::Ready(Ok(Some(Version::Http2)));
        }
        // What ended in the middle of the preface is for hyper to complain about.
        if !PREFACE.starts_with(bytes) || bytes.len() == before {
            return Poll::Ready(Ok(Some(Version::Http1)));
        }
    }
}
