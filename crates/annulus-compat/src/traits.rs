//! The wrappers as the traits of others, crate by crate.
//!
//! Owns: what a wrapper can do, whoever asks: [`Reading`], [`Filling`], [`Writing`]. The traits of
//! the other crates say the same in their own words, and their files pass everything on. Does not
//! own: how a wrapper does it (its methods that poll).

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "tokio")]
mod tokio;

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use crate::{Buffered, Direct, FileStream, Readable, Writable};

/// Reads into memory that is lent for a poll.
trait Reading {
    /// Reads into initialised memory, and gives how many bytes; 0 at the end.
    fn poll_read_into(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Lends what it has read.
trait Filling {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;

    fn consume(&mut self, n: usize);

    /// Gives `take` as many bytes as are there, at most `room`, and uses them up.
    #[inline]
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let bytes = ready!(self.poll_fill(cx))?;
        let n = bytes.len().min(room);
        take(&bytes[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

/// Takes bytes, sends them, and ends.
trait Writing {
    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Waits until what was taken is where it belongs.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the direction, after what was taken.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<H: Readable> Filling for Buffered<H> {
    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.poll_fill(cx)
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        self.consume(n);
    }
}

impl<H: Writable> Writing for Buffered<H> {
    #[inline]
    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)
    }
}

impl<T: AsFd> Reading for Direct<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read_into(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_into(cx, buf)
    }
}

impl<T: AsFd> Writing for Direct<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn poll_sent(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.end())
    }
}

impl Filling for FileStream {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.poll_fill(cx)
    }

    fn consume(&mut self, n: usize) {
        self.consume(n);
    }
}

impl Writing for FileStream {
    fn poll_write_slices(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }
}

/// Calls a macro with each wrapper of a kind: its parameters, itself, what it demands.
macro_rules! for_each {
    (filling: $implement:ident) => {
        $implement!([H: Readable + Unpin] Buffered<H>, []);
        $implement!([] FileStream, []);
    };
    (reading: $implement:ident) => {
        $implement!([T: AsFd + Unpin] Direct<T>, [for<'a> &'a T: Read]);
    };
    (writing: $implement:ident) => {
        $implement!([H: Writable + Unpin] Buffered<H>, []);
        $implement!([T: AsFd + Unpin] Direct<T>, [for<'a> &'a T: Write]);
        $implement!([] FileStream, []);
    };
}

use for_each;
