//! A client of `echo`: connects, sends a line, reads it back.
//!
//! ```sh
//! cargo run --example echo &
//! cargo run --example connect_echo             # or with an address: -- localhost:7878
//! ```
//!
//! Prints, and ends by itself:
//!
//! ```text
//! Connected to 127.0.0.1:7878
//! "hello" came back
//! ```

use annulus::net::TcpStream;

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let stream = TcpStream::connect(address.as_deref().unwrap_or("127.0.0.1:7878")).await?;
    println!("Connected to {}", stream.peer_addr()?);
    stream.write_all("hello").await?;
    let ((), back) = stream.read_exact(vec![0; 5]).await?;
    println!("{:?} came back", String::from_utf8_lossy(&back));
    Ok(())
}
