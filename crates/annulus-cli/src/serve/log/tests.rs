//! Tests of the access log.

use std::sync::mpsc;

use super::*;
use crate::serve::head;

const DATE: &HttpDate = b"Fri, 20 Nov 2026 09:15:03 GMT";

fn line(head: Option<&Head<'_>>) -> String {
    let client = IpAddr::from([192, 0, 2, 7]);
    let line = Line { client, date: DATE, head, status: Status::OK, content: 42 };
    let mut out = Vec::new();
    line.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_is_in_the_combined_format() {
    let text = b"GET /a?b HTTP/1.1\r\nHost: x\r\nReferer: http://r/\r\nUser-Agent: u/1\r\n\r\n";
    let (head, _) = head::parse(text).unwrap().unwrap();
    assert_eq!(
        line(Some(&head)),
        "192.0.2.7 - - [20/Nov/2026:09:15:03 +0000] \"GET /a?b HTTP/1.1\" 200 42 \
         \"http://r/\" \"u/1\"\n"
    );
}

#[test]
fn a_request_that_was_not_understood_has_dashes() {
    assert!(line(None).ends_with("] \"-\" 200 42 \"-\" \"-\"\n"));
}

#[test]
fn a_client_cannot_forge_a_line() {
    let text = b"GET /\" HTTP/1.0\r\nUser-Agent: \\\"\x1b[2J\xff\ty\r\n\r\n";
    let head = head::parse(text);
    let head = match &head {
        Ok(Some((head, _))) => head,
        // The parser may refuse control bytes by itself, which is as well.
        _ => {
            &head::parse(b"GET /\" HTTP/1.0\r\nUser-Agent: \\\"\xff\ty\r\n\r\n").unwrap().unwrap().0
        }
    };
    let line = line(Some(head));
    assert!(line.contains("\"GET /\\\" HTTP/1.0\""));
    assert!(line.contains("\\xff\\x09y\"\n"));
    assert_eq!(line.bytes().filter(|byte| !(b' '..=b'~').contains(byte)).count(), 1);
}

/// An output that hands each batch over, and waits to be let go before it takes it.
struct Gated {
    batches: mpsc::Sender<Vec<u8>>,
    gate: mpsc::Receiver<()>,
}

impl Write for Gated {
    fn write(&mut self, batch: &[u8]) -> io::Result<usize> {
        self.batches.send(batch.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.gate.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(batch.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_wait_for_a_slow_output_and_are_dropped_when_too_many_wait() {
    let (batches, written) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let writer = start(Gated { batches, gate }).unwrap();
    let shared = writer.shared.clone();
    shared.append(b"first\n");
    assert_eq!(written.recv().unwrap(), b"first\n");
    // The output is stuck in its first batch: these wait, and the last does not fit.
    let large = vec![b'x'; BACKLOG_BYTES - 2];
    shared.append(&large);
    shared.append(b"y\n");
    shared.append(b"z\n");
    open.send(()).unwrap();
    open.send(()).unwrap();
    writer.finish();
    let rest: Vec<u8> = written.iter().flatten().collect();
    assert!(rest.starts_with(&large));
    assert_eq!(&rest[large.len()..], b"y\n# 1 lines were dropped\n");
}

#[test]
fn what_was_logged_before_the_end_is_written() {
    let (batches, written) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    (0..2).for_each(|_| open.send(()).unwrap());
    let writer = start(Gated { batches, gate }).unwrap();
    let client = IpAddr::from([127, 0, 0, 1]);
    let log = writer.ends().log();
    log.record(&Line { client, date: DATE, head: None, status: Status::OK, content: 1 });
    writer.finish();
    let text: Vec<u8> = written.iter().flatten().collect();
    assert!(text.starts_with(b"127.0.0.1 - - ") && text.ends_with(b"\n"));
}

#[test]
fn a_broken_output_ends_the_log_and_not_the_server() {
    let (batches, written) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    drop((written, open));
    let writer = start(Gated { batches, gate }).unwrap();
    let shared = writer.shared.clone();
    shared.append(b"lost\n");
    writer.finish();
    shared.append(b"ignored\n");
    assert!(shared.lock().waiting.is_empty());
}

#[test]
fn an_output_that_nobody_reads_does_not_hold_up_the_end() {
    let (batches, written) = mpsc::channel();
    let (_never, gate) = mpsc::channel();
    let writer = start(Gated { batches, gate }).unwrap();
    let log = writer.ends().log();
    let client = IpAddr::from([192, 0, 2, 7]);
    log.record(&Line { client, date: DATE, head: None, status: Status::OK, content: 42 });
    written.recv().unwrap();
    // The thread is in its write, and stays there.
    writer.finish();
}
