//! The standard streams of the process.
//!
//! Owns: the handles, and the futures that choose between two ways. Does not own: either way
//! (`core/now` for pipes and sockets, `core/standard` for the rest).
//!
//! Invariant: the open files of the standard streams are shared with other processes, so their
//! flags are never changed.

mod writing;

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use annulus_ring::Kernel as _;

use super::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, BufWriter, Lines};
use crate::buf::{BufError, BufResult, IoBuf, IoBufMut, receive_len};
use crate::core::end::End;
use crate::core::op::Op;
use crate::core::record::Kind;
use crate::core::standard::{Queued, ReadHere, Turn, stream};
use crate::core::{Owned, errors};
use crate::op::OpExt;
use crate::pipe::{ReadNow, Receiver, Sender, Wait};
use writing::{WriteAllStandard, WriteStandard};

/// What a standard stream is.
#[derive(Debug)]
struct Nature {
    is_pipe: bool,
    /// Reads and writes can be tried without waiting.
    tries: AtomicBool,
}

impl Nature {
    fn tries(&self) -> bool {
        // ORDERING: Relaxed; a hint about what the file refuses.
        self.tries.load(Ordering::Relaxed)
    }

    /// It refuses to be tried.
    fn refused<B>(&self, error: &BufError<B>) -> bool {
        let refused = error.error().raw_os_error() == Some(libc::EOPNOTSUPP);
        if refused {
            // ORDERING: Relaxed; as in `tries`.
            self.tries.store(false, Ordering::Relaxed);
        }
        refused
    }
}

/// A duplicate of the descriptor, and what it is.
fn open(fd: BorrowedFd<'_>) -> io::Result<(Owned, Nature)> {
    let fd: OwnedFd = fd.try_clone_to_owned()?;
    let owned = Owned::adopt_fd(fd, Kind::Plain)?;
    let number = owned.raw_fd();
    let found = owned.with(|state, _| state.ring.kernel().statx(number, libc::STATX_TYPE))??;
    let kind = u32::from(found.stx_mode) & libc::S_IFMT;
    let is_pipe = kind == libc::S_IFIFO;
    let tries = AtomicBool::new(is_pipe || kind == libc::S_IFSOCK);
    Ok((owned, Nature { is_pipe, tries }))
}

/// The standard input of the process, whatever it is: a terminal, a pipe, a file, a device.
///
/// # Errors
/// EBADF if it is closed; EMFILE; if no runtime runs on this thread.
///
/// ```no_run
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let mut lines = annulus::io::stdin()?.lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("you said {line:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub fn stdin() -> io::Result<Stdin> {
    let (owned, nature) = open(std::io::stdin().as_fd())?;
    Ok(Stdin { end: Receiver { owned, flags: libc::RWF_NOWAIT }, nature })
}

/// The standard output of the process, whatever it is. Nothing is buffered: see
/// [`Stdout::buffered`].
///
/// `std`'s own buffer (that of `println!`) is another one: flush it before you write here.
///
/// # Errors
/// As [`stdin`].
pub fn stdout() -> io::Result<Stdout> {
    let (owned, nature) = open(std::io::stdout().as_fd())?;
    Ok(Stdout { end: Sender { owned, flags: libc::RWF_NOWAIT }, nature })
}

/// The standard error of the process, whatever it is.
///
/// # Errors
/// As [`stdin`].
pub fn stderr() -> io::Result<Stderr> {
    let (owned, nature) = open(std::io::stderr().as_fd())?;
    Ok(Stderr { end: Sender { owned, flags: libc::RWF_NOWAIT }, nature })
}

/// The standard input of the process; see [`stdin`].
///
/// Any number of tasks may read from it, on any core that has made a handle of its own: each byte
/// goes to one of them.
///
/// # Order
/// A terminal, a file or a device is read strictly first come, first served: one read at a time in
/// the whole process, on whichever core, and those behind it wait until it has ended. A read is not
/// overtaken while it waits for its first byte, and not while its task is slow to poll it again:
/// the others wait as long. So a read that is not to hold them up is dropped or
/// [cancelled](crate::OpExt::cancel), and not kept aside without being polled (in a `select!` that
/// is done with, say). What a read was given and its task is slow to use holds up nobody.
///
/// On pipes and sockets reads do not queue: whoever is polled first when bytes are there gets them.
#[derive(Debug)]
pub struct Stdin {
    end: Receiver,
    nature: Nature,
}

