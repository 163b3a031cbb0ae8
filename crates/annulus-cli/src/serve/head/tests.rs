//! Tests of request heads.

use proptest::prelude::*;

use super::*;

fn head(text: &str) -> Head<'_> {
    let (head, len) = parse(text.as_bytes()).unwrap().expect("the head is complete");
    assert_eq!(len, text.len());
    head
}

fn refusal(text: &[u8]) -> u16 {
    parse(text).unwrap_err().status.code()
}

#[test]
fn a_plain_request_is_understood() {
    let head = head(
        "GET /a?b HTTP/1.1\r\nHost: x:80\r\nRange: bytes=1-2\r\nif-none-match: \"t\"\r\n\
         Referer: r\r\nUSER-AGENT: u\r\nX-Other: 1\r\n\r\n",
    );
    assert_eq!((head.method, head.target, head.minor), (Method::Get, "/a?b", 1));
    assert_eq!(head.line, b"GET /a?b HTTP/1.1");
    assert!(head.keep_alive);
    assert_eq!(head.body, Body::Length(0));
    assert_eq!(head.fields.range.as_deref(), Some(&b"bytes=1-2"[..]));
    assert_eq!(head.fields.if_none_match.as_deref(), Some(&b"\"t\""[..]));
    assert_eq!(head.fields.referer.as_deref(), Some(&b"r"[..]));
    assert_eq!(head.fields.user_agent.as_deref(), Some(&b"u"[..]));
    assert!(head.fields.if_range.is_none());
}

#[test]
fn nothing_is_copied_unless_a_field_came_in_several_lines() {
    let head = head(
        "HEAD / HTTP/1.1\r\nHost: x\r\nIf-Match: \"a\"\r\nRange: bytes=0-1\r\nIf-Match: \"b\"\r\n\r\n",
    );
    assert!(matches!(&head.fields.range, Some(Cow::Borrowed(b"bytes=0-1"))));
    assert!(matches!(&head.fields.if_match, Some(Cow::Owned(list)) if list == b"\"a\", \"b\""));
}

#[test]
fn what_follows_the_head_is_left_alone() {
    let text = b"GET / HTTP/1.0\r\n\r\nGET /next HTTP/1.0\r\n\r\n";
    let (_, len) = parse(text).unwrap().unwrap();
    assert_eq!(&text[len..], b"GET /next HTTP/1.0\r\n\r\n");
}

#[test]
fn a_connection_is_kept_as_the_version_and_the_field_say() {
    for (version, connection, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive\r\n", true),
        ("1.1", "Connection: upgrade , CLOSE\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: enclose\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close, keep-alive\r\n", false),
    ] {
        let text = format!("GET / HTTP/{version}\r\nHost: x\r\n{connection}\r\n");
        assert_eq!(head(&text).keep_alive, kept, "{version} {connection:?}");
    }
}

