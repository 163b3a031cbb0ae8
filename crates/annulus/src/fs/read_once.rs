//! A file that is opened, read and closed in one submission.
//!
//! Owns: what follows from a short read. Invariant: the buffer has the beginning of the file
//! without a gap, and comes back with every error.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::open_options::c_path;
use crate::buf::{BufError, BufResult, IoBufMut, Slice, clamp_transfer};
use crate::core::Owned;
use crate::core::errors;
use crate::core::file_op::ReadAt;
use crate::core::once_op::{CloseLent, Lent, OpenLent, ReadLent};
use crate::core::op::Op;
use crate::core::path_op::Open;
use crate::op::{Cancelled, Chain, Either, Next, OpExt, Running, Sequel, Sequence, Steps, chain};

/// Opens a file, reads from its beginning until `buf` is full or the file ends, and closes it.
/// Gives the number of bytes.
///
/// Open, read and close are linked and go to the kernel in one submission, through a slot of the
/// ring's fixed-file table: the process gets no descriptor. If the read is short the link to the
/// close breaks, and one more read finds the end of the file or goes on. So a buffer that is
/// narrowed to the size of the file (from a directory's listing, for instance) makes it one
/// submission, and any other two.
///
/// # Errors
/// Those of open(2) and read(2), with the buffer; `InvalidInput` for a buffer without capacity and
/// for a path with a zero byte.
///
/// # Cancel safety
/// Dropping the future leaves nothing open.
///
/// # Kernel
/// `OPENAT` into a slot (5.15), `READ`, `CLOSE`, with `IOSQE_IO_LINK`. Where a core has no free
/// slot (none at all before about 6.14), and for buffers of 2 GiB, which no single read fills, a
/// descriptor is opened and closed, one request after the other.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// let (n, release) = annulus::fs::read_once("/proc/version", Vec::with_capacity(1000)).await?;
/// assert_eq!(n, release.len());
/// assert!(release.starts_with(b"Linux"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "openat_direct")]
pub fn read_once<P: AsRef<Path>, B: IoBufMut>(
    path: P,
    buf: B,
) -> impl OpExt<Output = BufResult<usize, B>> + use<P, B> {
    ReadOnce::begin(c_path(path.as_ref()), buf)
}

type Read<B> = Op<ReadLent<Slice<B>>>;
type Whole<B> = Chain<<(Op<OpenLent>, Read<B>, Op<CloseLent>) as Steps>::Chained>;
type Lone<B> = Either<Op<Open>, Op<ReadAt<Slice<B>>>>;

enum ReadOnce<B> {
    /// Through a slot.
    Lent { lent: Lent, read: usize },
    /// Through a descriptor: the buffer until it is open, then what holds it open.
    Opened { buf: Option<B>, file: Option<Owned>, read: usize },
}

