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

mod sealed {
    pub trait Sealed {}
}

use sealed::Sealed;

/// A stream of Annulus that can be polled: [`TcpStream`], [`UnixStream`], [`DuplexStream`],
/// references to these, `Rc` and `Arc` of these, and the halves of [`annulus::io::split`].
pub trait Handle: Sealed + Debug {
    /// What stands in the stream's queues for who polls.
    type Places: Debug + Unpin;

    /// Places that stand nowhere yet.
    #[doc(hidden)]
    fn places(&self) -> Self::Places;

    #[doc(hidden)]
    fn poll_recv(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>>;

    #[doc(hidden)]
    fn poll_write(
        &self,
        places: &mut Self::Places,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    #[doc(hidden)]
    fn poll_flush(&self, places: &mut Self::Places, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The error of an earlier write, if nobody was told.
    #[doc(hidden)]
    fn check(&self) -> io::Result<()>;

    /// Ends the sending direction; what was written before is sent.
    #[doc(hidden)]
    fn end(&self) -> io::Result<()>;
}

/// A handle that can be read.
pub trait Readable: Handle {}

/// A handle that can be written.
pub trait Writable: Handle {}

macro_rules! sockets {
    ($($socket:ty),*) => {$(
        impl Sealed for $socket {}
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

impl Sealed for DuplexStream {}
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
        impl<H: Handle> Sealed for $pointer {}
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
