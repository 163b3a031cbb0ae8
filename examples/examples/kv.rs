//! A cache that speaks the protocol of Redis, with a shard of the keys on each core.
//!
//! Its modules are in `examples/src/kv`; reading starts at `kv.rs`. SIGINT or SIGTERM ends it.
//!
//! ```sh
//! cargo run --release --example kv             # or: -- --addr 127.0.0.1:6379 --cores 2; --help
//! redis-cli set greeting hello ex 60           # elsewhere
//! redis-benchmark -t set,get -P 16 -q
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:6379
//! ```

use std::io;

use annulus_examples::kv::{HELP, Options, Server};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() -> io::Result<()> {
    let Some(options) = Options::parse(std::env::args().skip(1))? else {
        println!("{HELP}");
        return Ok(());
    };
    // A connection takes a descriptor each; if there are few, accepting says so.
    let _ = annulus::runtime::raise_descriptor_limit();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = Server::start(&options)?;
    println!("Listening on {}", server.address());
    signals.forever().next();
    server.stop()
}
