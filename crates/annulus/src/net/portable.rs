//! Moving a connection to another core.
//!
//! Owns: what of a stream crosses threads: the descriptor, the bytes that were received and not
//! read, and how the stream ended if it has. Invariant: between the two cores nothing is in flight
//! on the descriptor, so no byte can arrive at the wrong one.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::stream::Socket;
use super::{TcpStream, UnixStream};
use crate::buf::{BufError, Lease};
use crate::core::record::Kind;
use crate::core::stream::{End, Stream};
use crate::core::{Owned, current_id, errors};

/// A connection between two cores: it left one and has not come to the other yet.
///
/// It is `Send` and can do nothing but [`attach`](Self::attach) to the core where that is called.
/// Dropping it closes the connection.
///
/// ```
/// use annulus::net::UnixStream;
/// use annulus::runtime::{Cores, launch};
///
/// let launched = launch(Cores::Count(2), |core| async move {
///     if core.index() > 0 {
///         return std::io::Result::Ok(annulus::runtime::stopping().await);
///     }
///     let (near, far) = UnixStream::pair()?;
///     let portable = far.into_portable().await?;
///     let echo = core.peers()[1].spawn(|| async {
///         let stream = portable.attach()?;
///         while let Some(lease) = stream.recv().await? {
///             stream.write_all(lease).await?;
///         }
///         std::io::Result::Ok(())
///     });
///     near.write_all("hello").await?;
///     let ((), answer) = near.read_exact(vec![0; 5]).await?;
///     assert_eq!(answer, b"hello");
///     drop(near);
///     echo.await??;
///     core.peers()[1].stop(None);
///     Ok(())
/// })?;
/// for result in launched.join() {
///     result??;
/// }
/// # std::io::Result::Ok(())
/// ```
#[must_use = "dropping it closes the connection"]
pub struct Portable<S> {
    parts: Parts,
    stream: PhantomData<fn() -> S>,
}

/// What a stream is made of when no core has it.
pub(super) struct Parts {
    pub(super) fd: OwnedFd,
    /// Received and not read.
    pub(super) unread: Vec<u8>,
    pub(super) end: Option<End>,
}

impl<S> Portable<S> {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, stream: PhantomData }
    }

    /// Bytes that were received and not read; they travel along.
    pub fn unread(&self) -> &[u8] {
        &self.parts.unread
    }

    fn into_socket(self, mut stream: Box<Stream>) -> Result<Socket, BufError<Self>> {
        if current_id().is_none() {
            return Err(BufError::new(errors::no_runtime(), self));
        }
        let Parts { fd, unread, end } = self.parts;
        stream.recv.end = end;
        if !unread.is_empty() {
            stream.recv.queue.push_back(Lease::from_vec(unread), 0);
        }
        let owned = Owned::adopt_fd(fd, Kind::Stream(stream)).map_err(BufError::without_buf)?;
        Ok(Socket { owned })
    }
}

impl Portable<TcpStream> {
    /// Gives the connection to the current core.
    ///
    /// # Errors
    /// If no runtime runs on this thread; with the connection.
    pub fn attach(self) -> Result<TcpStream, BufError<Self>> {
        self.into_socket(Stream::new()).map(TcpStream::from_socket)
    }
}

impl Portable<UnixStream> {
    /// As [`Portable::<TcpStream>::attach`].
    ///
    /// # Errors
    /// As there.
    pub fn attach(self) -> Result<UnixStream, BufError<Self>> {
        self.into_socket(Stream::of_unix()).map(UnixStream::from_socket)
    }
}

impl<S> AsFd for Portable<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.parts.fd.as_fd()
    }
}

impl<S> fmt::Debug for Portable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Portable")
            .field("fd", &self.parts.fd.as_raw_fd())
            .field("unread", &self.parts.unread.len())
            .finish()
    }
}

impl Socket {
    /// Takes the stream from its core, once everything that it had accepted is sent.
    pub(super) async fn into_parts(self) -> Result<Parts, BufError<Self>> {
        if let Err(error) = self.rest().await {
            return Err(BufError::new(error, self));
        }
        let taken = self.owned.with(|state, key| {
            let (mut unread, mut end) = (Vec::new(), None);
            if let Some(stream) = state.records.stream(key) {
                end = stream.recv.end;
                while let Some(lease) = stream.recv.queue.pop_front() {
                    unread.extend_from_slice(&lease);
                }
            }
            Some((state.detach(key)?, unread, end))
        });
        match taken {
            Ok(Some((fd, unread, end))) => {
                self.owned.forget();
                Ok(Parts { fd: crate::core::adopted_fd(fd), unread, end })
            }
            Ok(None) => Err(BufError::without_buf(errors::handle_gone())),
            Err(error) => Err(BufError::new(error, self)),
        }
    }

    /// As [`Socket::at_rest`], with received bytes, and waiting for sends whose futures are gone.
    async fn rest(&self) -> io::Result<()> {
        self.room(Some(0)).await?;
        let quiet = self.receive_stopped().await;
        if quiet.is_err() {
            self.stay();
        }
        quiet
    }
}
