//! Many connections at once.

use std::io;

use annulus_tls::{TlsAcceptor, TlsConnector};

use crate::support::{connected, made, nothing_left, skip};

/// How many, without being asked for another number: handshakes without optimisation take longer.
const USUALLY: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
/// What the process needs besides.
const DESCRIPTORS: usize = 100;

/// `ANNULUS_TLS_CONNECTIONS=10000 cargo test --release -p annulus-tls --test it many --
/// --nocapture` opens so many, and says what one costs.
#[test]
fn many_connections_are_open_at_once_and_all_answer() {
    let asked = std::env::var("ANNULUS_TLS_CONNECTIONS").ok();
    let asked = asked.map(|count| count.parse().expect("ANNULUS_TLS_CONNECTIONS is a number"));
    let count = asked.unwrap_or(USUALLY);
    let (_, hard) = annulus::runtime::raise_descriptor_limit().unwrap();
    if (hard as usize) < 2 * count + DESCRIPTORS {
        let why = format!("{hard} descriptors are too few for {count} connections");
        return skip("many_connections_are_open_at_once_and_all_answer", &why);
    }
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    let connector = TlsConnector::builder().roots(made.roots()).build().unwrap();
    let runtime = annulus::runtime::Runtime::new().expect("io_uring is there");
    let ended: io::Result<()> = runtime.block_on(async move {
        let warm = connected(&connector, &acceptor, "localhost").await?;
        let before = resident_bytes();
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            open.push(connected(&connector, &acceptor, "localhost").await?);
        }
        let each = (resident_bytes() - before) / (2 * count);
        println!("{count} connections: {each} bytes for each end of one, with its socket's record");
        assert!(each < 64 * 1024, "{each} bytes for an end that is idle");
        for (number, (client, server)) in open.iter().enumerate() {
            client.write_all(number.to_le_bytes().to_vec()).await?;
            server.write_all(server.recv().await?.expect("a number")).await?;
        }
        for (number, (client, _)) in open.iter().enumerate() {
            assert_eq!(&*client.recv().await?.expect("a number"), number.to_le_bytes());
        }
        drop(warm);
        Ok(())
    });
    nothing_left(runtime);
    ended.expect("all connections work");
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let resident = pages.split(' ').nth(1).expect("the second number is what is resident");
    4096 * resident.parse::<usize>().expect("a number")
}