#[test]
fn bodies_are_framed_without_doubt_or_not_at_all() {
    for (lines, expected) in [
        ("", Ok(Body::Length(0))),
        ("Content-Length: 5\r\n", Ok(Body::Length(5))),
        ("Content-Length: 0\r\nExpect: 100-continue\r\n", Ok(Body::Length(0))),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Ok(Body::Length(5))),
        ("Content-Length: 5, 5\r\n", Ok(Body::Length(5))),
        ("Content-Length: 5\r\nExpect: 100-Continue\r\n", Ok(Body::Unskippable)),
        ("Transfer-Encoding: chunked\r\n", Ok(Body::Unskippable)),
        ("Transfer-Encoding: Chunked \r\n", Ok(Body::Unskippable)),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
        ("Content-Length: 5, 6\r\n", Err(400)),
        ("Content-Length:\r\n", Err(400)),
        ("Content-Length: -5\r\n", Err(400)),
        ("Content-Length: +5\r\n", Err(400)),
        ("Content-Length: 5 5\r\n", Err(400)),
        ("Content-Length: 0x5\r\n", Err(400)),
        ("Content-Length: 5,\r\n", Err(400)),
        ("Content-Length: 99999999999999999999\r\n", Err(400)),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err(400)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
        ("Transfer-Encoding: identity\r\n", Err(501)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(501)),
        ("Transfer-Encoding: xchunked\r\n", Err(501)),
        ("Transfer-Encoding: \x0bchunked\r\n", Err(400)),
        ("Transfer-Encoding : chunked\r\n", Err(400)),
        ("Content-Length : 5\r\n", Err(400)),
        ("Expect: miracles\r\n", Err(417)),
    ] {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let got = match parse(text.as_bytes()) {
            Ok(Some((head, _))) => Ok(head.body),
            Ok(None) => panic!("{lines:?} is not complete"),
            Err(refused) => Err(refused.status.code()),
        };
        assert_eq!(got, expected, "{lines:?}");
    }
    assert_eq!(refusal(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

#[test]
fn exactly_one_host_is_required_since_1_1() {
    for (text, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Some(400)),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", Some(400)),
        ("GET http://a/ HTTP/1.1\r\n\r\n", Some(400)),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", None),
        ("GET / HTTP/1.0\r\n\r\n", None),
    ] {
        let got = parse(text.as_bytes()).err().map(|refused| refused.status.code());
        assert_eq!(got, expected, "{text:?}");
    }
}

#[test]
fn what_is_not_http_1_is_refused() {
    for (text, expected) in [
        (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], 505),
        (b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/3\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/x\r\nHost: x\r\n\r\n", 400),
        (b"GET / FTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G\xc3\xa9T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA B: v\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"{\"json\": 1}\n", 400),
    ] {
        assert_eq!(refusal(text), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn every_method_but_two_is_another() {
    for (method, expected) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("get", Method::Other),
        ("POST", Method::Other),
        ("OPTIONS", Method::Other),
        ("CONNECT", Method::Other),
        ("M-SEARCH", Method::Other),
    ] {
        let text = format!("{method} / HTTP/1.0\r\n\r\n");
        assert_eq!(head(&text).method, expected);
    }
}

#[test]
fn a_head_may_have_16_kibibytes_and_not_one_more() {
    let frame = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n";
    let of = |len: usize| frame.replace("X: ", &format!("X: {}", "y".repeat(len - frame.len())));
    assert!(parse(of(HEAD_LIMIT).as_bytes()).unwrap().is_some());
    assert_eq!(refusal(of(HEAD_LIMIT + 1).as_bytes()), 431);
    let target = format!("GET /{}", "y".repeat(HEAD_LIMIT));
    assert_eq!(refusal(target.as_bytes()), 414);
}

#[test]
fn a_head_may_have_100_fields_and_not_one_more() {
    let of =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert!(parse(of(FIELD_LIMIT).as_bytes()).unwrap().is_some());
    assert_eq!(refusal(of(FIELD_LIMIT + 1).as_bytes()), 431);
}

/// Requests put together from pieces that are right, doubtful and wrong.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let first = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "HEAD /a%20b?c HTTP/1.0\r\n",
        "POST /x HTTP/1.1\n",
        "GET / HTTP/2.0\r\n",
        "GET  / HTTP/1.1\r\n",
        "GET http://h/ HTTP/1.1\r\n",
        "\0",
        "GET",
    ]);
    let line = prop::sample::select(vec![
        "Host: x\r\n",
        "Host: y\n",
        "Range: bytes=0-\r\n",
        "Content-Length: 3\r\n",
        "Content-Length: 4\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "If-Match: *\r\n",
        "Expect: 100-continue\r\n",
        "Bad Name: x\r\n",
        " folded\r\n",
        "\rx",
        "Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        "X:\r\n",
        "\r\n",
    ]);
    (first, prop::collection::vec(line, 0..8))
        .prop_map(|(first, lines)| format!("{first}{}\r\nrest", lines.concat()).into_bytes())
}

proptest! {
    #[test]
    fn the_outcome_does_not_depend_on_how_the_bytes_arrived(bytes in request()) {
        let whole = parse(&bytes);
        for end in 0..bytes.len() {
            match parse(&bytes[..end]) {
                Ok(None) => {}
                // Once there is an outcome it is the whole's.
                decided => prop_assert_eq!(&decided, &whole, "after {} bytes", end),
            }
        }
    }

    #[test]
    fn no_bytes_are_worse_than_a_refusal(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }
}
