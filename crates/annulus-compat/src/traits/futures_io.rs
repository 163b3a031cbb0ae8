//! The traits of futures-io.

use std::io::{self, IoSlice, Read, SeekFrom, Write};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

use super::{Filling, Reading, Writing, for_each};
use crate::{Buffered, Direct, FileStream, Readable, Writable};

macro_rules! filling {
    ([$($params:tt)*] $wrapper:ty, [$($demands:tt)*]) => {
        impl<$($params)*> AsyncRead for $wrapper where $($demands)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let room = buf.len();
                let take = |bytes: &[u8]| buf[..bytes.len()].copy_from_slice(bytes);
                Filling::poll_take(self.get_mut(), cx, room, take)
            }
        }

        impl<$($params)*> AsyncBufRead for $wrapper where $($demands)* {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                Filling::poll_fill(self.get_mut(), cx)
            }

            fn consume(self: Pin<&mut Self>, n: usize) {
                Filling::consume(self.get_mut(), n);
            }
        }
    };
}

macro_rules! reading {
    ([$($params:tt)*] $wrapper:ty, [$($demands:tt)*]) => {
        impl<$($params)*> AsyncRead for $wrapper where $($demands)* {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Reading::poll_read_into(self.get_mut(), cx, buf)
            }
        }
    };
}

macro_rules! writing {
    ([$($params:tt)*] $wrapper:ty, [$($demands:tt)*]) => {
        impl<$($params)*> AsyncWrite for $wrapper where $($demands)* {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Writing::poll_write_slices(self.get_mut(), cx, &[IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Writing::poll_write_slices(self.get_mut(), cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Writing::poll_sent(self.get_mut(), cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Writing::poll_end(self.get_mut(), cx)
            }
        }
    };
}

for_each!(filling: filling);
for_each!(reading: reading);
for_each!(writing: writing);

impl AsyncSeek for FileStream {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.get_mut().poll_seek_to(cx, to)
    }
}
