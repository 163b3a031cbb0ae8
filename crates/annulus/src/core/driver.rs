//! Between futures and the ring: pushing requests, and giving each completion to whom it belongs.
//!
//! Owns: how a slot reaches the kernel and comes back, and what a full SQ means. Does not own: when
//! the ring is entered, and what it says then (the turn), nor what has to wait until nothing is
//! borrowed (`after`).
//!
//! Invariant: pushing never fails and never loses a request: what does not fit waits in `unsent`,
//! in order.

use std::task::Waker;

use annulus_ring::abi::{CancelFlags, Cqe, CqeFlags, Sqe};
use annulus_ring::op::{Cancel, Op as _, Target};
use annulus_task::Waiter;

use super::after::After;
use super::key::{Key, Kind, NONE, cancel_of, parse, user_data, victim_of};
use super::op::Late;
use super::record;
use super::stream::Arm;
use super::table::{Lane, Phase, Slot, Table};
use super::unasked::is_cancelled;
use super::waiters::Queue;
use super::{Core, State};

/// What a slot leaves when it ends: its place in a queue, if it stood in one.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    index: u32,
    next: u32,
}

impl Left {
    pub(crate) fn of(index: u32, slot: &Slot) -> Self {
        Self { index, next: slot.next }
    }
}

/// An SQE that is pushed when it goes away, written or not.
struct Pushed<'a> {
    state: &'a mut State,
    sqe: Sqe,
}

impl Drop for Pushed<'_> {
    fn drop(&mut self) {
        self.state.push_ready(self.sqe);
    }
}

/// An SQE that has not been written: what writes it asks user code where a buffer is, and if that
/// panics, against its contract, a no-op goes in its place. It does nothing, and its completion
/// ends the slot, which says that the request was cancelled, and gives back what it holds.
struct Unwritten<'a> {
    table: &'a mut Table,
    sqe: &'a mut Sqe,
    user_data: u64,
}

impl Drop for Unwritten<'_> {
    #[cold]
    fn drop(&mut self) {
        *self.sqe = Sqe { user_data: self.user_data, ..Sqe::default() };
        let Some((Kind::Op, key)) = parse(self.user_data) else { return };
        if let Some(slot) = self.table.get(key) {
            slot.note_first(-libc::ECANCELED, 0);
        }
    }
}

#[inline(always)]
fn write(table: &mut Table, sqe: &mut Sqe, user_data: u64, fill: impl FnOnce(&mut Sqe)) {
    let unwritten = Unwritten { table, sqe, user_data };
    fill(unwritten.sqe);
    // Whatever an operation of somebody else wrote there.
    unwritten.sqe.user_data = user_data;
    std::mem::forget(unwritten);
}

impl State {
    /// Writes one SQE. If the SQ is full it is submitted first; if that is not possible the SQE
    /// waits.
    #[inline]
    pub(crate) fn push(&mut self, user_data: u64, fill: impl FnOnce(&mut Sqe)) {
        // SAFETY: what the SQE points to is owned by a slot, a record or the core until the final
        // completion (the contract of `Operation`), and it is complete before the next submission.
        if let Some(sqe) = unsafe { self.ring.vacant_seen() } {
            // Requests wait in `unsent` only while the SQ was full when it was last looked at.
            debug_assert!(self.unsent.is_empty(), "a request overtook those without room");
            write(&mut self.table, sqe, user_data, fill);
            return;
        }
        self.push_with_look(user_data, fill);
    }

    /// At a stop of the SQ, which is where it ends or was full.
    #[cold]
    fn push_with_look(&mut self, user_data: u64, fill: impl FnOnce(&mut Sqe)) {
        let mut pushed = Pushed { state: self, sqe: Sqe::default() };
        write(&mut pushed.state.table, &mut pushed.sqe, user_data, fill);
    }

    /// Looks for room. If the SQ is full, submits it in the middle of the turn, and appends behind
    /// what waits.
    fn push_ready(&mut self, sqe: Sqe) {
        if self.unsent.is_empty() {
            // SAFETY: as in `push`.
            if let Some(place) = unsafe { self.ring.vacant() } {
                *place = sqe;
                return;
            }
        }
        self.unsent.push_back(sqe);
        self.has_chores = true;
        self.flush_unsent();
    }

