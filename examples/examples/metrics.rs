//! Seeing inside: another thread reads what a core counts, and asks it what every task waits for.
//!
//! A core answers a client over a socket pair while one task sleeps and another waits for a join.
//! The numbers are read without its knowledge; the dump it gives itself, between two turns.
//!
//! ```sh
//! cargo run --example metrics
//! ```
//!
//! Prints the table of a hundred questions, then the dump, and ends by itself:
//!
//! ```text
//! turns             302         0 longest, ns         0 stalls
//! ...
//! task "echo" TaskId(0:3.0) waits for data on descriptor 8; polled 1 rounds ago; ...
//! task "sleeper" TaskId(0:4.0) waits for a timer in 60.0s; ...
//! task "joiner" TaskId(0:5.0) waits for the end of "sleeper" TaskId(0:4.0); ...
//! ```

use std::io;
use std::sync::mpsc::channel;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{CoreHandle, Runtime, stopping};
use annulus::task::spawn_named;
use annulus::time::sleep;

fn main() -> io::Result<()> {
    let (ready, is_ready) = channel();
    let core = std::thread::spawn(move || {
        let tell = |core| ready.send(core).expect("the main thread waits for it");
        Runtime::new()?.block_on(serve(tell))
    });
    let handle: CoreHandle = is_ready.recv().map_err(io::Error::other)?;

    if let Some(metrics) = handle.metrics() {
        println!("{metrics}");
    }
    let dump = handle.dump_blocking(Duration::from_secs(5))?;
    for task in &dump.tasks {
        println!("{task}");
    }
    handle.stop(None);
    core.join().expect("the core does not panic")
}

async fn serve(ready: impl FnOnce(CoreHandle)) -> io::Result<()> {
    let (client, server) = UnixStream::pair()?;
    let echo = spawn_named("echo", async move {
        while let Some(lease) = server.recv().await? {
            server.write_all(lease).await?;
        }
        io::Result::Ok(())
    });
    let sleeper = spawn_named("sleeper", sleep(Duration::from_secs(60)));
    let wake_up = sleeper.abort_handle();
    let joiner = spawn_named("joiner", sleeper);
    for _ in 0..100 {
        client.write_all("a question").await?;
        client.read_exact(vec![0; 10]).await?;
    }
    ready(CoreHandle::current()?);
    stopping().await;
    wake_up.abort();
    drop(client);
    assert!(joiner.await?.is_err(), "the sleeper was aborted");
    echo.await?
}
