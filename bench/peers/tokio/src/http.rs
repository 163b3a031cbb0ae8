//! A greeting over HTTP/1.1 with hyper.

use std::convert::Infallible;
use std::io;

use annulus_bench::{GREETING, Job, Sample};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        listener.set_nonblocking(true)?;
        super::run(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(greet));
                spawn_local(connection);
            }
        })?
    })
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
