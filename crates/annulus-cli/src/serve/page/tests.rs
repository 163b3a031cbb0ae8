//! Tests of pages made here.

use super::*;

fn stamp(method: Method) -> Stamp {
    Stamp { date: [b'D'; 29], persistence: Persistence::Implied, method }
}

fn parts(out: &[u8]) -> (String, String) {
    let text = String::from_utf8(out.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn a_page_says_what_and_why_and_how_long_it_is() {
    let mut out = Vec::new();
    let allow = Some(("Allow", &b"GET, HEAD"[..]));
    let stamp = stamp(Method::Other);
    let sent = write(&mut out, &stamp, Status::METHOD_NOT_ALLOWED, "Only so.", allow);
    let (head, body) = parts(&out);
    assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    assert!(head.contains("\r\nAllow: GET, HEAD"));
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
    assert!(body.contains("<h1>405 Method Not Allowed</h1>") && body.contains("Only so."));
    assert_eq!(sent, body.len() as u64);
}

#[test]
fn the_answer_to_head_has_the_length_and_not_the_page() {
    let mut get = Vec::new();
    write(&mut get, &stamp(Method::Get), Status::NOT_FOUND, "No.", None);
    let mut head = Vec::new();
    assert_eq!(write(&mut head, &stamp(Method::Head), Status::NOT_FOUND, "No.", None), 0);
    assert_eq!(parts(&get).0, parts(&head).0);
    assert_eq!(parts(&head).1, "");
}
