//! What a connection sends.
//!
//! Owns: the ways to say it, and the limits of time and room. Does not own: the send queue (the
//! core's stream, or the layer). Invariant: bytes that were accepted are sent, in the order in
//! which they were, unless the connection is aborted or fails.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::transport::{Carrier, Layered, Plain};
use super::{Conn, LATE, Limit as _};
use crate::buf::{BufError, BufResult, IoBuf, IoVecBuf};
use crate::op::OpExt as _;
use crate::time::timeout;

impl Conn {
    /// Sends all bytes of a buffer, and gives it back. A [`Lease`](crate::buf::Lease) that was
    /// received, on this connection or on another, is sent from where it is.
    ///
    /// # Errors
    /// `BrokenPipe`, `ConnectionReset`, …, with the buffer; `TimedOut` after
    /// [`write_timeout`](super::super::Config::write_timeout), when the connection is aborted;
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future does not take the bytes back: they stay in the send queue. Of a
    /// connection with a layer, what the layer has not taken yet is not sent.
    ///
    /// # Kernel
    /// As [`TcpStream::write_all`](crate::net::TcpStream::write_all).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// conn.send("ping").await?;
    /// assert_eq!(peer.read_exact(vec![0; 4]).await?.1, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SendFuture")]
    #[doc(alias = "forward_recv_buf")]
    pub async fn send<B: IoBuf>(&self, buf: B) -> BufResult<(), B> {
        let sent = match (&self.inner.carrier, self.inner.write_ns.limit()) {
            (Carrier::Plain(plain), None) => plain.socket().write_all(buf).await,
            (Carrier::Plain(plain), Some(bound)) => {
                let sending = plain.socket().write_all(buf);
                let sent = sending.timeout(bound).await;
                sent.inspect_err(|error| self.give_up_if_late(error.error()))
            }
            (Carrier::Layered(layered), bound) => {
                let sent = self.through(layered, buf.as_init(), bound).await;
                match sent {
                    Ok(()) => Ok(((), buf)),
                    Err(error) => Err(BufError::new(error, buf)),
                }
            }
        };
        self.sent(sent)
    }

