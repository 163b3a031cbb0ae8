//! A server on Unix sockets that sends back whatever comes: a thread for each connection.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_unix(job, |listener| {
        loop {
            let (stream, _peer) = listener.accept()?;
            thread::Builder::new().spawn(move || connection(stream, bytes))?;
        }
    })
}

fn connection(mut stream: UnixStream, bytes: usize) -> io::Result<()> {
    let mut buf = vec![0; bytes];
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n])?;
    }
}
