//! The connection as it is polled: what all futures and traits are made of.
//!
//! Owns: how bytes go between the stream below and the engine. Invariant: the lock is held from
//! encrypting to queueing, so records are queued in the order of their numbers.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use annulus::buf::Lease;
use annulus_compat::{Handle, Readable, Writable};

use super::{State, TlsStream};
use crate::engine::Engine;
use crate::error::{broken, ended, truncated};
use crate::scratch;

/// The most that one poll encrypts; others have their turn then.
const WRITE_BYTES: usize = 64 * 1024;
/// Records of at most so many bytes are copied to the send queue; more are handed over.
const COPIED_BYTES: usize = 4096;

/// What is known without asking the stream below.
pub(super) enum Known {
    Bytes,
    End,
    Nothing,
}

impl State {
    /// Whether there is something to read: bytes first, then the error, then the end.
    pub(super) fn known(&mut self) -> io::Result<Known> {
        if !self.engine.plain().is_empty() {
            return Ok(Known::Bytes);
        }
        self.beyond()
    }

    /// A reader that waits for the stream below, and need not.
    fn next_reader(&mut self) -> Option<Waker> {
        if self.engine.plain().is_empty() { None } else { self.reader.take() }
    }

    /// What comes behind the bytes that are there.
    fn beyond(&mut self) -> io::Result<Known> {
        let Self { engine, below_ended, .. } = self;
        if let Some(error) = engine.error() {
            return Err(broken(error));
        }
        match (engine.peer_closed(), *below_ended) {
            (true, _) => Ok(Known::End),
            (false, true) => Err(truncated()),
            (false, false) => Ok(Known::Nothing),
        }
    }
}

/// Queues what has to be sent whatever happens: alerts, keys, tickets. It stays where it is if
/// there is no room, and goes out before the next record.
pub(crate) fn send_outgoing<H: Handle>(below: &H, engine: &mut Engine) -> io::Result<()> {
    if engine.outgoing().is_empty() {
        return Ok(());
    }
    match below.queue(engine.outgoing()) {
        Ok(()) => engine.outgoing_sent(),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => {
            engine.outgoing_sent(); // it has nowhere to go
            return Err(error);
        }
    }
    Ok(())
}

impl<H: Handle> TlsStream<H> {
    /// Waits until there are bytes to read (true), or the end is reached.
    pub(super) fn poll_readable(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        loop {
            match self.state().known()? {
                Known::Bytes => return Poll::Ready(Ok(true)),
                Known::End => return Poll::Ready(Ok(false)),
                Known::Nothing => {}
            }
            ready!(self.poll_more(places, cx))?;
        }
    }