    /// Sends all bytes of several buffers, one after the other, in one request: a tuple, an array,
    /// or a [`Gather`](crate::buf::Gather) of copied and kept pieces.
    ///
    /// # Errors
    /// As [`send`](Self::send); `InvalidInput` for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Kernel
    /// As [`TcpStream::write_all_vectored`](crate::net::TcpStream::write_all_vectored).
    ///
    /// ```
    /// use annulus::buf::Gather;
    /// use annulus::serve::Conn;
    ///
    /// async fn answer(conn: &Conn, body: std::sync::Arc<[u8]>) -> std::io::Result<()> {
    ///     let head = format!("${}\r\n", body.len());
    ///     let answer = Gather::new().copy(head.as_bytes()).guard(body).copy(b"\r\n");
    ///     conn.send_vectored(answer).await?;
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "send_parts")]
    #[doc(alias = "send_chain")]
    pub async fn send_vectored<V: IoVecBuf>(&self, bufs: V) -> BufResult<(), V> {
        let sent = match (&self.inner.carrier, self.inner.write_ns.limit()) {
            (Carrier::Plain(plain), None) => plain.socket().write_all_vectored(bufs).await,
            (Carrier::Plain(plain), Some(bound)) => {
                let sending = plain.socket().write_all_vectored(bufs);
                let sent = sending.timeout(bound).await;
                sent.inspect_err(|error| self.give_up_if_late(error.error()))
            }
            (Carrier::Layered(layered), bound) => {
                let all = crate::buf::gather(&bufs);
                match self.through(layered, &all, bound).await {
                    Ok(()) => Ok(((), bufs)),
                    Err(error) => Err(BufError::new(error, bufs)),
                }
            }
        };
        self.sent(sent)
    }

    /// Copies `bytes` into the send queue without waiting. They are sent at the end of the turn,
    /// together with others queued in it.
    ///
    /// # Errors
    /// `WouldBlock` if this connection has more queued than it may ([`set_watermarks`]): nothing
    /// was taken, no other connection is concerned, and [`room`](Self::room) waits until there is
    /// some. The error of an earlier send that failed. `NotConnected` after
    /// [`close`](Self::close).
    ///
    /// [`set_watermarks`]: Self::set_watermarks
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        if self.inner.ended_here().is_some() {
            return Err(self.inner.because(io::ErrorKind::NotConnected.into()));
        }
        match &self.inner.carrier {
            Carrier::Plain(plain) => {
                // ORDERING: Relaxed; a hint of this core.
                let high = self.inner.high_bytes.load(Ordering::Relaxed);
                let queued = plain.socket().owned.with(|state, key| {
                    let queued = state.records.stream(key).map(|stream| stream.send.queued_bytes);
                    match queued.filter(|queued| *queued >= high && !bytes.is_empty()) {
                        Some(queued) => Err(full(queued)),
                        None => state.queue_bytes(key, bytes),
                    }
                })?;
                queued?;
            }
            Carrier::Layered(layered) => layered.with(|it| it.send_nowait(bytes))?,
        }
        self.inner.is_active();
        Ok(())
    }

    /// Waits until at most the lower watermark of [`send_nowait`](Self::send_nowait) is queued.
    ///
    /// # Errors
    /// That of a send that failed; `TimedOut`, and the connection is aborted, after
    /// [`write_timeout`](super::super::Config::write_timeout).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was queued is sent.
    ///
    /// # Kernel
    /// No request of its own: it waits for the sends that are queued.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// while conn.send_nowait(&[7; 4096]).is_ok() {}
    /// # let reading = async { while peer.recv().await?.is_some() {} std::io::Result::Ok(()) };
    /// # let writing = async {
    /// conn.room().await?;
    /// conn.send_nowait(b"more")?;
    /// # conn.finish().await
    /// # };
    /// # annulus::try_join!(reading, writing)?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn room(&self) -> io::Result<()> {
        // ORDERING: Relaxed; a hint of this core.
        let low = self.inner.low_bytes.load(Ordering::Relaxed);
        self.wait_for_room(low).await
    }

    /// Waits until everything that was accepted is with the kernel's socket.
    ///
    /// # Errors
    /// As [`room`](Self::room).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what was queued is sent.
    ///
    /// # Kernel
    /// No request of its own: it waits for the sends that are queued.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// conn.send_nowait(b"ping")?;
    /// conn.flush().await?;
    /// # drop(peer);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&self) -> io::Result<()> {
        self.wait_for_room(0).await
    }

    async fn wait_for_room(&self, low_bytes: usize) -> io::Result<()> {
        let room = async {
            match &self.inner.carrier {
                Carrier::Plain(plain) => {
                    let socket = plain.socket();
                    let most = socket.owned.with(|state, _| state.send_high_bytes)?;
                    socket.room(Some(low_bytes.min(most / 2))).await
                }
                Carrier::Layered(layered) => {
                    let mut places = layered.places();
                    poll_fn(|cx| {
                        layered.with(|transport| match low_bytes {
                            0 => transport.poll_flush(&mut places, cx),
                            _ => transport.poll_room(&mut places, cx),
                        })
                    })
                    .await
                }
            }
        };
        let waited = match self.inner.write_ns.limit() {
            None => room.await,
            Some(bound) => match timeout(bound, room).await {
                Ok(waited) => waited,
                Err(_over) => Err(self.is_late()),
            },
        };
        waited.map_err(|error| self.inner.because(error))?;
        self.inner.is_active();
        Ok(())
    }

    /// Ends the sending direction behind what was accepted; receiving goes on. A layer says goodbye
    /// first, as TLS does.
    ///
    /// # Errors
    /// Those of shutdown(2): `NotConnected`; that of a layer.
    ///
    /// # Cancel safety
    /// What was accepted is sent all the same; a layer may not have said goodbye.
    ///
    /// # Kernel
    /// shutdown(2): a system call, because the ring would take five times as long.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// conn.send_nowait(b"ping")?;
    /// conn.finish().await?;
    /// assert_eq!(peer.read_exact(vec![0; 4]).await?.1, b"ping");
    /// assert!(peer.recv().await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "shutdown_write")]
    #[doc(alias = "half-close")]
    pub async fn finish(&self) -> io::Result<()> {
        let finished = match &self.inner.carrier {
            Carrier::Plain(plain) => plain.socket().shutdown(Shutdown::Write),
            Carrier::Layered(layered) => {
                let mut places = layered.places();
                poll_fn(|cx| layered.with(|transport| transport.poll_finish(&mut places, cx))).await
            }
        };
        finished.map_err(|error| self.inner.because(error))
    }

    /// Sends on what arrives here to another connection, until the peer ends its direction, and
    /// gives how many bytes that were. The other's direction is not ended.
    ///
    /// # Errors
    /// As [`recv`](Self::recv) and [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropping the future may lose bytes that were received and not sent yet.
    ///
    /// # Kernel
    /// Between TCP sockets without time limits as [`io::copy`](crate::io::copy()): leases are sent
    /// from where they were received, and large pieces go through a pipe by splice(2).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// let (right, other_peer) = UnixStream::pair()?;
    /// let other = Conn::of_unix(right)?;
    /// peer.write_all("ping").await?;
    /// drop(peer);
    /// assert_eq!(conn.forward_to(&other).await?, 4);
    /// assert_eq!(other_peer.read_exact(vec![0; 4]).await?.1, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "enable_recv_forward")]
    pub async fn forward_to(&self, other: &Self) -> io::Result<u64> {
        let unlimited = [&self.inner.read_ns, &other.inner.write_ns];
        let unlimited = unlimited.iter().all(|limit| limit.limit().is_none());
        if let (Some(mut from), Some(mut to), true) = (self.bare(), other.bare(), unlimited) {
            let copied = crate::io::copy(&mut from, &mut to).await;
            self.inner.is_active();
            return copied.map_err(|error| self.inner.because(error));
        }
        let mut total = 0;
        while let Some(lease) = self.recv().await? {
            total += lease.len() as u64;
            other.send(lease).await?;
        }
        Ok(total)
    }

    fn bare(&self) -> Option<&crate::net::TcpStream> {
        match &self.inner.carrier {
            Carrier::Plain(plain @ Plain::Tcp(_)) => plain.as_tcp(),
            _ => None,
        }
    }

    /// Hands bytes to a layer until it has taken all.
    async fn through(
        &self,
        layered: &Layered,
        mut bytes: &[u8],
        bound: Option<Duration>,
    ) -> io::Result<()> {
        let taking = async {
            let _turn = layered.turn().await;
            let mut places = layered.places();
            while !bytes.is_empty() {
                let taken = poll_fn(|cx| {
                    let piece = [IoSlice::new(bytes)];
                    layered.with(|transport| transport.poll_write(&mut places, cx, &piece))
                });
                match taken.await? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    taken => bytes = &bytes[taken..],
                }
            }
            Ok(())
        };
        match bound {
            None => taking.await,
            Some(bound) => match timeout(bound, taking).await {
                Ok(taken) => taken,
                Err(_over) => Err(self.is_late()),
            },
        }
    }

    /// What every send ends with.
    #[inline]
    fn sent<B>(&self, sent: BufResult<(), B>) -> BufResult<(), B> {
        match sent {
            Ok(sent) => {
                self.inner.is_active();
                Ok(sent)
            }
            Err(error) => {
                let (error, buf) = error.into_parts();
                Err(BufError::with(self.inner.because(error), buf))
            }
        }
    }

    fn give_up_if_late(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.inner.abort(LATE);
        }
    }

    fn is_late(&self) -> io::Error {
        self.inner.abort(LATE);
        io::ErrorKind::TimedOut.into()
    }

    /// Closes the connection when it is at its end or `bound` is over, whichever is first: for a
    /// last answer that the peer should see although it is still sending.
    ///
    /// It ends the sending direction, and reads and drops what the peer still sends. Closing with
    /// bytes unread would reset the connection, and the peer might lose the answer.
    ///
    /// # Cancel safety
    /// Dropping the future closes nothing; the sending direction may have ended.
    ///
    /// # Kernel
    /// shutdown(2), a system call, and as [`recv`](Self::recv).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::UnixStream;
    /// # use annulus::serve::Conn;
    /// # let (left, peer) = UnixStream::pair()?;
    /// # let conn = Conn::of_unix(left)?;
    /// # drop(peer);
    /// use std::time::Duration;
    ///
    /// conn.send_nowait(b"too large\n").ok();
    /// conn.linger(Duration::from_secs(1)).await;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_LINGER")]
    pub async fn linger(&self, bound: Duration) {
        let reading = async {
            if self.finish().await.is_ok() {
                while let Ok(Some(_unread)) = self.recv().await {}
            }
        };
        let _over = timeout(bound, reading).await;
        self.close();
    }
}

fn full(queued: usize) -> io::Error {
    let text = format!("{queued} bytes wait to be sent, as many as may: await `room` first");
    io::Error::new(io::ErrorKind::WouldBlock, text)
}
