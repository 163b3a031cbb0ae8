//! The load of HTTP, which asks servers of other programs: what it takes for an answer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;

use crate::program::{Program, ready};

const REQUEST_END: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\nHello, world!\n";

/// Reads one request.
fn asked(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(REQUEST_END) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"GET / HTTP/1.1\r\n"));
}

#[test]
fn the_load_of_http_holds_each_answer_against_the_first() {
    if !ready() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--address={}", listener.local_addr().unwrap());
    let long = [ANSWER, b"!"].concat();
    let failed = [b"HTTP/1.1 500 No", &ANSWER[15..]].concat();
    for (answer, complaint) in [
        (&long[..], "another response came"),
        (&failed[..], "another response came"),
        (&ANSWER[..20], "unexpected end of file"),
    ] {
        let load =
            Program::start(&["bench-child", "load", "--workload=http", "--seconds=1", &address]);
        let (mut stream, _) = listener.accept().unwrap();
        for piece in [ANSWER, answer] {
            asked(&mut stream);
            // In two pieces, as a stream may be cut anywhere.
            let (first, rest) = piece.split_at(10);
            stream.write_all(first).unwrap();
            // The load may have seen enough already.
            let _ = stream.write_all(rest);
        }
        let _ = stream.shutdown(Shutdown::Write);
        let (status, complaints) = load.wait();
        assert_eq!(status.code(), Some(1));
        assert!(complaints.contains(complaint), "{complaints}");
    }
}

#[test]
fn a_workload_without_programs_is_said_to_have_none() {
    let args = ["bench", "http-hello", "--rounds", "1", "--seconds", "0.1"];
    let output = Command::new(env!("CARGO_BIN_EXE_annulus")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("http-hello: none of these programs takes part"), "{text}");
}
