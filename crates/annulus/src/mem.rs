//! Memory: advice to the kernel about buffers, and words that processes share.
//!
//! For memory that is no buffer there is the operation itself,
//! [`annulus_ring::op::Madvise`], by [`submit`](crate::submit), which is unsafe: some advice
//! changes memory.

use crate::buf::{BufResult, IoBufMut};
use crate::core::memory_op;
use crate::op::{OpExt, Shaped};

pub use crate::core::shared_words::{SharedWord, SharedWords};

/// What is to become of memory, or how it will be used; see madvise(2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// It is used in no order: nothing is read ahead.
    Random,
    /// It is used in order: much is read ahead.
    Sequential,
    /// It will be used soon.
    WillNeed,
    /// What is in it is not needed any more: the memory is given back, and reads as 0.
    Discard,
    /// It will not be used soon (5.4).
    Cold,
    /// It is to be written out to swap (5.4).
    PageOut,
    /// It is to be made of huge pages, where that can be.
    HugePages,
    /// It is not to be made of huge pages.
    NoHugePages,
    /// It is made of huge pages now (6.1).
    Collapse,
    /// Its pages are made now, for reading (5.14).
    PopulateRead,
    /// Its pages are made now, for writing (5.14).
    PopulateWrite,
}

impl Advice {
    fn number(self) -> i32 {
        match self {
            Self::Normal => libc::MADV_NORMAL,
            Self::Random => libc::MADV_RANDOM,
            Self::Sequential => libc::MADV_SEQUENTIAL,
            Self::WillNeed => libc::MADV_WILLNEED,
            Self::Discard => libc::MADV_DONTNEED,
            Self::Cold => libc::MADV_COLD,
            Self::PageOut => libc::MADV_PAGEOUT,
            Self::HugePages => libc::MADV_HUGEPAGE,
            Self::NoHugePages => libc::MADV_NOHUGEPAGE,
            Self::Collapse => libc::MADV_COLLAPSE,
            Self::PopulateRead => libc::MADV_POPULATE_READ,
            Self::PopulateWrite => libc::MADV_POPULATE_WRITE,
        }
    }
}

/// Gives advice about the pages that lie wholly within a buffer's room. A buffer without a whole
/// page comes back as it is; [`AlignedBuf`](crate::buf::AlignedBuf) can be made of whole ones.
///
/// # Errors
/// Those of madvise(2), with the buffer: `InvalidInput` for advice that this kernel does not know,
/// ENOMEM.
///
/// # Cancel safety
/// Dropping the future drops the buffer when the kernel has let go of it.
///
/// # Kernel
/// `MADVISE`, 5.6; always punted to a worker thread, which is what it is for: making or freeing
/// many pages takes long.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::{buf::AlignedBuf, mem::{Advice, advise}};
///
/// let mut buf = AlignedBuf::new(1 << 20, 4096)?;
/// buf.fill(7);
/// let ((), buf) = advise(buf, Advice::Discard).await?;
/// assert!(buf.iter().all(|&byte| byte == 0), "it was given back");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "madvise")]
#[doc(alias = "IORING_OP_MADVISE")]
pub fn advise<B: IoBufMut>(
    buf: B,
    advice: Advice,
) -> impl OpExt<Output = BufResult<(), B>> + use<B> {
    let mut description = memory_op::Advise { buf, advice: advice.number() };
    let description = match description.pages() {
        (_, 0) => Err(Ok(((), description.buf))),
        _ => Ok(description),
    };
    Shaped::new(description, |advised| advised)
}
