//! A read that never completes, against a timer: what is given up is cancelled in the kernel.
//!
//! Nobody writes to the other end, so the read stays with the kernel. When the timer wins, the
//! future of the read is dropped, and an `ASYNC_CANCEL` goes after it; the buffer is kept until the
//! kernel has let go of it, and nothing is left in flight.
//!
//! ```sh
//! cargo run --example timeout_race
//! ```
//!
//! Prints what the core has counted, and ends by itself:
//!
//! ```text
//! before: 0 cancels
//! racing: 1 read is with the kernel
//! the timer won after 20 ms
//! after:  1 cancel, 1 orphan, 0 reads are with the kernel
//! ```

use std::io;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{Metrics, metrics};
use annulus::select;
use annulus::task::yield_now;
use annulus::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(20);

#[annulus::main]
async fn main() -> io::Result<()> {
    let (silent, listening) = UnixStream::pair()?;
    let before = metrics()?;
    println!("before: {} cancels", before.cancels);

    let start = Instant::now();
    select! {
        read = listening.read(vec![0; 1024]) => println!("the read won: {:?}", read?.0),
        () = sleep(PAUSE) => {
            // The read is gone as a future; the kernel has yet to hear of it.
            println!("racing: {} read is with the kernel", reads(&metrics()?, &before));
            println!("the timer won after {} ms", start.elapsed().as_millis());
        }
    }

    // The next turn sends the cancel, and its completion takes the slot back.
    while reads(&metrics()?, &before) > 0 {
        yield_now().await;
    }
    let after = metrics()?;
    println!(
        "after:  {} cancel, {} orphan, {} reads are with the kernel",
        after.cancels - before.cancels,
        after.orphans - before.orphans,
        reads(&after, &before),
    );
    drop(silent);
    Ok(())
}

/// Operations in flight since `before`.
fn reads(now: &Metrics, before: &Metrics) -> u32 {
    now.ops_in_flight - before.ops_in_flight
}
