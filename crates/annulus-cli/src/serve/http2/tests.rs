//! The translation of heads.

use super::super::response::{Status, Writer};
use super::*;

#[test]
fn fields_in_several_lines_are_joined() {
    let mut headers = HeaderMap::new();
    headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"a\""));
    headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"b\""));
    headers.append(header::RANGE, HeaderValue::from_static("bytes=0-1"));
    let fields = fields(&headers);
    assert_eq!(fields.if_none_match.as_deref(), Some(&b"\"a\", \"b\""[..]));
    assert!(matches!(fields.range, Some(Cow::Borrowed(b"bytes=0-1"))), "one line is not copied");
    assert_eq!(fields.user_agent, None);
}

#[test]
fn a_head_that_is_read_back_is_the_one_that_was_written() {
    let mut out = Vec::new();
    Writer::begin(&mut out, Status::OK, b"Fri, 20 Nov 2026 09:15:03 GMT", Persistence::Implied)
        .field("ETag", b"\"x\"")
        .length(5)
        .end();
    out.extend_from_slice(b"alpha");
    let (response, len) = read_back(&out).unwrap();
    assert_eq!(&out[len..], b"alpha");
    assert_eq!(response.status(), 200);
    let said = |name: &str| response.headers().get(name).map(HeaderValue::as_bytes);
    assert_eq!(said("etag"), Some(&b"\"x\""[..]));
    assert_eq!(said("content-length"), Some(&b"5"[..]));
    assert_eq!(said("connection"), None, "HTTP/2 has no such field");
    assert!(read_back(b"not an answer").is_err());
}

fn life(stall: Duration) -> Rc<Life> {
    Rc::new(Life {
        seen: Cell::new(Instant::now()),
        answering: Cell::new(0),
        answers: RefCell::default(),
        held: Held::new(Arc::default()),
        stall,
    })
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_connection_that_asks_for_nothing_is_idle_after_a_while() {
    let life = life(LONG);
    assert!(matches!(life.judge(LONG), Verdict::Until(_)));
    assert!(matches!(life.judge(Duration::ZERO), Verdict::Idle));
    let answering = Answering::begin(life.clone());
    // What the server takes its time for is not the client's fault.
    assert!(!matches!(life.judge(LONG), Verdict::Stuck | Verdict::Idle));
    drop(answering);
    assert!(matches!(life.judge(Duration::ZERO), Verdict::Idle));
}

#[test]
fn a_client_that_takes_nothing_of_one_answer_is_stuck_whatever_it_asks_for_besides() {
    let life = life(Duration::ZERO);
    assert!(!matches!(life.judge(LONG), Verdict::Stuck));
    let answer = Answer::new(life.held.clone());
    life.answers.borrow_mut().add(&answer);
    drop(Answering::begin(life.clone()));
    assert!(matches!(life.judge(LONG), Verdict::Stuck));
    let charge = answer.charge(1);
    drop(answer);
    assert!(matches!(life.judge(LONG), Verdict::Stuck), "hyper has it all, the kernel has not");
    drop(charge);
    assert!(matches!(life.judge(LONG), Verdict::Until(_)));
}
