//! Requests of HTTP/2, answered as those of HTTP/1.1 are.
//!
//! Owns: the translation of heads both ways, bodies of files, and when a connection has been silent
//! for too long. Does not own: the protocol (hyper), what is answered ([`Exchange`]).
//!
//! An answer is written as one of HTTP/1.1 and read back, so that there is one place that decides
//! what a head says.

use std::borrow::Cow;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use annulus::net::TcpStream;
use annulus::time::{Instant, sleep_until};
use annulus_http::{CoreExecutor, CoreTimer, Io};
use annulus_tls::TlsStream;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;

use super::connection::Server;
use super::exchange::{Exchange, Reply};
use super::head::{self, FIELD_LIMIT, Fields, HEAD_LIMIT, Head, Method, Value};
use super::live::read_step;
use super::log::Line;
use super::page::Stamp;
use super::response::Persistence;
use super::site::{Beneath, Opened};
use super::stop::Pass;

/// The most requests of one connection that are answered at once.
const STREAMS: u32 = 128;
/// The most bytes of answers that wait in one stream.
const STREAM_BYTES: usize = 256 * 1024;

/// Serves a connection until the client ends it, is silent for too long, or the server stops.
///
/// # Errors
/// Those of the connection.
pub async fn serve(
    server: Rc<Server<Beneath>>,
    stream: TlsStream<TcpStream>,
    (pass, client): (Pass, IpAddr),
) -> hyper::Result<()> {
    let idle = server.idle_timeout;
    let life = Rc::new(Life { seen: Cell::new(Instant::now()), answering: Cell::new(0) });
    let lives = life.clone();
    let answers = service_fn(move |request| answer(server.clone(), lives.clone(), client, request));
    let mut builder = http2::Builder::new(CoreExecutor);
    builder
        .timer(CoreTimer)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_LIMIT as u32)
        .max_send_buf_size(STREAM_BYTES);
    let mut connection = pin!(builder.serve_connection(Io::new(stream), answers));
    let mut late = pin!(sleep_until(Instant::now() + idle));
    let mut ending = false;
    poll_fn(|context| {
        if let Poll::Ready(ended) = connection.as_mut().poll(context) {
            return Poll::Ready(ended);
        }
        while late.as_mut().poll(context).is_ready() {
            match life.judge(idle) {
                Verdict::Until(then) => late.set(sleep_until(then)),
                // It takes nothing of what it asked for, or does not hang up.
                Verdict::Stuck => return Poll::Ready(Ok(())),
                Verdict::Idle if ending => return Poll::Ready(Ok(())),
                Verdict::Idle => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    late.set(sleep_until(Instant::now() + idle));
                }
            }
        }
        if !ending && pass.poll_closing(context).is_ready() {
            ending = true;
            connection.as_mut().graceful_shutdown();
        }
        if ending { connection.as_mut().poll(context) } else { Poll::Pending }
    })
    .await
}

/// When something was last seen of a client.
struct Life {
    seen: Cell<Instant>,
    /// Requests that are not answered to the end.
    answering: Cell<usize>,
}

/// What becomes of a connection.
enum Verdict {
    /// It may be silent until then.
    Until(Instant),
    Idle,
    Stuck,
}

impl Life {
    fn judge(&self, idle: Duration) -> Verdict {
        let end = self.seen.get() + idle;
        match (Instant::now() < end, self.answering.get()) {
            (true, _) => Verdict::Until(end),
            (false, 0) => Verdict::Idle,
            (false, _) => Verdict::Stuck,
        }
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
    let answering = Answering::begin(life);
    let now = SystemTime::now();
    let (parts, _body) = request.into_parts();
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
        head: &head,
        stamp: &stamp,
        now,
        out: &mut out,
    };
    let Reply { status, content, body } = exchange.run().await?;
    if let Some(log) = &server.log {
        log.record(&Line { client, date: &date, head: Some(&head), status, content });
    }
    let (mut response, len) = read_back(&out)?;
    let whole = Bytes::from(out).slice(len..);
    *response.body_mut() = FileBody::new(whole, body, answering);
    Ok(response)
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

type Reading = Pin<Box<dyn Future<Output = io::Result<(u64, Vec<u8>, Rc<Opened>)>>>>;

/// What follows a head: bytes that are there, then a part of a file.
#[derive(Default)]
struct FileBody {
    first: Bytes,
    rest: Option<Rc<Opened>>,
    part: Range<u64>,
    reading: Option<Reading>,
    answering: Option<Answering>,
}

impl FileBody {
    fn new(first: Bytes, rest: Option<(Rc<Opened>, Range<u64>)>, answering: Answering) -> Self {
        let (file, part) = match rest {
            Some((file, part)) => (Some(file), part),
            None => (None, 0..0),
        };
        Self { first, rest: file, part, reading: None, answering: Some(answering) }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(answering) = &this.answering {
            answering.0.seen.set(Instant::now());
        }
        if !this.first.is_empty() {
            let first = std::mem::take(&mut this.first);
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if this.reading.is_none() {
            if this.part.is_empty() {
                return Poll::Ready(None);
            }
            let Some(file) = this.rest.take() else {
                return Poll::Ready(None);
            };
            let part = this.part.clone();
            this.reading = Some(Box::pin(async move {
                let (n, bytes) = read_step(&file, part, Vec::new()).await?;
                Ok((n, bytes, file))
            }));
        }
        let Some(reading) = &mut this.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(reading.as_mut().poll(context));
        this.reading = None;
        Poll::Ready(Some(read.map(|(n, bytes, file)| {
            this.part.start += n;
            this.rest = Some(file);
            Frame::data(Bytes::from(bytes))
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.part.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.first.len() as u64 + self.part.end - self.part.start)
    }
}

#[cfg(test)]
mod tests;
