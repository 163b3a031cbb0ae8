//! hyper on Annulus: a greeting over HTTP/1 and HTTP/2, on one port.
//!
//! `Server` finds out what a client speaks from its first bytes. A connection copies its bytes out
//! of the kernel's buffers, so an idle one holds none, and all that a turn of the core writes goes
//! out at its end. The service need not be `Send`: here it counts in a `Cell`.
//!
//! ```sh
//! cargo run --release --example hyper_hello    # or with an address: -- 127.0.0.1:0
//! curl http://127.0.0.1:8080/                  # elsewhere, also with --http2-prior-knowledge
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:8080
//! ```

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use annulus::net::TcpListener;
use annulus_http::Server;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

#[annulus::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080"))?;
    println!("Listening on {}", listener.local_addr()?);
    let served = Rc::new(Cell::new(0));
    let service = move |_peer| {
        let served = served.clone();
        service_fn(move |request: Request<Incoming>| {
            served.set(served.get() + 1);
            let n = served.get();
            async move {
                let text = format!("Hello, world! Request {n}, by {:?}.\n", request.version());
                io::Result::Ok(Response::new(Full::<Bytes>::from(text)))
            }
        })
    };
    Server::new().serve(listener, service).on_error(|error| eprintln!("{error}")).await
}