impl Stdin {
    /// Reads what is there, a line of a terminal for instance; waits until something is. Gives 0 at
    /// the end.
    ///
    /// # Errors
    /// `InvalidInput` for a buffer without capacity; those of read(2); use on a foreign core.
    ///
    /// # Cancel safety
    /// Dropping the future loses no byte. It waits by a poll; a read that has begun already and
    /// takes a line although it is being cancelled gives that line to the next read in this
    /// process.
    ///
    /// # Kernel
    /// Pipes and sockets: preadv2(2) with `RWF_NOWAIT`, and `POLL_ADD` if there is nothing. Others:
    /// `POLL_ADD`, then `READ`, 5.6; on terminals punted.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (n, buf) = annulus::io::stdin()?.read(Vec::with_capacity(4096)).await?;
    /// println!("{n} bytes, {} of them lines", buf.iter().filter(|&&byte| byte == b'\n').count());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B: IoBufMut>(
        &self,
        buf: B,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
        ReadStandard::new(self, buf)
    }

    /// Line by line. What the reader has taken and not given is lost with it, so keep it.
    pub fn lines(self) -> Lines<BufReader<Self>> {
        BufReader::new(self).lines()
    }

    /// The pipe that it is, if it is one: for moving bytes without copying them.
    ///
    /// Before Linux 6.4, where pipes do not know `RWF_NOWAIT`, only its splices and tees work.
    pub fn as_pipe(&self) -> Option<&Receiver> {
        self.nature.is_pipe.then_some(&self.end)
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.end.as_raw_fd()
    }
}

macro_rules! reads {
    ($($reader:ty),*) => {$(
        impl AsyncRead for $reader {
            fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                Stdin::read(self, buf)
            }

            fn as_pipe_source(&self) -> Option<&Receiver> {
                self.as_pipe()
            }
        }
    )*};
}

reads!(Stdin, &Stdin);

/// What output and error have.
macro_rules! output {
    ($output:ident, $open:literal, $number:literal) => {
        #[doc = concat!("A standard stream to write to; see [`", $open, "`].")]
        ///
        /// # Order
        /// A terminal, a file or a device is written to strictly first come, first served: one
        /// write at a time in the whole process, on whichever core. So who reads slowly (a terminal
        /// that was stopped, a slow device) holds up every write behind the first, and a
        /// [`write_all`](Self::write_all) that takes several writes lets others in between them.
        /// On pipes and sockets writes do not queue: whoever is polled first when there is room
        /// goes first.
        #[derive(Debug)]
        pub struct $output {
            end: Sender,
            nature: Nature,
        }

        impl $output {
            /// Writes some of the bytes, and gives how many that were.
            ///
            /// # Errors
            /// `BrokenPipe` when it is a pipe that nobody reads; those of write(2); use on a
            /// foreign core.
            ///
            /// # Cancel safety
            /// On a pipe nothing was written if the future is dropped; else any part may have been.
            ///
            /// # Kernel
            /// Pipes and sockets: pwritev2(2) with `RWF_NOWAIT`, and `POLL_ADD` if there is no
            /// room. Others: `WRITE`, 5.6; on terminals punted.
            ///
            /// ```no_run
            /// # #[annulus::main]
            /// # async fn main() -> std::io::Result<()> {
            #[doc = concat!("let (n, _) = annulus::io::", $open, "()?.write(\"hello\\n\").await?;")]
            /// # Ok(())
            /// # }
            /// ```
            pub fn write<B: IoBuf>(
                &self,
                buf: B,
            ) -> impl OpExt<Output = BufResult<usize, B>> + use<'_, B> {
                WriteStandard::new((&self.end, &self.nature, stream($number)), buf, false)
            }

            /// Writes all of the bytes.
            ///
            /// # Errors
            /// As [`write`](Self::write); a part may have been written.
            ///
            /// # Cancel safety
            /// A part may have been written.
            ///
            /// # Kernel
            /// As [`write`](Self::write), as often as it takes.
            ///
            /// ```no_run
            /// # #[annulus::main]
            /// # async fn main() -> std::io::Result<()> {
            #[doc = concat!("annulus::io::", $open, "()?.write_all(\"hello\\n\").await?;")]
            /// # Ok(())
            /// # }
            /// ```
            pub fn write_all<B: IoBuf>(
                &self,
                buf: B,
            ) -> impl OpExt<Output = BufResult<(), B>> + use<'_, B> {
                let to = (&self.end, &self.nature, stream($number));
                WriteAllStandard(WriteStandard::new(to, buf, true))
            }

            /// Collects small pieces until they are worth a write, or flushed.
            pub fn buffered(self) -> BufWriter<Self> {
                BufWriter::new(self)
            }

            /// The pipe that it is, if it is one: for moving bytes without copying them.
            ///
            /// Before Linux 6.4, where pipes do not know `RWF_NOWAIT`, only splices and tees to it
            /// work.
            pub fn as_pipe(&self) -> Option<&Sender> {
                self.nature.is_pipe.then_some(&self.end)
            }
        }

        impl AsFd for $output {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.end.as_fd()
            }
        }

        impl AsRawFd for $output {
            fn as_raw_fd(&self) -> RawFd {
                self.end.as_raw_fd()
            }
        }

        output!(@writes $output, $output);
        output!(@writes $output, &$output);
    };
    (@writes $output:ident, $writer:ty) => {
        impl AsyncWrite for $writer {
            fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                $output::write(self, buf)
            }

            /// What was written has left the process: there is nothing to wait for.
            async fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }

            /// Does nothing: the stream is not this handle's alone.
            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(())
            }

            fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                $output::write_all(self, buf)
            }

            fn as_pipe_target(&self) -> Option<&Sender> {
                self.as_pipe()
            }
        }
    };
}

