//! io_uring_enter(2), simulated.
//!
//! Owns: consuming entries and chains, waiting, and the faults of the call itself. Does not own:
//! what an entry does.
//!
//! Invariants: what the call returns is what Linux returns: the count if anything was consumed,
//! else how the wait ended (but for [`Fault::LateError`]); the clock jumps only here.

use std::collections::VecDeque;

use annulus_abi::{EnterFlags, Errno, SetupFlags, SqeFlags};

use crate::fault::Fault;
use crate::machine::Machine;
use crate::memory::Entry;

/// A decoded call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) to_submit: u32,
    pub(crate) min_complete: u32,
    pub(crate) flags: EnterFlags,
    pub(crate) timeout_ns: Option<u64>,
}

/// What a call costs in time.
const CALL_NS: u64 = 500;
/// What an entry costs.
const ENTRY_NS: u64 = 100;

impl Machine {
    pub(crate) fn enter(&mut self, ring: usize, call: Call) -> Result<u32, Errno> {
        self.report.enters += 1;
        self.choices.note(self.now_ns);
        self.tick(CALL_NS);
        self.check_call(ring, call)?;
        self.fail_early()?;
        let (consumed, all) = self.consume(ring, call.to_submit);
        if !all {
            return Ok(consumed);
        }
        if consumed > 0 && self.strikes(Fault::LateError) {
            let errno = [libc::EINTR, libc::EAGAIN, libc::EBUSY];
            let which = self.choices.below("which late error", 3) as usize;
            return Err(Errno(errno[which]));
        }
        let events = call.flags.contains(EnterFlags::GETEVENTS);
        let mut ended = Ok(());
        if events {
            ended = self.wait(ring, call);
        } else if !self.ring(ring).has(SetupFlags::DEFER_TASKRUN) {
            self.run_work(ring);
        }
        match ended {
            Err(errno) if consumed == 0 => Err(errno),
            _ => Ok(consumed),
        }
    }

    fn check_call(&mut self, ring: usize, call: Call) -> Result<(), Errno> {
        let ring = self.ring(ring);
        let mut known = EnterFlags::GETEVENTS | EnterFlags::SQ_WAKEUP | EnterFlags::SQ_WAIT;
        if ring.profile.is_since(5, 11) {
            known |= EnterFlags::EXT_ARG;
        }
        if ring.profile.is_since(6, 15) {
            known |= EnterFlags::NO_IOWAIT;
        }
        if !call.flags.without(known).is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        if ring.enabled { Ok(()) } else { Err(Errno(libc::EBADFD)) }
    }

    fn fail_early(&mut self) -> Result<(), Errno> {
        for (fault, errno) in [
            (Fault::Eintr, libc::EINTR),
            (Fault::Eagain, libc::EAGAIN),
            (Fault::Ebusy, libc::EBUSY),
        ] {
            if self.strikes(fault) {
                return Err(Errno(errno));
            }
        }
        Ok(())
    }

    /// Consumes entries: how many, and whether these are all that were offered. A chain is consumed
    /// whole, but for [`Fault::SplitChain`].
    fn consume(&mut self, ring: usize, to_submit: u32) -> (u32, bool) {
        let offered = to_submit.min(self.ring(ring).queues.sq_pending());
        let mut limit = offered;
        if offered > 1 && self.strikes(Fault::PartialSubmit) {
            limit = 1 + self.choices.below("consumed", offered - 1);
        }
        let mut consumed = 0;
        let mut chain: VecDeque<Entry> = VecDeque::new();
        while consumed < limit || (!chain.is_empty() && consumed < offered) {
            let Some(entry) = self.ring(ring).queues.consume() else { break };
            consumed += 1;
            self.report.sqes += 1;
            self.tick(ENTRY_NS);
            let linked = entry.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
            chain.push_back(entry);
            if !linked {
                self.start(ring, core::mem::take(&mut chain));
            } else if consumed < offered && self.strikes(Fault::SplitChain) {
                break;
            }
        }
        self.start(ring, chain);
        (consumed, consumed == offered)
    }

    /// Runs task work, flushes what overflowed, and waits until enough is there. More than enough
    /// is left for the next call ([`work_of_pass`](crate::ring::Ring::work_of_pass)).
    fn wait(&mut self, ring: usize, call: Call) -> Result<(), Errno> {
        let want = call.min_complete.min(self.ring(ring).queues.params().cq_entries);
        let deadline_ns = call.timeout_ns.map(|timeout| self.now_ns.saturating_add(timeout));
        let mut first = true;
        loop {
            self.run_due();
            self.ring(ring).flush();
            let most = self.ring(ring).work_of_pass(want, !first);
            self.run_some_work(ring, most);
            self.ring(ring).flush();
            if self.ring(ring).queues.cq_ready() >= want {
                return Ok(());
            }
            if !self.ring(ring).work.is_empty() {
                continue;
            }
            if deadline_ns.is_some_and(|deadline_ns| self.now_ns >= deadline_ns) {
                return Err(Errno(libc::ETIME));
            }
            if first && self.strikes(Fault::Eintr) {
                return Err(Errno(libc::EINTR));
            }
            first = false;
            let next_ns = self.events.next_ns().unwrap_or(u64::MAX);
            let mut until_ns = next_ns.min(deadline_ns.unwrap_or(u64::MAX));
            if until_ns == u64::MAX {
                self.violation("a ring waits for ever: nothing is left that could happen");
            }
            if self.choices.chance("late wake-up", self.faults.rate(Fault::Reorder)) {
                // The thread is woken late, and by then more has happened.
                let late_ns = until_ns.saturating_add(self.some_delay_ns());
                until_ns = late_ns.min(deadline_ns.unwrap_or(u64::MAX));
            }
            self.report.jumps += u64::from(until_ns > self.now_ns);
            self.now_ns = self.now_ns.max(until_ns);
        }
    }
}
