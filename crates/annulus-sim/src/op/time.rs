//! TIMEOUT, TIMEOUT_REMOVE and LINK_TIMEOUT on the virtual clock.
//!
//! Owns: when a timeout fires. Mirrors io_uring_prep_timeout(3), io_uring_prep_link_timeout(3). All
//! clocks of the simulation are the same one.

use annulus_abi::{Cqe, CqeFlags, Opcode, TimeoutFlags};

use crate::events::Event;
use crate::machine::Machine;
use crate::op::Matcher;
use crate::request::{Phase, Request, Tried};

const MODELLED: TimeoutFlags = TimeoutFlags(
    TimeoutFlags::ABS.0
        | TimeoutFlags::BOOTTIME.0
        | TimeoutFlags::ETIME_SUCCESS.0
        | TimeoutFlags::MULTISHOT.0,
);

impl Machine {
    pub(super) fn prepare_time(&mut self, ring: usize, request: &mut Request) -> Result<(), i32> {
        let entry = request.entry.clone();
        let flags = TimeoutFlags(entry.op_flags);
        let multishot = flags.contains(TimeoutFlags::MULTISHOT);
        let linked = entry.opcode == Opcode::LINK_TIMEOUT;
        if entry.len != 1
            || !flags.without(MODELLED).is_empty()
            || (multishot && (linked || flags.contains(TimeoutFlags::ABS)))
            || (multishot && !self.ring(ring).profile.is_since(6, 4))
            || (linked && entry.off != 0)
        {
            return Err(libc::EINVAL);
        }
        let time_ns = entry.timespec_ns(entry.addr).ok_or(libc::EINVAL)?;
        let absolute = flags.contains(TimeoutFlags::ABS);
        let deadline_ns = if absolute { time_ns } else { self.now_ns.saturating_add(time_ns) };
        request.deadline_ns = Some(deadline_ns);
        if multishot {
            request.period = Some((time_ns.max(1), entry.off));
        } else if !linked && entry.off > 0 {
            request.count_at = Some(self.ring(ring).posted + entry.off);
        }
        Ok(())
    }

    pub(super) fn timeout(&mut self, ring: usize, request: &mut Request) -> Result<Tried, i32> {
        if request.count_at.is_some_and(|count| self.ring(ring).posted >= count) {
            return Ok(Tried::done(0));
        }
        let deadline_ns = request.deadline_ns.unwrap_or(u64::MAX);
        if self.now_ns < deadline_ns {
            self.events.plan(deadline_ns, Event::Run { ring, request: request.id });
            return Ok(Tried::Wait(Vec::new()));
        }
        let Some((period_ns, left)) = request.period.filter(|(_, left)| *left != 1) else {
            return Err(libc::ETIME);
        };
        if self.ends_early(ring) {
            return Err(libc::ETIME);
        }
        let (user_data, flags) = (request.entry.user_data, CqeFlags::MORE);
        self.post_more(ring, Cqe { user_data, res: -libc::ETIME, flags });
        let next_ns = deadline_ns.saturating_add(period_ns);
        request.deadline_ns = Some(next_ns);
        request.period = Some((period_ns, left.saturating_sub(1)));
        self.events.plan(next_ns.max(self.now_ns), Event::Run { ring, request: request.id });
        Ok(Tried::Wait(Vec::new()))
    }

    /// The time of a linked timeout is over: its request is cancelled.
    pub(super) fn linked_timeout(
        &mut self,
        ring: usize,
        request: &mut Request,
    ) -> Result<Tried, i32> {
        let Some(victim) = request.partner else {
            return Err(libc::EINVAL);
        };
        let deadline_ns = request.deadline_ns.unwrap_or(0);
        if self.now_ns < deadline_ns {
            self.events.plan(deadline_ns, Event::Run { ring, request: request.id });
            return Ok(Tried::Wait(Vec::new()));
        }
        if let Some(victim) = self.ring(ring).requests.get_mut(&victim) {
            victim.partner = None;
        }
        request.partner = None;
        self.cancel_one(ring, victim)?;
        Err(libc::ETIME)
    }

    pub(super) fn remove_timeout(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let entry = &request.entry;
        let flags = TimeoutFlags(entry.op_flags);
        if !flags.contains(TimeoutFlags::UPDATE) {
            if !flags.is_empty() {
                return Err(libc::EINVAL);
            }
            let (user_data, opcode) = (Some(entry.addr), Some(Opcode::TIMEOUT));
            let matcher = Matcher { user_data, opcode, ..Matcher::default() };
            return self.cancel(ring, &matcher).map(|_| Tried::done(0));
        }
        let time_ns = entry.timespec_ns(entry.off).ok_or(libc::EINVAL)?;
        let absolute = flags.contains(TimeoutFlags::ABS);
        let deadline_ns = if absolute { time_ns } else { self.now_ns.saturating_add(time_ns) };
        let mut requests = self.ring(ring).requests.values_mut();
        let victim = requests.find(|victim| {
            victim.entry.opcode == Opcode::TIMEOUT
                && victim.entry.user_data == entry.addr
                && victim.phase == Phase::Waiting
        });
        let victim = victim.ok_or(libc::ENOENT)?;
        victim.deadline_ns = Some(deadline_ns);
        let id = victim.id;
        self.events.plan(deadline_ns.max(self.now_ns), Event::Run { ring, request: id });
        Ok(Tried::done(0))
    }

    /// A completion was posted: timeouts that count them may have come to their end.
    pub(crate) fn wake_counting(&mut self, ring: usize) {
        let posted = self.ring(ring).posted;
        let requests = self.ring(ring).requests.values();
        let due = requests.filter(|request| {
            request.phase == Phase::Waiting && request.count_at.is_some_and(|at| posted >= at)
        });
        let due: Vec<_> = due.map(|request| request.id).collect();
        for id in due {
            self.resume(ring, id);
        }
    }
}
