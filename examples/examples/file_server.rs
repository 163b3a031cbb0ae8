//! Serves the files below a directory over HTTP, one for each connection.
//!
//! The kernel itself refuses every path that leads out of the directory (`openat2`), and moves the
//! file's pages to the socket without a copy (`sendfile`). What is not cached, the ring reads.
//!
//! ```sh
//! cargo run --release --example file_server -- docs    # or: -- docs 127.0.0.1:0
//! curl http://127.0.0.1:8080/ARCHITECTURE.md           # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:8080
//! sent 5214 bytes
//! ```

use std::{io, rc::Rc};

use annulus::fs::{Dir, File, OpenOptions};
use annulus::net::{Parsed, TcpListener, TcpStream};

const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const HEAD_BYTES_MAX: usize = 8 * 1024;

#[annulus::main]
async fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = Rc::new(Dir::open(args.next().as_deref().unwrap_or(".")).await?);
    let listener = TcpListener::bind(args.next().as_deref().unwrap_or("127.0.0.1:8080"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => drop(annulus::spawn(session(Rc::clone(&dir), stream))),
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn session(dir: Rc<Dir>, stream: TcpStream) {
    match serve(&dir, &stream).await {
        Ok(bytes) => println!("sent {bytes} bytes"),
        Err(error) => eprintln!("{error}"),
    }
}

/// Answers one request, and gives how many bytes of a file that took.
async fn serve(dir: &Dir, stream: &TcpStream) -> io::Result<u64> {
    let mut path = None;
    let parse = |bytes: &[u8]| match bytes.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => {
            path = requested(&bytes[..at]);
            Parsed::Consumed(at + 4)
        }
        None if bytes.len() > HEAD_BYTES_MAX => Parsed::Consumed(bytes.len()),
        None => Parsed::NeedMore,
    };
    stream.with_data(parse).await?;
    let Ok((file, len)) = open(dir, &path.unwrap_or_default()).await else {
        stream.write_all(MISSING).await?;
        return Ok(0);
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
    stream.write_all(head).await?;
    stream.send_file(&file, 0..len).await
}

/// The path after `GET /`, as it was sent: `%` escapes mean themselves here.
fn requested(head: &[u8]) -> Option<String> {
    let path = head.strip_prefix(b"GET /")?.split(|b| *b == b' ').next()?;
    String::from_utf8(path.to_vec()).ok()
}

async fn open(dir: &Dir, path: &str) -> io::Result<(File, u64)> {
    let file = dir.open_beneath(path, OpenOptions::new().read(true)).await?;
    match file.metadata()? {
        metadata if metadata.is_file() => Ok((file, metadata.len())),
        _ => Err(io::ErrorKind::IsADirectory.into()),
    }
}
