//! What a TCP connection sends.
//!
//! Owns: the ways to say it. Does not own: the send queue (the core's stream), nor what is the same
//! for Unix sockets ([`Socket`](super::Socket)).

use std::io;
use std::ops::Range;

use super::TcpStream;
use crate::buf::{BufResult, IoBuf, IoVecBuf};
use crate::fs::File;
use crate::net::send_file::{SendFile, SendFileAfter};
use crate::op::OpExt;

impl TcpStream {
    /// Sends bytes of `buf`, and gives how many were sent: all of them, unless the connection fails
    /// on the way.
    ///
    /// # Errors
    /// `BrokenPipe`, `ConnectionReset`, …, with the buffer.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the bytes back: they stay in the send queue.
    ///
    /// # Kernel
    /// `SEND` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.6; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let (n, _) = client.write("ping").await?;
    /// assert_eq!(n, 4);
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        self.socket.send(buf)
    }

    /// Sends all bytes of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write): the bytes stay in the send queue.
    ///
    /// # Kernel
    /// As [`write`](Self::write), and again for the rest if it came short.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all("ping").await?;
    /// let ((), got) = stream.read_exact(vec![0; 4]).await?;
    /// assert_eq!(got, b"ping");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.write_all(buf)
    }

    /// Sends bytes of several buffers, one after the other, and gives how many were sent: all of
    /// them, unless the connection fails on the way.
    ///
    /// # Errors
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// # Cancel safety
    /// As [`write`](Self::write).
    ///
    /// # Kernel
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let (n, _bufs) = client.write_vectored(("head", vec![0; 60])).await?;
    /// assert_eq!(n, 64);
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "writev")]
    pub fn write_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<usize, V>> + use<'_, V> {
        self.socket.write_vectored(bufs)
    }

    /// Sends all bytes of several buffers, one after the other, in one request: a head and a body
    /// of different types, for instance, without copying either.
    ///
    /// # Errors
    /// As [`write`](Self::write); `InvalidInput` for more than 1024 buffers.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write).
    ///
    /// # Kernel
    /// `SENDMSG` with `MSG_WAITALL` and `MSG_NOSIGNAL`, 5.3; inline if the socket has room, else
    /// polled.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.write_all_vectored(("head", b"body".to_vec())).await?;
    /// let ((), got) = stream.read_exact(vec![0; 8]).await?;
    /// assert_eq!(got, b"headbody");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_all_vectored<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        self.socket.write_all_vectored(bufs)
    }

    /// Sends all bytes of `buf` without copying them, if the kernel can.
    ///
    /// It resolves when the kernel has let go of the memory, which is when the peer has
    /// acknowledged the bytes: later than [`write_all`](Self::write_all), which resolves when they
    /// are copied. Other sends on this stream do not wait for that; so several of these in a
    /// [`join!`](crate::join), or in tasks, keep the network busy, and one after the other do not.
    /// The kernel pins pages and notifies instead of copying, which pays from some KiB on, where a
    /// card sends from memory. Where it cannot (loopback, a peer in another network namespace of
    /// this machine, many virtual cards), the kernel copies after all, and that costs more than a
    /// plain send: over loopback 7 times the CPU time for 4 KiB, 2.9 times for 64 KiB, 2.4 times
    /// for 256 KiB (Linux 6.18, one send outstanding). It says so, and after three
    /// such reports in a row the stream sends plainly;
    /// [`Metrics::zero_copy_copies`](crate::runtime::Metrics::zero_copy_copies) counts them.
    ///
    /// [`Builder::zero_copy_from`](crate::runtime::Builder::zero_copy_from) lets `write` and
    /// `write_all` do this by themselves.
    ///
    /// # Errors
    /// As [`write`](Self::write). A kernel that has no zero copy, or no locked memory for it, sends
    /// plainly.
    ///
    /// # Cancel safety
    /// Dropping the future does not take the bytes back, and the memory lives on until the kernel
    /// has let go of it. [`cancel`](OpExt::cancel) and [`timeout`](OpExt::timeout) end what has not
    /// been sent; they do not hurry the peer to acknowledge what has.
    ///
    /// # Kernel
    /// `SEND_ZC` with `IORING_SEND_ZC_REPORT_USAGE`, `MSG_WAITALL` and `MSG_NOSIGNAL`, 6.2; inline
    /// if the socket has room, else polled. `SEND` before.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let body = vec![7; 100_000];
    /// let (sent, read) = annulus::join!(
    ///     client.write_all_zc(body),
    ///     stream.read_exact(vec![0; 100_000]),
    /// );
    /// let ((), body) = sent?; // the kernel has let go of it
    /// assert_eq!(body, read?.1);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "send_zc")]
    #[doc(alias = "IORING_OP_SEND_ZC")]
    #[doc(alias = "MSG_ZEROCOPY")]
    pub fn write_all_zc<B: IoBuf>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
        self.socket.write_all_zc(buf)
    }

    /// Sends all bytes of several buffers in one request, without copying them if the kernel can.
    ///
    /// # Errors
    /// As [`write_all_vectored`](Self::write_all_vectored).
    ///
    /// # Cancel safety
    /// As [`write_all_zc`](Self::write_all_zc).
    ///
    /// # Kernel
    /// `SENDMSG_ZC`, flags as for [`write_all_zc`](Self::write_all_zc), 6.2; `SENDMSG` before.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let bufs = (b"head".to_vec(), vec![7; 60_000]);
    /// let (sent, read) = annulus::join!(
    ///     client.write_all_vectored_zc(bufs),
    ///     stream.read_exact(vec![0; 60_004]),
    /// );
    /// let ((), _bufs) = sent?; // the kernel has let go of them
    /// # read?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sendmsg_zc")]
    #[doc(alias = "IORING_OP_SENDMSG_ZC")]
    pub fn write_all_vectored_zc<V: IoVecBuf>(
        &self,
        bufs: V,
    ) -> impl OpExt<Output = BufResult<(), V>> + use<'_, V> {
        self.socket.write_all_vectored_zc(bufs)
    }

    /// Copies `bytes` into the send queue without waiting. They are sent at the end of the turn,
    /// together with others queued in it. A queue with room takes them whole, however many they
    /// are, so the bound may be passed once.
    ///
    /// # Errors
    /// `WouldBlock` if more than [`send_high_bytes`](crate::runtime::Builder::send_high_bytes) wait
    /// already (nothing was taken; await [`flush`](Self::flush)); the error of an earlier send that
    /// failed.
    pub fn send_nowait(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_nowait(bytes)
    }

    /// Whether [`send_nowait`](Self::send_nowait) has room for a byte. It has, too, where that
    /// would fail for another reason.
    pub fn has_room(&self) -> bool {
        self.socket.has_room()
    }

    /// As [`send_nowait`](Self::send_nowait), of a vector that may be kept: what is large is not
    /// copied, and other memory is left in its place, with bytes of an earlier send in it that are
    /// to be overwritten. For whoever makes bytes for sending only, into the same vector each time.
    ///
    /// # Errors
    /// As [`send_nowait`](Self::send_nowait); the vector is as it was then.
    pub fn send_nowait_vec(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.socket.send_nowait_vec(bytes)
    }

    /// Waits until everything that `send_nowait` queued has been given to the kernel's socket.
    ///
    /// # Errors
    /// The error of a send that failed; use on a foreign core.
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
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// client.send_nowait(b"ping")?;
    /// client.flush().await?;
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) -> impl OpExt<Output = io::Result<()>> + use<'_> {
        self.socket.room(Some(0))
    }

    /// Sends a range of a file, and gives how many bytes were sent: fewer if the file ends before.
    ///
    /// Nothing else may be sent on this socket meanwhile.
    ///
    /// # Errors
    /// Those of reading the file and of sending; use on a foreign core, of either.
    ///
    /// # Cancel safety
    /// Dropping the future sends no further part; the part that is being sent then may still be
    /// sent, and nobody is told how far it came. [`cancel`](OpExt::cancel) and
    /// [`timeout`](OpExt::timeout) do tell: their error has it as
    /// [`Cancelled::bytes_done`](crate::op::Cancelled::bytes_done).
    ///
    /// # Kernel
    /// sendfile(2) for ranges that are in the page cache (cachestat(2), 6.5), because it copies
    /// nothing and cannot block then; `READ` and `SEND` for the rest.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// use annulus::fs::File;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("page"), "hello")?;
    /// let page = File::open(dir.path().join("page")).await?;
    /// assert_eq!(client.send_file(&page, 0..5).await?, 5);
    /// # drop(stream);
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_file<'a>(
        &'a self,
        file: &'a File,
        range: Range<u64>,
    ) -> impl OpExt<Output = io::Result<u64>> + use<'a> {
        SendFile::new(&self.socket, file, range)
    }

    /// Sends all bytes of `head` and then a range of a file: an answer's head and its body, for
    /// instance. Gives how many bytes were sent, those of `head` and those of the file, which are
    /// fewer if the file ends before the range does.
    ///
    /// The two share a segment where they meet; two sends, one after the other, wake the peer
    /// twice. Nothing else may be sent on this socket meanwhile.
    ///
    /// # Errors
    /// As [`send_file`](Self::send_file), with `head`.
    ///
    /// # Cancel safety
    /// As [`send_file`](Self::send_file).
    /// [`Cancelled::bytes_done`](crate::op::Cancelled::bytes_done) counts the bytes of `head` as
    /// well.
    ///
    /// # Kernel
    /// send(2) with `MSG_MORE`, which copies into the socket what it has room for, at once; then as
    /// [`send_file`](Self::send_file).
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::{fs::File, net::{TcpListener, TcpStream}};
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("page"), "hello")?;
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (stream, _) = listener.accept().await?;
    /// let page = File::open(dir.path().join("page")).await?;
    /// let (sent, _head) = stream.send_file_after("length 5: ", &page, 0..5).await?;
    /// assert_eq!(sent, 15);
    /// let (_, received) = client.read_exact(vec![0; 15]).await?;
    /// assert_eq!(received, b"length 5: hello");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sendfile")]
    #[doc(alias = "MSG_MORE")]
    pub fn send_file_after<'a, B: IoBuf>(
        &'a self,
        head: B,
        file: &'a File,
        range: Range<u64>,
    ) -> impl OpExt<Output = BufResult<u64, B>> + use<'a, B> {
        SendFileAfter::new(&self.socket, head, (file, range))
    }
}
