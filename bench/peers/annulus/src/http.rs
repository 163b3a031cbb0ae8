//! A greeting over HTTP/1.1 with hyper.

use std::convert::Infallible;
use std::io;

use annulus::net::TcpListener;
use annulus_bench::{GREETING, Job, Sample, ours};
use annulus_http::Io;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        ours::run(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                let connection =
                    http1::Builder::new().serve_connection(Io::new(stream), service_fn(greet));
                drop(annulus::spawn(connection));
            }
        })?
    })
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
