//! A connection that moves to another core, with what it had received and not read.
//!
//! ```sh
//! cargo run --example hand_off
//! ```
//!
//! Prints, and ends by itself:
//!
//! ```text
//! core 0 answers "one"
//! core 1 answers "two"
//! ```

use std::io;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::{Cores, LaunchedCore, launch, stopping};

fn main() -> io::Result<()> {
    let launched = launch(Cores::Count(2), |core| async move {
        if core.index() == 0 { first(core).await } else { second().await }
    })?;
    launched.join().into_iter().try_for_each(|core| core?)
}

async fn second() -> io::Result<()> {
    stopping().await; // until then it does what others give it
    Ok(())
}

async fn first(core: LaunchedCore) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;

    client.write_all("one").await?;
    answer(&server, 0).await?;
    client.write_all("two").await?;

    // The stream itself belongs to this core. What is moved is the connection.
    let portable = server.into_portable().await?;
    let other = core.peers()[1];
    let moved = other.spawn(move || async move { answer(&portable.attach()?, 1).await });
    moved.await??;

    let ((), answers) = client.read_exact(vec![0; 6]).await?;
    assert_eq!(answers, b"onetwo");
    other.stop(None);
    Ok(())
}

async fn answer(stream: &TcpStream, core: usize) -> io::Result<()> {
    let ((), word) = stream.read_exact(vec![0; 3]).await?;
    println!("core {core} answers {:?}", String::from_utf8_lossy(&word));
    stream.write_all(word).await?;
    Ok(())
}
