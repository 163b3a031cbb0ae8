//! Routers of axum, and other services of tower.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use annulus::net::TcpListener;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service as HyperService;
use tower_service::Service;

use crate::ConnectInfo;
use crate::server::{Make, Serve, Server};

/// Serves a router of axum, or a maker of services, with the defaults of [`Server`].
///
/// The counterpart of `axum::serve`. A handler's future has to be `Send`, as axum has it, and may
/// hold streams, files and timers of Annulus across its awaits: they are. What it does with them
/// happens on the core that serves the connection.
///
/// A router finds the client's address in each request; see [`ConnectInfo`]. What
/// `Router::into_make_service_with_connect_info::<SocketAddr>` gives (with axum's feature `tokio`)
/// is served as well, for the extractor of axum.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::net::TcpListener;
/// use axum::{Router, routing::get};
/// use std::time::Duration;
///
/// async fn slow() -> &'static str {
///     annulus::time::sleep(Duration::from_millis(1)).await; // no wrapper
///     "hello\n"
/// }
///
/// let app = Router::new().route("/", get(slow));
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let signal = async {}; // a real one waits for something
/// annulus_http::serve(listener, app).with_graceful_shutdown(signal).await
/// # }
/// ```
pub fn serve<A, K>(listener: TcpListener, app: A) -> TowerServe<A, K>
where
    A: MakeService<K>,
    K: 'static,
{
    Server::new().serve_app(listener, app)
}

/// What [`serve`] gives.
pub type TowerServe<A, K> = Serve<FromApp<A, K>>;

impl Server {
    /// As [`serve`], with these options.
    pub fn serve_app<A, K>(self, listener: TcpListener, app: A) -> TowerServe<A, K>
    where
        A: MakeService<K>,
        K: 'static,
    {
        Serve::new(self, listener, FromApp { app, kind: PhantomData })
    }
}

/// What makes a service of tower for each connection: a router ([`OfRouter`]), or a service that
/// takes the client's address and gives a service ([`OfMaker`]).
pub trait MakeService<K>: 'static {
    /// What answers requests.
    type Service: 'static;

    /// The service of a connection.
    ///
    /// # Cancel safety
    /// Dropping the future drops the service that was being made, and its connection is closed.
    ///
    /// ```
    /// use annulus_http::{MakeService, OfRouter};
    /// use axum::Router;
    ///
    /// async fn example(mut router: Router) {
    ///     let peer = ([127, 0, 0, 1], 50_000).into();
    ///     let service = MakeService::<OfRouter>::make_service(&mut router, peer).await;
    ///     drop(service);
    /// }
    /// ```
    fn make_service(
        &mut self,
        peer: SocketAddr,
    ) -> impl Future<Output = TowerService<Self::Service>> + 'static;
}

/// The kind of a router.
#[derive(Debug)]
pub enum OfRouter {}

/// The kind of a service that makes services.
#[derive(Debug)]
pub enum OfMaker {}

impl MakeService<OfRouter> for Router {
    type Service = Router;

    fn make_service(
        &mut self,
        peer: SocketAddr,
    ) -> impl Future<Output = TowerService<Router>> + 'static {
        std::future::ready(TowerService { inner: self.clone(), info: Some(ConnectInfo(peer)) })
    }
}

impl<M, S> MakeService<OfMaker> for M
where
    M: Service<SocketAddr, Response = S, Error = Infallible, Future: 'static> + 'static,
    S: 'static,
{
    type Service = S;

    fn make_service(
        &mut self,
        peer: SocketAddr,
    ) -> impl Future<Output = TowerService<S>> + 'static {
        let made = self.call(peer);
        async move {
            match made.await {
                Ok(inner) => TowerService { inner, info: None },
                Err(never) => match never {},
            }
        }
    }
}

/// Services of an app; see [`serve`].
pub struct FromApp<A, K> {
    app: A,
    kind: PhantomData<K>,
}

impl<A, K> fmt::Debug for FromApp<A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromApp").finish_non_exhaustive()
    }
}

impl<A, K> Make for FromApp<A, K>
where
    A: MakeService<K>,
    K: 'static,
{
    type Service = TowerService<A::Service>;

    fn make(&mut self, peer: SocketAddr) -> impl Future<Output = Self::Service> + 'static {
        self.app.make_service(peer)
    }
}

/// A service of tower as hyper calls it: cloned for each request, and called when it is ready.
#[derive(Clone, Debug)]
pub struct TowerService<S> {
    inner: S,
    /// For the extensions of each request.
    info: Option<ConnectInfo>,
}

impl<S> HyperService<Request<Incoming>> for TowerService<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(info) = self.info {
            request.extensions_mut().insert(info);
        }
        Oneshot::Waiting { service: self.inner.clone(), request: Some(request) }
    }
}

pin_project_lite::pin_project! {
    /// One request of a service of tower.
    #[project = OneshotProjected]
    pub enum Oneshot<S: Service<Request<Incoming>>> {
        /// The service is not ready yet.
        Waiting { service: S, request: Option<Request<Incoming>> },
        /// It was called.
        Called { #[pin] future: S::Future },
    }
}

impl<S: Service<Request<Incoming>>> Future for Oneshot<S> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let called = match self.as_mut().project() {
                OneshotProjected::Called { future } => return future.poll(cx),
                OneshotProjected::Waiting { service, request } => {
                    std::task::ready!(service.poll_ready(cx))?;
                    service.call(request.take().expect("a request is called once"))
                }
            };
            self.set(Self::Called { future: called });
        }
    }
}

impl<S: Service<Request<Incoming>>> fmt::Debug for Oneshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oneshot").finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for ConnectInfo {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let missing = "the client's address is unknown: serve the router itself";
        parts.extensions.get::<Self>().copied().ok_or((StatusCode::INTERNAL_SERVER_ERROR, missing))
    }
}
