//! A greeting over HTTP/1.1 with hyper, through `ConnStream`, which ringline has for such
//! libraries; `tokio-util` makes it one of tokio's, and hyper takes it from there.

use std::convert::Infallible;
use std::future::Future;
use std::io;

use annulus_bench::{GREETING, Job, Sample};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ringline::{AsyncEventHandler, ConnCtx, ConnStream};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::echo::launch;

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| launch::<Greeter>(listener, super::config()))
}

struct Greeter;

impl AsyncEventHandler for Greeter {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async move {
            let io = TokioIo::new(ConnStream::new(connection).compat());
            let _ = http1::Builder::new().serve_connection(io, service_fn(greet)).await;
        }
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
