//! A TCP proxy: what comes from either side goes to the other, until both have said all.
//!
//! The end of one direction is passed on and leaves the other open, so a client that ends its
//! request with its direction gets its answer.
//!
//! ```sh
//! cargo run --example proxy -- example.org:80 127.0.0.1:8080
//! curl --header 'Host: example.org' http://127.0.0.1:8080/     # elsewhere; Ctrl-C ends the proxy
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:8080
//! 127.0.0.1:43210 sent 75 bytes and got 1256
//! ```

use std::io;
use std::time::Duration;

use annulus::io::copy_bidirectional;
use annulus::net::{TcpListener, TcpStream};

#[annulus::main]
async fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let to = args.next().unwrap_or_else(|| "127.0.0.1:7878".to_owned());
    let listener = TcpListener::bind(args.next().as_deref().unwrap_or("127.0.0.1:8080"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                let to = to.clone();
                drop(annulus::spawn(async move {
                    match pass_on(client, to).await {
                        Ok((sent, got)) => println!("{peer} sent {sent} bytes and got {got}"),
                        Err(error) => eprintln!("{peer}: {error}"),
                    }
                }));
            }
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// Joins a client to the other side. Gives how many bytes went there, and how many came back.
async fn pass_on(client: TcpStream, to: String) -> io::Result<(u64, u64)> {
    let server = TcpStream::connect_timeout(to, Duration::from_secs(10)).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    copy_bidirectional(&client, &server).await
}
