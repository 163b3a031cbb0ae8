//! An echo server by a handler: a core for each CPU, a task for each connection.
//!
//! The core makes its handler, and `on_accept` makes the future that serves a connection.
//! `with_data` lends what arrived; while too much is queued for a peer that does not read, it is
//! not read from either. SIGINT or SIGTERM stops the server gently, a second one at once.
//!
//! ```sh
//! cargo run --example echo_async_server        # or with an address: -- 127.0.0.1:0
//! cargo run --example echo_client              # elsewhere; Ctrl-C ends the server
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:7878
//! 3 connections were served
//! ```

use annulus::serve::{Config, Conn, Error, Handler, Inherited, Parsed, Server};

struct Echo;

impl Handler for Echo {
    async fn on_accept(&self, conn: Conn) {
        loop {
            let n = conn
                .with_data(|data| {
                    conn.send_nowait(data).ok();
                    Parsed::Consumed(data.len())
                })
                .await;
            if n == 0 {
                break;
            }
        }
    }

    fn for_core(_id: usize) -> Self {
        Echo
    }
}

fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7878").parse().expect("an address");
    // Started by systemd with a socket unit (deploy/), it takes the listener from there.
    let server = Server::builder(Config::default()).inherit(Inherited::from_env()?).bind(address);
    let (handle, workers) = server.launch::<Echo>()?;
    println!("Listening on {}", handle.addr().expect("it listens"));
    handle.wait_for_signal()?;
    handle.shutdown();
    for worker in workers {
        worker.join().expect("no core panics")?;
    }
    println!("{} connections were served", handle.metrics().accepted());
    Ok(())
}
