//! A UDP server that sends back whatever comes: what is there is taken at once, as many datagrams
//! as ringline's documentation calls a reasonable beginning, and each is sent.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use annulus_bench::{Job, Sample};
use ringline::{AsyncEventHandler, ConnCtx, RinglineBuilder, UdpCtx, UdpSendError};

use crate::Local;
use crate::echo::join;

/// Datagrams that are taken together.
const BATCH: usize = 16;

struct Echo;

impl AsyncEventHandler for Echo {
    fn on_udp_bind(&self, udp: UdpCtx) -> Option<Local<()>> {
        Some(Box::pin(echo(udp)))
    }

    fn on_accept(&self, _connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async {}
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}

async fn echo(udp: UdpCtx) {
    let mut bytes: Vec<u8> = Vec::new();
    let mut datagrams: Vec<(SocketAddr, usize)> = Vec::new();
    loop {
        // It lends payloads to this closure, which may not send.
        udp.recv_batch(BATCH, |payload, sender| {
            datagrams.push((sender, payload.len()));
            bytes.extend_from_slice(payload);
        })
        .await;
        let mut rest = &bytes[..];
        for (sender, len) in datagrams.drain(..) {
            let (payload, others) = rest.split_at(len);
            send(udp, sender, payload).await;
            rest = others;
        }
        bytes.clear();
    }
}

/// Sends as soon as there is room. Any other error loses the datagram, which the load misses.
async fn send(udp: UdpCtx, to: SocketAddr, payload: &[u8]) {
    use UdpSendError::{PoolExhausted, SubmissionQueueFull};
    while let Err(PoolExhausted | SubmissionQueueFull) = udp.send_to(to, payload) {
        udp.send_ready().await;
    }
}

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve_udp_at(
        |address| {
            let builder = RinglineBuilder::new(super::build(super::config())?).bind_udp(address);
            builder.launch::<Echo>().map_err(super::error)
        },
        |(_shutdown, workers)| join(workers),
    )
}
