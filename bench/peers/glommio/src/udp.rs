//! A UDP server that sends back whatever comes.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

use annulus_bench::{Job, Sample};
use glommio::net::UdpSocket;

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_udp(|socket| {
        super::run(async move {
            // SAFETY: the descriptor is a socket of UDP, given away here.
            let socket = unsafe { UdpSocket::from_raw_fd(socket.into_raw_fd()) };
            let mut buf = vec![0; bytes];
            loop {
                let (n, sender) = socket.recv_from(&mut buf).await.map_err(super::error)?;
                socket.send_to(&buf[..n], sender).await.map_err(super::error)?;
            }
        })?
    })
}
