//! `annulus serve DIR`: the files beneath a directory, over HTTP/1.1; over HTTPS with HTTP/2, too.
//!
//! ```text
//!  bytes ──> input ──> head ──> answer ──> response ──> bytes
//!  (leases)            │          │ target, conditional, range, entity, media
//!                      │          └ site: open beneath the root, facts, read
//!                      └ framing: what is a request, where does the next one begin
//! ```
//!
//! Everything that decides is pure and knows neither a socket nor a ring: [`head`] says where a
//! request ends, [`target`] which file is meant, [`conditional`] and [`range`] which part of it is
//! wanted, [`response`] how that is said. [`connection`] strings them together over the two small
//! traits of [`wire`]; [`live`] is the runtime's side of these, [`secure`] that of TLS. Accepting,
//! limits and stopping are those of `annulus::serve`: [`handler`] takes each connection from there,
//! [`stay`] is what it hears of the end, and [`start`] starts and ends it all. HTTP/2 is hyper's:
//! [`http2`] has its requests answered by the same [`exchange`], and says the same heads in its
//! words.
//!
//! Policies, where HTTP leaves a choice (RFC 9110, RFC 9112):
//!
//! * Several ranges in one request are answered with the whole file (200), never with
//!   `multipart/byteranges`; a single range is honoured.
//! * `%2F` in a path is a byte of a name. No file name can hold it, so it is not found (404);
//!   it never separates directories. `%00` and a malformed escape are 400.
//! * `.` and `..` are resolved in the text of the path, encoded or not; one that leaves the root is
//!   400. What the kernel finds is confined once more by `openat2(RESOLVE_BENEATH)`, so symbolic
//!   links work inside the directory as long as they are relative, and never lead out of it (404).
//! * A body sent with a request is skipped if it is short, else the connection is closed after the
//!   answer; `Expect: 100-continue` gets the final answer at once, and the connection is closed.
//! * Ambiguous framing (`Transfer-Encoding` with `Content-Length`, disagreeing lengths) is 400 and
//!   ends the connection.

mod alarm;
mod args;
mod counts;
mod handler;
mod launch;
mod listeners;
mod metrics;
mod scrape;
mod start;
mod succession;

mod live;
mod open_files;
mod secure;
mod site;
mod stay;
mod tls;
mod wire;

mod connection;
mod exchange;
mod head;
mod http2;
mod input;
mod target;

mod answer;
mod conditional;
mod described;
mod entity;
mod media;
mod range;

mod clock;
mod listing;
mod log;
mod page;
mod response;

pub use args::Args;
pub use start::run;
