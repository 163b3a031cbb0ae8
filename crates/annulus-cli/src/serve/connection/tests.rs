//! The loop over memory: scripted input in, bytes out; files from a temporary directory through the
//! same `openat2` confinement as in the program. Nothing ever waits, so one poll is a whole run.

mod memory;

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use rustix::fs::{CWD, Mode};

use super::*;
use memory::{Disk, Event, Memory};

struct Fixture {
    _files: tempfile::TempDir,
    server: Server<Disk>,
}

/// Larger than what is sent together with its head.
const LARGE: usize = 100_000;

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| (at % 251) as u8).collect()
}

fn fixture() -> Fixture {
    let files = tempfile::tempdir().unwrap();
    let root = files.path().join("root");
    fs::create_dir_all(root.join("site/sub")).unwrap();
    fs::create_dir_all(root.join("plain/<b>")).unwrap();
    fs::write(root.join("a.txt"), "alpha").unwrap();
    fs::write(root.join("b.txt"), "beta").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("large.bin"), large()).unwrap();
    fs::write(root.join("site/index.html"), "<p>index").unwrap();
    fs::write(files.path().join("secret"), "secret").unwrap();
    symlink("../secret", root.join("out")).unwrap();
    symlink(files.path().join("secret"), root.join("absolute")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("a.txt", root.join("inside")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    rustix::fs::mknodat(CWD, root.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    let root = fs::File::open(root).unwrap().into();
    let server = Server {
        site: Disk { root, overstated: 0 },
        list: false,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        clock: Clock::new(),
        log: None,
        counts: Arc::default(),
        spare: RefCell::default(),
    };
    Fixture { _files: files, server }
}

impl Fixture {
    fn converse(&self, script: Vec<Event>) -> Memory {
        let wire = Memory { script: RefCell::new(script.into()), ..Memory::default() };
        {
            let client = IpAddr::from([127, 0, 0, 1]);
            let mut serving = pin!(serve(&self.server, &wire, client));
            match serving.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result.unwrap(),
                Poll::Pending => panic!("the loop waited for something that is not the wire"),
            }
        }
        assert_eq!(std::rc::Rc::strong_count(&wire.leases), 1, "a lease was kept");
        wire
    }

    fn responses(&self, pieces: &[&[u8]]) -> Vec<Response> {
        let script = pieces.iter().map(|piece| Event::Sends(piece.to_vec())).collect();
        responses(&self.converse(script).sent.borrow())
    }

    fn get(&self, target: &str) -> Response {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut responses = self.responses(&[request.as_bytes()]);
        assert_eq!(responses.len(), 1, "{target}");
        responses.remove(0)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }
}

/// Reads responses as a client does: by their lengths, with nothing between them.
fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let mut response = Response { status, head, body: Vec::new() };
        let len = response.field("Content-Length").map_or(0, |len| len.parse().unwrap());
        response.body = bytes[end..][..len].to_vec();
        bytes = &bytes[end + len..];
        all.push(response);
    }
    all
}

fn statuses(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}

#[test]
fn a_small_file_is_one_send() {
    let fixture = fixture();
    let request = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let wire = fixture.converse(vec![Event::Sends(request.to_vec())]);
    let all = responses(&wire.sent.borrow());
    assert_eq!((all[0].status, all[0].text()), (200, "alpha"));
    assert!(!all[0].closes());
    assert_eq!(wire.sends.get(), 1);
}

#[test]
fn a_large_file_arrives_whole_and_holds_no_receive_buffer_meanwhile() {
    let fixture = fixture();
    let requests =
        b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let wire = fixture.converse(vec![Event::Sends(requests.to_vec())]);
    let all = responses(&wire.sent.borrow());
    assert_eq!(statuses(&all), [200, 200]);
    assert!(all[0].body == large());
    assert_eq!(all[1].text(), "alpha");
    assert_eq!(wire.most_leases_while_sending_files.get(), 0);
}

#[test]
fn ranges_of_small_and_large_files() {
    let fixture = fixture();
    for (target, range, expected) in [
        ("/a.txt", "1-3", &b"lph"[..]),
        ("/a.txt", "-2", b"ha"),
        ("/large.bin", "50000-50003", &large()[50_000..50_004]),
        ("/large.bin", "1-", &large()[1..]),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n");
        let all = fixture.responses(&[request.as_bytes()]);
        assert_eq!(all[0].status, 206);
        assert!(all[0].body == expected, "{target} {range}");
    }
}

