//! The runtime's side: [`Wire`] over a TCP stream, [`Site`] over a directory.
//!
//! Owns how bytes travel and how long that may take. Knows nothing of HTTP.

use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use annulus::buf::{IoBufMut, Lease};
use annulus::fs::{Dir, File, OpenOptions};
use annulus::net::TcpStream;
use annulus::time::{sleep_until, timeout};

use super::args::Body;
use super::entity::{Facts, Kind};
use super::listing::{self, Entry};
use super::stop::Pass;
use super::wire::{Received, Site, Wait, Wire};

/// How much of a large file is sent before the client's pace is judged anew.
const STEP_BYTES: u64 = 256 * 1024;

/// One connection.
pub struct Link {
    /// The socket. It goes before the pass, so that a gate without passes is one without sockets.
    pub stream: TcpStream,
    /// The connection's place among those of its core.
    pub pass: Pass,
    /// How long the client may take nothing of what is sent.
    pub stall: Duration,
    /// How large files travel.
    pub body: Body,
}

/// Waits for a send, as long as the client may take nothing.
pub(super) async fn in_time<T, E>(
    stall: Duration,
    sending: impl Future<Output = Result<T, E>>,
) -> io::Result<T>
where
    io::Error: From<E>,
{
    Ok(timeout(stall, sending).await??)
}

/// Waits for `receiving`, for the deadline, and for the end of the server.
pub(super) async fn receive(
    receiving: impl Future<Output = io::Result<Option<Lease>>>,
    wait: Wait,
    pass: &Pass,
) -> io::Result<Received<Lease>> {
    let (mut receiving, mut late) = (pin!(receiving), pin!(sleep_until(wait.deadline)));
    // What has arrived goes first: a request is answered even if it came at the last moment.
    poll_fn(|context| {
        if let Poll::Ready(result) = receiving.as_mut().poll(context) {
            return Poll::Ready(result.map(|lease| lease.map_or(Received::End, Received::Bytes)));
        }
        if wait.idle && pass.poll_closing(context).is_ready() {
            return Poll::Ready(Ok(Received::Stopping));
        }
        late.as_mut().poll(context).map(|()| Ok(Received::TimedOut))
    })
    .await
}

impl Link {
    async fn in_time<T, E>(&self, sending: impl Future<Output = Result<T, E>>) -> io::Result<T>
    where
        io::Error: From<E>,
    {
        in_time(self.stall, sending).await
    }

    async fn read_and_send(&self, file: &File, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        let mut buf = Vec::with_capacity(step(&part) as usize);
        while at < part.end {
            let (n, read) = read_step(file, at..part.end, buf).await?;
            ((), buf) = self.in_time(self.stream.write_all(read)).await?;
            at += n;
        }
        Ok(())
    }

    async fn splice(&self, file: &File, part: Range<u64>) -> io::Result<()> {
        let mut at = part.start;
        while at < part.end {
            let next = at..at + step(&(at..part.end));
            let sent = self.in_time(self.stream.send_file(file, next)).await?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += sent;
        }
        Ok(())
    }
}

pub(super) fn step(part: &Range<u64>) -> u64 {
    STEP_BYTES.min(part.end - part.start)
}

/// Reads the beginning of a part into a buffer, which holds nothing else then; and says how much.
pub(super) async fn read_step(
    file: &File,
    part: Range<u64>,
    mut buf: Vec<u8>,
) -> io::Result<(u64, Vec<u8>)> {
    buf.clear();
    let want = step(&part) as usize;
    buf.reserve(want);
    let (n, slice) = file.read_at(buf.slice_mut(..want), part.start).await?;
    if n == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut buf = slice.into_inner();
    buf.truncate(n);
    Ok((n as u64, buf))
}

impl Wire<File> for Link {
    type Lease = Lease;

    async fn recv(&self, wait: Wait) -> io::Result<Received<Lease>> {
        receive(self.stream.recv(), wait, &self.pass).await
    }

    async fn send(&self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let ((), bytes) = self.in_time(self.stream.write_all(bytes)).await?;
        Ok(bytes)
    }

    async fn send_body(&self, file: &File, part: Range<u64>) -> io::Result<()> {
        match self.body {
            Body::Sendfile => self.splice(file, part).await,
            Body::Read => self.read_and_send(file, part).await,
        }
    }

    async fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn stopping(&self) -> bool {
        self.pass.is_closing()
    }
}

/// The directory that is served.
pub struct Beneath {
    root: Dir,
    options: OpenOptions,
}

impl Beneath {
    /// Opens the root.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn open(root: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // A pipe must not be waited for, nor a terminal become ours; for files neither flag
        // matters.
        options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        Ok(Self { root: Dir::open(root).await?, options })
    }
}

impl Site for Beneath {
    type File = File;

    async fn open(&self, path: &Path) -> io::Result<(File, Facts)> {
        let file = self.root.open_beneath(path, &self.options).await?;
        let metadata = file.metadata()?;
        let kind = match () {
            () if metadata.is_file() => Kind::File,
            () if metadata.is_dir() => Kind::Directory,
            () => Kind::Other,
        };
        let (modified, inode) = (metadata.modified(), metadata.ino());
        Ok((file, Facts { kind, len: metadata.len(), modified, inode }))
    }

    async fn append(
        &self,
        file: &File,
        part: Range<u64>,
        mut buf: Vec<u8>,
    ) -> (io::Result<()>, Vec<u8>) {
        let before = buf.len();
        let bytes = (part.end - part.start) as usize;
        buf.reserve(bytes);
        match file.read_exact_at(buf.slice_mut(before..before + bytes), part.start).await {
            Ok(((), slice)) => (Ok(()), slice.into_inner()),
            Err(error) => {
                let (error, slice) = error.into_parts();
                let mut buf = slice.map(|slice| slice.into_inner()).unwrap_or_default();
                buf.truncate(before);
                (Err(error), buf)
            }
        }
    }

    async fn entries(&self, directory: &File) -> io::Result<Vec<Entry>> {
        listing::read_aside(directory.as_fd().try_clone_to_owned()?).await
    }
}
