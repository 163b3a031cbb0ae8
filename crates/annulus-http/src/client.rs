//! Requests over connections that are kept for the next one.
//!
//! Owns: how a request becomes one of HTTP/1 or HTTP/2, and when it is sent again. Does not own:
//! the connections that are kept (`pool`), the protocols (hyper).
//!
//! Invariants: a connection is used on the core that made it; a request is sent again only if not a
//! byte of it was sent.

mod pool;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use annulus::net::TcpStream;
use annulus::time::timeout;
use annulus_compat::{Readable, Writable};
use annulus_tls::TlsConnector;
use http::header::{HOST, HeaderValue};
use http::uri::Scheme;
use http::{Request, Response, StatusCode, Uri};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};

use self::pool::{Key, Pool};
use crate::{CoreExecutor, CoreTimer, Error, Io};

/// A client of HTTP/1, or of HTTP/2 with prior knowledge, over TCP; with a connector of TLS of
/// both, as agreed upon with the server.
///
/// A connection whose response was read to its end is kept for the next request to the same host
/// and port. Clones share what they keep. The client may be used on any core: each has connections
/// of its own, and futures of requests are `Send`, so handlers of axum may await them.
///
/// There is no redirect and no proxy here. For a stream of another kind, give an [`Io`] of it
/// to [`hyper::client::conn`].
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let listener = annulus::net::TcpListener::bind("127.0.0.1:0")?;
/// # let address = listener.local_addr()?;
/// # let hello = hyper::service::service_fn(|_| async {
/// #     let body = http_body_util::Full::<hyper::body::Bytes>::from("hello");
/// #     Ok::<_, std::io::Error>(hyper::Response::new(body))
/// # });
/// # let server = annulus_http::Server::new().serve(listener, move |_| hello);
/// # annulus::spawn(server.into_future());
/// use annulus_http::Client;
/// use http_body_util::{BodyExt as _, Full};
/// use hyper::Request;
/// use hyper::body::Bytes;
///
/// let client = Client::<Full<Bytes>>::new();
/// let request = Request::get(format!("http://{address}/")).body(Full::default())?;
/// let response = client.request(request).await?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(response.collect().await?.to_bytes(), "hello");
/// # Ok(())
/// # }
/// ```
pub struct Client<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    config: Config,
    connector: Option<TlsConnector>,
    pool: Pool<B>,
}

#[derive(Clone, Copy, Debug)]
struct Config {
    http2: bool,
    connect_timeout: Option<Duration>,
}

/// How a [`Client`] is made.
///
/// ```
/// use annulus_http::Client;
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use std::time::Duration;
///
/// let client: Client<Empty<Bytes>> =
///     Client::<Empty<Bytes>>::builder().http2_only().idle_timeout(Duration::from_secs(5)).build();
/// # let _ = client;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    config: Config,
    connector: Option<TlsConnector>,
    idle_timeout: Duration,
    idle_max: usize,
}

impl ClientBuilder {
    /// Speaks HTTP/2 from the first byte on, to servers that are known to. All requests to a host
    /// share a connection.
    pub fn http2_only(mut self) -> Self {
        self.config.http2 = true;
        self
    }

    /// How long a connection is kept that nobody uses; 90 s by default.
    pub fn idle_timeout(mut self, bound: Duration) -> Self {
        self.idle_timeout = bound;
        self
    }

    /// How many idle connections each core keeps to one host and port; 32 by default.
    pub fn idle_max(mut self, connections: usize) -> Self {
        self.idle_max = connections;
        self
    }

    /// Requests to `https` go by TLS. Where the connector offers `alpn(["h2", "http/1.1"])` the
    /// server chooses: over HTTP/2 all requests to it share a connection.
    pub fn tls(mut self, connector: TlsConnector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// How long connecting may take, without the handshake of TLS; by default as long as the kernel
    /// tries.
    pub fn connect_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.config.connect_timeout = bound.into();
        self
    }

    /// The client.
    #[must_use]
    pub fn build<B>(self) -> Client<B> {
        let pool = Pool::new(self.idle_timeout, self.idle_max);
        let shared = Shared { config: self.config, connector: self.connector, pool };
        Client { shared: Arc::new(shared) }
    }
}

impl<B> Client<B> {
    /// A client with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            config: Config { http2: false, connect_timeout: None },
            connector: None,
            idle_timeout: Duration::from_secs(90),
            idle_max: 32,
        }
    }
}

impl<B> Client<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + Unpin + 'static,
{
    /// Sends a request, and gives the response when its head is there. Its URI has to be absolute.
    ///
    /// A connection that was kept and turns out to be closed costs nothing: a request of which
    /// nothing was sent goes over another one.
    ///
    /// # Errors
    /// [`Error::Uri`] for what has no host or is not `http` (or `https`, without a connector);
    /// [`Error::Connect`]; what breaks later is [`Error::Request`].
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up, and the connection with it; of HTTP/2 only the
    /// stream.
    ///
    /// # Panics
    /// If no runtime runs on this thread.
    ///
    /// ```
    /// use annulus_http::Client;
    /// use http_body_util::Full;
    /// use hyper::{Request, body::Bytes};
    ///
    /// async fn example(client: Client<Full<Bytes>>) -> Result<(), Box<dyn std::error::Error>> {
    ///     let request = Request::get("http://example.org/").body(Full::default())?;
    ///     let response = client.request(request).await?;
    ///     println!("{}", response.status());
    ///     Ok(())
    /// }
    /// ```
    pub async fn request(&self, request: Request<B>) -> Result<Response<Incoming>, Error> {
        let secures = self.shared.connector.is_some();
        let key = Key::of(request.uri(), secures)?;
        self.send(&key, request).await.map_err(|error| match error {
            Failed::Connect(source) => Error::Connect { authority: key.into_authority(), source },
            Failed::Request(source) => Error::Request { authority: key.into_authority(), source },
        })
    }

