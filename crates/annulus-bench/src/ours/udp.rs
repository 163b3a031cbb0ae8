//! UDP: a server that sends back whatever comes, and senders whose datagrams nobody reads.

use std::io;

use annulus::net::UdpSocket;

use crate::{Job, Sample};

/// Datagrams that are answered together.
const BATCH: usize = 64;
/// Datagrams of one send that is segmented.
const SEGMENTS: usize = 32;

/// What is there is taken at once, and sent back from where it was received.
pub fn echo(_job: &Job) -> io::Result<Sample> {
    crate::serve_udp(|socket| {
        super::run(async move {
            let socket = UdpSocket::from_std(socket)?;
            loop {
                let datagrams = socket.recv_batch(BATCH).await?;
                let answers = datagrams.into_iter().map(|datagram| {
                    let sender = *datagram.sender();
                    (datagram.into_lease(), sender)
                });
                for sent in socket.send_batch(answers).await {
                    sent?;
                }
            }
        })?
    })
}

/// A sender, and a receiver that takes joined datagrams whole and reads none.
fn ends() -> io::Result<(UdpSocket, UdpSocket)> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_gro(true)?;
    Ok((UdpSocket::bind("127.0.0.1:0")?, receiver))
}

/// Datagrams, one after the other.
pub fn plain(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, receiver) = ends()?;
        sender.connect(receiver.local_addr()?).await?;
        let (meter, mut buf) = (job.meter(), vec![0x5a; job.bytes]);
        loop {
            (_, buf) = sender.send(buf).await?;
            if !meter.tick() {
                return meter.sample();
            }
        }
    })?
}

/// The same datagrams, many in one send.
pub fn gso(job: &Job) -> io::Result<Sample> {
    let job = job.clone();
    super::run(async move {
        let (sender, receiver) = ends()?;
        sender.connect(receiver.local_addr()?).await?;
        let (meter, mut buf) = (job.meter(), vec![0x5a; SEGMENTS * job.bytes]);
        let segment_bytes = u16::try_from(job.bytes).map_err(io::Error::other)?;
        loop {
            (_, buf) = sender.send_segments(buf, segment_bytes, None).await?;
            if !meter.ticks(SEGMENTS as u64) {
                return meter.sample();
            }
        }
    })?
}