    /// Submits in the middle of a turn.
    #[cold]
    pub(crate) fn make_room(&mut self) -> bool {
        self.counters.sq_full.add(1);
        let _ = self.enter_now();
        // A submission thread takes its time; without one this does nothing.
        let _ = self.ring.wait_for_sq_space();
        self.ring.sq_space_left() > 0
    }

    /// Moves what did not fit into the SQ.
    pub(crate) fn flush_unsent(&mut self) {
        while !self.unsent.is_empty() && (self.ring.sq_space_left() > 0 || self.make_room()) {
            let Some(waiting) = self.unsent.pop_front() else {
                return;
            };
            // SAFETY: as in `push`.
            if let Some(sqe) = unsafe { self.ring.vacant() } {
                *sqe = waiting;
            }
        }
    }

    /// Gives a freshly taken slot to its lane.
    #[inline(always)]
    pub(crate) fn launch(&mut self, key: Key, lane: Lane) {
        match lane {
            Lane::Free | Lane::Chain | Lane::Released => self.push_slot(key.index),
            Lane::Send => self.enqueue_send(key.index),
            Lane::Polled => self.queue_polled(key),
            Lane::Recv => {
                let record = self.table.at(key.index).record;
                if let Some(record) = self.records.of(record) {
                    match &mut record.kind {
                        record::Kind::Stream(stream) => stream.recv.arm = Arm::Single,
                        record::Kind::Datagrams(datagrams) => datagrams.arm = Arm::Single,
                        _ => {}
                    }
                }
                self.push_slot(key.index);
            }
        }
    }

    /// Writes the SQE of a slot.
    #[inline]
    pub(crate) fn push_slot(&mut self, index: u32) {
        let slot = self.table.at(index);
        let (key, record) = (slot.key(), slot.record);
        let Some(vtable) = slot.vtable else { return };
        let target = match record {
            NONE => Target::Fd(-1),
            record => self.records.at(record).target(),
        };
        let storage = self.table.storage(index);
        self.push(user_data(Kind::Op, key), |sqe| {
            // SAFETY: the vtable was stored with the owner in this storage; nobody else refers to
            // it.
            unsafe { (vtable.encode)(storage, target, sqe) };
        });
    }

    /// Asks the kernel to end a request. Whether it still could is seen from the request's own
    /// result.
    pub(crate) fn push_cancel(&mut self, victim: u64) {
        self.counters.cancels.add(1);
        self.cancels += 1;
        let cancel = Cancel { user_data: victim, flags: CancelFlags::EMPTY };
        self.push(cancel_of(victim), |sqe| cancel.encode(sqe));
    }

    /// A cancel has ended. If its victim has not, it is asked again: at once if nothing was found,
    /// because the victim was on its way from one of the kernel's lists to another; in a while if
    /// that happens again and again, or if it was said to be under way, because the kernel may
    /// forget that.
    fn on_cancel(&mut self, victim: u64, res: i32) {
        self.cancels -= 1;
        let is_open = matches!(-res, libc::ENOENT | libc::EALREADY) && self.is_asked_to_end(victim);
        if !is_open {
            self.cancel_is_settled(victim);
        } else if res == -libc::EALREADY || self.is_sought_in_vain(victim) {
            self.cancel_again_later(victim);
        } else {
            self.push_cancel(victim);
        }
    }

    /// Whether a request is being cancelled and has not ended.
    pub(crate) fn is_asked_to_end(&mut self, victim: u64) -> bool {
        match parse(victim) {
            Some((Kind::Op, key)) => match self.table.get(key) {
                Some(slot) if slot.phase() == Phase::Flight && slot.lane() == Lane::Send => {
                    let record = slot.record_key();
                    let stream = record.and_then(|key| self.records.stream(key));
                    stream.is_some_and(|stream| stream.send.given_up)
                }
                Some(slot) => {
                    let is_asked = matches!(slot.phase(), Phase::Orphan | Phase::Cancelling);
                    // There is nothing to cancel in a send that only waits for its memory.
                    is_asked && !matches!(slot.lane(), Lane::Released | Lane::Polled)
                }
                None => false,
            },
            Some((Kind::Recv, key)) => {
                self.recv_is_cancelling(key) || self.messages_are_cancelling(key)
            }
            Some((Kind::Accept, key)) => self.accept_is_cancelling(key),
            Some((Kind::Watch, key)) => self.watch_is_ending(key),
            Some((Kind::Bell, _)) => self.stopping && self.bell_armed,
            Some((Kind::Tick, _)) => self.stopping && self.tick.is_armed(),
            Some((Kind::Close, _)) | None => false,
        }
    }

