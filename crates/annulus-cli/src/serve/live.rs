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

use annulus::buf::{BufError, IoBufMut, Lease};
use annulus::fs::File;
use annulus::net::TcpStream;
use annulus::op::Cancelled;

use super::args::Body;
use super::site::Opened;
use super::stay::Stay;
use super::wire::{Received, Wait, Wire};

/// How much of a large file is sent before the client's pace is judged anew.
const STEP_BYTES: u64 = 256 * 1024;

/// One connection.
pub struct Link {
    /// The socket. It goes before the permit, so that a server without permits is one without
    /// sockets.
    pub stream: TcpStream,
    /// Its bounds, and what it hears of the end.
    pub stay: Stay,
    /// How large files travel.
    pub body: Body,
}

/// Waits for `receiving`, for the deadline, and for the end of the server.
pub(super) async fn receive(
    receiving: impl Future<Output = io::Result<Option<Lease>>>,
    wait: Wait,
    stay: &Stay,
) -> io::Result<Received<Lease>> {
    let mut receiving = pin!(receiving);
    // What has arrived goes first: a request is answered even if it came at the last moment.
    poll_fn(|context| {
        if let Poll::Ready(result) = receiving.as_mut().poll(context) {
            return Poll::Ready(result.map(|lease| lease.map_or(Received::End, Received::Bytes)));
        }
        if wait.idle && stay.poll_over(context).is_ready() {
            return Poll::Ready(Ok(Received::Stopping));
        }
        stay.poll_late(wait.deadline, context).map(|()| Ok(Received::TimedOut))
    })
    .await
}

impl Link {
    /// Sends bytes, for as long as the client takes enough of them now and then.
    async fn send_at_its_pace(&self, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        loop {
            match self.stay.or_end(self.stream.write_all(bytes)).await {
                Ok(((), bytes)) => {
                    self.stay.sent(bytes.len() as u64);
                    return Ok(bytes);
                }
                Err(failed) => {
                    let sent;
                    (sent, bytes) = self.goes_on(failed)?;
                    bytes.drain(..sent);
                }
            }
        }
    }

    /// Whether a send that took too long is to go on: how much of it is with the kernel, and the
    /// buffer.
    ///
    /// # Errors
    /// That of the send, if it failed, or if that is too little.
    fn goes_on(&self, failed: BufError<Vec<u8>>) -> io::Result<(usize, Vec<u8>)> {
        let (error, back) = failed.into_parts();
        let late = Cancelled::of(&error).map(Cancelled::bytes_done);
        let Some(sent) = late else { return Err(error) };
        self.stay.sent(sent as u64);
        let Some(back) = back.filter(|_| self.stay.suffices(sent as u64)) else {
            self.give_up();
            return Err(io::ErrorKind::TimedOut.into());
        };
        Ok((sent, back))
    }

    /// The client takes too little: what it has not taken is not kept for it. Closed as others are,
    /// the connection would hold that in the kernel for as long as the client takes a byte of it
    /// now and then.
    fn give_up(&self) {
        // Else it ends that way.
        let _ = self.stream.set_zero_linger();
    }

    async fn read_and_send(&self, file: &File, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        let mut buf = Vec::with_capacity(step(&part) as usize);
        while at < part.end {
            let (n, read) = read_step(file, at..part.end, buf).await?;
            buf = self.send_at_its_pace(read).await?;
            at += n;
        }
        Ok(())
    }

    /// Sends bytes and a part of a file, for as long as the client takes enough of it now and then.
    async fn splice(
        &self,
        mut bytes: Vec<u8>,
        file: &File,
        mut part: Range<u64>,
    ) -> io::Result<Vec<u8>> {
        loop {
            let whole = bytes.len() as u64 + (part.end - part.start);
            let sending = self.stream.send_file_after(bytes, file, part.clone());
            match self.stay.or_end(sending).await {
                Ok((sent, bytes)) if sent == whole => {
                    self.stay.sent(sent);
                    return Ok(bytes);
                }
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(failed) => {
                    let sent;
                    (sent, bytes) = self.goes_on(failed)?;
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
        receive(self.stream.recv(), wait, &self.stay).await
    }

    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        self.send_at_its_pace(bytes).await
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
        self.stay.is_ending()
    }
}
