//! Reads and writes of a direct file whose device is polled.
//!
//! Owns: [`DirectPolled`]. Does not own: the ring for it (`core/devices.rs`), nor the checks of
//! alignment. The manual page is io_uring_setup(2), of `IORING_SETUP_IOPOLL`.

use super::Direct;
use crate::buf::{BufResult, IoBuf, IoBufMut};
use crate::core::devices::Polled;
use crate::core::direct_op::With;
use crate::core::file_op::{ReadAt, WriteAt};
use crate::core::op::Op;
use crate::fs::RwOptions;
use crate::op::OpExt;

/// A direct file whose device is polled for completions: [`Direct::polled`].
///
/// A request is a few microseconds sooner done than by an interrupt, on a device that is as fast;
/// its core burns a CPU meanwhile. It cannot be cancelled: [`cancel`](OpExt::cancel) and a deadline
/// wait for its end.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "RWF_HIPRI")]
pub struct DirectPolled<'a> {
    pub(super) direct: &'a Direct,
}

impl<'a> DirectPolled<'a> {
    /// As [`Direct::read_at`].
    ///
    /// # Errors
    /// As there; `Unsupported` for a device without queues that can be polled.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the request to its end, and then its buffer goes.
    ///
    /// # Kernel
    /// `READ`, 5.6, or `READ_FIXED`, 5.1, on a ring with `IORING_SETUP_IOPOLL`, 5.1.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::{buf::DirectPool, fs::{Direct, Merge, OpenOptions, Synced}};
    /// # let mut options = OpenOptions::new();
    /// # let file = Direct::open_with(options.read(true).write(true).create(true), "table").await?;
    /// # let block = file.alignment().block_bytes();
    /// # let pool = DirectPool::with_align(32, block, block)?;
    /// # let page = pool.take().await;
    /// let (n, page) = file.polled()?.read_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at<B: IoBufMut>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'a, B> {
        let transfer = ReadAt { handle: self.direct.file.handle(), buf, offset };
        let (how, limits) = (RwOptions::new(), self.direct.limits);
        Op::new(Polled(With { transfer, how, limits }))
    }

    /// As [`Direct::write_at`].
    ///
    /// # Errors
    /// As there; `Unsupported` for a device without queues that can be polled.
    ///
    /// # Cancel safety
    /// As [`read_at`](Self::read_at): the bytes are written all the same.
    ///
    /// # Kernel
    /// `WRITE`, 5.6, or `WRITE_FIXED`, 5.1, on a ring with `IORING_SETUP_IOPOLL`, 5.1.
    ///
    /// ```no_run
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::{buf::DirectPool, fs::{Direct, Merge, OpenOptions, Synced}};
    /// # let mut options = OpenOptions::new();
    /// # let file = Direct::open_with(options.read(true).write(true).create(true), "table").await?;
    /// # let block = file.alignment().block_bytes();
    /// # let pool = DirectPool::with_align(32, block, block)?;
    /// # let page = pool.take().await;
    /// let (n, page) = file.polled()?.write_at(page, 0).await?;
    /// assert!(n <= page.len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at<B: IoBuf>(
        self,
        buf: B,
        offset: u64,
    ) -> impl OpExt<Output = BufResult<usize, B>> + use<'a, B> {
        let transfer = WriteAt { handle: self.direct.file.handle(), buf, offset };
        let (how, limits) = (RwOptions::new(), self.direct.limits);
        Op::new(Polled(With { transfer, how, limits }))
    }
}
