//! A service to ask, and ways to run it.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use annulus::net::TcpListener;
use annulus::runtime::Runtime;
use annulus::sync::cross::{self, OneSender};
use annulus_http::{Server, serve};
use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

/// How long anything may take that takes milliseconds: a bound against hanging, not a measurement.
pub const BOUND: Duration = Duration::from_secs(60);

pub type AnyBody = UnsyncBoxBody<Bytes, hyper::Error>;

pub fn full(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Bytes that do not repeat for long.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
}

/// The pattern, in pieces of unequal sizes, without a length.
fn pieces(len: usize) -> AnyBody {
    let mut rest = Bytes::from(pattern(len));
    let frames = (1..).map_while(move |n: usize| {
        (!rest.is_empty()).then(|| {
            let piece = rest.split_to(rest.len().min(n * 1_000));
            Ok(Frame::data(piece))
        })
    });
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// `/hello`, `/pieces/LEN`, `/whole/LEN`; `POST /echo` sends back what comes, `POST /count` says
/// how much came.
pub async fn answer(request: Request<Incoming>) -> Result<Response<AnyBody>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let len = || path.rsplit('/').next().and_then(|len| len.parse().ok()).unwrap_or(0);
    let body = match (request.method(), path.split('/').nth(1)) {
        (&Method::GET, Some("hello")) => full("hello\n"),
        (&Method::GET, Some("pieces")) => pieces(len()),
        (&Method::GET, Some("whole")) => full(pattern(len())),
        (&Method::POST, Some("echo")) => request.into_body().boxed_unsync(),
        (&Method::POST, Some("count")) => {
            let mut body = request.into_body();
            let mut count = 0;
            while let Some(frame) = body.frame().await {
                count += frame?.data_ref().map_or(0, Bytes::len);
            }
            full(format!("{count}\n"))
        }
        _ => {
            let mut missing = Response::new(full("nothing here\n"));
            *missing.status_mut() = StatusCode::NOT_FOUND;
            return Ok(missing);
        }
    };
    Ok(Response::new(body))
}

/// The same by axum.
pub fn router() -> Router {
    async fn count(body: axum::body::Body) -> Result<String, StatusCode> {
        let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(format!("{}\n", body.to_bytes().len()))
    }
    use axum::body::Body;
    use axum::extract::Path;
    Router::new()
        .route("/hello", get(async || "hello\n"))
        .route("/pieces/{len}", get(async |Path(len): Path<usize>| Body::new(pieces(len))))
        .route("/whole/{len}", get(async |Path(len): Path<usize>| Body::from(pattern(len))))
        .route("/echo", post(async |body: Body| body))
        .route("/count", post(count))
}

/// Which server is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Hyper,
    Axum,
}

/// A server on a thread of its own. It ends, gracefully, when this is dropped.
pub struct Running {
    pub address: SocketAddr,
    stop: Option<OneSender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub fn start(kind: Kind) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = cross::oneshot();
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::builder().build().expect("io_uring is there");
            let served = runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                tell.send(listener.local_addr()?).expect("the test waits for it");
                let signal = async move {
                    let _stopped = stopped.await;
                };
                let service = service_fn(answer);
                match kind {
                    Kind::Hyper => {
                        let server = Server::new().serve(listener, move |_peer| service);
                        server.with_graceful_shutdown(signal).await
                    }
                    Kind::Axum => serve(listener, router()).with_graceful_shutdown(signal).await,
                }
            });
            nothing_left(runtime);
            served
        });
        let address = told.recv().expect("the server listens");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server that has ended by itself is not told.
        let _ended = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            let served = ended.expect("it is joined once").expect("the server does not panic");
            served.expect("the server ends without an error");
        }
    }
}

/// Runs a future on a runtime of its own, and checks that nothing is left.
pub fn run<F>(future: F)
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = Runtime::builder().build().expect("io_uring is there");
    let result = runtime.block_on(future);
    nothing_left(runtime);
    result.expect("the test ends without an error");
}

fn nothing_left(runtime: Runtime) {
    let last = runtime.shutdown();
    assert_eq!(last.leases_out, 0, "leases are left");
    assert_eq!(last.ops_in_flight, 0, "requests are left");
    assert_eq!(last.descriptors, 0, "descriptors are left");
    assert_eq!(last.tasks, 0, "tasks are left");
}

/// Says on standard error, which the harness does not swallow, that a test has nothing to ask.
pub fn skip(test: &str, why: &str) {
    use std::io::Write as _;
    let text = format!("skipped: {test} ({why})\n");
    let _ = std::io::stderr().write_all(text.as_bytes());
}
