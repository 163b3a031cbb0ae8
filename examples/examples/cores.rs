//! One echo server per core: each CPU has its own listener, ring and tasks, and nothing is shared.
//!
//! The kernel spreads connections over the listeners (`SO_REUSEPORT`). Ends when its standard input
//! does: every core stops accepting and has a second for the connections that it still serves.
//!
//! ```sh
//! cargo run --example cores                    # or with an address: -- 127.0.0.1:7878
//! nc 127.0.0.1 7878                            # elsewhere
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! 4 connections were served
//! ```

use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::{Cores, Runtime, launch, stopping};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7878".to_owned());
    let (listens, listening) = std::sync::mpsc::channel();
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    // Chooses the port if it is 0, and says so if the address is taken.
    let address = Runtime::new()?.block_on(async { listen(address)?.local_addr() })?;
    let launched = launch(Cores::All, move |_core| {
        let listens = listens.clone();
        async move {
            let listener = listen(address);
            listens.send(()).map_err(io::Error::other)?;
            serve(listener?).await
        }
    })?;
    for _core in launched.cores() {
        listening.recv().map_err(io::Error::other)?;
    }
    println!("Listening on {address}");
    io::stdin().read_to_end(&mut Vec::new())?;
    for core in launched.shutdown(Duration::from_secs(1)) {
        core??;
    }
    // ORDERING: Relaxed; the threads were joined.
    println!("{} connections were served", SERVED.load(Ordering::Relaxed));
    Ok(())
}

static SERVED: AtomicU32 = AtomicU32::new(0);

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind_with(address, ListenOptions::new().reuse_port(true))
}

/// Accepts until the core is to stop.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let accepting = annulus::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            // ORDERING: Relaxed; a count, read in `main` after the threads were joined.
            SERVED.fetch_add(1, Ordering::Relaxed);
            annulus::spawn(echo(stream));
        }
    });
    stopping().await;
    accepting.abort();
    Ok(())
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