    /// Arms the request that ends when another thread rings the bell, if there is none: before the
    /// ring is waited for.
    #[inline]
    pub(crate) fn arm_bell(&mut self) {
        if !self.bell_armed && !self.stopping {
            self.arm_bell_now();
        }
    }

    #[cold]
    fn arm_bell_now(&mut self) {
        if self.bell_rests() {
            return;
        }
        let mut sqe = Sqe::default();
        self.bell.encode(&mut sqe);
        self.bell_armed = true;
        let key = Key { index: 0, generation: 0 };
        self.push(user_data(Kind::Bell, key), |place| *place = sqe);
    }

    /// Gives a completion to whom it belongs.
    #[inline(always)]
    pub(crate) fn dispatch(&mut self, cqe: Cqe) {
        match self.table.in_flight(cqe.user_data) {
            Some(slot) if !cqe.more() && !is_cancelled(cqe) => {
                slot.end_flight(cqe.res, cqe.flags.bits());
                let record = slot.record;
                // SAFETY: who waits for a slot was noted by this core's executor, which outlives
                // the last completion.
                if let Some(waker) = unsafe { self.run_queue.wake_waiter(&mut slot.waiter) } {
                    self.wake_other(waker);
                }
                if let Some(found) = self.records.of(record) {
                    found.in_flight -= 1;
                    if found.closing {
                        let key = found.key(record);
                        self.finish_close(key);
                    }
                }
            }
            _ => self.dispatch_other(cqe),
        }
    }

    /// A completion of anything but one request with one completion and a future that waits; or of
    /// one that was cancelled.
    #[inline(always)]
    fn dispatch_other(&mut self, cqe: Cqe) {
        self.dispatch_parts(cqe.user_data, cqe.res, cqe.flags);
    }

    /// Given one by one, so that the common ones need not lie in memory of this side first.
    #[inline(never)]
    fn dispatch_parts(&mut self, user_data: u64, res: i32, flags: CqeFlags) {
        let cqe = Cqe { user_data, res, flags };
        match parse(cqe.user_data) {
            Some((Kind::Op, key)) => self.on_op(key, cqe),
            Some((Kind::Recv, key)) => self.on_recv(key, cqe),
            Some((Kind::Accept, key)) => self.on_accept(key, cqe),
            Some((Kind::Watch, key)) => self.on_watch(key, cqe),
            Some((Kind::Bell, _)) => self.on_bell(cqe.res),
            Some((Kind::Close, key)) => self.on_close(key, cqe.res),
            Some((Kind::Tick, _)) => self.on_tick(cqe),
            None => match victim_of(cqe.user_data) {
                Some(victim) => self.on_cancel(victim, cqe.res),
                None => self.counters.stale_cqes.add(1),
            },
        }
    }

    fn on_op(&mut self, key: Key, cqe: Cqe) {
        let Some(slot) = self.table.get(key) else {
            self.counters.stale_cqes.add(1);
            return;
        };
        if slot.is_zero_copy() {
            self.on_zero_copy(key, cqe);
            return;
        }
        if cqe.more() {
            // A request that will post again: the final completion only ends it, and what is linked
            // to it begins already.
            if slot.lane() == Lane::Chain {
                self.step_ended(key.index);
            }
            self.table.at(key.index).note_first(cqe.res, cqe.flags.bits());
            return;
        }
        let first = slot.first();
        if first.is_none() && self.is_to_be_tried_again(key, cqe) {
            self.push_again(key.index);
            return;
        }
        let (res, flags) = first.unwrap_or((cqe.res, cqe.flags.bits()));
        if self.table.at(key.index).lane() != Lane::Free && self.has_rest(key.index, res) {
            self.push_again(key.index);
            return;
        }
        self.settle(key.index, res, flags);
    }

