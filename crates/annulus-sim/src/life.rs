//! The life of a request: from its entry to its last completion.
//!
//! Owns: starting, trying, finishing, completing, and the chains of linked requests. Does not own:
//! what an operation does (`op`). The picture is in `request`.
//!
//! Invariants: each request completes exactly once without `F_MORE`; its buffer is released before
//! that completion is posted, and it is gone afterwards.

use std::collections::VecDeque;

use annulus_abi::{Cqe, CqeFlags, Opcode, SqeFlags};

use crate::events::Event;
use crate::fault::Fault;
use crate::files::Id;
use crate::machine::Machine;
use crate::memory::Entry;
use crate::op;
use crate::request::{Phase, Request, Tried};
use crate::ring::Posted;

impl Machine {
    /// Starts the first of a chain of entries.
    pub(crate) fn start(&mut self, ring: usize, mut chain: VecDeque<Entry>) {
        let Some(entry) = chain.pop_front() else { return };
        let id = self.new_id();
        let mut request = Request::new(id, entry, chain);
        self.prepare(ring, &mut request);
        self.start_linked_timeout(ring, &mut request);
        if request.hold.is_some()
            && self.choices.chance("touch", self.faults.rate(Fault::LateTouch))
        {
            let at_ns = self.now_ns + self.some_delay_ns();
            self.events.plan(at_ns, Event::Touch { ring, request: id });
        }
        let punted = request.entry.flags.contains(SqeFlags::ASYNC);
        if op::may_be_delayed(request.entry.opcode) && (self.strikes(Fault::Delay) || punted) {
            request.phase = Phase::Scheduled;
            let at_ns = self.now_ns + self.some_delay_ns();
            self.events.plan(at_ns, Event::Run { ring, request: id });
            self.ring(ring).requests.insert(id, request);
            return;
        }
        self.try_request(ring, request);
    }

    /// Tries a request that is in nobody's list.
    pub(crate) fn try_request(&mut self, ring: usize, mut request: Request) {
        match self.attempt(ring, &mut request) {
            Tried::Done(res, flags) => self.finish(ring, request, res, flags),
            Tried::Wait(waits) => {
                let id = request.id;
                request.phase = Phase::Waiting;
                self.ring(ring).requests.insert(id, request);
                let pollable = !waits.is_empty();
                for wait in waits {
                    self.wait_for(wait, ring, id);
                }
                if pollable && self.strikes(Fault::SpuriousWake) {
                    let at_ns = self.now_ns + self.some_delay_ns();
                    self.events.plan(at_ns, Event::Run { ring, request: id });
                }
            }
        }
    }

    /// The effect of a request is done; its completion may take a while. One that carries a buffer
    /// comes at once: several may share it, and only their order tells which bytes are whose.
    pub(crate) fn finish(&mut self, ring: usize, mut request: Request, res: i32, flags: CqeFlags) {
        if !flags.contains(CqeFlags::BUFFER)
            && op::may_be_delayed(request.entry.opcode)
            && self.strikes(Fault::Delay)
        {
            request.phase = Phase::Finished(res, flags);
            let at_ns = self.now_ns + self.some_delay_ns();
            self.events.plan(at_ns, Event::Run { ring, request: request.id });
            self.ring(ring).requests.insert(request.id, request);
            return;
        }
        self.complete(ring, request, res, flags);
    }

    /// Ends a request for good: gives its buffer back, then posts its last completion. That of a
    /// zero-copy send is not its last: its notification goes on with the buffer.
    pub(crate) fn complete(
        &mut self,
        ring: usize,
        mut request: Request,
        res: i32,
        mut flags: CqeFlags,
    ) {
        if request.will_notify(flags) {
            self.plan_notification(ring, &mut request);
            flags |= CqeFlags::MORE;
        }
        let Request { id, entry, file, hold, chain, partner, .. } = request;
        if let Some(Err(what)) = hold.map(crate::hold::Hold::release) {
            self.violation(what);
        }
        if let Some(file) = file {
            self.release(file);
        }
        let failed = op::has_failed(&entry, res);
        self.report.ended += u64::from(!flags.contains(CqeFlags::MORE));
        let skipped = entry.flags.contains(SqeFlags::CQE_SKIP_SUCCESS) && res >= 0 && !failed;
        if !skipped {
            self.post(ring, Cqe { user_data: entry.user_data, res, flags });
        }
        if let Some(partner) = partner {
            self.end_partner(ring, (id, entry.opcode), partner);
        }
        if chain.is_empty() {
            return;
        }
        if failed && !entry.flags.contains(SqeFlags::IO_HARDLINK) {
            self.cancel_chain(ring, chain);
        } else {
            self.start(ring, chain);
        }
    }

