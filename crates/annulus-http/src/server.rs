//! A server: a listener, and a service for each of its connections.
//!
//! Owns: the loop that accepts, and the tasks of the connections. Does not own: what a connection
//! does. Invariants: a connection lives no longer than the future that serves; an error of one
//! connection is no error of the server.

use std::error::Error as StdError;
use std::future::{Future, IntoFuture, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use annulus::net::{Incoming as Accepting, TcpListener, TcpStream};
use annulus::runtime::stopping;
use annulus::task::JoinSet;
use annulus::time::timeout;
use annulus_tls::TlsAcceptor;
use futures_core::Stream as _;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;

use crate::connection;
use crate::stopping::Stop;
use crate::{CoreExecutor, CoreTimer, Error};

/// How a server treats its connections.
///
/// By default it speaks HTTP/1 and HTTP/2 (with prior knowledge, or as agreed upon by ALPN where it
/// speaks TLS), gives a client 30 s to send the head of a request, and takes any number of
/// connections.
#[derive(Clone, Debug)]
#[must_use]
pub struct Server {
    pub(crate) http1: http1::Builder,
    pub(crate) http2: http2::Builder<CoreExecutor>,
    protocols: Protocols,
    header_timeout: Option<Duration>,
    connections_max: usize,
    drain: Option<Duration>,
    acceptor: Option<TlsAcceptor>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocols {
    Http1,
    Http2,
    Both,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server with the defaults.
    pub fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1.timer(CoreTimer);
        let mut http2 = http2::Builder::new(CoreExecutor);
        http2.timer(CoreTimer);
        let server = Self {
            http1,
            http2,
            protocols: Protocols::Both,
            header_timeout: None,
            connections_max: usize::MAX,
            drain: None,
            acceptor: None,
        };
        server.header_read_timeout(Duration::from_secs(30))
    }

    /// Speaks HTTP/1 only.
    pub fn http1_only(mut self) -> Self {
        self.protocols = Protocols::Http1;
        self
    }

    /// Speaks HTTP/2 only.
    pub fn http2_only(mut self) -> Self {
        self.protocols = Protocols::Http2;
        self
    }

    /// Speaks TLS, and what is agreed upon by ALPN over it: give the acceptor
    /// `alpn(["h2", "http/1.1"])`. With a client that agrees upon nothing, what it begins with
    /// decides. What breaks in a handshake is [`Error::Beginning`].
    pub fn tls(mut self, acceptor: TlsAcceptor) -> Self {
        self.acceptor = Some(acceptor);
        self
    }

    /// How long a client may take for the head of a request of HTTP/1, from when it is waited for,
    /// so an idle connection is closed after as long; and for its first bytes, before it is known
    /// what it speaks. `None`: as long as it likes.
    pub fn header_read_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.header_timeout = bound.into();
        self.http1.header_read_timeout(self.header_timeout);
        self
    }

    /// How many connections may be open at once. Further ones wait in the backlog of the listener.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections.max(1);
        self
    }

    /// How long requests in flight may take when the server ends; connections that are still open
    /// then are closed. By default as long as they like.
    pub fn drain_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.drain = bound.into();
        self
    }

    /// More options of HTTP/1. Its timer is the core's already.
    pub fn http1_options(&mut self) -> &mut http1::Builder {
        &mut self.http1
    }

    /// More options of HTTP/2. Its timer is the core's already.
    pub fn http2_options(&mut self) -> &mut http2::Builder<CoreExecutor> {
        &mut self.http2
    }

    /// Serves the connections of a listener; `service` makes the service of each, from the address
    /// of its client.
    ///
    /// # Errors
    /// Of the future: `TimedOut` if the bound of draining was over before all connections had
    /// ended; those of accept(2) that will not pass.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener and all connections.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::TcpListener;
    /// use annulus_http::Server;
    /// use http_body_util::Full;
    /// use hyper::body::Bytes;
    /// use hyper::Response;
    /// use hyper::service::service_fn;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let greet = |peer| service_fn(move |_request| async move {
    ///     let greeting = format!("hello, {peer}\n");
    ///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::from(greeting)))
    /// });
    /// let signal = async {}; // a real one waits for something
    /// Server::new().serve(listener, greet).with_graceful_shutdown(signal).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve<F, S>(self, listener: TcpListener, service: F) -> Serve<FromFn<F>>
    where
        F: FnMut(SocketAddr) -> S,
    {
        Serve::new(self, listener, FromFn(service))
    }

    pub(crate) fn protocols(&self) -> Protocols {
        self.protocols
    }

    pub(crate) fn acceptor(&self) -> Option<&TlsAcceptor> {
        self.acceptor.as_ref()
    }

    pub(crate) fn header_timeout(&self) -> Option<Duration> {
        self.header_timeout
    }
}

/// Makes the service of each connection.
pub trait Make: 'static {
    /// What answers requests.
    type Service;

    /// The service of a connection.
    ///
    /// # Cancel safety
    /// Dropping the future drops the service that was being made, and its connection is closed.
    ///
    /// ```
    /// # use annulus_http::{Error, Server};
    /// # use hyper::{Response, service::service_fn};
    /// # use annulus::net::TcpListener;
    /// # async fn example(server: Server, listener: TcpListener) -> std::io::Result<()> {
    /// let service = service_fn(|_request| async {
    ///     Ok::<_, Error>(Response::new(String::from("hello")))
    /// });
    /// server.serve(listener, move |_peer| service).await // a function makes them, too
    /// # }
    /// ```
    fn make(&mut self, peer: SocketAddr) -> impl Future<Output = Self::Service> + 'static;
}

