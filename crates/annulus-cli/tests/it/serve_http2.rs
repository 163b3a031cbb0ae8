//! `annulus serve` over HTTP/2, by a client that does what no friendly one would: frames by hand.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::program::ready;
use crate::site::{Site, over_tls};

/// What the server says that it bounds one connection by.
const STREAMS: u32 = 64;
const HELD_BYTES: u64 = 256 * 1024 + STREAMS as u64 * 32 * 1024;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FIRST_WINDOW: u32 = 65_535;

struct Client {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
    next: u32,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Client {
    /// With so much room for each answer, and all that can be for the connection.
    fn new(site: &Site, window: u32) -> Self {
        let mut client = Self { stream: over_tls(site, &["h2"]), next: 1 };
        client.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut setting = 4_u16.to_be_bytes().to_vec(); // SETTINGS_INITIAL_WINDOW_SIZE
        setting.extend(window.to_be_bytes());
        client.send(SETTINGS, 0, 0, &setting).unwrap();
        client.widen(0, LARGEST_WINDOW - FIRST_WINDOW);
        client
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame)?;
        self.stream.flush()
    }

    fn widen(&mut self, stream: u32, by: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &by.to_be_bytes()).unwrap();
    }

    /// Asks, and gives the number of the stream.
    fn ask(&mut self, method: &str, path: &str) -> io::Result<u32> {
        let stream = self.next;
        self.next += 2;
        // HPACK: https from the static table, the others as literals that nobody remembers.
        let mut fields = vec![0x87];
        for (name, value) in [(2, method), (4, path), (1, "localhost")] {
            fields.extend([name, value.len() as u8]);
            fields.extend(value.as_bytes());
        }
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &fields)?;
        Ok(stream)
    }

    fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        self.stream.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Reads until these answers have ended, and gives their content.
    fn answers(&mut self, streams: &[u32]) -> HashMap<u32, Vec<u8>> {
        let (mut all, mut left) = (HashMap::<u32, Vec<u8>>::new(), streams.len());
        while left > 0 {
            let frame = self.frame().unwrap();
            assert!(frame.kind != RESET && frame.kind != GOAWAY, "{}", frame.kind);
            if frame.kind == DATA {
                all.entry(frame.stream).or_default().extend(&frame.payload);
            }
            let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
            if ends && streams.contains(&frame.stream) {
                left -= 1;
            }
        }
        all
    }
}

fn medium() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at % 253) as u8).collect()
}

fn site(more: &[&str]) -> Site {
    let site = Site::start_tls(more);
    fs::write(site.files.path("site/medium.bin"), medium()).unwrap();
    site
}

#[test]
fn who_gives_no_room_for_an_answer_is_ended_though_it_asks_for_more() {
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1", "--write-timeout", "5"]);
    let mut client = Client::new(&site, 0);
    client.ask("GET", "/large.bin").unwrap();
    let (client, gone) = (std::cell::RefCell::new(client), std::cell::Cell::new(false));
    site.until("it is given up", |site| {
        // These are answered: their answers have no content.
        gone.set(gone.get() || client.borrow_mut().ask("HEAD", "/a.txt").is_err());
        site.count("annulus_connections_stuck_total") == 1
    });
    site.until("it has gone", |site| site.count("annulus_connections_open") == 0);
    site.until("nothing is held", |site| site.count("annulus_http2_held_bytes") == 0);
    assert_eq!(site.count("annulus_http2_connections_total"), 1);
    assert!(site.count("annulus_requests_total{core=\"0\",class=\"2xx\"}") > 1);
}

#[test]
fn who_reads_nothing_holds_little_and_is_ended_by_the_write_timeout() {
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1", "--write-timeout", "5"]);
    let mut client = Client::new(&site, LARGEST_WINDOW);
    for _ in 0..STREAMS {
        client.ask("GET", "/large.bin").unwrap();
    }
    let most = std::cell::Cell::new(0);
    site.until("it is given up", |site| {
        most.set(most.get().max(site.count("annulus_http2_held_bytes")));
        site.count("annulus_connections_stuck_total") == 1
    });
    assert!(most.get() > 0 && most.get() <= HELD_BYTES, "{} bytes", most.get());
    site.until("it has gone", |site| site.count("annulus_connections_open") == 0);
    site.until("nothing is held", |site| site.count("annulus_http2_held_bytes") == 0);
}

