//! Streams as [`AsyncRead`] and [`AsyncWrite`].
//!
//! Owns: the implementations, for the handles and for references to them. Everything is passed on
//! to the methods of the handles.

use std::future::Future;
use std::io;
use std::net::Shutdown;

use super::{Reader, TcpStream, UnixStream};
use crate::buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, Lease};
use crate::io::{AsyncBufRead, AsyncRead, AsyncWrite};

/// Whether bytes may go from socket to socket in the kernel.
trait Spliced {
    fn as_tcp_stream(&self) -> Option<&TcpStream>;
}

impl Spliced for TcpStream {
    fn as_tcp_stream(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Spliced for UnixStream {
    fn as_tcp_stream(&self) -> Option<&TcpStream> {
        None
    }
}

macro_rules! stream {
    ($($stream:ty, $handle:ty);* $(;)?) => {$(
        impl AsyncRead for $handle {
            fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                <$stream>::read(self, buf)
            }

            fn recv(&mut self) -> impl Future<Output = io::Result<Option<Lease>>> {
                <$stream>::recv(self)
            }

            fn as_tcp_source(&self) -> Option<&TcpStream> {
                <$stream as Spliced>::as_tcp_stream(self)
            }

            fn read_exact<B: IoBufMut>(
                &mut self,
                buf: B,
            ) -> impl Future<Output = BufResult<(), B>> {
                <$stream>::read_exact(self, buf)
            }
        }

        impl AsyncWrite for $handle {
            fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                <$stream>::write(self, buf)
            }

            fn as_tcp_target(&self) -> Option<&TcpStream> {
                <$stream as Spliced>::as_tcp_stream(self)
            }

            fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
                <$stream>::flush(self)
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                // What was accepted is sent first, and the direction ends behind it.
                <$stream>::shutdown(self, Shutdown::Write)
            }

            fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                <$stream>::write_all(self, buf)
            }

            fn write_all_vectored<V: IoVecBuf>(
                &mut self,
                bufs: V,
            ) -> impl Future<Output = BufResult<(), V>> {
                <$stream>::write_all_vectored(self, bufs)
            }
        }
    )*};
}

stream! {
    TcpStream, TcpStream;
    TcpStream, &TcpStream;
    UnixStream, UnixStream;
    UnixStream, &UnixStream;
}

impl AsyncRead for Reader<'_> {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        if let Err(error) = crate::buf::receive_len(&buf) {
            return Err(crate::buf::BufError::new(error, buf));
        }
        let n = match self.fill_buf().await {
            Ok(bytes) => crate::buf::fill(&mut buf, bytes),
            Err(error) => return Err(crate::buf::BufError::new(error, buf)),
        };
        self.consume(n);
        Ok((n, buf))
    }
}

impl AsyncBufRead for Reader<'_> {
    fn fill_buf(&mut self) -> impl Future<Output = io::Result<&[u8]>> {
        Reader::fill_buf(self)
    }

    fn consume(&mut self, n: usize) {
        Reader::consume(self, n);
    }
}