/// Services that a function makes; see [`Server::serve`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F>(F);

impl<F, S> Make for FromFn<F>
where
    F: FnMut(SocketAddr) -> S + 'static,
    S: 'static,
{
    type Service = S;

    fn make(&mut self, peer: SocketAddr) -> impl Future<Output = S> + 'static {
        std::future::ready((self.0)(peer))
    }
}

/// A server with its listener. Awaiting it serves.
///
/// It ends when it is asked to ([`with_graceful_shutdown`](Self::with_graceful_shutdown)), and when
/// its core is ([`stopping`]): it accepts no more, idle connections are closed, requests in flight
/// are answered, bounded by [`Server::drain_timeout`].
///
/// # Errors
/// `TimedOut` if the bound was over before all connections had ended; those of accept(2) that will
/// not pass. One client's trouble is none: see [`on_error`](Self::on_error).
///
/// # Cancel safety
/// Dropping the future closes the listener and all connections.
#[must_use = "a server serves when it is awaited"]
pub struct Serve<M> {
    server: Server,
    listener: TcpListener,
    make: M,
    signal: Option<Pin<Box<dyn Future<Output = ()>>>>,
    on_error: Box<dyn FnMut(Error)>,
}

impl<M> Serve<M> {
    pub(crate) fn new(server: Server, listener: TcpListener, make: M) -> Self {
        Self { server, listener, make, signal: None, on_error: Box::new(drop) }
    }

    /// Ends when `signal` is ready.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + 'static) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }

    /// Calls `tell` with what went wrong with a connection, for a log. By default nobody is told.
    pub fn on_error(mut self, tell: impl FnMut(Error) + 'static) -> Self {
        self.on_error = Box::new(tell);
        self
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<M> fmt::Debug for Serve<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("server", &self.server)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl<M, B> IntoFuture for Serve<M>
where
    M: Make,
    M::Service: Service<Request<Incoming>, Response = Response<B>> + 'static,
    <M::Service as Service<Request<Incoming>>>::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    CoreExecutor: Http2ServerConnExec<<M::Service as Service<Request<Incoming>>>::Future, B>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

/// What the loop wakes up for.
enum Event {
    Accepted(io::Result<(TcpStream, SocketAddr)>),
    Stop,
}

async fn run<M, B>(serve: Serve<M>) -> io::Result<()>
where
    M: Make,
    M::Service: Service<Request<Incoming>, Response = Response<B>> + 'static,
    <M::Service as Service<Request<Incoming>>>::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    CoreExecutor: Http2ServerConnExec<<M::Service as Service<Request<Incoming>>>::Future, B>,
{
    let Serve { server, listener, mut make, signal, mut on_error } = serve;
    let (mut connections, stop) = (Connections::new(), Stop::new());
    let mut signal = signal.unwrap_or_else(|| Box::pin(std::future::pending()));
    let mut stopping = pin!(stopping());
    let mut accepting = pin!(listener.incoming());
    loop {
        let event = poll_fn(|cx| {
            let _none_is_fine = connections.poll_reap(cx, &mut on_error);
            if signal.as_mut().poll(cx).is_ready() || stopping.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Stop);
            }
            match connections.0.len() < server.connections_max {
                true => poll_accepted(accepting.as_mut(), cx),
                false => Poll::Pending, // the end of a connection wakes this
            }
        });
        match event.await {
            Event::Stop => break,
            Event::Accepted(Ok((stream, peer))) => {
                // A connection that is gone already says so when it is read.
                let _ = stream.set_nodelay(true);
                let (made, server, stop) = (make.make(peer), server.clone(), stop.listener());
                connections.0.spawn(async move {
                    let service = made.await;
                    connection::begin(&server, stream, service, (peer, stop)).await
                });
            }
            Event::Accepted(Err(error)) if passes(&error) => on_error(Error::Accept(error)),
            Event::Accepted(Err(error)) => return Err(error),
        }
    }
    drop(listener); // who comes now is refused
    stop.request();
    let all = poll_fn(|cx| connections.poll_reap(cx, &mut on_error));
    match server.drain {
        None => all.await,
        Some(bound) => timeout(bound, all).await?,
    }
    Ok(())
}

fn poll_accepted(accepting: Pin<&mut Accepting<'_>>, cx: &mut Context<'_>) -> Poll<Event> {
    accepting.poll_next(cx).map(|next| match next {
        Some(accepted) => Event::Accepted(accepted),
        None => Event::Stop,
    })
}

/// Whether accepting may work again: what is short now may not be later.
fn passes(error: &io::Error) -> bool {
    const PASSING: [i32; 7] = [
        libc::EMFILE,
        libc::ENFILE,
        libc::ENOBUFS,
        libc::ENOMEM,
        libc::ECONNABORTED,
        libc::EPROTO,
        libc::EPERM,
    ];
    error.raw_os_error().is_some_and(|errno| PASSING.contains(&errno))
}

/// The tasks of the connections; dropping them closes these.
struct Connections(JoinSet<Result<(), Error>>);

impl Connections {
    fn new() -> Self {
        Self(JoinSet::new())
    }

    /// Takes out those that have ended. Ready when there are none.
    fn poll_reap(&mut self, cx: &mut Context<'_>, tell: &mut dyn FnMut(Error)) -> Poll<()> {
        loop {
            match self.0.poll_join_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(Ok(Ok(())))) => {}
                Poll::Ready(Some(Ok(Err(error)))) => tell(error),
                Poll::Ready(Some(Err(error))) if error.is_panic() => tell(Error::Panicked),
                Poll::Ready(Some(Err(_aborted))) => {}
            }
        }
    }
}