    /// Whether the request of a lane goes to the kernel again, for the rest. The next step of a
    /// chain has its turn.
    #[inline]
    pub(crate) fn has_rest(&mut self, index: u32, res: i32) -> bool {
        let slot = self.table.at(index);
        if slot.lane() == Lane::Chain {
            self.step_ended(index);
            return false;
        }
        let Some(vtable) = slot.vtable.filter(|_| res > 0) else {
            return false;
        };
        let storage = self.table.storage(index);
        // SAFETY: the vtable was stored with the owner in this storage; the kernel has ended the
        // request, and nobody else refers to the owner.
        unsafe { (vtable.resume)(storage, res) && self.goes_on(index) }
    }

    /// Whether a request whose result leaves a rest is to be sent again: not one that is being
    /// cancelled, nor a receive whose future is gone (it only notes what arrived), nor a send that
    /// was given up.
    pub(crate) fn goes_on(&mut self, index: u32) -> bool {
        let slot = self.table.at(index);
        if slot.lane() != Lane::Send || slot.phase() == Phase::Cancelling {
            return slot.phase() == Phase::Flight;
        }
        let record = slot.record_key();
        record.and_then(|key| self.records.stream(key)).is_some_and(|stream| !stream.send.given_up)
    }

    /// A request has ended: its future is woken, or its owner is reclaimed, or put up for that.
    pub(crate) fn settle(&mut self, index: u32, res: i32, flags: u32) {
        let slot = self.table.at(index);
        let (lane, record, phase) = (slot.lane(), slot.record, slot.phase());
        let left = Left::of(index, slot);
        slot.end(res, flags);
        let is_orphan = phase == Phase::Orphan || slot.is_abandoned();
        let waiter = std::mem::take(&mut slot.waiter);
        if is_orphan {
            self.settle_orphan(index, phase == Phase::Orphan);
        }
        // Also of an orphan: its core ends, and its future is still there.
        self.wake_waiter(waiter);
        if lane != Lane::Released {
            self.settle_record(left, lane, record);
        }
    }

    /// Nobody asks for the result any more. Before anything else starts, as that asks user code
    /// where its buffer is.
    fn settle_orphan(&mut self, index: u32, was_in_flight: bool) {
        self.counters.orphans_in_flight.subtract(u64::from(was_in_flight));
        let slot = self.table.at(index);
        slot.abandon();
        let late = Late { index, record: slot.record_key(), res: slot.res };
        match slot.vtable.and_then(|vtable| vtable.reclaim_at_once) {
            // SAFETY: the slot has just ended, and holds the owner that the vtable was stored with.
            Some(reclaim) => unsafe { reclaim(self, late) },
            None => {
                let key = slot.key();
                self.put_off(After::Reclaim(key));
            }
        }
    }

    /// A slot has left its record, if it worked on one. (The slot itself may be free by now.)
    #[inline(always)]
    pub(crate) fn settle_record(&mut self, left: Left, lane: Lane, record_index: u32) {
        let Some(record) = self.records.of(record_index) else { return };
        record.in_flight -= 1;
        let closing = record.closing.then(|| record.key(record_index));
        if let record::Kind::Datagrams(datagrams) = &mut record.kind {
            if lane == Lane::Recv {
                datagrams.arm = Arm::Idle;
                datagrams.heap = None;
            }
        } else if let record::Kind::Stream(stream) = &mut record.kind {
            match lane {
                Lane::Free | Lane::Chain | Lane::Polled | Lane::Released => {}
                Lane::Send if stream.send.head == left.index => {
                    self.advance_send(record_index, left.next);
                }
                Lane::Send => {}
                Lane::Recv => {
                    // Who waits behind an orphan is woken when its bytes are back in the queue.
                    stream.recv.arm = Arm::Idle;
                    stream.recv.heap = None;
                }
            }
        }
        if let Some(key) = closing {
            self.finish_close(key);
        }
    }

