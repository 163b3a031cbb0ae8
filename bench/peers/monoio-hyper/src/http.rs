//! A greeting over HTTP/1.1 with hyper, as monoio's example has it, but for the timer, which no
//! other program has.

use std::convert::Infallible;
use std::io;

use annulus_bench::{GREETING, Job, Sample};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use monoio::io::IntoPollIo;
use monoio::net::TcpListener;
use monoio_compat::hyper::MonoioIo;

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        super::run(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                let io = MonoioIo::new(stream.into_poll_io()?);
                monoio::spawn(http1::Builder::new().serve_connection(io, service_fn(greet)));
            }
        })?
    })
}

async fn greet(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(GREETING)))
}
