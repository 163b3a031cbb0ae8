//! A UDP server that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::UdpSocket;

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_udp(|socket| {
        super::run(async move {
            let socket = UdpSocket::from_std(socket);
            let mut buf = vec![0; bytes];
            loop {
                let (result, filled) = socket.recv_from(buf).await;
                let (n, sender) = result?;
                let (result, sent) = socket.send_to(filled.slice(..n), sender).await;
                result?;
                buf = sent.into_inner();
            }
        })?
    })
}
