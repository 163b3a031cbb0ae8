//! The connection as the traits of Annulus have it, by value and by reference.

use std::future::{Future, poll_fn};
use std::io;

use annulus::buf::{BufResult, IoBuf, IoBufMut, Lease};
use annulus::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use annulus_compat::{Readable, Writable};

use super::TlsStream;

macro_rules! stream {
    ($($handle:ty),*) => {$(
        impl<H: Readable> AsyncRead for $handle {
            fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                TlsStream::read(self, buf)
            }

            fn recv(&mut self) -> impl Future<Output = io::Result<Option<Lease>>> {
                TlsStream::recv(self)
            }
        }

        impl<H: Writable> AsyncWrite for $handle {
            fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                TlsStream::write(self, buf)
            }

            fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
                TlsStream::flush(self)
            }

            fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
                TlsStream::shutdown(self)
            }

            fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                TlsStream::write_all(self, buf)
            }
        }
    )*};
}

stream!(TlsStream<H>, &TlsStream<H>);

impl<H: Readable> AsyncBufRead for TlsStream<H> {
    async fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let mut places = self.below.places();
        poll_fn(|cx| self.poll_readable(&mut places, cx)).await?;
        let state = self.state.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(state.engine.plain().bytes())
    }

    fn consume(&mut self, n: usize) {
        let mut state = self.state();
        let plain = state.engine.plain();
        let there = plain.bytes().len();
        assert!(n <= there, "consume({n}) of {there} bytes");
        plain.consume(n);
    }
}
