//! The listener of the metrics: a server of its own, so that it answers when the other is full.
//!
//! Owns: the little of HTTP that a scraper needs, and the bounds on it. Does not own: the page
//! (`metrics`). Each answer is the last of its connection.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use annulus::net::Parsed;
use annulus::runtime::Cores;
use annulus::serve::{Config, Conn, Handle, Handler, Inherited, Server, Workers};
use annulus::time::sleep;

use super::metrics::Source;
use crate::listen::in_words;

/// The longest request that is read.
const REQUEST_BYTES: usize = 8 * 1024;
/// How long a scraper may take to ask, and to take the answer.
const BOUND: Duration = Duration::from_secs(5);
/// Scrapers at a time.
const SCRAPERS: usize = 32;
const FIELDS: usize = 64;
/// How often, and how long before each time, it is looked whether the server runs.
const LOOKS: u32 = 100;
const BEFORE_LOOK: Duration = Duration::from_millis(10);

/// The server of the metrics.
pub struct Scrape {
    handle: Handle,
    workers: Workers,
}

impl Scrape {
    /// Starts it, on a socket that listens. Whoever asks before the server runs waits for that.
    ///
    /// # Errors
    /// No further core can be had.
    pub fn start(socket: TcpListener, source: Source) -> io::Result<Self> {
        let config = Config::new()
            .cores(Cores::Count(1))
            .connections_max(SCRAPERS)
            .message_bytes_max(REQUEST_BYTES)
            .idle_timeout(2 * BOUND)
            .read_timeout(BOUND)
            .write_timeout(BOUND)
            .drain_timeout(BOUND)
            .runtime(|core| core.entries(32).fixed_files(64).buffer_bytes(4096).buffer_count(32));
        let address = socket.local_addr()?;
        let socket = [("metrics".to_owned(), OwnedFd::from(socket))];
        let socket = Inherited::from_fds(socket).map_err(in_words)?;
        let source = Arc::new(source);
        let make = move |_core| Scraped { source: source.clone() };
        let server = Server::builder(config).inherit(socket).bind(address);
        let (handle, workers) = server.launch_with(make).map_err(in_words)?;
        Ok(Self { handle, workers })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.handle.addr()
    }

    /// What makes it take no more connections.
    pub fn closer(&self) -> impl FnOnce() + Send + 'static {
        let handle = self.handle.clone();
        move || handle.shutdown()
    }

    /// Ends it.
    ///
    /// # Errors
    /// That of its core.
    pub fn end(self) -> io::Result<()> {
        self.handle.shutdown();
        self.workers.join().map_err(in_words)
    }
}

/// The handler.
struct Scraped {
    source: Arc<Source>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Page { head: bool },
    SomethingElse,
    InSomeOtherWay,
    Nonsense,
}

impl Handler for Scraped {
    fn for_core(_core: usize) -> Self {
        unreachable!("the server is launched with a function that makes its handlers")
    }

    async fn on_accept(&self, conn: Conn) {
        let mut asked = None;
        conn.with_data(|bytes| match read(bytes) {
            Some(what) => {
                asked = Some(what);
                Parsed::Consumed(bytes.len())
            }
            None => Parsed::NeedMore,
        })
        .await;
        let answer = match asked {
            None => return,
            Some(Asked::Page { head }) => match self.page().await {
                Some(page) => answer("200 OK", &page, head),
                None => answer("503 Service Unavailable", "The server starts.\n", head),
            },
            Some(Asked::SomethingElse) => answer("404 Not Found", "There is /metrics.\n", false),
            Some(Asked::InSomeOtherWay) => {
                answer("405 Method Not Allowed", "There are GET and HEAD.\n", false)
            }
            Some(Asked::Nonsense) => answer("400 Bad Request", "This is no request.\n", false),
        };
        // A scraper that has gone has nobody to be told.
        let _ = conn.send(answer).await;
        let _ = conn.finish().await;
    }
}

impl Scraped {
    /// The page, once the server runs.
    async fn page(&self) -> Option<String> {
        for _ in 0..LOOKS {
            if let Some(page) = self.source.page() {
                return Some(page);
            }
            sleep(BEFORE_LOOK).await;
        }
        None
    }
}

/// The request, once it is whole.
fn read(bytes: &[u8]) -> Option<Asked> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Some(Asked::Nonsense),
    }
    let path = request.path.and_then(|path| path.split('?').next());
    Some(match (request.method, path) {
        (Some("GET"), Some("/metrics")) => Asked::Page { head: false },
        (Some("HEAD"), Some("/metrics")) => Asked::Page { head: true },
        (Some("GET" | "HEAD"), _) => Asked::SomethingElse,
        _ => Asked::InSomeOtherWay,
    })
}

fn answer(status: &str, text: &str, head: bool) -> String {
    let content = if head { "" } else { text };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{content}",
        text.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let read = |text: &str| read(text.as_bytes());
        let whole = "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(read(whole), Some(Asked::Page { head: false }));
        assert_eq!(read(&whole[..20]), None);
        assert_eq!(read("HEAD /metrics HTTP/1.0\r\n\r\n"), Some(Asked::Page { head: true }));
        assert_eq!(read("GET / HTTP/1.1\r\n\r\n"), Some(Asked::SomethingElse));
        assert_eq!(read("POST /metrics HTTP/1.1\r\n\r\n"), Some(Asked::InSomeOtherWay));
        assert_eq!(read("\u{1}\r\n\r\n"), Some(Asked::Nonsense));
    }

    #[test]
    fn an_answer_to_head_has_the_length_and_not_the_content() {
        let whole = answer("200 OK", "abc", false);
        assert!(whole.contains("Content-Length: 3\r\n") && whole.ends_with("\r\n\r\nabc"));
        let head = answer("200 OK", "abc", true);
        assert!(head.contains("Content-Length: 3\r\n") && head.ends_with("\r\n\r\n"));
    }
}
