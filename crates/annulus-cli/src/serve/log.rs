//! The access log: a line per request, in the combined format, on standard output.
//!
//! A core only appends to a buffer; a thread of its own writes. If the reader of the output is
//! slower than the requests, the buffer fills up and lines are dropped and counted: a log must not
//! hold up the server.
//!
//! Invariants: a line is written whole or not at all, and holds no byte that could end it early or
//! steer a terminal.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::clock::HttpDate;
use super::head::Head;
use super::response::Status;

/// The most bytes that wait to be written.
const BACKLOG_BYTES: usize = 1 << 20;
/// How long the end waits for a reader of the output.
const FINISH: Duration = Duration::from_secs(1);

/// One core's end of the log.
pub struct Log {
    shared: Arc<Shared>,
    line: RefCell<Vec<u8>>,
}

/// The thread that writes; [`Writer::finish`] waits for it.
pub struct Writer {
    shared: Arc<Shared>,
    /// Hears that the thread has ended: its end is dropped.
    ended: mpsc::Receiver<()>,
}

/// What gives each core its end of the log.
pub struct Ends {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    dropped: u64,
    finished: bool,
    /// The output is gone; nothing is collected any more.
    broken: bool,
}

/// What is logged of one request.
pub struct Line<'l> {
    /// Who asked.
    pub client: IpAddr,
    /// The date of the response.
    pub date: &'l HttpDate,
    /// What was asked, if that was understood.
    pub head: Option<&'l Head<'l>>,
    /// What was answered.
    pub status: Status,
    /// The bytes of content.
    pub content: u64,
}

/// Starts a log that is written to `output`.
///
/// # Errors
/// The kernel's, when there can be no further thread.
pub fn start(output: impl Write + Send + 'static) -> io::Result<Writer> {
    let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
    let theirs = shared.clone();
    let (ends, ended) = mpsc::channel();
    std::thread::Builder::new().name("annulus-log".to_owned()).spawn(move || {
        theirs.write_all(output);
        drop(ends);
    })?;
    Ok(Writer { shared, ended })
}

impl Writer {
    /// What gives each core its end.
    pub fn ends(&self) -> Ends {
        Ends { shared: self.shared.clone() }
    }

    /// Waits until everything logged so far is written, if whoever reads it takes it: not for long
    /// where nobody does.
    pub fn finish(self) {
        self.shared.lock().finished = true;
        self.shared.changed.notify_one();
        // A panic of the writer has been reported by the panic hook; the server ends either way.
        let _ = self.ended.recv_timeout(FINISH);
    }
}

impl Ends {
    /// A core's end.
    pub fn log(&self) -> Log {
        Log { shared: self.shared.clone(), line: RefCell::default() }
    }
}

impl Log {
    /// Logs a request. Never waits for the output.
    pub fn record(&self, line: &Line<'_>) {
        let mut text = self.line.borrow_mut();
        text.clear();
        line.write(&mut text);
        self.shared.append(&text);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.broken {
            return;
        }
        if state.waiting.len() + line.len() > BACKLOG_BYTES {
            state.dropped += 1;
            return;
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if first {
            self.changed.notify_one();
        }
    }

    fn write_all(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        let mut state = self.lock();
        loop {
            while state.waiting.is_empty() && state.dropped == 0 {
                if state.finished {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut batch, &mut state.waiting);
            if state.dropped > 0 {
                let dropped = std::mem::take(&mut state.dropped);
                batch.extend_from_slice(format!("# {dropped} lines were dropped\n").as_bytes());
            }
            drop(state);
            let result = output.write_all(&batch).and_then(|()| output.flush());
            batch.clear();
            state = self.lock();
            if result.is_err() {
                state.broken = true;
                state.waiting = Vec::new();
                return;
            }
        }
    }
}

impl Line<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let [day, month, year, time] =
            [5..7, 8..11, 12..16, 17..25].map(|part| self.date[part].escape_ascii());
        let _ = write!(out, "{} - - [{day}/{month}/{year}:{time} +0000] ", self.client);
        let nothing = (None, None, None);
        let (request, referer, agent) = self.head.map_or(nothing, |head| {
            let fields = &head.fields;
            (Some(head.line), fields.referer.as_deref(), fields.user_agent.as_deref())
        });
        quoted(out, request);
        let _ = write!(out, " {} {} ", self.status.code(), self.content);
        quoted(out, referer);
        out.push(b' ');
        quoted(out, agent);
        out.push(b'\n');
    }
}

/// A value between quotes; a dash if there is none. Whatever is not visible ASCII is escaped.
fn quoted(out: &mut Vec<u8>, value: Option<&[u8]>) {
    out.push(b'"');
    for &byte in value.unwrap_or(b"-") {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
