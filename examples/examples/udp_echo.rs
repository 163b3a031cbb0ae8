//! An echo server of datagrams: leased, in batches.
//!
//! One request of the kernel receives datagram after datagram into buffers that it chooses. What is
//! there is taken at once, and sent back from where it was received, with one submission.
//!
//! ```sh
//! cargo run --example udp_echo                 # or with an address: -- 127.0.0.1:0
//! nc -u 127.0.0.1 7878                         # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! 127.0.0.1:43210 was sent back 12 bytes
//! ```

use annulus::net::UdpSocket;

/// Datagrams that are answered together.
const BATCH: usize = 64;

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let socket = UdpSocket::bind(address.as_deref().unwrap_or("127.0.0.1:7878"))?;
    println!("Listening on {}", socket.local_addr()?);
    loop {
        let datagrams = socket.recv_batch(BATCH).await?;
        let senders: Vec<_> = datagrams.iter().map(|datagram| *datagram.sender()).collect();
        let leases = datagrams.into_iter().map(|datagram| datagram.into_lease());
        let sent = socket.send_batch(leases.zip(senders.iter().copied())).await;
        for (sent, sender) in sent.into_iter().zip(senders) {
            match sent {
                Ok((bytes, _)) => println!("{sender} was sent back {bytes} bytes"),
                Err(error) => eprintln!("{sender}: {error}"),
            }
        }
    }
}
