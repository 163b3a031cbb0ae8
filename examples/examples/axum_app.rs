//! An application of axum whose handlers hold connections, files and timers of Annulus.
//!
//! axum wants the futures of its handlers to be `Send`. The handles of Annulus are, so there is
//! nothing to wrap: `/relay` awaits a connection of its own, `/file` a file.
//!
//! ```sh
//! cargo run --release --example axum_app       # or with an address: -- 127.0.0.1:0
//! curl http://127.0.0.1:8080/                  # elsewhere; see also /file?/etc/hostname
//! curl -d hello http://127.0.0.1:8080/relay    # through another connection and back
//! curl -X POST http://127.0.0.1:8080/quit      # answers, finishes what it has, ends
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:8080
//! ```

use std::io;
use std::net::{Shutdown, SocketAddr};

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream};
use annulus::sync::cross::{Sender, channel};
use annulus_http::{ConnectInfo, serve};
use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Router, body::Body, http::StatusCode};
use http_body_util::BodyExt as _;

type Answer = Result<Vec<u8>, (StatusCode, String)>;

fn failed(error: impl Into<io::Error>) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, format!("{}\n", error.into()))
}

/// Says the body to the echo, and what comes back to the client.
async fn relay(State(echo): State<SocketAddr>, body: Body) -> Answer {
    let body = body.collect().await.map_err(io::Error::other).map_err(failed)?.to_bytes();
    let stream = TcpStream::connect(echo).await.map_err(failed)?;
    stream.write_all(body).await.map_err(failed)?;
    stream.shutdown(Shutdown::Write).map_err(failed)?;
    let mut answer = Vec::new();
    while let Some(lease) = stream.recv().await.map_err(failed)? {
        answer.extend_from_slice(&lease);
    }
    Ok(answer)
}

async fn file(RawQuery(path): RawQuery) -> Answer {
    let file = File::open(path.unwrap_or_default()).await.map_err(failed)?;
    let (_, text) = file.read_at(Vec::with_capacity(64 * 1024), 0).await.map_err(failed)?;
    Ok(text)
}

async fn echo(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        annulus::spawn(async move { annulus::io::copy(&mut &stream, &mut &stream).await });
    }
}

#[annulus::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080"))?;
    println!("Listening on {}", listener.local_addr()?);
    let behind = TcpListener::bind("127.0.0.1:0")?;
    let (quit, mut asked_to) = channel::<()>(1);
    let quitting = async |State(quit): State<Sender<()>>| match quit.try_send(()) {
        Ok(()) => "Goodbye.\n",
        Err(_) => "Somebody has asked already.\n",
    };
    let app = Router::new()
        .route("/", get(async |ConnectInfo(peer)| format!("Hello, {peer}!\n")))
        .route("/file", get(file))
        .route("/relay", post(relay).with_state(behind.local_addr()?))
        .route("/quit", post(quitting).with_state(quit));
    annulus::spawn(echo(behind));
    let signal = async move { asked_to.recv().await.unwrap_or_default() };
    serve(listener, app).with_graceful_shutdown(signal).await
}
