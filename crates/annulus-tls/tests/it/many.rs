//! Many connections at once: their servers in one process, their clients in another, so that each
//! has descriptors for its own ends only. Both are of their own, for what is in memory is measured.

use std::io;
use std::process::{Command, Stdio};

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::Runtime;
use annulus::time::timeout;
use annulus_tls::{Roots, TlsAcceptor, TlsConnector};

use crate::support::{BOUND, made, nothing_left, skip};

/// How many, without being asked for another number: handshakes without optimisation take longer.
const USUALLY: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
/// What a process needs besides.
const DESCRIPTORS: usize = 100;
/// Set in the process that measures what a connection costs, and so does nothing else.
const ALONE: &str = "ANNULUS_TLS_ALONE";
const ADDRESS: &str = "ANNULUS_TLS_ADDRESS";
const ROOTS: &str = "ANNULUS_TLS_ROOTS";

fn count() -> usize {
    let asked = std::env::var("ANNULUS_TLS_CONNECTIONS").ok();
    let asked = asked.map(|count| count.parse().expect("ANNULUS_TLS_CONNECTIONS is a number"));
    asked.unwrap_or(USUALLY)
}

/// `ANNULUS_TLS_CONNECTIONS=10000 cargo test -p annulus-tls --test it many_connections --
/// --nocapture` opens so many, and says what one costs.
#[test]
fn many_connections_are_open_at_once_and_all_answer() {
    let count = count();
    let (_, hard) = annulus::runtime::raise_descriptor_limit().unwrap();
    if (hard as usize) < count + DESCRIPTORS {
        let why = format!("{hard} descriptors are too few for {count} connections");
        return skip("many_connections_are_open_at_once_and_all_answer", &why);
    }
    if std::env::var_os(ALONE).is_none() {
        return alone();
    }
    let directory = tempfile::tempdir().unwrap();
    let made = made(&["localhost"]);
    let (chain, _) = made.write(directory.path(), "server");
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    let runtime = Runtime::new().expect("io_uring is there");
    let ended: io::Result<()> = runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut clients = Command::new(std::env::current_exe()?)
            .args(["--ignored", "--exact", "many::in_a_process_of_its_own_clients_speak"])
            .env(ADDRESS, listener.local_addr()?.to_string())
            .env(ROOTS, chain)
            .env("ANNULUS_TLS_CONNECTIONS", count.to_string())
            .stdout(Stdio::null())
            .spawn()?;
        let served = timeout(5 * BOUND, serve(&listener, &acceptor, count)).await?;
        if served.is_err() {
            clients.kill()?;
        }
        let succeeded = clients.wait()?.success();
        served?;
        assert!(succeeded, "every client has its number back");
        Ok(())
    });
    nothing_left(runtime);
    ended.expect("all connections work");
}

/// Runs the test above once more, in a process that has nothing else in memory.
fn alone() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "many::many_connections_are_open_at_once_and_all_answer", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("the test binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    println!("{said}");
}

async fn serve(listener: &TcpListener, acceptor: &TlsAcceptor, count: usize) -> io::Result<()> {
    // The first makes what is there once.
    let mut open = vec![acceptor.accept(listener.accept().await?.0).await?];
    let before = resident_bytes();
    while open.len() < count {
        open.push(acceptor.accept(listener.accept().await?.0).await?);
    }
    let each = resident_bytes().saturating_sub(before) / (count - 1).max(1);
    println!("{count} connections: {each} bytes for each that is idle");
    assert!(each < 64 * 1024, "{each} bytes for a connection that is idle");
    for server in &open {
        let number = server.recv().await?.expect("a number");
        server.write_all(number).await?;
    }
    for server in &open {
        server.shutdown().await?;
        assert!(server.recv().await?.is_none(), "the client has heard all, and ends");
    }
    Ok(())
}

/// Not a test of its own: the one above runs it.
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn in_a_process_of_its_own_clients_speak() {
    let (Ok(address), Ok(roots)) = (std::env::var(ADDRESS), std::env::var(ROOTS)) else {
        return skip("in_a_process_of_its_own_clients_speak", "nobody serves it");
    };
    annulus::runtime::raise_descriptor_limit().unwrap();
    let mut trusted = Roots::new();
    trusted.add_pem_file(roots).unwrap();
    let connector = TlsConnector::builder().roots(trusted).build().unwrap();
    let runtime = Runtime::new().expect("io_uring is there");
    let ended: io::Result<()> = runtime.block_on(async move {
        let mut open = Vec::new();
        for _ in 0..count() {
            open.push(connector.connect("localhost", TcpStream::connect(&address).await?).await?);
        }
        for (number, client) in open.iter().enumerate() {
            client.write_all(number.to_le_bytes().to_vec()).await?;
        }
        for (number, client) in open.iter().enumerate() {
            let ((), back) = client.read_exact(vec![0; size_of::<usize>()]).await?;
            assert_eq!(back, number.to_le_bytes());
            assert!(client.recv().await?.is_none(), "the server ends first");
            client.shutdown().await?;
        }
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
