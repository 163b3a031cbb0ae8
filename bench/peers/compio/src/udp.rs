//! A UDP server that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use compio::BufResult;
use compio::net::UdpSocket;

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_udp(|socket| {
        super::runtime()?.block_on(async move {
            let socket = UdpSocket::from_std(socket)?;
            let mut buf = Vec::with_capacity(bytes);
            loop {
                buf.clear();
                let BufResult(result, filled) = socket.recv_from(buf).await;
                let (_, sender) = result?;
                let BufResult(result, sent) = socket.send_to(filled, sender).await;
                result?;
                buf = sent;
            }
        })
    })
}
