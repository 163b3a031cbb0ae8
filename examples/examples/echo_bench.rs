//! An echo server and its clients in one process: what a round trip costs here.
//!
//! The server has one core, the clients another: tasks with a connection each, that send a message
//! and wait for its echo. It runs for some seconds, prints a table, and ends. For figures that can
//! be compared, and other programs to compare with, there is `annulus bench`.
//!
//! ```sh
//! cargo run --release --example echo_bench     # or with a number of round trips: -- 1000
//! ```
//!
//! ```text
//! connections   bytes   round trips   per second   p50 us   p99 us
//!           1      64         40000        19874       48       81
//!          64      64         40000       131204      472      731
//! ```

use std::time::Instant;

use annulus::runtime::Cores;
use annulus::serve::{self, Config, Conn};
use annulus::task::JoinSet;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let trips = std::env::args().nth(1).map_or(Ok(40_000), |trips| trips.parse())?;
    let echo = serve::tcp("127.0.0.1:0", |conn: Conn| async move {
        while let Some(lease) = conn.recv().await? {
            conn.send(lease).await?; // sent from where it was received
        }
        Ok(())
    });
    let (handle, workers) = echo.config(Config::new().cores(Cores::Count(1))).launch()?;
    let runtime = annulus::runtime::Runtime::new()?;
    println!("connections   bytes   round trips   per second   p50 us   p99 us");
    for (connections, bytes) in [(1, 64), (16, 64), (64, 64), (64, 4096)] {
        let begun = Instant::now();
        let mut took = runtime.block_on(async {
            let mut clients = JoinSet::new();
            for _ in 0..connections {
                clients.spawn(client(handle.addr(), trips / connections, bytes));
            }
            clients.join_all().await.into_iter().collect::<std::io::Result<Vec<_>>>()
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        let mut took: Vec<u128> = took.drain(..).flatten().collect();
        took.sort_unstable();
        let (count, at) = (took.len(), |part: usize| took.get(took.len() * part / 100));
        println!(
            "{connections:11} {bytes:7} {count:13} {:12.0} {:8} {:8}",
            count as f64 / seconds,
            at(50).copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default(),
        );
    }
    handle.shutdown();
    workers.join()?;
    Ok(())
}

/// Round trips one after the other, and how many microseconds each took.
async fn client(
    address: Option<std::net::SocketAddr>,
    trips: usize,
    bytes: usize,
) -> std::io::Result<Vec<u128>> {
    let conn = Conn::connect(address.expect("it listens")).await?;
    let (mut message, mut took) = (vec![b'x'; bytes], Vec::with_capacity(trips));
    for _ in 0..trips {
        let begun = Instant::now();
        ((), message) = conn.send(message).await?;
        let mut back = 0;
        while back < bytes {
            back += conn.recv().await?.expect("it is echoed").len();
        }
        took.push(begun.elapsed().as_micros());
    }
    Ok(took)
}
