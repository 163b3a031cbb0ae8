//! The addresses of hosts, by their names, all asked for at once.
//!
//! The system's resolver blocks, so it is asked on a thread beside the core, which goes on.
//!
//! ```sh
//! cargo run --example resolve -- localhost:80 example.org:443
//! ```
//!
//! Prints a line for each address, and ends by itself:
//!
//! ```text
//! localhost:80 is 127.0.0.1:80
//! ```

use annulus::net::lookup_host;

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names.push("localhost:80".to_owned());
    }
    let asked: Vec<_> = names
        .into_iter()
        .map(|name| (name.clone(), annulus::spawn(async { lookup_host(name).await })))
        .collect();
    let mut failed = Ok(());
    for (name, answer) in asked {
        match answer.await? {
            Ok(addresses) => addresses.for_each(|address| println!("{name} is {address}")),
            Err(error) => failed = Err(error),
        }
    }
    failed
}
