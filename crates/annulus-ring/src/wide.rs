//! Pushing entries of 128 bytes.
//!
//! Owns: what the two kinds of rings that take them have in common, and what not. Does not own: the
//! queue (`sq`), nor which operation writes what (`op`).
//!
//! Invariants: an operation of 128 bytes can be pushed to no ring of 64-byte entries; in a ring of
//! both sizes only the opcodes of 128 bytes take two places, so no other is pushed there as one:
//! the kernel would take its second half for an entry of its own. Mirrors io_uring_get_sqe128(3)
//! and io_uring_sqe_set_flags(3).

use annulus_abi::{Opcode, Sqe128, SqeFlags};

use crate::{CqeShape, Ring, SqFull, SqeMixed, WideOp};

impl<C: CqeShape> Ring<Sqe128, C> {
    /// Pushes a typed operation of 128 bytes; those of 64 bytes go with [`push`](Self::push) as
    /// everywhere.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use annulus_ring::{Ring, Target, WideOp, abi::{Sqe128, UringCmdFlags}, op::Cmd80};
    /// use std::{fs::File, os::fd::AsRawFd};
    ///
    /// let file = File::open("/proc/self/comm")?;
    /// let mut ring: Ring<Sqe128> = Ring::builder().entries(8).build_as()?;
    /// let command = Cmd80 {
    ///     target: Target::Fd(file.as_raw_fd()),
    ///     command: 1,
    ///     addr: 0,
    ///     len: 0,
    ///     flags: UringCmdFlags::EMPTY,
    ///     buf_index: 0,
    ///     data: [0; 80],
    /// };
    /// // SAFETY: the file takes no commands.
    /// unsafe { ring.push_wide(&command, 7) }?;
    /// ring.submit_and_wait(1, None)?;
    /// let cqe = ring.completions().next().unwrap();
    /// assert_eq!(cqe.user_data, 7);
    /// assert!(Cmd80::decode(&cqe).is_err(), "no driver is behind it");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[doc(alias = "io_uring_get_sqe128")]
    #[inline]
    pub unsafe fn push_wide<O: WideOp>(&mut self, op: &O, user_data: u64) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_wide_with_flags(op, user_data, SqeFlags::EMPTY) }
    }

    /// Pushes a typed operation of 128 bytes with more flags: linked, drained, at once to a worker.
    ///
    /// # Errors
    /// [`SqFull`].
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push_wide_with_flags<O: WideOp>(
        &mut self,
        op: &O,
        user_data: u64,
        flags: SqeFlags,
    ) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        let entry = unsafe { self.vacant() }.ok_or(SqFull)?;
        fill(entry, op, user_data, flags);
        Ok(())
    }
}

impl<C: CqeShape> Ring<SqeMixed, C> {
    /// The two free places at the tail as one entry of 128 bytes, zeroed, to be filled in place; it
    /// counts as pushed. `None` if there are no two.
    ///
    /// It must not wrap around the end of the queue, so a NOP that posts no completion fills the
    /// last place, and is linked if the entry before it is.
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant); the opcode becomes one of 128 bytes.
    #[doc(alias = "io_uring_get_sqe128")]
    pub unsafe fn vacant_wide(&mut self) -> Option<&mut Sqe128> {
        self.sq.vacant_wide()
    }

    /// Pushes a typed operation of 128 bytes: [`Nop128`](crate::op::Nop128) or
    /// [`Cmd128`](crate::op::Cmd128). It takes two places, and one more where the queue ends
    /// ([`vacant_wide`](Self::vacant_wide)).
    ///
    /// Here the opcode tells the size, so one that has 128 bytes in rings of such entries alone
    /// does not compile:
    ///
    /// ```compile_fail
    /// use annulus_ring::{Ring, SqeMixed, op::Cmd80};
    ///
    /// unsafe fn push(ring: &mut Ring<SqeMixed>, command: &Cmd80) {
    ///     // SAFETY: whoever calls this says what the command may point to.
    ///     unsafe { ring.push_wide(command, 7) }.unwrap();
    /// }
    /// let no_ring: Option<(Ring<SqeMixed>, Cmd80)> = None;
    /// if let Some((mut ring, command)) = no_ring {
    ///     // SAFETY: there is no command.
    ///     unsafe { push(&mut ring, &command) };
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SqFull`] if there are no two places next to each other. What fills the last place of the
    /// queue stays there.
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push_wide<O: WideOp>(&mut self, op: &O, user_data: u64) -> Result<(), SqFull> {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.push_wide_with_flags(op, user_data, SqeFlags::EMPTY) }
    }

    /// Pushes a typed operation of 128 bytes with more flags: linked, drained, at once to a worker.
    ///
    /// # Errors
    /// As [`push_wide`](Self::push_wide).
    ///
    /// # Safety
    /// * As for [`vacant`](Self::vacant).
    #[inline]
    pub unsafe fn push_wide_with_flags<O: WideOp>(
        &mut self,
        op: &O,
        user_data: u64,
        flags: SqeFlags,
    ) -> Result<(), SqFull> {
        const {
            let is_wide = O::OPCODE.0 == Opcode::NOP128.0 || O::OPCODE.0 == Opcode::URING_CMD128.0;
            assert!(is_wide, "in a ring of both sizes this opcode has 64 bytes");
        }
        // SAFETY: the caller's promise is passed on; the opcode has 128 bytes, as asserted.
        let entry = unsafe { self.vacant_wide() }.ok_or(SqFull)?;
        fill(entry, op, user_data, flags);
        Ok(())
    }
}

#[inline]
fn fill<O: WideOp>(entry: &mut Sqe128, op: &O, user_data: u64, flags: SqeFlags) {
    op.encode(entry);
    entry.sqe.user_data = user_data;
    entry.sqe.flags |= flags;
}

#[cfg(test)]
mod tests;
