//! The runtime's side of a connection: [`Wire`] over a TCP stream.
//!
//! Owns how bytes travel and how long that may take. Knows nothing of HTTP.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use annulus::buf::{IoBufMut, Lease};
use annulus::fs::File;
use annulus::net::TcpStream;
use annulus::op::{Cancelled, OpExt as _};
use annulus::time::{sleep_until, timeout};

use super::args::Body;
use super::site::Opened;
use super::stop::Pass;
use super::wire::{Received, Wait, Wire};

/// How much of a large file is sent before the client's pace is judged anew.
const STEP_BYTES: u64 = 256 * 1024;

/// One connection.
pub struct Link {
    /// The socket. It goes before the pass, so that a gate without passes is one without sockets.
    pub stream: TcpStream,
    /// The connection's place among those of its core.
    pub pass: Pass,
    /// How long the client may take nothing of what is sent.
    pub stall: Duration,
    /// How large files travel.
    pub body: Body,
}

/// Waits for a send, as long as the client may take nothing.
pub(super) async fn in_time<T, E>(
    stall: Duration,
    sending: impl Future<Output = Result<T, E>>,
) -> io::Result<T>
where
    io::Error: From<E>,
{
    Ok(timeout(stall, sending).await??)
}

/// Waits for `receiving`, for the deadline, and for the end of the server.
pub(super) async fn receive(
    receiving: impl Future<Output = io::Result<Option<Lease>>>,
    wait: Wait,
    pass: &Pass,
) -> io::Result<Received<Lease>> {
    let (mut receiving, mut late) = (pin!(receiving), pin!(sleep_until(wait.deadline)));
    // What has arrived goes first: a request is answered even if it came at the last moment.
    poll_fn(|context| {
        if let Poll::Ready(result) = receiving.as_mut().poll(context) {
            return Poll::Ready(result.map(|lease| lease.map_or(Received::End, Received::Bytes)));
        }
        if wait.idle && pass.poll_closing(context).is_ready() {
            return Poll::Ready(Ok(Received::Stopping));
        }
        late.as_mut().poll(context).map(|()| Ok(Received::TimedOut))
    })
    .await
}

impl Link {
    async fn in_time<T, E>(&self, sending: impl Future<Output = Result<T, E>>) -> io::Result<T>
    where
        io::Error: From<E>,
    {
        in_time(self.stall, sending).await
    }

    async fn read_and_send(&self, file: &File, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        let mut buf = Vec::with_capacity(step(&part) as usize);
        while at < part.end {
            let (n, read) = read_step(file, at..part.end, buf).await?;
            ((), buf) = self.in_time(self.stream.write_all(read)).await?;
            at += n;
        }
        Ok(())
    }

    /// Sends bytes and a part of a file, for as long as the client takes some of it now and then.
    async fn splice(
        &self,
        mut bytes: Vec<u8>,
        file: &File,
        mut part: Range<u64>,
    ) -> io::Result<Vec<u8>> {
        loop {
            let whole = bytes.len() as u64 + (part.end - part.start);
            let sending = self.stream.send_file_after(bytes, file, part.clone());
            match sending.timeout(self.stall).await {
                Ok((sent, bytes)) if sent == whole => return Ok(bytes),
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(failed) => {
                    let (error, back) = failed.into_parts();
                    let sent = Cancelled::of(&error).map_or(0, Cancelled::bytes_done);
                    let Some(back) = back.filter(|_| sent > 0) else {
                        return Err(error);
                    };
                    bytes = back;
                    let of_bytes = sent.min(bytes.len());
                    bytes.drain(..of_bytes);
                    part.start += (sent - of_bytes) as u64;
                }
            }
        }
    }
}

pub(super) fn step(part: &Range<u64>) -> u64 {
    STEP_BYTES.min(part.end - part.start)
}

/// Reads the beginning of a part into a buffer, which holds nothing else then; and says how much.
pub(super) async fn read_step(
    file: &File,
    part: Range<u64>,
    mut buf: Vec<u8>,
) -> io::Result<(u64, Vec<u8>)> {
    buf.clear();
    let want = step(&part) as usize;
    buf.reserve(want);
    let (n, slice) = file.read_at(buf.slice_mut(..want), part.start).await?;
    if n == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut buf = slice.into_inner();
    buf.truncate(n);
    Ok((n as u64, buf))
}

impl Wire<Rc<Opened>> for Link {
    type Lease = Lease;

    async fn recv(&self, wait: Wait) -> io::Result<Received<Lease>> {
        receive(self.stream.recv(), wait, &self.pass).await
    }

    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let ((), bytes) = self.in_time(self.stream.write_all(bytes)).await?;
        Ok(bytes)
    }

    async fn send_with_file(
        &self,
        bytes: Vec<u8>,
        file: &Rc<Opened>,
        part: Range<u64>,
    ) -> io::Result<Vec<u8>> {
        match self.body {
            Body::Sendfile => self.splice(bytes, file, part).await,
            Body::Read => {
                let bytes = self.send(bytes).await?;
                self.read_and_send(file, part).await?;
                Ok(bytes)
            }
        }
    }

    async fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn stopping(&self) -> bool {
        self.pass.is_closing()
    }
}
