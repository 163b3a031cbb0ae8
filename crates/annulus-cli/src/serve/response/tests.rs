//! Tests of response heads.

use super::*;

#[test]
fn a_head_is_written_byte_for_byte() {
    let mut out = b"before".to_vec();
    Writer::begin(&mut out, Status::NOT_FOUND, b"DATE", Persistence::Close)
        .length(1200)
        .field("ETag", b"\"x\"")
        .formatted("Content-Range", format_args!("bytes */{}", 7))
        .end();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "beforeHTTP/1.1 404 Not Found\r\nServer: annulus\r\nDate: DATE\r\nConnection: close\r\n\
         Content-Length: 1200\r\nETag: \"x\"\r\nContent-Range: bytes */7\r\n\r\n"
    );
}

#[test]
fn persistence_is_said_only_where_it_is_not_implied() {
    for (persistence, line) in [
        (Persistence::Implied, None),
        (Persistence::KeepAlive, Some("Connection: keep-alive\r\n")),
        (Persistence::Close, Some("Connection: close\r\n")),
    ] {
        let mut out = Vec::new();
        Writer::begin(&mut out, Status::OK, b"", persistence).end();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.find("Connection"), line.and_then(|line| text.find(line)));
        assert_eq!(text.contains("Connection"), line.is_some());
    }
}

#[test]
fn numbers_are_written_as_format_writes_them() {
    for number in [0, 1, 9, 10, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        let mut out = Vec::new();
        decimal(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}

#[test]
fn a_status_reads_as_its_code_and_reason() {
    assert_eq!(Status::OK.to_string(), "200 OK");
    assert_eq!(format!("{:?}", Status::TARGET_TOO_LONG), "414 URI Too Long");
}