output!(Stdout, "stdout", 1);
output!(Stderr, "stderr", 2);

/// Why a request is made again: it was interrupted, or somebody else was faster.
fn tries_again<B>(error: &BufError<B>) -> bool {
    matches!(error.error().raw_os_error(), Some(libc::EAGAIN | libc::EINTR))
}

/// The future of a read.
struct ReadStandard<'a, B: IoBufMut> {
    from: &'a Stdin,
    queued: Queued,
    wait: Wait,
    ending: bool,
    stage: ReadStage<'a, B>,
}

enum ReadStage<'a, B: IoBufMut> {
    Trying(ReadNow<'a, B>),
    /// Waits for its turn: one that had it before may still be taking bytes.
    Queued(B),
    /// Has its turn, and waits until there is something.
    Waiting(B, Turn),
    Reading(Op<ReadHere<B>>),
    Done,
}

impl<'a, B: IoBufMut> ReadStandard<'a, B> {
    fn new(from: &'a Stdin, buf: B) -> Self {
        let end = &from.end;
        let stage = if from.nature.tries() {
            ReadStage::Trying(ReadNow::new(&end.owned, buf, end.flags))
        } else {
            ReadStage::Queued(buf)
        };
        Self { from, queued: stream(0).queue(), wait: Wait::default(), ending: false, stage }
    }

    /// It has its turn: what was read late comes first.
    fn has_turn(&mut self, mut buf: B, mut turn: Turn) -> Option<BufResult<usize, B>> {
        if receive_len(&buf).is_err() {
            return Some(Err(BufError::new(errors::no_capacity(), buf)));
        }
        if let Some(bytes) = turn.take_late(&mut buf) {
            return Some(Ok((bytes, buf)));
        }
        self.wait.begin(&self.from.end.owned, libc::POLLIN);
        self.stage = ReadStage::Waiting(buf, turn);
        None
    }

    fn take_stage(&mut self) -> ReadStage<'a, B> {
        std::mem::replace(&mut self.stage, ReadStage::Done)
    }
}

impl<B: IoBufMut> Unpin for ReadStandard<'_, B> {}

impl<B: IoBufMut> Future for ReadStandard<'_, B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let ended = match &mut this.stage {
                ReadStage::Trying(read) => ready!(Pin::new(read).poll(cx)),
                ReadStage::Reading(read) => ready!(Pin::new(read).poll(cx)),
                ReadStage::Queued(_) => {
                    let turn = ready!(this.queued.poll(cx));
                    let ReadStage::Queued(buf) = this.take_stage() else { unreachable!("matched") };
                    match this.has_turn(buf, turn) {
                        Some(ended) => return Poll::Ready(ended),
                        None => continue,
                    }
                }
                ReadStage::Waiting(..) => {
                    let waited = ready!(this.wait.poll(cx));
                    let ReadStage::Waiting(buf, turn) = this.take_stage() else {
                        unreachable!("matched")
                    };
                    if let Err(error) = waited {
                        return Poll::Ready(Err(BufError::new(error, buf)));
                    }
                    let handle = this.from.end.owned.handle();
                    this.stage = ReadStage::Reading(Op::new(ReadHere { handle, buf, turn }));
                    continue;
                }
                ReadStage::Done => panic!("an operation was polled after it had completed"),
            };
            let tried = matches!(this.stage, ReadStage::Trying(_));
            this.stage = ReadStage::Done;
            match ended {
                Err(error) if !this.ending => {
                    let again = tried && this.from.nature.refused(&error) || tries_again(&error);
                    match error.into_parts() {
                        (_, Some(buf)) if again => this.stage = ReadStage::Queued(buf),
                        (error, buf) => return Poll::Ready(Err(BufError::with(error, buf))),
                    }
                }
                ended => return Poll::Ready(ended),
            }
        }
    }
}

impl<B: IoBufMut> End for ReadStandard<'_, B> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        self.ending = true;
        self.queued.leave();
        self.wait.end();
        match self.take_stage() {
            ReadStage::Trying(mut read) => read.ask_to_end(),
            ReadStage::Queued(buf) | ReadStage::Waiting(buf, _) => {
                Some(Err(BufError::new(errors::cancelled(), buf)))
            }
            ReadStage::Reading(mut read) => {
                let ended = read.ask_to_end();
                if ended.is_none() {
                    self.stage = ReadStage::Reading(read);
                }
                ended
            }
            ReadStage::Done => None,
        }
    }
}
