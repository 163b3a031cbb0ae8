//! The echo servers, and how a server ends.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use crate::example::{BOUND, Example, connect};

const SIGINT: i32 = 2;

/// Says more than sockets and queues hold while reading what comes back.
fn much_comes_back(address: SocketAddr) -> io::Result<usize> {
    let said: Vec<u8> = (0..4_000_003_u32).map(|n| (n % 253) as u8).collect();
    let client = connect(address)?;
    let mut heard = Vec::new();
    std::thread::scope(|scope| {
        let saying = scope.spawn(|| {
            (&client).write_all(&said)?;
            client.shutdown(Shutdown::Write)
        });
        (&client).read_to_end(&mut heard)?;
        saying.join().expect("the writer does not panic")
    })?;
    assert!(heard == said, "{} bytes came back of {}", heard.len(), said.len());
    Ok(said.len())
}

/// A client is answered while an older one says nothing.
fn clients_do_not_wait_for_each_other(address: SocketAddr) -> io::Result<()> {
    let mut first = connect(address)?;
    let mut second = connect(address)?;
    for client in [&mut second, &mut first] {
        let mut answer = [0; 5];
        client.write_all(b"hello")?;
        client.read_exact(&mut answer)?;
        assert_eq!(&answer, b"hello");
    }
    Ok(())
}

#[test]
fn echo_sends_everything_back_and_counts_it() -> io::Result<()> {
    let (server, address) = Example::serve("echo", &[]);
    let bytes = much_comes_back(address)?;
    let line = server.line();
    assert!(line.ends_with(&format!(" was sent back {bytes} bytes")), "{line}");
    Ok(())
}

#[test]
fn echo_serves_clients_besides_each_other() -> io::Result<()> {
    let (_server, address) = Example::serve("echo", &[]);
    clients_do_not_wait_for_each_other(address)
}

#[test]
fn udp_echo_sends_every_datagram_back_whatever_its_length() -> io::Result<()> {
    let (server, address) = Example::serve("udp_echo", &[]);
    let clients = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
    for client in &clients {
        client.set_read_timeout(Some(BOUND))?;
        client.connect(address)?;
        client.send(&[1; 9])?;
    }
    for client in &clients {
        assert_eq!(client.recv(&mut [0; 10])?, 9);
        let line = server.line();
        assert!(line.ends_with(" was sent back 9 bytes"), "{line}");
    }
    for len in [0, 1, 1472, 65507] {
        let said: Vec<u8> = (0..len).map(|n| (n % 253) as u8).collect();
        clients[0].send(&said)?;
        let mut heard = vec![0; 65536];
        assert_eq!(clients[0].recv(&mut heard)?, said.len());
        assert!(heard.starts_with(&said));
    }
    Ok(())
}

#[test]
fn with_data_sends_everything_back() -> io::Result<()> {
    let (_server, address) = Example::serve("with_data", &[]);
    much_comes_back(address)?;
    Ok(())
}

#[test]
fn with_data_serves_clients_besides_each_other() -> io::Result<()> {
    let (_server, address) = Example::serve("with_data", &[]);
    clients_do_not_wait_for_each_other(address)
}

#[test]
fn a_server_ends_on_ctrl_c() -> io::Result<()> {
    let (server, address) = Example::serve("echo", &[]);
    let _open = connect(address)?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.expect("proc(5) says").trim(), 16).unwrap();
    if ignored & (1 << (SIGINT - 1)) != 0 {
        let why = "skipped: a_server_ends_on_ctrl_c (SIGINT is ignored, as in background jobs)\n";
        std::io::stderr().write_all(why.as_bytes())?;
        return Ok(());
    }
    let kill = format!("kill -INT {}", server.pid());
    assert!(Command::new("sh").args(["-c", &kill]).status()?.success());
    assert_eq!(server.end().signal(), Some(SIGINT));
    Ok(())
}
