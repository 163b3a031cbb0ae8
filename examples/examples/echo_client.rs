//! Both directions of a connection at once, each in a task of its own.
//!
//! What a client sends must not wait for what it reads, or two that wait for each other stand
//! still. So the connection is split into owned halves; dropping the half that sends tells the
//! server that there is no more.
//!
//! ```sh
//! cargo run --example echo &
//! cargo run --example echo_client              # or with an address: -- localhost:7878
//! ```
//!
//! Prints, and ends by itself:
//!
//! ```text
//! 10000000 bytes came back as they were sent
//! ```

use std::io;

use annulus::net::TcpStream;

const PIECES: usize = 100;
const PIECE_BYTES: usize = 100_000;

#[annulus::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let stream = TcpStream::connect(address.as_deref().unwrap_or("127.0.0.1:7878")).await?;
    let (reader, writer) = stream.into_split();
    let sending = annulus::spawn(async move {
        for piece in 0..PIECES {
            writer.write_all(vec![piece as u8; PIECE_BYTES]).await?;
        }
        io::Result::Ok(()) // the half is dropped, and its direction ends
    });

    let mut bytes = 0;
    while let Some(lease) = reader.recv().await? {
        for &byte in lease.iter() {
            assert_eq!(byte, (bytes / PIECE_BYTES) as u8, "byte {bytes}");
            bytes += 1;
        }
    }
    sending.await??;
    println!("{bytes} bytes came back as they were sent");
    Ok(())
}