#[test]
fn listings_that_nobody_reads_hold_little_too() {
    const LISTING_BYTES: u64 = 1 << 20;
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1", "--list", "--write-timeout", "60"]);
    fs::create_dir(site.files.path("site/many")).unwrap();
    for number in 0..4000 {
        let name = format!("site/many/{number:0>80}");
        fs::write(site.files.path(&name), "").unwrap();
    }
    let mut client = Client::new(&site, 0);
    for _ in 0..STREAMS {
        client.ask("GET", "/many/").unwrap();
    }
    let most = std::cell::Cell::new(0);
    site.until("all are answered", |site| {
        most.set(most.get().max(site.count("annulus_http2_held_bytes")));
        site.count("annulus_requests_total") == u64::from(STREAMS)
    });
    // All may have been made between the looks; as nobody reads them, they stay.
    most.set(most.get().max(site.count("annulus_http2_held_bytes")));
    assert!(most.get() > HELD_BYTES, "listings are made: {} bytes", most.get());
    assert!(most.get() < HELD_BYTES + LISTING_BYTES, "{} bytes", most.get());
    assert!(site.count("annulus_requests_total{core=\"0\",class=\"5xx\"}") > 0);
}

#[test]
fn answers_at_once_all_arrive_and_no_more_than_the_server_says_are_made() {
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1"]);
    let mut client = Client::new(&site, LARGEST_WINDOW);
    let settings = loop {
        let frame = client.frame().unwrap();
        if frame.kind == SETTINGS && frame.flags == 0 {
            break frame.payload;
        }
    };
    let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(most[2..], STREAMS.to_be_bytes(), "SETTINGS_MAX_CONCURRENT_STREAMS");
    let streams: Vec<u32> =
        (0..STREAMS).map(|_| client.ask("GET", "/medium.bin").unwrap()).collect();
    let answers = client.answers(&streams);
    assert_eq!(answers.len(), streams.len());
    assert!(answers.values().all(|content| *content == medium()));
    site.until("nothing is held", |site| site.count("annulus_http2_held_bytes") == 0);
}

#[test]
fn an_answer_that_is_read_does_not_wait_for_those_that_are_not() {
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1"]);
    let mut client = Client::new(&site, 16 * 1024);
    // These fill what the connection may hold, and are left alone.
    let left: Vec<u32> = (1..STREAMS).map(|_| client.ask("GET", "/medium.bin").unwrap()).collect();
    site.until("much is held", |site| site.count("annulus_http2_held_bytes") >= 256 * 1024);
    let wanted = client.ask("GET", "/medium.bin").unwrap();
    client.widen(wanted, 1 << 20);
    let mut answers = client.answers(&[wanted]);
    assert!(answers.remove(&wanted).unwrap() == medium());
    assert!(answers.values().all(|content| content.len() <= 16 * 1024));
    for stream in &left {
        client.widen(*stream, 1 << 20);
    }
    let rest = client.answers(&left);
    for stream in left {
        let before = answers.get(&stream).map_or(0, Vec::len);
        assert!(rest[&stream] == medium()[before..], "stream {stream}");
    }
}

#[test]
fn the_end_of_the_server_finishes_what_was_asked_for() {
    if !ready() {
        return;
    }
    let site = site(&["--cores", "1"]);
    let mut client = Client::new(&site, 16 * 1024);
    let stream = client.ask("GET", "/medium.bin").unwrap();
    let mut content = Vec::new();
    while content.len() < 16 * 1024 {
        let frame = client.frame().unwrap();
        if frame.kind == DATA {
            content.extend(frame.payload);
        }
    }
    site.program.signal(libc::SIGTERM);
    // It is told, and its answer is finished all the same.
    while client.frame().unwrap().kind != GOAWAY {}
    client.widen(stream, 1 << 20);
    while content.len() < medium().len() {
        let frame = client.frame().unwrap();
        if frame.kind == DATA {
            content.extend(frame.payload);
        }
    }
    assert!(content == medium());
    drop(client);
    assert!(site.program.wait().0.success());
}
