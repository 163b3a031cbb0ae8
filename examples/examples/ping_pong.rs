//! Two tasks that play a ball over a socket pair.
//!
//! Both are on one thread; what wakes a player is the completion of a receive. One end is read into
//! a buffer of ours, the other leases the bytes where the kernel put them, and sends them back from
//! there.
//!
//! ```sh
//! cargo run --example ping_pong
//! ```
//!
//! Prints, and ends by itself:
//!
//! ```text
//! ping 1
//! pong 1
//! ping 2
//! pong 2
//! ping 3
//! pong 3
//! ```

use std::io;

use annulus::net::UnixStream;

#[annulus::main]
async fn main() -> io::Result<()> {
    let (left, right) = UnixStream::pair()?;
    let ping = annulus::spawn(ping(left));
    let pong = annulus::spawn(pong(right));
    // A handle gives what its task gave, or the panic that ended it.
    ping.await.expect("ping does not panic")?;
    pong.await.expect("pong does not panic")
}

async fn ping(stream: UnixStream) -> io::Result<()> {
    let mut ball = vec![0];
    for _ in 0..3 {
        ball[0] += 1;
        println!("ping {}", ball[0]);
        ((), ball) = stream.write_all(ball).await?;
        ((), ball) = stream.read_exact(ball).await?;
    }
    Ok(()) // dropping the stream closes it, and the other player sees its end
}

async fn pong(stream: UnixStream) -> io::Result<()> {
    while let Some(ball) = stream.recv().await? {
        println!("pong {}", ball[0]);
        stream.write_all(ball).await?;
    }
    Ok(())
}
