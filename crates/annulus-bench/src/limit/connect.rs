//! The loads that connect, ask once, close, and do so again: one connection at a time, with
//! blocking sockets. An operation of `connect` is one of them, of `requests` as many as the job has
//! tasks.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::{Job, Latency, Sample, wrong};

/// As the load of an echo server: warms it up, says so, and goes on as soon as it hears a line.
///
/// # Errors
/// Those of sockets; another answer came.
pub fn run(job: &Job) -> io::Result<Sample> {
    drop(super::load::connect(job)?);
    let mut client = Client::new(job)?;
    if job.ops.is_none() {
        client.run(job.window / 10, u64::MAX)?;
    }
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    match job.ops {
        Some(ops) => client.run(Duration::MAX, ops),
        None => client.run(job.window, u64::MAX),
    }
}

struct Client {
    address: SocketAddr,
    request: Vec<u8>,
    answer: Vec<u8>,
    connections: u64,
    /// Connections of an operation.
    each: u32,
}

impl Client {
    fn new(job: &Job) -> io::Result<Self> {
        Ok(Self {
            address: job.address.tcp()?,
            request: vec![0x5a; job.bytes.max(8)],
            answer: vec![0; job.bytes.max(8)],
            connections: 0,
            each: if job.workload == "requests" { job.tasks } else { 1 },
        })
    }

    fn connect(&mut self) -> io::Result<()> {
        self.connections += 1;
        let mut stream = TcpStream::connect(self.address)?;
        self.request[..8].copy_from_slice(&self.connections.to_ne_bytes());
        stream.write_all(&self.request)?;
        stream.read_exact(&mut self.answer)?;
        // Dropped here, so that the server sees the end and closes; its side must not be left in
        // TIME_WAIT.
        if self.answer == self.request { Ok(()) } else { Err(wrong("other bytes came back")) }
    }

    fn run(&mut self, window: Duration, most: u64) -> io::Result<Sample> {
        let mut latency: Histogram<u64> =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?;
        let start = Instant::now();
        let (mut ops, mut before) = (0u64, start);
        while before - start < window && ops < most {
            (0..self.each).try_for_each(|_| self.connect())?;
            ops += 1;
            let now = Instant::now();
            latency.saturating_record((now - before).as_nanos() as u64);
            before = now;
        }
        Ok(sample(ops, start, &latency))
    }
}

/// What so many operations took.
pub(super) fn sample(ops: u64, start: Instant, latency: &Histogram<u64>) -> Sample {
    let quantile = |share| latency.value_at_quantile(share);
    let latency =
        Latency { p50_ns: quantile(0.5), p99_ns: quantile(0.99), p999_ns: quantile(0.999) };
    let wall_ns = start.elapsed().as_nanos() as u64;
    Sample { ops, wall_ns, latency: Some(latency), ..Sample::default() }
}
