//! Credentials that a submission can borrow.
//!
//! Owns: their registration. Does not own: whose credentials a thread has (setresuid(2)). Mirrors
//! io_uring_register_personality(3).

use annulus_abi::{RegisterOp, Sqe};

use super::RegisterError;
use crate::{CqeShape, Ring, SqeShape};

/// Credentials registered with a ring, named by a number of that ring.
///
/// It is a name and no guard: the ring keeps the credentials until they are unregistered or it is
/// closed. In another ring the same number means other credentials or none (EINVAL in the
/// completion).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Personality(u16);

impl Personality {
    /// Makes an entry be executed with these credentials rather than its submitter's.
    ///
    /// ```
    /// use annulus_ring::{Op, Ring, abi::Sqe, op::Nop};
    ///
    /// let mut ring = Ring::new(8).unwrap();
    /// let me = ring.register_personality().unwrap();
    /// let mut sqe = Sqe::default();
    /// Nop.encode(&mut sqe);
    /// me.lend_to(&mut sqe);
    /// assert_eq!(sqe.personality, me.id());
    /// ```
    #[inline]
    pub fn lend_to(self, sqe: &mut Sqe) {
        sqe.personality = self.0;
    }

    /// The number, for [`Sqe::personality`]; never 0.
    #[must_use]
    pub fn id(self) -> u16 {
        self.0
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Registers the credentials that this thread has now (since 5.6).
    ///
    /// # Errors
    /// ENOSPC and EBUSY when all 65535 numbers are taken, ENOMEM.
    #[doc(alias = "io_uring_register_personality")]
    pub fn register_personality(&mut self) -> Result<Personality, RegisterError> {
        let nothing = core::ptr::null_mut();
        // SAFETY: no argument.
        let id = unsafe { self.register_with(RegisterOp::PERSONALITY, nothing, 0) }?;
        debug_assert!((1..=u32::from(u16::MAX)).contains(&id), "an entry names it by 16 bits");
        Ok(Personality(id as u16))
    }

    /// Lets credentials go. Requests in flight keep theirs.
    ///
    /// # Errors
    /// EINVAL if this ring does not have them.
    #[doc(alias = "io_uring_unregister_personality")]
    pub fn unregister_personality(&mut self, who: Personality) -> Result<(), RegisterError> {
        let nothing = core::ptr::null_mut();
        let id = u32::from(who.0);
        // SAFETY: no argument but a number.
        unsafe { self.register_with(RegisterOp::UNREGISTER_PERSONALITY, nothing, id) }.map(drop)
    }
}
