//! An echo server without a buffer of its own: a closure sees the bytes where the kernel put them.
//!
//! `with_data` lends what arrived to a closure, which says how much of it is used up; a parser
//! would ask for more with `Parsed::NeedMore`. `send_nowait` queues an answer from inside of it.
//! While too much is queued the closure is not called: a peer that does not read is not read from.
//!
//! ```sh
//! cargo run --example with_data                # or with an address: -- 127.0.0.1:0
//! nc 127.0.0.1 7878                            # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! ```

use annulus::net::{Parsed, TcpListener, TcpStream};

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:7878"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(annulus::spawn(async move {
                if let Err(error) = echo(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })),
            // Descriptors may have run out; the next call waits a little, so going on is right.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn echo(stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut queued = Ok(());
        let n = stream
            .with_data(|bytes| {
                queued = stream.send_nowait(bytes);
                Parsed::Consumed(bytes.len())
            })
            .await?;
        queued?;
        if n == 0 {
            return Ok(()); // dropping the stream sends what is queued, then closes
        }
    }
}
