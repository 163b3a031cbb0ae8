//! The examples of the server framework.

use std::io::{self, Read as _, Write as _};
use std::process::Command;

use crate::example::{Example, connect};

#[test]
fn echo_async_server_echoes_until_a_signal_comes() -> io::Result<()> {
    let (server, address) = Example::serve("echo_async_server", &[]);
    for n in 0..3 {
        let mut client = connect(address)?;
        let message = format!("message {n}");
        client.write_all(message.as_bytes())?;
        client.shutdown(std::net::Shutdown::Write)?;
        let mut back = String::new();
        client.read_to_string(&mut back)?;
        assert_eq!(back, message);
    }
    // It handles the signal once it has said where it listens, or very soon after.
    let caught = || -> io::Result<bool> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap_or("0").trim(), 16).unwrap_or(0);
        Ok(caught & (1 << 14) != 0)
    };
    while !caught()? {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").arg(server.pid().to_string()).status()?.success());
    assert_eq!(server.line(), "3 connections were served");
    assert!(server.end().success());
    Ok(())
}

#[test]
fn echo_bench_prints_a_table_and_ends() {
    let (output, status) = Example::output("echo_bench", &["640".as_ref()]);
    let output = String::from_utf8(output).expect("it prints text");
    assert!(status.success(), "{output}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 5, "{output}");
    for line in &lines[1..] {
        let columns: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((columns.len(), columns[2]), (6, "640"), "{output}");
    }
}
