//! A greeting over HTTP/1.1 with hyper, through the stream that `cyper-core`, by compio's authors,
//! has for it.

use std::convert::Infallible;
use std::io;

use annulus_bench::{GREETING, Job, Sample};
use compio::net::TcpListener;
use cyper_core::HyperStream;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        super::runtime()?.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                let io = HyperStream::new_plain(stream);
                let connection = http1::Builder::new().serve_connection(io, service_fn(greet));
                compio::runtime::spawn(connection).detach();
            }
        })
    })
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
