//! A UDP server that sends back whatever comes: one thread.

use std::io;

use annulus_bench::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_udp(|socket| {
        let mut buf = vec![0; bytes];
        loop {
            let (n, sender) = socket.recv_from(&mut buf)?;
            socket.send_to(&buf[..n], sender)?;
        }
    })
}
