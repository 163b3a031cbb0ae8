//! Requests by hand: sent ahead, in pieces, broken; and clients that are slow.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use crate::support::{BOUND, Kind, Running, pattern};

fn connect(server: &Running) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server.address, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads one response: its head, and as much of a body as that says.
fn response(from: &mut impl io::Read) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    from.read_exact(&mut body)?;
    Ok((head, body))
}

const GET: &[u8] = b"GET /hello HTTP/1.1\r\nhost: here\r\n\r\n";
const LAST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
const POST: &[u8] = b"POST /count HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n0123456789";

fn each(ask: impl Fn(&Running) -> io::Result<()>) -> io::Result<()> {
    for kind in [Kind::Hyper, Kind::Axum] {
        ask(&Running::start(kind))?;
    }
    Ok(())
}

#[test]
fn requests_that_are_sent_ahead_are_answered_in_order() -> io::Result<()> {
    each(|server| {
        let mut client = connect(server)?;
        client.write_all(&[GET, POST, GET, POST, LAST].concat())?;
        for expected in ["hello\n", "10\n", "hello\n", "10\n", "hello\n"] {
            let (head, body) = response(&mut client)?;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert_eq!(String::from_utf8_lossy(&body), expected);
        }
        assert_eq!(client.read(&mut [0])?, 0, "it was the last");
        Ok(())
    })
}

#[test]
fn a_request_byte_by_byte_is_a_request() -> io::Result<()> {
    each(|server| {
        let mut client = connect(server)?;
        for byte in POST {
            client.write_all(std::slice::from_ref(byte))?;
        }
        assert_eq!(response(&mut client)?.1, b"10\n");
        Ok(())
    })
}

#[test]
fn a_request_that_begins_like_the_other_protocol_is_told_apart() -> io::Result<()> {
    each(|server| {
        let mut client = connect(server)?;
        // As far as `PRI * HTTP/2.0` goes, piece by piece, and then something else.
        for piece in
            [&b"P"[..], b"R", b"I * HTTP/", b"1.1\r\nhost: here\r\nconnection: close\r\n\r\n"]
        {
            client.write_all(piece)?;
        }
        let (head, _) = response(&mut client)?;
        assert!(head.starts_with("HTTP/1.1 4"), "{head}");
        Ok(())
    })
}

#[test]
fn the_preface_in_pieces_is_the_preface() -> io::Result<()> {
    each(|server| {
        let mut client = connect(server)?;
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
            client.write_all(std::slice::from_ref(byte))?;
        }
        client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?; // SETTINGS, empty
        let mut frame = [0; 9];
        client.read_exact(&mut frame)?;
        assert_eq!(frame[3], 4, "the server answers with its SETTINGS");
        Ok(())
    })
}

#[test]
fn what_is_no_http_is_refused() -> io::Result<()> {
    each(|server| {
        let mut client = connect(server)?;
        client.write_all(b"\x16\x03\x01 this is how TLS begins\r\n\r\n")?;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer)?;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
        Ok(())
    })
}

#[test]
fn clients_that_come_and_go_disturb_nobody() -> io::Result<()> {
    each(|server| {
        for n in 0..50 {
            let mut client = connect(server)?;
            client.write_all(&GET[..n % GET.len()])?;
            if n % 2 == 0 {
                client.shutdown(Shutdown::Write)?;
            }
        }
        let mut client = connect(server)?;
        client.write_all(GET)?;
        assert_eq!(response(&mut client)?.1, b"hello\n");
        Ok(())
    })
}

#[test]
fn a_client_that_reads_late_gets_everything_and_keeps_nobody_waiting() -> io::Result<()> {
    const LEN: usize = 16 << 20;
    each(|server| {
        let mut slow = connect(server)?;
        let request = format!("GET /whole/{LEN} HTTP/1.1\r\nhost: here\r\n\r\n");
        slow.write_all(request.as_bytes())?;
        for _ in 0..20 {
            let mut quick = connect(server)?;
            quick.write_all(LAST)?;
            assert_eq!(response(&mut quick)?.1, b"hello\n");
        }
        let (_, body) = response(&mut slow)?;
        assert!(body == pattern(LEN), "{} bytes came", body.len());
        Ok(())
    })
}
