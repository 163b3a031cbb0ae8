//! HTTP/1.1 by hand: a greeting for each request, over connections that stay open.
//!
//! A reader lends the bytes of a request where the kernel put them, so an idle connection holds no
//! buffer. What is not consumed, such as the next request sent ahead, comes first next time.
//!
//! ```sh
//! cargo run --release --example http_server    # or with an address: -- 127.0.0.1:0
//! curl -i http://127.0.0.1:8080/               # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:8080
//! ```

use std::io;

use annulus::net::{TcpListener, TcpStream};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, world!\n";
const ONLY_GET: &str = "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\n\
                        Connection: close\r\n\r\n";
const TOO_LONG: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\
                        Connection: close\r\n\r\n";
const HEAD_BYTES_MAX: usize = 8 * 1024;

#[annulus::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => drop(annulus::spawn(async move {
                if let Err(error) = connection(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })),
            // Descriptors may have run out; the next call waits a little, so going on is right.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn connection(stream: TcpStream) -> io::Result<()> {
    let mut reader = stream.reader();
    let mut bytes = reader.fill_buf().await?;
    while !bytes.is_empty() {
        let seen = bytes.len();
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let (response, last) = respond(&bytes[..at]);
            reader.consume(at + 4);
            stream.write_all(response).await?;
            if last {
                break;
            }
            bytes = reader.fill_buf().await?;
        } else if seen > HEAD_BYTES_MAX {
            stream.write_all(TOO_LONG).await?;
            break;
        } else {
            bytes = reader.fill_more().await?;
            if bytes.len() == seen {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    Ok(())
}

/// The response to a request with this head, and whether the connection ends with it.
fn respond(head: &[u8]) -> (&'static str, bool) {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.starts_with("get ") {
        return (ONLY_GET, true);
    }
    let stays = head.contains(" http/1.1") && !head.contains("\r\nconnection: close");
    (HELLO, !stays)
}