#[test]
fn paths_lead_to_files_beneath_the_root_and_nowhere_else() {
    let fixture = fixture();
    for (target, expected) in [
        ("/a.txt", 200),
        ("/inside", 200),
        ("/site/../a.txt", 200),
        ("/empty", 200),
        ("/site/", 200),
        ("http://other/a.txt", 200),
        ("/site", 301),
        ("/a.txt/", 404),
        ("/a.txt/b", 404),
        ("/nothing", 404),
        ("/out", 404),
        ("/absolute", 404),
        ("/up/secret", 404),
        ("/up", 404),
        ("/loop", 404),
        ("/pipe", 404),
        ("/site%2Findex.html", 404),
        ("/../secret", 400),
        ("/%2e%2e/secret", 400),
        ("/%00", 400),
        ("/%", 400),
        ("*", 400),
        ("/plain/", 403),
        ("/", 403),
    ] {
        let response = fixture.get(target);
        assert_eq!(response.status, expected, "{target}");
        assert!(!String::from_utf8_lossy(&response.body).contains("secret"), "{target}");
        assert!(!response.closes(), "{target}");
    }
    let long = format!("/{}", "n".repeat(5000));
    assert_eq!(fixture.get(&long).status, 404);
}

#[test]
fn directories_are_redirected_to_indexed_or_listed() {
    let mut fixture = fixture();
    assert_eq!(fixture.get("/site?q=1").field("Location"), Some("/site/?q=1"));
    assert_eq!(fixture.get("//plain/%3Cb%3E").field("Location"), Some("/plain/%3Cb%3E/"));
    assert_eq!(fixture.get("/site/").text(), "<p>index");
    fixture.server.list = true;
    assert_eq!(fixture.get("/site/").text(), "<p>index");
    let listed = fixture.get("/");
    assert_eq!(listed.status, 200);
    assert!(listed.text().contains("<a href=\"a.txt\">a.txt</a><td>5 B"));
    assert!(listed.text().contains("<a href=\"out\">out</a><td>link"));
    assert!(!listed.text().contains("pipe"));
    assert!(fixture.get("/plain/").text().contains("<a href=\"%3Cb%3E/\">&lt;b&gt;/</a>"));
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let fixture = fixture();
    for target in ["/a.txt", "/large.bin", "/nothing", "/site", "/plain/"] {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        let wire = fixture.converse(vec![Event::Sends(request.into_bytes())]);
        let head = String::from_utf8(wire.sent.take()).unwrap();
        assert!(head.ends_with("\r\n\r\n"));
        assert_eq!(head, fixture.get(target).head, "{target}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_with_one_send() {
    let fixture = fixture();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    let text = ["/a.txt", "/b.txt", "/nothing", "/empty", "/a.txt"].map(get).concat();
    let wire = fixture.converse(vec![Event::Sends(text.into_bytes())]);
    let all = responses(&wire.sent.borrow());
    assert_eq!(statuses(&all), [200, 200, 404, 200, 200]);
    assert_eq!((all[0].text(), all[1].text(), all[4].text()), ("alpha", "beta", "alpha"));
    assert_eq!(wire.sends.get(), 1);
}

#[test]
fn other_methods_are_refused_and_their_short_bodies_skipped() {
    let fixture = fixture();
    let requests = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nGET / HTTP/\
                     \r\nOPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let all = fixture.responses(&[&requests[..70], &requests[70..]]);
    assert_eq!(statuses(&all), [405, 405, 200]);
    assert_eq!(all[0].field("Allow"), Some("GET, HEAD"));
}

#[test]
fn a_body_that_is_not_worth_skipping_ends_the_connection_after_the_answer() {
    let fixture = fixture();
    for lines in [
        "Content-Length: 65537\r\n",
        "Content-Length: 5\r\nExpect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let request = format!(
            "GET /a.txt HTTP/1.1\r\nHost: x\r\n{lines}\r\nGET /b.txt HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let wire = fixture.converse(vec![
            Event::Sends(request.into_bytes()),
            Event::Sends(b"GET /b.txt HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ]);
        let all = responses(&wire.sent.borrow());
        assert_eq!(statuses(&all), [200], "{lines}");
        assert!(all[0].closes() && wire.finished.get());
        assert!(wire.script.borrow().is_empty(), "what follows is read, and not answered");
    }
}

#[test]
fn what_is_not_a_request_is_refused_after_the_answers_before_it() {
    let fixture = fixture();
    for (text, expected) in [
        ("NONSENSE\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ] {
        let good = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
        let all = fixture.responses(&[format!("{good}{text}{good}").as_bytes()]);
        assert_eq!(statuses(&all), [200, expected], "{text:?}");
        assert!(all[1].closes());
    }
}

#[test]
fn heads_that_are_too_large_are_refused_however_they_arrive() {
    let fixture = fixture();
    let target = format!("GET /{}", "t".repeat(20_000));
    let fields = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "f".repeat(20_000));
    for (text, expected) in [(target, 414), (fields, 431)] {
        for size in [1000, 4096, 30_000] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(statuses(&fixture.responses(&pieces)), [expected]);
        }
    }
}

#[test]
fn http_1_0_connections_end_unless_asked_to_stay() {
    let fixture = fixture();
    let plain = "GET /a.txt HTTP/1.0\r\n\r\n";
    let all = fixture.responses(&[plain.repeat(2).as_bytes()]);
    assert_eq!(statuses(&all), [200]);
    assert!(all[0].closes());
    let kept = "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let all = fixture.responses(&[kept.repeat(2).as_bytes()]);
    assert_eq!(statuses(&all), [200, 200]);
    assert_eq!(all[0].field("Connection"), Some("keep-alive"));
}

#[test]
fn a_client_that_is_too_slow_is_told_only_if_it_had_begun() {
    let fixture = fixture();
    let silent = fixture.converse(vec![Event::Stalls]);
    assert!(silent.sent.borrow().is_empty());
    let line_ends = fixture.converse(vec![Event::Sends(b"\r\n\r\n".to_vec()), Event::Stalls]);
    assert!(line_ends.sent.borrow().is_empty());
    let begun = vec![Event::Sends(b"GET / HT".to_vec()), Event::Stalls];
    let begun = fixture.converse(begun);
    assert_eq!(statuses(&responses(&begun.sent.borrow())), [408]);
}

#[test]
fn a_stop_ends_idle_connections_and_lets_answers_finish() {
    let fixture = fixture();
    let request = b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let idle = vec![Event::Sends(request.to_vec()), Event::Stops, Event::Sends(request.to_vec())];
    let idle = fixture.converse(idle);
    assert_eq!(statuses(&responses(&idle.sent.borrow())), [200]);
    let wire = Memory { stopping: Cell::new(true), ..Memory::default() };
    wire.script.borrow_mut().push_back(Event::Sends(request.repeat(2)));
    let client = IpAddr::from([127, 0, 0, 1]);
    let mut serving = pin!(serve(&fixture.server, &wire, client));
    let polled = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    let all = responses(&wire.sent.borrow());
    assert_eq!(statuses(&all), [200]);
    assert!(all[0].closes());
}

#[test]
fn a_file_that_shrinks_is_an_error_and_never_a_short_answer() {
    let mut fixture = fixture();
    fixture.server.site.overstated = 3;
    let response = fixture.get("/a.txt");
    assert_eq!(response.status, 500);
    let wire = Memory::default();
    let request = b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    wire.script.borrow_mut().push_back(Event::Sends(request));
    let client = IpAddr::from([127, 0, 0, 1]);
    let mut serving = pin!(serve(&fixture.server, &wire, client));
    let polled = serving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(_))), "the connection ends in the middle");
}

