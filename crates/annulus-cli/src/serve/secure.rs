//! A connection over TLS: HTTP/1.1 as without, HTTP/2 where ALPN agrees upon it.
//!
//! Owns: [`Wire`] over a TLS stream, and the choice of the protocol. Does not own: either protocol.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use annulus::buf::{IoBuf as _, Lease};
use annulus::net::TcpStream;
use annulus_tls::TlsStream;

use super::connection::{self, Server};
use super::http2;
use super::live::{read_step, receive, step};
use super::site::{Beneath, Opened};
use super::stay::Stay;
use super::tls::Tls;
use super::wire::{Received, Wait, Wire};

/// One connection over TLS.
struct SecureLink {
    /// The socket goes before the permit, so that a server without permits is one without sockets.
    stream: TlsStream<TcpStream>,
    stay: Stay,
}

/// Shakes hands, and serves the connection until it ends.
pub async fn converse(
    server: Rc<Server<Beneath>>,
    (stream, stay): (TcpStream, Stay),
    (tls, client): (&Tls, IpAddr),
) {
    let shaken = {
        let mut shaking = pin!(tls.acceptor.accept(stream));
        poll_fn(|context| {
            if let Poll::Ready(shaken) = shaking.as_mut().poll(context) {
                return Poll::Ready(shaken.ok());
            }
            stay.poll_over(context).map(|()| None)
        })
        .await
    };
    // A client that cannot be understood was told so, as far as it can be.
    let Some(stream) = shaken else {
        stay.counts.handshakes_failed.add(1);
        return;
    };
    stay.counts.handshakes.add(1);
    // A connection that breaks has nobody left to tell.
    if stream.alpn().as_deref() == Some(b"h2") {
        stay.counts.http2.add(1);
        let _ = http2::serve(server, stream, (stay, client)).await;
        return;
    }
    let link = SecureLink { stream, stay };
    if connection::serve(&*server, &link, client).await.is_ok() {
        let _ = link.finish().await;
    }
}

impl Wire<Rc<Opened>> for SecureLink {
    type Lease = Lease;

    async fn recv(&self, wait: Wait) -> io::Result<Received<Lease>> {
        receive(self.stream.recv(), wait, &self.stay).await
    }

    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = bytes;
        let mut at = 0;
        // As much of it in a write timeout as of a file.
        while at < bytes.len() as u64 {
            let n = step(&(at..bytes.len() as u64));
            let piece = bytes.slice(at as usize..(at + n) as usize);
            let ((), piece) = self.stay.in_time(self.stream.write_all(piece)).await?;
            bytes = piece.into_inner();
            self.stay.sent(n);
            at += n;
        }
        Ok(bytes)
    }

    async fn send_with_file(
        &self,
        bytes: Vec<u8>,
        file: &Rc<Opened>,
        part: Range<u64>,
    ) -> io::Result<Vec<u8>> {
        let bytes = self.send(bytes).await?;
        let mut at = part.start;
        let mut buf = Vec::with_capacity(step(&part) as usize);
        while at < part.end {
            let (n, read) = read_step(file, at..part.end, buf).await?;
            ((), buf) = self.stay.in_time(self.stream.write_all(read)).await?;
            self.stay.sent(n);
            at += n;
        }
        Ok(bytes)
    }

    async fn finish(&self) -> io::Result<()> {
        self.stay.in_time(self.stream.shutdown()).await
    }

    fn stopping(&self) -> bool {
        self.stay.is_ending()
    }
}
