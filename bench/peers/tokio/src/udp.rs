//! A UDP server that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use tokio::net::UdpSocket;

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_udp(|socket| {
        socket.set_nonblocking(true)?;
        super::run(async move {
            let socket = UdpSocket::from_std(socket)?;
            let mut buf = vec![0; bytes];
            loop {
                let (n, sender) = socket.recv_from(&mut buf).await?;
                socket.send_to(&buf[..n], sender).await?;
            }
        })?
    })
}