#[test]
fn a_connection_that_waits_gives_its_buffer_back() {
    let fixture = fixture();
    let _ = fixture.get("/a.txt");
    assert_eq!(fixture.server.spare.borrow().len(), 1);
    let _ = fixture.get("/a.txt");
    assert_eq!(fixture.server.spare.borrow().len(), 1);
}

/// A conversation with every kind of step, as one text.
fn conversation() -> Vec<u8> {
    [
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nHEAD /empty HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nGET / HTTP/1",
        "GET /large.bin HTTP/1.1\r\nHost: x\r\nRange: bytes=0-40000\r\n\r\n",
        "GET /nothing HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /b.txt HTTP/1.1\nHost: x\nRange: bytes=1-2\n\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    .concat()
    .into_bytes()
}

fn undated(mut all: Vec<Response>) -> Vec<Response> {
    for response in &mut all {
        let lines = response.head.lines().filter(|line| !line.starts_with("Date: "));
        response.head = lines.collect::<Vec<_>>().join("\n");
    }
    all
}

#[test]
fn a_conversation_is_the_same_when_it_arrives_byte_by_byte() {
    let fixture = fixture();
    let text = conversation();
    let whole = undated(fixture.responses(&[&text]));
    assert_eq!(statuses(&whole), [200, 200, 405, 206, 404, 206, 200]);
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(undated(fixture.responses(&bytes)), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_conversation_is_the_same_however_it_is_cut(
        mut cuts in prop::collection::vec(0usize..500, 0..12),
    ) {
        let fixture = fixture();
        let text = conversation();
        let whole = undated(fixture.responses(&[&text]));
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(text.len()));
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts
            .windows(2)
            .map(|cut| &text[cut[0]..cut[1]])
            .filter(|piece| !piece.is_empty())
            .collect();
        prop_assert_eq!(undated(fixture.responses(&pieces)), whole);
    }
}

/// One that takes an answer slowly has not been silent meanwhile.
#[test]
fn the_silence_of_a_client_begins_when_it_has_its_answer() {
    let ask = || Event::Sends(b"GET /a.txt HTTP/1.1\r\nHost: here\r\n\r\n".to_vec());
    let wire = fixture().converse(vec![ask(), Event::Stalls]);
    assert!(wire.patience.get().is_some_and(|patience| patience >= Duration::from_secs(60)));
}
