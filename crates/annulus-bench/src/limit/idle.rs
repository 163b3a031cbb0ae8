//! The load that connects many times, asks once on each connection, and then leaves all of them
//! open and silent. Blocking sockets: nothing here is measured but what the server keeps.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::{Job, Sample, sys, wrong};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says that it is ready, connects as soon as it hears a line, and gives as many operations as it
/// has connections. They stay open until the process is ended.
///
/// # Errors
/// Those of sockets; another answer came, or none.
pub fn run(job: &Job) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let address = job.address.tcp()?;
    println!("{{\"ready\":true}}");
    let mut go = String::new();
    io::stdin().lock().read_line(&mut go)?;
    let start = Instant::now();
    let (mut request, mut answer) = (vec![0x5a; job.bytes.max(8)], vec![0; job.bytes.max(8)]);
    let mut connections = Vec::with_capacity(job.tasks as usize);
    for number in 0..u64::from(job.tasks) {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        request[..8].copy_from_slice(&number.to_ne_bytes());
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        if answer != request {
            return Err(wrong("other bytes came back"));
        }
        connections.push(stream);
    }
    // Whoever asked reads the memory of the server after this, and ends this process then.
    std::mem::forget(connections);
    let wall_ns = start.elapsed().as_nanos() as u64;
    Ok(Sample { ops: job.tasks.into(), wall_ns, ..Sample::default() })
}
