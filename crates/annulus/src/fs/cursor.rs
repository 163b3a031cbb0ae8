//! Where a handle reads and writes next.
//!
//! Owns: the position, and the future of one read or write there. Does not own: requests that
//! follow each other (`whole`).
//!
//! The position is the handle's, not the kernel's: a request carries it as its offset, and it moves
//! when the result is taken. (The kernel's own position would be the same for all that share the
//! open file; two requests at once would read it and write it back without a lock; and a direct
//! read that completes later does not move it.) What has no position, a pipe or a terminal, is
//! asked for what comes next.
//!
//! | the cursor is | a request goes | its result |
//! |---|---|---|
//! | `At` | to the position | moves it by what was moved; a write of a file that appends makes it `End` |
//! | `End` | a write: anywhere, it appends; a read: looks where the end is first | as above |
//! | `Stream` | where the kernel is | changes nothing |
//!
//! Invariant: only a result that reaches the user moves it, so a future that is dropped leaves it.

use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use annulus_ring::Kernel as _;
use annulus_ring::abi::Errno;

use crate::buf::BufResult;
use crate::core::Owned;
use crate::core::cursor_op::{Here, ONWARD, Placed};
use crate::core::end::End;
use crate::core::op::{Op, Operation};

/// Where a handle is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Cursor {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    At {
        position: u64,
        /// Writes go to the end.
        appends: bool,
    },
    /// Behind what was appended last, wherever that is.
    End,
    /// There is no position.
    Stream,
}

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Read,
    Write,
}

impl Cursor {
    /// Finds out where it is. Where the file cannot be reached from here, the request says so.
    fn locate(&mut self, owned: &Owned) {
        let fd = owned.raw_fd();
        let located = match *self {
            Self::Unknown => owned.with(|state, _| {
                let kernel = state.ring.kernel();
                match kernel.seek(fd, 0, libc::SEEK_CUR) {
                    Ok(position) => {
                        let flags = kernel.status_flags(fd).unwrap_or(0);
                        Self::At { position, appends: flags & libc::O_APPEND != 0 }
                    }
                    Err(_) => Self::Stream,
                }
            }),
            Self::End => owned.with(|state, _| {
                let end = state.ring.kernel().seek(fd, 0, libc::SEEK_END);
                end.map_or(Self::Stream, |position| Self::At { position, appends: true })
            }),
            known => Ok(known),
        };
        if let Ok(located) = located {
            *self = located;
        }
    }

    /// The offset of the next request.
    pub(super) fn place(&mut self, owned: &Owned, direction: Direction) -> u64 {
        if (*self, direction) != (Self::End, Direction::Write) {
            self.locate(owned);
        }
        match *self {
            Self::At { position, .. } => position,
            Self::Stream => ONWARD,
            Self::Unknown | Self::End => 0,
        }
    }

    /// So many bytes were moved.
    pub(super) fn moved(&mut self, bytes: usize, direction: Direction) {
        match self {
            Self::At { appends: true, .. } if direction == Direction::Write && bytes > 0 => {
                *self = Self::End;
            }
            Self::At { position, .. } => *position += bytes as u64,
            Self::Unknown | Self::End | Self::Stream => {}
        }
    }

    /// Where it is now.
    pub(super) fn position(&mut self, owned: &Owned) -> io::Result<u64> {
        self.locate(owned);
        match *self {
            Self::At { position, .. } => Ok(position),
            // The kernel says what is wrong.
            _ => seek(owned, 0, libc::SEEK_CUR),
        }
    }

    /// Moves it, and gives where it is then.
    pub(super) fn seek(&mut self, owned: &Owned, to: SeekFrom) -> io::Result<u64> {
        self.locate(owned);
        let refused = || Err(io::Error::from(Errno(libc::EINVAL)));
        let moved = match (to, *self) {
            (SeekFrom::Start(offset), _) => match i64::try_from(offset) {
                Ok(offset) => seek(owned, offset, libc::SEEK_SET)?,
                Err(_) => return refused(),
            },
            (SeekFrom::End(offset), _) => seek(owned, offset, libc::SEEK_END)?,
            (SeekFrom::Current(offset), Self::At { position, .. }) => {
                let aim = i64::try_from(position).ok().and_then(|at| at.checked_add(offset));
                match aim {
                    Some(aim) => seek(owned, aim, libc::SEEK_SET)?,
                    None => return refused(),
                }
            }
            (SeekFrom::Current(offset), _) => seek(owned, offset, libc::SEEK_CUR)?,
        };
        if let Self::At { position, .. } = self {
            *position = moved;
        }
        Ok(moved)
    }

    /// Takes the kernel's position there, for whoever gets the descriptor.
    pub(super) fn hand_over(&mut self, owned: &Owned) -> io::Result<()> {
        if *self == Self::Unknown {
            return Ok(());
        }
        self.locate(owned);
        match *self {
            Self::At { position, .. } => self.seek(owned, SeekFrom::Start(position)).map(drop),
            _ => Ok(()),
        }
    }
}

fn seek(owned: &Owned, offset: i64, whence: i32) -> io::Result<u64> {
    let fd = owned.raw_fd();
    Ok(owned.with(|state, _| state.ring.kernel().seek(fd, offset, whence))??)
}

/// The future of one read or write at a cursor.
pub(super) struct Moved<'a, D: Placed> {
    cursor: &'a mut Cursor,
    direction: Direction,
    op: Op<Here<D>>,
}

impl<'a, D: Placed> Moved<'a, D> {
    pub(super) fn new(
        (owned, cursor): (&Owned, &'a mut Cursor),
        direction: Direction,
        description: D,
    ) -> Self {
        let offset = cursor.place(owned, direction);
        Self { cursor, direction, op: Op::new(Here::at_cursor(description, offset)) }
    }

    fn note<B>(&mut self, moved: &BufResult<usize, B>) {
        if let Ok((bytes, _)) = moved {
            self.cursor.moved(*bytes, self.direction);
        }
    }
}

// Nothing in it is pinned structurally.
impl<D: Placed> Unpin for Moved<'_, D> {}

impl<B, D: Placed + Operation<Output = BufResult<usize, B>>> Future for Moved<'_, D> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let moved = ready!(Pin::new(&mut self.op).poll(cx));
        self.note(&moved);
        Poll::Ready(moved)
    }
}

impl<B, D: Placed + Operation<Output = BufResult<usize, B>>> End for Moved<'_, D> {
    fn ask_to_end(&mut self) -> Option<Self::Output> {
        let ended = self.op.ask_to_end()?;
        self.note(&ended);
        Some(ended)
    }
}