    /// Posts a completion, and says where it went.
    pub(crate) fn post(&mut self, ring: usize, cqe: Cqe) -> Posted {
        let full = self.ring(ring).is_full();
        let as_if_full = !full && self.strikes(Fault::Overflow);
        self.post_as(ring, cqe, as_if_full)
    }

    /// Posts a completion that counts as one too many, or does not unless it is.
    pub(crate) fn post_as(&mut self, ring: usize, cqe: Cqe, as_if_full: bool) -> Posted {
        self.choices.note(cqe.user_data);
        self.choices.note(u64::from(cqe.res as u32) << 32 | u64::from(cqe.flags.bits()));
        self.report.cqes += 1;
        let posted = self.ring(ring).post(cqe, as_if_full);
        self.report.overflowed += u64::from(posted == Posted::Overflow);
        self.wake_counting(ring);
        posted
    }

    /// Runs all task work of a ring, in order or not.
    pub(crate) fn run_work(&mut self, ring: usize) {
        self.run_some_work(ring, u32::MAX);
    }

    /// Runs so much task work of a ring at most, in order or not.
    pub(crate) fn run_some_work(&mut self, ring: usize, most: u32) {
        for _ in 0..most {
            let waiting = self.ring(ring).work.len();
            if waiting == 0 {
                break;
            }
            let mut index = 0;
            if waiting > 1 && self.choices.chance("reorder", self.faults.rate(Fault::Reorder)) {
                index = self.choices.below("which work", waiting as u32) as usize;
                if index > 0 {
                    self.report.counted(Fault::Reorder);
                }
            }
            let Some(id) = self.ring(ring).work.remove(index) else { continue };
            let Some(request) = self.ring(ring).requests.remove(&id) else { continue };
            match request.phase {
                Phase::Finished(res, flags) => self.complete(ring, request, res, flags),
                _ => self.try_request(ring, request),
            }
        }
        self.ring(ring).flag_work();
    }

    /// Ends a request with what it has: an error, or the bytes that it moved already.
    pub(crate) fn abort(&mut self, ring: usize, request: Request, errno: i32) {
        let res = if request.done > 0 { request.done as i32 } else { -errno };
        self.finish(ring, request, res, CqeFlags::EMPTY);
    }

    fn cancel_chain(&mut self, ring: usize, chain: VecDeque<Entry>) {
        for entry in chain {
            self.report.ended += 1;
            let res = -libc::ECANCELED;
            self.post(ring, Cqe { user_data: entry.user_data, res, flags: CqeFlags::EMPTY });
        }
    }

    /// A LINK_TIMEOUT behind a request starts with it.
    fn start_linked_timeout(&mut self, ring: usize, request: &mut Request) {
        if request.chain.front().is_none_or(|next| next.opcode != Opcode::LINK_TIMEOUT) {
            return;
        }
        let Some(entry) = request.chain.pop_front() else { return };
        let id = self.new_id();
        let mut timeout = Request::new(id, entry, VecDeque::new());
        self.prepare(ring, &mut timeout);
        timeout.partner = Some(request.id);
        request.partner = Some(id);
        timeout.phase = Phase::Waiting;
        if let Some(at_ns) = timeout.deadline_ns {
            self.events.plan(at_ns, Event::Run { ring, request: id });
        } else {
            timeout.phase = Phase::Scheduled;
            self.events.plan(self.now_ns, Event::Run { ring, request: id });
        }
        self.ring(ring).requests.insert(id, timeout);
    }

    /// One of a request and its linked timeout has ended.
    fn end_partner(&mut self, ring: usize, (id, opcode): (Id, Opcode), partner: Id) {
        let requests = &mut self.ring(ring).requests;
        if opcode == Opcode::LINK_TIMEOUT {
            if let Some(request) = requests.get_mut(&partner) {
                request.partner = None;
            }
            return;
        }
        let is_ours = requests.get(&partner).is_some_and(|timeout| timeout.partner == Some(id));
        if !is_ours {
            return;
        }
        if let Some(mut timeout) = requests.remove(&partner) {
            timeout.partner = None;
            let (res, flags) = match timeout.phase {
                Phase::Finished(res, flags) => (res, flags),
                _ => (-libc::ECANCELED, CqeFlags::EMPTY),
            };
            self.complete(ring, timeout, res, flags);
        }
    }
}
