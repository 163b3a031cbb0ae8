//! The load that connects, asks once, closes, and does so again: one connection at a time, with
//! blocking sockets.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::{Job, Latency, Sample, wrong};

/// As the load of an echo server: warms it up, says so, and goes on as soon as it hears a line.
///
/// # Errors
/// Those of sockets; another answer came.
pub fn run(job: &Job) -> io::Result<Sample> {
    drop(super::load::connect(job.address)?);
    if job.ops.is_none() {
        connect(job, job.window / 10, u64::MAX)?;
    }
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    match job.ops {
        Some(ops) => connect(job, Duration::MAX, ops),
        None => connect(job, job.window, u64::MAX),
    }
}

fn connect(job: &Job, window: Duration, most: u64) -> io::Result<Sample> {
    let mut latency: Histogram<u64> =
        Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)?;
    let (mut request, mut answer) = (vec![0x5a; job.bytes.max(8)], vec![0; job.bytes.max(8)]);
    let start = Instant::now();
    let (mut ops, mut before) = (0u64, start);
    while before - start < window && ops < most {
        let mut stream = TcpStream::connect(job.address)?;
        request[..8].copy_from_slice(&ops.to_ne_bytes());
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        if answer != request {
            return Err(wrong("other bytes came back"));
        }
        // The server sees the end and closes; its side must not be left in TIME_WAIT.
        drop(stream);
        ops += 1;
        let now = Instant::now();
        latency.saturating_record((now - before).as_nanos() as u64);
        before = now;
    }
    let quantile = |share| latency.value_at_quantile(share);
    let latency =
        Latency { p50_ns: quantile(0.5), p99_ns: quantile(0.99), p999_ns: quantile(0.999) };
    let wall_ns = start.elapsed().as_nanos() as u64;
    Ok(Sample { ops, wall_ns, latency: Some(latency), ..Sample::default() })
}
