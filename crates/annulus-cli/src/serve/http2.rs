//! Requests of HTTP/2, answered as those of HTTP/1.1 are.
//!
//! Owns: the translation of heads both ways, and when a connection has been silent for too long.
//! Does not own: the protocol (hyper), what is answered ([`Exchange`]), content ([`body`]), how
//! much of it waits in memory ([`held`]).
//!
//! An answer is written as one of HTTP/1.1 and read back, so that there is one place that decides
//! what a head says.

mod body;
mod held;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use annulus::net::TcpStream;
use annulus::time::{Instant, sleep_until, timeout};
use annulus_http::{CoreExecutor, CoreTimer, Io};
use annulus_tls::TlsStream;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;

use super::connection::Server;
use super::exchange::{Exchange, Reply};
use super::head::{self, FIELD_LIMIT, Fields, HEAD_LIMIT, Head, Method, Value};
use super::log::Line;
use super::page::Stamp;
use super::response::Persistence;
use super::site::Beneath;
use super::stay::Stay;
use body::FileBody;
use held::{Answer, Answers, Held};

/// The most requests of one connection that are answered at once.
const STREAMS: u32 = 64;
/// Bytes of answers that wait in one stream before more is read for it.
const STREAM_BYTES: usize = 64 * 1024;
/// What the answers of a connection may hold before no listing is made for it: as much as those of
/// files do at most.
const HELD_BYTES: usize = held::CONNECTION_BYTES + STREAMS as usize * body::PIECE_BYTES;
/// The longest content of a request that is skipped before it is answered.
const SKIPPED_BYTES: usize = 64 * 1024;
/// What a client may send of the content of requests before it is skipped.
const WINDOW_BYTES: u32 = 65_535;

/// Serves a connection until the client ends it, is silent for too long, takes nothing of an
/// answer, or the server stops.
///
/// # Errors
/// Those of the connection.
pub async fn serve(
    server: Rc<Server<Beneath>>,
    stream: TlsStream<TcpStream>,
    (stay, client): (Stay, IpAddr),
) -> hyper::Result<()> {
    let idle = server.idle_timeout;
    let life = Rc::new(Life::new(&stay));
    let lives = life.clone();
    let answers = service_fn(move |request| answer(server.clone(), lives.clone(), client, request));
    let mut builder = http2::Builder::new(CoreExecutor);
    builder
        .timer(CoreTimer)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEAD_LIMIT as u32)
        .max_send_buf_size(STREAM_BYTES);
    let mut connection = pin!(builder.serve_connection(Io::new(stream), answers));
    let mut late = pin!(sleep_until(life.next_look(idle)));
    let mut ending = false;
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        while late.as_mut().poll(context).is_ready() {
            match life.judge(idle) {
                Verdict::Until(then) => late.set(sleep_until(then)),
                // It takes nothing of what it asked for.
                Verdict::Stuck => {
                    stay.counts.stuck.add(1);
                    return Poll::Ready(Ok(()));
                }
                // It does not hang up.
                Verdict::Idle if ending => return Poll::Ready(Ok(())),
                Verdict::Idle => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    late.set(sleep_until(life.next_look(idle)));
                }
            }
        }
        if !ending && stay.poll_ending(context).is_ready() {
            ending = true;
            connection.as_mut().graceful_shutdown();
        }
        if ending { connection.as_mut().poll(context) } else { Poll::Pending }
    })
    .await
}

/// What was last seen of a client.
struct Life {
    /// A request came, or an answer came to its end.
    seen: Cell<Instant>,
    /// Requests whose answers are being made, or read from files.
    answering: Cell<usize>,
    /// Answers that are not with the kernel to the end.
    answers: RefCell<Answers>,
    held: Arc<Held>,
    /// How long the client may take nothing of an answer.
    stall: Duration,
}

/// What becomes of a connection.
enum Verdict {
    /// It is looked at again then.
    Until(Instant),
    Idle,
    Stuck,
}

impl Life {
    fn new(stay: &Stay) -> Self {
        Self {
            seen: Cell::new(Instant::now()),
            answering: Cell::new(0),
            answers: RefCell::default(),
            held: Held::new(stay.counts.clone()),
            stall: stay.stall(),
        }
    }

    /// When to look: soon enough for an answer that begins right now.
    fn next_look(&self, idle: Duration) -> Instant {
        Instant::now() + self.stall.min(idle)
    }

