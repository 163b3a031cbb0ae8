//! Which handles there are, and how each is polled.
//!
//! Owns: [`Handle`] and its two directions, for the streams of Annulus, references to them, shared
//! ones, and their halves. Does not own: what waits (`annulus::net::Polled`).

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use annulus::buf::Lease;
use annulus::io::{DuplexStream, ReadHalf, WriteHalf};
use annulus::net::{Polled, TcpStream, UnixStream};

/// A stream of Annulus that can be polled: [`TcpStream`], [`UnixStream`], [`DuplexStream`],
/// references to these, `Rc` and `Arc` of these, and the halves of [`annulus::io::split`].
///
/// A stream that lies above one of these, such as TLS, implements it by theirs.
pub trait Handle: Debug {
    /// What stands in the stream's queues for who polls.
    type Places: Debug + Unpin;

    /// Places that stand nowhere yet.
    fn places(&self) -> Self::Places;

    /// The next bytes; `None` at the end of the stream.
    ///
    /// # Errors
    /// Those of the stream.
    fn poll_recv(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>>;

    /// Takes as many of the bytes as there is room for; waits for room if there is none.
    ///
    /// # Errors
    /// That of an earlier write; `BrokenPipe` after the direction was ended.
    fn poll_write(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Waits until there is room for a byte; [`queue`](Self::queue) then takes any number.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write).
    fn poll_room(&self, places: &mut Self::Places, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether there is room for a byte, as far as is known without waiting; true where
    /// [`queue`](Self::queue) would fail for another reason.
    fn has_room(&self) -> bool;

    /// Takes all of the bytes, be it more than there is room for.
    ///
    /// # Errors
    /// As [`poll_write`](Self::poll_write); `WouldBlock` if there is no room at all, and nothing
    /// was taken.
    fn queue(&self, bytes: &[u8]) -> io::Result<()>;

    /// As [`queue`](Self::queue), of a vector that may be kept: other memory is left in its place
    /// then, with bytes in it that are to be overwritten.
    ///
    /// # Errors
    /// As [`queue`](Self::queue); the vector is as it was.
    fn queue_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.queue(bytes)
    }

    /// Waits until what lies below has everything that was written.
    ///
    /// # Errors
    /// That of an earlier write.
    fn poll_flush(&self, places: &mut Self::Places, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The error of an earlier write, if nobody was told. It does not wait.
    ///
    /// # Errors
    /// That of an earlier write.
    fn check(&self) -> io::Result<()>;

    /// Ends the sending direction; what was written before is sent.
    ///
    /// # Errors
    /// Those of the stream.
    fn end(&self) -> io::Result<()>;
}

/// A handle that can be read.
pub trait Readable: Handle {}

/// A handle that can be written.
pub trait Writable: Handle {}

macro_rules! sockets {
    ($($socket:ty),*) => {$(
        impl Readable for $socket {}
        impl Writable for $socket {}

        impl Handle for $socket {
            type Places = Polled;

            fn places(&self) -> Polled {
                self.polled()
            }

            #[inline]
            fn poll_recv(
                &self,
                places: &mut Polled,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<Option<Lease>>> {
                places.poll_recv(cx)
            }

            #[inline]
            fn poll_write(
                &self,
                places: &mut Polled,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                places.poll_write(cx, bufs)
            }

            #[inline]
            fn poll_room(
                &self,
                places: &mut Polled,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                places.poll_room(cx)
            }

            #[inline]
            fn has_room(&self) -> bool {
                <$socket>::has_room(self)
            }

            #[inline]
            fn queue(&self, bytes: &[u8]) -> io::Result<()> {
                self.send_nowait(bytes)
            }

            #[inline]
            fn queue_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
                self.send_nowait_vec(bytes)
            }

            fn poll_flush(
                &self,
                places: &mut Polled,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                places.poll_flush(cx)
            }

            fn check(&self) -> io::Result<()> {
                self.send_nowait(&[])
            }

            fn end(&self) -> io::Result<()> {
                match self.shutdown(Shutdown::Write) {
                    // The peer has ended the connection already.
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                    ended => ended,
                }
            }
        }
    )*};
}

sockets!(TcpStream, UnixStream);

impl Readable for DuplexStream {}
impl Writable for DuplexStream {}

impl Handle for DuplexStream {
    type Places = ();

    fn places(&self) {}

    fn poll_recv(&self, (): &mut (), cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        DuplexStream::poll_recv(self, cx).map(Ok)
    }

    fn poll_write(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        DuplexStream::poll_write(self, cx, bufs)
    }

    fn poll_room(&self, (): &mut (), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        DuplexStream::poll_room(self, cx)
    }

    fn has_room(&self) -> bool {
        DuplexStream::has_room(self)
    }

    fn queue(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_nowait(bytes)
    }

    fn poll_flush(&self, (): &mut (), _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    fn end(&self) -> io::Result<()> {
        DuplexStream::end(self);
        Ok(())
    }
}

macro_rules! pointers {
    ($($pointer:ty, [$($direction:ident),*], $this:ident => $to:expr;)*) => {$(
        $(impl<H: $direction> $direction for $pointer {})*

        impl<H: Handle> Handle for $pointer {
            type Places = H::Places;

            fn places(&self) -> Self::Places {
                let $this = self;
                ($to).places()
            }

            #[inline]
            fn poll_recv(
                &self,
                places: &mut Self::Places,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<Option<Lease>>> {
                let $this = self;
                ($to).poll_recv(places, cx)
            }

            #[inline]
            fn poll_write(
                &self,
                places: &mut Self::Places,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self;
                ($to).poll_write(places, cx, bufs)
            }

            #[inline]
            fn poll_room(
                &self,
                places: &mut Self::Places,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                let $this = self;
                ($to).poll_room(places, cx)
            }

            #[inline]
            fn has_room(&self) -> bool {
                let $this = self;
                ($to).has_room()
            }

            #[inline]
            fn queue(&self, bytes: &[u8]) -> io::Result<()> {
                let $this = self;
                ($to).queue(bytes)
            }

            #[inline]
            fn queue_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
                let $this = self;
                ($to).queue_vec(bytes)
            }

            fn poll_flush(
                &self,
                places: &mut Self::Places,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                let $this = self;
                ($to).poll_flush(places, cx)
            }

            fn check(&self) -> io::Result<()> {
                let $this = self;
                ($to).check()
            }

            fn end(&self) -> io::Result<()> {
                let $this = self;
                ($to).end()
            }
        }
    )*};
}

pointers! {
    &H, [Readable, Writable], this => **this;
    Rc<H>, [Readable, Writable], this => **this;
    Arc<H>, [Readable, Writable], this => **this;
    ReadHalf<H>, [Readable], half => *half.get_ref();
    WriteHalf<H>, [Writable], half => *half.get_ref();
}