    async fn send(&self, key: &Key, mut request: Request<B>) -> Result<Response<Incoming>, Failed> {
        let uri = request.uri().clone();
        loop {
            let kept = self.kept(key);
            let fresh = kept.is_none();
            let sender = match kept {
                Some(sender) => sender,
                None => self.open(key).await?,
            };
            let refused = match sender {
                Sender::Http1(mut sender) => {
                    into_origin_form(&mut request, key);
                    match sender.try_send_request(request).await {
                        Ok(response) => {
                            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                                self.keep(key, sender);
                            }
                            return Ok(response);
                        }
                        Err(error) => error,
                    }
                }
                Sender::Http2(mut sender) => match sender.try_send_request(request).await {
                    Ok(response) => return Ok(response),
                    Err(error) => error,
                },
            };
            request = again(refused, fresh)?;
            request.uri_mut().clone_from(&uri);
        }
    }

    /// A connection that may be used again.
    fn kept(&self, key: &Key) -> Option<Sender<B>> {
        if let Some(shared) = self.shared.pool.shared(key) {
            return Some(Sender::Http2(shared));
        }
        match self.shared.config.http2 {
            true => None,
            false => self.shared.pool.take(key).map(Sender::Http1),
        }
    }

    /// A connection that is idle as soon as its response has been read.
    fn keep(&self, key: &Key, sender: http1::SendRequest<B>) {
        if self.shared.pool.keep(key, sender) {
            let (shared, period) = (Arc::downgrade(&self.shared), self.shared.pool.idle_timeout());
            annulus::spawn(async move {
                loop {
                    annulus::time::sleep(period).await;
                    let Some(shared) = shared.upgrade() else { return };
                    shared.pool.tidy();
                }
            });
        }
    }

    async fn connect(&self, key: &Key) -> Result<TcpStream, Failed> {
        let connecting = TcpStream::connect(key.destination());
        let stream = match self.shared.config.connect_timeout {
            None => connecting.await,
            Some(bound) => match timeout(bound, connecting).await {
                Ok(connected) => connected,
                Err(elapsed) => Err(elapsed.into()),
            },
        };
        let stream = stream.map_err(Failed::Connect)?;
        // A connection that is gone already says so when it is used.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// A new connection.
    async fn open(&self, key: &Key) -> Result<Sender<B>, Failed> {
        let (stream, http2) = (self.connect(key).await?, self.shared.config.http2);
        if let (Some(connector), true) = (&self.shared.connector, key.is_https()) {
            let shaken = connector.connect(key.host(), stream).await;
            let stream = shaken.map_err(|error| Failed::Connect(error.into()))?;
            let http2 = http2 || stream.alpn().as_deref() == Some(b"h2");
            return self.begin(key, Io::new(stream), http2).await;
        }
        self.begin(key, Io::new(stream), http2).await
    }

    async fn begin<H>(&self, key: &Key, io: Io<H>, http2: bool) -> Result<Sender<B>, Failed>
    where
        H: Readable<Places: Send> + Writable + Send + Unpin + 'static,
    {
        if http2 {
            let mut builder = http2::Builder::new(CoreExecutor);
            let (sender, connection) = builder.timer(CoreTimer).handshake(io).await?;
            run(connection);
            self.shared.pool.share(key, sender.clone());
            return Ok(Sender::Http2(sender));
        }
        let (sender, connection) = http1::handshake(io).await?;
        run(connection.with_upgrades());
        Ok(Sender::Http1(sender))
    }
}

/// A connection, from the side of who asks.
enum Sender<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

/// What failed, before it is known to whom.
enum Failed {
    Connect(io::Error),
    Request(hyper::Error),
}

impl From<hyper::Error> for Failed {
    fn from(error: hyper::Error) -> Self {
        Self::Request(error)
    }
}

/// The connection of hyper, to its end. What goes wrong with it, its requests report.
fn run(connection: impl Future<Output = hyper::Result<()>> + 'static) {
    annulus::spawn(async move {
        let _ = connection.await;
    });
}

/// The request, if it may be sent again: over a connection that had been kept, and not a byte of it
/// was sent.
fn again<B>(mut error: TrySendError<Request<B>>, fresh: bool) -> Result<Request<B>, Failed> {
    match error.take_message() {
        Some(request) if !fresh => Ok(request),
        _ => Err(error.into_error().into()),
    }
}

/// As HTTP/1 has it: the path in the first line, the host in a header.
fn into_origin_form<B>(request: &mut Request<B>, key: &Key) {
    if !request.headers().contains_key(HOST) {
        // Without user and password, which an authority may have as well.
        if let Ok(host) = HeaderValue::from_str(key.host_header()) {
            request.headers_mut().insert(HOST, host);
        }
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
}

impl Key {
    /// Whom a URI names.
    fn of(uri: &Uri, secures: bool) -> Result<Self, Error> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let known = uri.scheme() == Some(&Scheme::HTTP) || (https && secures);
        match uri.host().filter(|host| known && !host.is_empty()) {
            Some(host) => Ok(Self::new(host, uri.port_u16(), https)),
            None => Err(Error::Uri(uri.clone())),
        }
    }
}

impl<B> Clone for Client<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B> Default for Client<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
