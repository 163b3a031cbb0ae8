//! A greeting over HTTP/1.1 with hyper. glommio's example, which is of an older hyper, makes its
//! stream one of tokio's by hand; `tokio-util` does the same, and hyper takes it from there.

use std::convert::Infallible;
use std::io;

use annulus_bench::{GREETING, Job, Sample};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use crate::echo::adopt;

pub fn run(job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        super::serve(job, async move {
            let listener = adopt(listener);
            loop {
                let stream = listener.accept().await.map_err(super::error)?;
                let io = TokioIo::new(stream.compat());
                let connection = http1::Builder::new().serve_connection(io, service_fn(greet));
                glommio::spawn_local(connection).detach();
            }
        })?
    })
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
