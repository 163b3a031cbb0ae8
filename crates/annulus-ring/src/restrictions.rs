//! What a ring may do, as an allow list that holds for its whole life.
//!
//! Owns: [`Restrictions`] and giving them to the kernel. Does not own: enabling the ring
//! (`builder`). Invariants: what is not named is forbidden, so the empty list forbids everything;
//! the kernel takes one list, while the ring is disabled, and never gives it back. Mirrors
//! io_uring_register(2), `IORING_REGISTER_RESTRICTIONS`, and io_uring_register_restrictions(3).

use annulus_abi::{Errno, Opcode, RegisterOp, Restriction, SqeFlags};

use crate::{CqeShape, Kernel, Ring, SqeShape};

/// An allow list: operations, registrations, and flags of submissions.
///
/// For a ring whose descriptor goes to somebody who is trusted less, or to have a mistake found by
/// the kernel. Everything else completes or fails with EACCES once the ring is enabled.
///
/// ```
/// # fn main() -> Result<(), annulus_ring::SetupError> {
/// use annulus_ring::{Restrictions, Ring, abi::{Opcode, SqeFlags}};
///
/// let only_reads = Restrictions::none_allowed()
///     .allow_op(Opcode::READ)
///     .allow_flags(SqeFlags::FIXED_FILE | SqeFlags::IO_LINK);
/// let ring = Ring::builder().restrict(only_reads).build()?;
/// # Ok(()) }
/// ```
#[doc(alias = "io_uring_register_restrictions")]
#[doc(alias = "IORING_REGISTER_RESTRICTIONS")]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restrictions {
    list: Vec<Restriction>,
    flags_allowed: SqeFlags,
    flags_required: SqeFlags,
}

impl Restrictions {
    /// Nothing is allowed yet.
    #[must_use]
    pub fn none_allowed() -> Self {
        Self::default()
    }

    /// Allows an operation (`IORING_RESTRICTION_SQE_OP`).
    #[doc(alias = "IORING_RESTRICTION_SQE_OP")]
    #[must_use]
    pub fn allow_op(mut self, op: Opcode) -> Self {
        self.add(Restriction::sqe_op(op));
        self
    }

    /// Allows a registration (`IORING_RESTRICTION_REGISTER_OP`). Without
    /// [`RegisterOp::RING_FDS`] and [`RegisterOp::UNREGISTER_RING_FDS`] the ring is entered through
    /// its descriptor.
    #[doc(alias = "IORING_RESTRICTION_REGISTER_OP")]
    #[must_use]
    pub fn allow_registration(mut self, op: RegisterOp) -> Self {
        self.add(Restriction::register_op(op));
        self
    }

    /// Allows these flags of submissions, beside those that are required
    /// (`IORING_RESTRICTION_SQE_FLAGS_ALLOWED`).
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_ALLOWED")]
    #[must_use]
    pub fn allow_flags(mut self, flags: SqeFlags) -> Self {
        self.flags_allowed |= flags;
        self
    }

    /// Requires these flags of every submission (`IORING_RESTRICTION_SQE_FLAGS_REQUIRED`), e.g.
    /// [`SqeFlags::FIXED_FILE`], so that only registered files can be used.
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_REQUIRED")]
    #[must_use]
    pub fn require_flags(mut self, flags: SqeFlags) -> Self {
        self.flags_required |= flags;
        self
    }

    /// Whether an operation is allowed.
    #[must_use]
    pub fn allows_op(&self, op: Opcode) -> bool {
        self.list.contains(&Restriction::sqe_op(op))
    }

    /// Whether a registration is allowed.
    #[must_use]
    pub fn allows_registration(&self, op: RegisterOp) -> bool {
        self.list.contains(&Restriction::register_op(op))
    }

    /// The list as the kernel reads it.
    #[must_use]
    pub fn entries(&self) -> Vec<Restriction> {
        let mut all = self.list.clone();
        if !self.flags_allowed.is_empty() {
            all.push(Restriction::sqe_flags_allowed(self.flags_allowed));
        }
        if !self.flags_required.is_empty() {
            all.push(Restriction::sqe_flags_required(self.flags_required));
        }
        if all.is_empty() {
            // The kernel wants at least one entry; this one allows no flag.
            all.push(Restriction::sqe_flags_allowed(SqeFlags::EMPTY));
        }
        all
    }

    fn add(&mut self, entry: Restriction) {
        if !self.list.contains(&entry) {
            self.list.push(entry);
        }
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Restricts a ring that was built [`disabled`](crate::Builder::disabled), for good; it counts
    /// from [`enable`](Self::enable) on. Since Linux 5.10.
    ///
    /// # Errors
    /// EBADFD if the ring is enabled, EBUSY if it is restricted already.
    #[doc(alias = "io_uring_register_restrictions")]
    pub fn restrict(&mut self, restrictions: &Restrictions) -> Result<(), Errno> {
        let mut restrictions = restrictions.clone();
        if self.fd() < 0 {
            // Its index in the thread's table is all there is, and must go in the end.
            restrictions = restrictions.allow_registration(RegisterOp::UNREGISTER_RING_FDS);
        }
        let mut entries = restrictions.entries();
        let count = u32::try_from(entries.len()).map_err(|_| Errno(libc::EINVAL))?;
        let arg = entries.as_mut_ptr();
        // SAFETY: `count` entries, read during the call.
        unsafe { self.kernel().register(RegisterOp::RESTRICTIONS, arg.cast(), count) }?;
        self.restricted = Some(restrictions);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
