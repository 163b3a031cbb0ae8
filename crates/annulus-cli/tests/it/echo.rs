//! `annulus echo`: bytes come back, and it ends when asked.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use crate::program::{Program, ready};

/// A server on a port of its own, and its address.
fn server(more: &[&str]) -> (Program, String) {
    let mut args = vec!["echo", "--addr", "127.0.0.1:0"];
    args.extend(more);
    announced(Program::start(&args))
}

fn announced(mut program: Program) -> (Program, String) {
    let line = program.line();
    let addr = line.strip_prefix("Listening on ").unwrap().to_owned();
    (program, addr)
}

fn assert_echoes(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == bytes, "other bytes came back");
}

#[test]
fn bytes_come_back_and_sigterm_ends_it_cleanly() {
    if !ready() {
        return;
    }
    let (program, addr) = server(&[]);
    let mut stream = TcpStream::connect(addr).unwrap();
    assert_echoes(&mut stream, b"hello");
    assert_echoes(&mut stream, &[7; 100_000]);
    let (status, complaints) = program.end(libc::SIGTERM);
    assert!(status.success(), "{status}: {complaints}");
    // An open connection does not outlive the server.
    assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[test]
fn the_end_of_one_direction_is_answered_with_the_rest_and_the_end_of_the_other() {
    if !ready() {
        return;
    }
    let (program, addr) = server(&["--spin", "50"]);
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(b"the last words").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "the last words");
    assert!(program.end(libc::SIGINT).0.success());
}

#[test]
fn several_cores_share_the_address_and_end_together() {
    if !ready() {
        return;
    }
    let (program, addr) = server(&["--cores", "3"]);
    // The kernel spreads connections by a hash, so that many reach all three cores.
    let mut streams: Vec<_> = (0..64).map(|_| TcpStream::connect(&addr).unwrap()).collect();
    for stream in &mut streams {
        assert_echoes(stream, b"to whichever core");
    }
    assert!(program.end(libc::SIGTERM).0.success());
}

#[test]
fn an_address_in_use_is_said_and_is_not_shared_in_silence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for cores in ["1", "2"] {
        let program = Program::start(&["echo", "--addr", &addr, "--cores", cores]);
        let (status, complaint) = program.wait();
        assert_eq!(status.code(), Some(1));
        assert!(complaint.contains(&format!("cannot listen at {addr}")), "{complaint}");
        assert!(complaint.contains("another program listens there"), "{complaint}");
    }
}

#[test]
fn few_descriptors_are_said_and_running_out_of_them_only_makes_connections_wait() {
    if !ready() {
        return;
    }
    let args = ["echo", "--addr", "127.0.0.1:0"];
    let (mut program, addr) = announced(Program::start_with_descriptors(&args, 24));
    let warning = program.complaint();
    assert!(warning.contains("24 descriptors"), "{warning}");

    let mut streams: Vec<_> = (0..40).map(|_| TcpStream::connect(&addr).unwrap()).collect();
    let told = program.complaint();
    assert!(told.contains("connections wait until others end"), "{told}");
    assert_echoes(&mut streams[0], b"who is in goes on");
    // The queue is first in, first out: when the first thirty have ended, the last is in.
    let mut last = streams.pop().unwrap();
    streams.drain(..30);
    assert_echoes(&mut last, b"who waited is served");

    let (status, complaints) = program.end(libc::SIGTERM);
    assert!(status.success(), "{status}");
    assert_eq!(complaints, "Stopping.\n", "running out is said once");
}
