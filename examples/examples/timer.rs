//! Sleeping, ticking and giving up, besides each other on one thread.
//!
//! Three tasks wait at the same time. Each timer is an entry in the core's wheel; the thread sleeps
//! in one wait of the kernel until the next one is due.
//!
//! ```sh
//! cargo run --example timer
//! ```
//!
//! Prints, with the times that it took, and ends by itself:
//!
//! ```text
//!   0 ms  tick 0
//!  50 ms  gave up: the time for this was over before it had ended
//! 100 ms  tick 1
//! 150 ms  slept
//! 200 ms  tick 2
//! ```

use std::time::Duration;

use annulus::time::{Instant, interval, sleep, timeout};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let start = Instant::now();
    let say = move |what: &str| println!("{:>3} ms  {what}", start.elapsed().as_millis());

    let ticking = annulus::spawn(async move {
        let mut interval = interval(ms(100));
        for n in 0..3 {
            interval.tick().await;
            say(&format!("tick {n}"));
        }
    });
    let sleeping = annulus::spawn(async move {
        sleep(ms(150)).await;
        say("slept");
    });
    // What is given up is dropped: an operation in flight would be cancelled.
    if let Err(elapsed) = timeout(ms(50), std::future::pending::<()>()).await {
        say(&format!("gave up: {elapsed}"));
    }

    // A handle gives what its task gave, or the panic that ended it.
    sleeping.await.expect("sleeping does not panic");
    ticking.await.expect("ticking does not panic");
    Ok(())
}