impl<B: IoBufMut> ReadOnce<B> {
    fn begin(path: io::Result<CString>, buf: B) -> Running<Self> {
        let path = match path {
            Ok(_) if buf.bytes_capacity() == 0 => Err(errors::no_capacity()),
            path => path,
        };
        let opened = |buf| Self::Opened { buf, file: None, read: 0 };
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                let refused = Next::Ready(Err(BufError::new(error, buf)));
                return Sequence::new(opened(None), refused);
            }
        };
        if let Some(lent) = Self::in_one(buf.bytes_capacity()).then(Lent::new).flatten() {
            let open = Op::new(OpenLent { lent: lent.clone(), path });
            let close = Op::new(CloseLent { lent: lent.clone() });
            let steps = (open, Self::read_lent(&lent, buf.slice_mut(..), 0), close);
            return Sequence::new(
                Self::Lent { lent, read: 0 },
                Next::Go(Either::Left(chain(steps))),
            );
        }
        let open = Op::new(Open { path, flags: libc::O_RDONLY | libc::O_CLOEXEC, mode: 0 });
        Sequence::new(opened(Some(buf)), Next::Go(Either::Right(Either::Right(Either::Left(open)))))
    }

    /// Whether one read can fill so much. A longer one that moved all that a read can would not
    /// break the link, and the file be closed before the rest.
    fn in_one(capacity: usize) -> bool {
        clamp_transfer(capacity) as usize == capacity
    }

    fn read_lent(lent: &Lent, buf: Slice<B>, read: usize) -> Read<B> {
        Op::new(ReadLent { lent: lent.clone(), buf, offset: read as u64 })
    }

    /// Reads on, where the last request has left off, into the rest of the buffer.
    fn go_on(&mut self, buf: Slice<B>) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        match self {
            Self::Lent { lent, read } => {
                Next::Go(Either::Right(Either::Left(Self::read_lent(lent, buf, *read))))
            }
            Self::Opened { file: Some(file), read, .. } => {
                let handle = file.handle();
                let read = ReadAt { handle, buf, offset: *read as u64 };
                Next::Go(Either::Right(Either::Right(Either::Right(Op::new(read)))))
            }
            Self::Opened { file: None, .. } => {
                Next::Ready(Err(BufError::new(errors::handle_gone(), buf.into_inner())))
            }
        }
    }

    /// A read has ended.
    fn read(
        &mut self,
        done: BufResult<usize, Slice<B>>,
        ending: bool,
    ) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        let (Self::Lent { read, .. } | Self::Opened { read, .. }) = self;
        let (n, mut buf) = match done {
            Ok(done) => done,
            Err(failed) => return Next::Ready(Err(failed.map_buf(Slice::into_inner))),
        };
        *read += n;
        buf.advance(n);
        if n == 0 || buf.bytes_capacity() == 0 {
            return Next::Ready(Ok((*read, buf.into_inner())));
        }
        if ending {
            let done = *read;
            return Next::Ready(Err(BufError::new(errors::cut_short(done), buf.into_inner())));
        }
        self.go_on(buf)
    }

    fn opened(
        &mut self,
        done: io::Result<Owned>,
        ending: bool,
    ) -> Next<<Self as Sequel>::Request, BufResult<usize, B>> {
        let Self::Opened { buf, file, .. } = self else {
            return Next::Ready(Err(BufError::without_buf(errors::handle_gone())));
        };
        let Some(buf) = buf.take() else {
            return Next::Ready(Err(BufError::without_buf(errors::handle_gone())));
        };
        let done = if ending { done.and(Err(errors::cancelled())) } else { done };
        match done {
            Err(error) => Next::Ready(Err(BufError::new(error, buf))),
            Ok(owned) => {
                *file = Some(owned);
                self.go_on(buf.slice_mut(..))
            }
        }
    }
}

impl<B: IoBufMut> Sequel for ReadOnce<B> {
    type Request = Either<Whole<B>, Either<Read<B>, Lone<B>>>;
    type Output = BufResult<usize, B>;

    fn next(
        &mut self,
        done: <Self::Request as Future>::Output,
        ending: bool,
    ) -> Next<Self::Request, Self::Output> {
        match done {
            Either::Left((opened, read, _closed)) => match (opened, read) {
                // The read did not begin, and its error says so; the open's says why.
                (Err(error), Err(failed)) if Cancelled::of(failed.error()).is_some() => {
                    let buf = failed.into_buf().map(Slice::into_inner);
                    Next::Ready(Err(BufError::with(error, buf)))
                }
                (_, read) => self.read(read, ending),
            },
            Either::Right(Either::Left(read) | Either::Right(Either::Right(read))) => {
                self.read(read, ending)
            }
            Either::Right(Either::Right(Either::Left(opened))) => self.opened(opened, ending),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_closed_behind_a_read_only_if_that_can_be_all_of_it() {
        let most = 0x7fff_f000;
        assert!(ReadOnce::<Vec<u8>>::in_one(1) && ReadOnce::<Vec<u8>>::in_one(most));
        assert!(!ReadOnce::<Vec<u8>>::in_one(most + 1));
        assert!(!ReadOnce::<Vec<u8>>::in_one(usize::MAX));
    }
}
