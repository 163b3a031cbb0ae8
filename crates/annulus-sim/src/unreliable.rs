//! Any kernel, whose `enter` fails as a busy machine's does.
//!
//! Owns: when a call fails, how, and the count of it. Does not own: the calls themselves, nor any
//! other fault (the simulated kernel has those).
//!
//! Invariants: the same seed and the same calls give the same failures; a chain of linked entries
//! is consumed whole or not at all, unless it is to be split; no entry is ever given twice.

use std::sync::{Arc, Mutex, PoisonError};

use annulus_abi::{EnterFlags, Errno, Opcode};
use annulus_ring::Enter;

use crate::choice::split_mix;
use crate::fault::{Fault, Faults, Report};
use crate::memory::Published;

/// A kernel around another one, mostly the [real](annulus_ring::Real) one, in which
/// io_uring_enter(2) fails by seed.
///
/// Of the classes of [`Faults`] it knows those of the call itself: [`Eintr`](Fault::Eintr),
/// [`Eagain`](Fault::Eagain) and [`Ebusy`](Fault::Ebusy) before anything was consumed,
/// [`PartialSubmit`](Fault::PartialSubmit), after which the call does not wait, and
/// [`LateError`](Fault::LateError): everything is consumed and waited for, and an error is
/// reported; and [`SplitChain`](Fault::SplitChain), a partial submission that ends inside a chain
/// if one is submitted; and [`NoWorker`](Fault::NoWorker), of any entry. All others are ignored.
/// [`Eintr`](Fault::Eintr) meets sendfile(2) and poll(2), too: the other calls of the seam that
/// signals interrupt. Rates must leave some calls alone, or nothing ever happens.
///
/// ```
/// use annulus_ring::{AnyKernel, Real, Ring, op::Nop};
/// use annulus_sim::{Fault, Faults, Unreliable};
///
/// let faults = Faults::none().with(Fault::Eintr, 500);
/// let kernel = Unreliable::new(Real::new(), 42, faults);
/// let mut ring = Ring::builder().kernel(AnyKernel::Dyn(Box::new(kernel))).build()?;
/// // SAFETY: a NOP borrows no memory.
/// unsafe { ring.push(&Nop, 7) }?;
/// while ring.cq_ready() == 0 {
///     let _ = ring.submit_and_wait(1, None);
/// }
/// assert_eq!(ring.completions().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Unreliable<K> {
    pub(crate) inner: K,
    pub(crate) published: Option<Published>,
    state: u64,
    faults: Faults,
    report: Arc<Mutex<Report>>,
    failing: Failing,
}

/// Operations that fail, and with which error: for [`Unreliable::failing`]. Whoever has a clone may
/// change it at any time.
pub type Failing = Arc<Mutex<Vec<(Opcode, Errno)>>>;

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It fails before it has done anything.
    Fails(Errno),
    /// It is made like this, and if it succeeds this is said instead.
    Made(EnterShape, Option<Errno>),
}

/// What of a call is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EnterShape {
    pub(crate) to_submit: u32,
    pub(crate) min_complete: u32,
    pub(crate) flags: EnterFlags,
}

impl<K> Unreliable<K> {
    /// Wraps a kernel. Every decision follows from `seed`.
    pub fn new(inner: K, seed: u64, faults: Faults) -> Self {
        Self {
            inner,
            published: None,
            state: seed,
            faults,
            report: Arc::default(),
            failing: Arc::default(),
        }
    }

    /// Lets every operation that is in the list fail with the error there, as a disk would that is
    /// broken: the kernel inside gets a NOP with that result in its place (Linux 6.10), in its
    /// chain. Neither with SQPOLL nor with larger entries.
    #[must_use]
    pub fn failing(mut self, failing: Failing) -> Self {
        self.failing = failing;
        self
    }