    /// Wakes, or notes to wake when nothing is borrowed.
    #[inline(always)]
    pub(crate) fn wake(&mut self, waker: Waker) {
        match annulus_task::task_of(&waker) {
            Some(task) => self.run_queue.wake(task),
            None => self.wake_later(waker),
        }
    }

    /// Wakes who waited for something of this core, or notes to wake when nothing is borrowed.
    #[inline]
    pub(crate) fn wake_waiter(&mut self, mut waiter: Waiter) {
        // SAFETY: all that wait in a core's state were noted by its executor, which outlives it.
        if let Some(waker) = unsafe { self.run_queue.wake_waiter(&mut waiter) } {
            self.wake_other(waker);
        }
    }

    /// Wakes the first of a queue.
    #[inline]
    pub(crate) fn wake_first(&mut self, queue: Queue) {
        let first = self.waiters.first(queue);
        self.wake_waiter(first);
    }

    /// As [`wake`](Self::wake), for who has waited and was not polled as a task of this core.
    #[cold]
    fn wake_other(&mut self, waker: Waker) {
        self.wake(waker);
    }

    /// Wakes every future of a queue: they may wait for different things.
    #[inline]
    pub(crate) fn wake_all(&mut self, queue: Queue) {
        if !queue.is_empty() {
            self.wake_each(queue);
        }
    }

    fn wake_each(&mut self, queue: Queue) {
        loop {
            let waiter = self.waiters.any(queue);
            if waiter.is_none() {
                return;
            }
            self.wake_waiter(waiter);
        }
    }

    /// The future of an ended slot will not come for its result.
    pub(crate) fn abandon_done(&mut self, key: Key) {
        let slot = self.table.at(key.index);
        if !slot.is_abandoned() {
            slot.abandon();
            self.put_off(After::Reclaim(key));
        }
    }

    /// Requests of any kind that the kernel has.
    pub(crate) fn in_flight(&mut self) -> u32 {
        let records = self.records.live();
        let armed: u32 = records.into_iter().map(|key| self.records.at(key.index).in_flight).sum();
        // Slots on records are counted twice; what matters is whether anything is left.
        armed
            + self.table.used()
            + self.cancels
            + self.closes
            + u32::from(self.bell_armed)
            + u32::from(self.tick.is_armed())
    }
}

impl Core {
    /// The future of a slot is gone.
    pub(crate) fn orphan(&self, key: Key, cancels: bool) {
        let mut state = self.state.borrow_mut();
        let round = state.round();
        let Some(slot) = state.table.get(key) else {
            return;
        };
        slot.left = round;
        let waiter = std::mem::take(&mut slot.waiter);
        let phase = slot.phase();
        let mut is_orphan = false;
        match phase {
            Phase::Queued => slot.abandon(),
            Phase::Flight | Phase::Cancelling => is_orphan = slot.lose_future(),
            Phase::Free | Phase::Done | Phase::Orphan => {}
        }
        if matches!(phase, Phase::Flight | Phase::Cancelling) {
            state.counters.orphans.add(1);
            state.counters.orphans_in_flight.add(u64::from(is_orphan));
            if cancels && phase == Phase::Flight {
                state.push_cancel(user_data(Kind::Op, key));
            }
        }
        drop(state);
        drop(waiter);
        if phase == Phase::Done {
            self.reclaim(key);
        }
    }

    /// Consumes the owner of a slot whose request has ended and whose future is gone.
    ///
    /// It may be gone already: an owner that was reclaimed before it can have dropped the future.
    pub(super) fn reclaim(&self, key: Key) {
        let mut state = self.state.borrow_mut();
        let storage = state.table.storage(key.index);
        let Some(slot) = state.table.get(key) else {
            return;
        };
        debug_assert_eq!(slot.phase(), Phase::Done, "the kernel has ended the request");
        let late = Late { index: key.index, record: slot.record_key(), res: slot.res };
        let vtable = slot.vtable;
        drop(state);
        if let Some(vtable) = vtable {
            // SAFETY: the slot is `Done` (its request has ended) and still holds the owner that the
            // vtable was stored with.
            unsafe { (vtable.reclaim)(storage, self, late) };
        }
    }
}
