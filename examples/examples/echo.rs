//! An echo server: accept, read, write, with owned buffers.
//!
//! The kernel may use a buffer after the future that named it is gone. So a buffer moves into each
//! operation, and comes back with the result: one allocation for each connection, no copy.
//!
//! ```sh
//! cargo run --example echo                     # or with an address: -- 127.0.0.1:0
//! nc 127.0.0.1 7878                            # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! 127.0.0.1:43210 was sent back 12 bytes
//! ```

use annulus::net::{TcpListener, TcpStream};

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:7878"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(annulus::spawn(async move {
                match echo(stream).await {
                    Ok(bytes) => println!("{peer} was sent back {bytes} bytes"),
                    Err(error) => eprintln!("{peer}: {error}"),
                }
            })),
            // Descriptors may have run out; the next call waits a little, so going on is right.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

/// Sends back what arrives until the peer has said all, and gives how many bytes that were.
async fn echo(stream: TcpStream) -> std::io::Result<u64> {
    let mut total = 0;
    let mut buf = Vec::with_capacity(16 * 1024);
    loop {
        let (n, filled) = stream.read(buf).await?;
        if n == 0 {
            return Ok(total);
        }
        total += n as u64;
        ((), buf) = stream.write_all(filled).await?;
    }
}