    /// Replaces what is to fail of the entries of the next call.
    pub(crate) fn sabotage(&mut self, to_submit: u32) {
        if self.faults.rate(Fault::NoWorker) > 0 {
            self.cancel_some(to_submit);
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(published) = self.published.as_ref().filter(|_| !failing.is_empty()) {
            published.fail(0..to_submit, |opcode| {
                let found = failing.iter().find(|(failing, _)| *failing == opcode);
                found.map(|(_, errno)| errno.0)
            });
        }
    }

    /// Lets some entries end as if there were no worker to do them.
    fn cancel_some(&mut self, to_submit: u32) {
        // Taken out for as long as this decides on its entries.
        let Some(published) = self.published.take() else { return };
        let mut in_chain = false;
        for place in 0..to_submit {
            let was_in_chain = std::mem::replace(&mut in_chain, !published.ends_chain(place));
            if was_in_chain || in_chain || !self.strikes(Fault::NoWorker) {
                continue;
            }
            let cancelled = published
                .fail(place..place + 1, |opcode| is_for_workers(opcode).then_some(libc::ECANCELED));
            if cancelled > 0 {
                self.note(|report| report.counted(Fault::NoWorker));
            }
        }
        self.published = Some(published);
    }

    /// Adds what happens to a report that others read and other kernels may add to: its `enters`,
    /// and the counts of the classes above.
    #[must_use]
    pub fn reporting_to(mut self, report: Arc<Mutex<Report>>) -> Self {
        self.report = report;
        self
    }

    /// Decides on a call.
    pub(crate) fn judge(&mut self, call: &Enter) -> Verdict {
        self.note(|report| report.enters += 1);
        for (fault, errno) in [
            (Fault::Eintr, libc::EINTR),
            (Fault::Eagain, libc::EAGAIN),
            (Fault::Ebusy, libc::EBUSY),
        ] {
            if self.strikes(fault) {
                self.note(|report| report.counted(fault));
                return Verdict::Fails(Errno(errno));
            }
        }
        let Enter { to_submit, min_complete, flags, .. } = *call;
        let whole = EnterShape { to_submit, min_complete, flags };
        let split = self.part_of_chain(to_submit).map(|part| (Fault::SplitChain, part));
        let part = split.or_else(|| Some((Fault::PartialSubmit, self.part_of(to_submit)?)));
        if let Some((fault, part)) = part {
            self.note(|report| report.counted(fault));
            let flags = flags.without(EnterFlags::GETEVENTS);
            return Verdict::Made(EnterShape { to_submit: part, min_complete: 0, flags }, None);
        }
        let late = self.strikes(Fault::LateError).then(|| {
            self.note(|report| report.counted(Fault::LateError));
            Errno(
                [libc::EINTR, libc::EAGAIN, libc::EBUSY][(split_mix(&mut self.state) % 3) as usize],
            )
        });
        Verdict::Made(whole, late)
    }

    /// Whether a signal comes before another call has done anything.
    pub(crate) fn interrupt(&mut self) -> Result<(), Errno> {
        if !self.strikes(Fault::Eintr) {
            return Ok(());
        }
        self.note(|report| report.counted(Fault::Eintr));
        Err(Errno(libc::EINTR))
    }

    /// How many entries are consumed, if not all of them.
    fn part_of(&mut self, to_submit: u32) -> Option<u32> {
        if to_submit < 2 || !self.strikes(Fault::PartialSubmit) {
            return None;
        }
        let wish = self.wish(to_submit);
        let published = self.published.as_ref()?;
        (wish..to_submit).find(|&part| published.ends_chain(part - 1))
    }

    /// The same, up to the middle of a chain.
    fn part_of_chain(&mut self, to_submit: u32) -> Option<u32> {
        // Where it never happens nothing is drawn for it.
        let happens = self.faults.rate(Fault::SplitChain) > 0;
        if !happens || to_submit < 2 || !self.strikes(Fault::SplitChain) {
            return None;
        }
        let wish = self.wish(to_submit);
        let published = self.published.as_ref()?;
        (wish..to_submit).chain(1..wish).find(|&part| !published.ends_chain(part - 1))
    }

    /// Some of so many entries, but not all.
    fn wish(&mut self, to_submit: u32) -> u32 {
        1 + (split_mix(&mut self.state) % u64::from(to_submit - 1)) as u32
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        split_mix(&mut self.state) % 1000 < u64::from(self.faults.rate(fault))
    }

    fn note(&self, count: impl FnOnce(&mut Report)) {
        count(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether a worker may do it: not what is done at once or never waits for one.
fn is_for_workers(opcode: Opcode) -> bool {
    !matches!(
        opcode,
        Opcode::NOP
            | Opcode::ASYNC_CANCEL
            | Opcode::CLOSE
            | Opcode::FILES_UPDATE
            | Opcode::FUTEX_WAIT
            | Opcode::FUTEX_WAITV
            | Opcode::FUTEX_WAKE
            | Opcode::LINK_TIMEOUT
            | Opcode::MSG_RING
            | Opcode::POLL_ADD
            | Opcode::POLL_REMOVE
            | Opcode::TIMEOUT
            | Opcode::TIMEOUT_REMOVE
            | Opcode::WAITID
    )
}