    fn judge(&self, idle: Duration) -> Verdict {
        let (now, next) = (Instant::now(), self.next_look(idle));
        let end = match self.answers.borrow_mut().oldest() {
            Some(moved) if moved + self.stall <= now => return Verdict::Stuck,
            Some(moved) => moved + self.stall,
            // The server takes its time.
            None if self.answering.get() > 0 => next,
            None => self.seen.get() + idle,
        };
        if end <= now { Verdict::Idle } else { Verdict::Until(end.min(next)) }
    }
}

/// A request that is not answered to the end.
struct Answering(Rc<Life>);

impl Answering {
    fn begin(life: Rc<Life>) -> Self {
        life.answering.set(life.answering.get() + 1);
        life.seen.set(Instant::now());
        Self(life)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
        self.0.seen.set(Instant::now());
    }
}

async fn answer(
    server: Rc<Server<Beneath>>,
    life: Rc<Life>,
    client: IpAddr,
    request: Request<Incoming>,
) -> io::Result<Response<FileBody>> {
    let answering = Answering::begin(life.clone());
    let now = SystemTime::now();
    let (parts, content) = request.into_parts();
    let _ = timeout(server.header_timeout, skip(content)).await;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let line = format!("{} {target} HTTP/2.0", parts.method);
    let head = Head {
        method: match parts.method {
            http::Method::GET => Method::Get,
            http::Method::HEAD => Method::Head,
            _ => Method::Other,
        },
        target,
        line: line.as_bytes(),
        minor: 1,
        keep_alive: true,
        body: head::Body::Length(0),
        fields: fields(&parts.headers),
    };
    let date = server.clock.date(now);
    let stamp = Stamp { date, persistence: Persistence::Implied, method: head.method };
    let mut out = Vec::new();
    let exchange = Exchange {
        site: &server.site,
        list: server.list,
        room: &|| life.held.bytes() <= HELD_BYTES,
        head: &head,
        stamp: &stamp,
        now,
        out: &mut out,
    };
    let Reply { status, content, body } = exchange.run().await?;
    server.counts.answer(status.code());
    if let Some(log) = &server.log {
        log.record(&Line { client, date: &date, head: Some(&head), status, content });
    }
    let (mut response, len) = read_back(&out)?;
    if len < out.len() || body.is_some() {
        let answer = Answer::new(life.held.clone());
        life.answers.borrow_mut().add(&answer);
        *response.body_mut() = FileBody::new((out, len), body, (answer, answering));
    }
    Ok(response)
}

/// Passes over the content of a request, if it is short: a client that is answered, and then told
/// to stop, while it still sends may take that for an error.
async fn skip(mut content: Incoming) {
    let mut bytes = 0;
    while bytes < SKIPPED_BYTES {
        match poll_fn(|context| Pin::new(&mut content).poll_frame(context)).await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, bytes::Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}

/// The fields that matter to a file server.
fn fields(headers: &HeaderMap) -> Fields<'_> {
    let value = |name: HeaderName| -> Value<'_> {
        let mut lines = headers.get_all(name).iter();
        let first = lines.next()?.as_bytes();
        let joined = lines.fold(Cow::Borrowed(first), |mut joined, line| {
            joined.to_mut().extend_from_slice(b", ");
            joined.to_mut().extend_from_slice(line.as_bytes());
            joined
        });
        Some(joined)
    };
    Fields {
        if_match: value(header::IF_MATCH),
        if_none_match: value(header::IF_NONE_MATCH),
        if_modified_since: value(header::IF_MODIFIED_SINCE),
        if_unmodified_since: value(header::IF_UNMODIFIED_SINCE),
        if_range: value(header::IF_RANGE),
        range: value(header::RANGE),
        referer: value(header::REFERER),
        user_agent: value(header::USER_AGENT),
    }
}

/// The head of an answer as hyper has it, and how long it was.
fn read_back(answer: &[u8]) -> io::Result<(Response<FileBody>, usize)> {
    let broken = || io::Error::other("an answer of this server is none of HTTP");
    let mut lines = [httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut head = httparse::Response::new(&mut lines);
    let Ok(httparse::Status::Complete(len)) = head.parse(answer) else {
        return Err(broken());
    };
    let mut response = Response::new(FileBody::default());
    let status = head.code.map(StatusCode::from_u16);
    *response.status_mut() = status.ok_or_else(broken)?.map_err(|_| broken())?;
    for line in head.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| broken())?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| broken())?;
        response.headers_mut().append(name, value);
    }
    Ok((response, len))
}

#[cfg(test)]
mod tests;