    /// Waits until there are so many bytes, or the end is reached; gives how many there are.
    pub(super) fn poll_at_least(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            let (there, beyond) = {
                let mut state = self.state();
                (state.engine.plain().len(), state.beyond())
            };
            if there >= wanted || matches!(beyond, Ok(Known::End)) {
                return Poll::Ready(Ok(there));
            }
            beyond?;
            ready!(self.poll_more(places, cx))?;
        }
    }

    /// Waits for bytes of the stream below, and decrypts what is whole.
    pub(super) fn poll_more(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let received = match self.below.poll_recv(places, cx) {
            Poll::Ready(received) => received?,
            Poll::Pending => {
                self.state().reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        };
        let mut state = self.state();
        match received {
            None => state.below_ended = true,
            Some(lease) => {
                state.engine.receive(lease);
                // Sending may have failed long since; a reader reads on.
                let _ = send_outgoing(&self.below, &mut state.engine);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes; `None` at the end.
    pub(super) fn poll_lease(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>> {
        while ready!(self.poll_readable(places, cx))? {
            let mut state = self.state();
            // Another thread may have taken it.
            if let Some(next) = state.engine.plain().next() {
                let waits = state.next_reader();
                drop(state);
                waits.into_iter().for_each(Waker::wake);
                return Poll::Ready(Ok(Some(next)));
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Gives `take` the bytes that are there, and uses up as many as it says; none at the end.
    pub(super) fn poll_take(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        while ready!(self.poll_readable(places, cx))? {
            let mut state = self.state();
            let plain = state.engine.plain();
            if plain.is_empty() {
                continue; // another thread has taken it
            }
            let n = take(plain.bytes());
            plain.consume(n);
            let waits = state.next_reader();
            drop(state);
            waits.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(n));
        }
        Poll::Ready(Ok(0))
    }

    /// Encrypts and queues as much as one turn should, once there is room.
    pub(super) fn poll_encrypt(
        &self,
        places: &mut H::Places,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writable()?;
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        ready!(self.below.poll_room(places, cx))?;
        Poll::Ready(self.encrypt(bufs, WRITE_BYTES))
    }

    /// Encrypts and queues at most so many bytes; the stream below has room.
    ///
    /// Several buffers are joined first: a record costs more than a copy.
    pub(super) fn encrypt(&self, bufs: &[IoSlice<'_>], most: usize) -> io::Result<usize> {
        if let [buf] = bufs {
            return self.encrypt_piece(&buf[..buf.len().min(most)]);
        }
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut piece = Vec::with_capacity(all.min(most));
        for buf in bufs {
            let room = most - piece.len();
            piece.extend_from_slice(&buf[..buf.len().min(room)]);
        }
        self.encrypt_piece(&piece)
    }

    fn encrypt_piece(&self, bytes: &[u8]) -> io::Result<usize> {
        scratch::with(|out| {
            let mut state = self.state();
            state.engine.encrypt(bytes, out).map_err(|error| broken(&error))?;
            self.queue_records(&mut state.engine, out)
        })?;
        Ok(bytes.len())
    }

    /// Queues records, whose numbers are spent: should there be no room after all, they go out
    /// before the next ones.
    fn queue_records(&self, engine: &mut Engine, records: &mut Vec<u8>) -> io::Result<()> {
        let queued = match records.len() {
            ..=COPIED_BYTES => self.below.queue(records),
            _ => self.below.queue_vec(records),
        };
        match queued {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                engine.send_later(records);
                Ok(())
            }
            queued => queued,
        }
    }

    /// Whether this direction may be written to at all.
    pub(super) fn writable(&self) -> io::Result<()> {
        let state = self.state();
        match state.engine.error() {
            Some(error) => Err(broken(error)),
            None if state.engine.is_closed() => Err(ended()),
            None => Ok(()),
        }
    }

    /// Says that nothing more will be written, once.
    pub(crate) fn close(&self) -> io::Result<()> {
        scratch::with(|out| {
            let mut state = self.state();
            if state.engine.is_closed() || state.engine.error().is_some() {
                return Ok(()); // an alert has said so
            }
            state.engine.close(out).map_err(|error| broken(&error))?;
            self.queue_records(&mut state.engine, out)
        })
    }
}

/// So that [`Buffered`](annulus_compat::Buffered), and hyper by way of it, take it as they take a
/// socket.
impl<H: Handle> Handle for TlsStream<H> {
    type Places = H::Places;

    fn places(&self) -> Self::Places {
        self.below.places()
    }

    #[inline]
    fn poll_recv(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>> {
        self.poll_lease(places, cx)
    }

    #[inline]
    fn poll_write(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_encrypt(places, cx, bufs)
    }

    fn poll_room(&self, places: &mut Self::Places, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writable()?;
        loop {
            ready!(self.below.poll_room(places, cx))?;
            let mut state = self.state();
            send_outgoing(&self.below, &mut state.engine)?;
            if state.engine.outgoing().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn has_room(&self) -> bool {
        self.state().engine.outgoing().is_empty() && self.below.has_room()
    }

    fn queue(&self, bytes: &[u8]) -> io::Result<()> {
        self.writable()?;
        if bytes.is_empty() {
            return self.below.check();
        }
        send_outgoing(&self.below, &mut self.state().engine)?;
        // Before a number is spent: a record that finds no room waits until somebody looks again.
        if !self.has_room() {
            let text = "the peer reads slower than is written: await flush() first";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        }
        self.encrypt(&[IoSlice::new(bytes)], usize::MAX).map(drop)
    }

    fn poll_flush(&self, places: &mut Self::Places, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.state().engine.outgoing().is_empty() {
            ready!(self.below.poll_room(places, cx))?;
            send_outgoing(&self.below, &mut self.state().engine)?;
        }
        self.below.poll_flush(places, cx)
    }

    fn check(&self) -> io::Result<()> {
        self.below.check()
    }

    fn end(&self) -> io::Result<()> {
        self.close()?;
        self.below.end()
    }
}

impl<H: Readable> Readable for TlsStream<H> {}
impl<H: Writable> Writable for TlsStream<H> {}
