//! How a core ends: stop, cancel everything, reap to zero, then close the ring.
//!
//! Owns: the order, the deadline, and what is leaked past it. Invariant: memory that the kernel may
//! still write to is never freed. Closing a ring is no barrier: requests in flight may write their
//! buffers after close(2) has returned, so past the deadline such memory is leaked instead.

use annulus_ring::Kernel as _;
use annulus_ring::abi::{CancelFlags, Errno, SyncCancel, Timespec};

use super::key::{Key, Kind, user_data};
use super::owned::Ending;
use super::pool::Pool;
use super::table::{Lane, Phase};
use super::unread::Unread;
use super::{Core, State};
use crate::runtime::Metrics;

impl Core {
    /// Ends the core within about `deadline_ns`. Afterwards its handles are dead but for their
    /// descriptors, which are their own.
    pub(crate) fn shut_down(&self, deadline_ns: u64) -> Metrics {
        let entered = self.enter();
        let ending = Ending::begin(self);
        self.executor.drain_inbox();
        self.executor.shutdown();
        self.drop_locals();
        self.run_after();
        self.state.borrow_mut().stop();
        self.run_after();
        // The bounds of the end are of the real world.
        self.state.borrow_mut().resume_clock();
        let end_ns = self.state.borrow_mut().ring.kernel().now().saturating_add(deadline_ns);
        let mut drained = self.drain(&ending, end_ns);
        if !drained {
            self.cancel_everything();
            drained = self.drain(&ending, end_ns.saturating_add(deadline_ns / 4));
        }
        self.state.borrow_mut().discard_received();
        let last = self.metrics();
        if !drained {
            self.state.borrow_mut().abandon_descriptors();
        }
        // There is no record any more.
        drop(ending);
        let mut state = self.state.borrow_mut();
        let mut pools = (std::mem::take(&mut state.pools), state.messages.take());
        let rings = pools.0.iter_mut().chain(&mut pools.1).filter_map(Pool::take_ring);
        for ring in rings {
            if let Err((ring, _)) = state.ring.unregister_buf_ring(ring) {
                // The kernel keeps it: its memory must stay.
                std::mem::forget(ring);
            }
        }
        drop(state);
        drop(entered);
        if drained {
            drop(pools);
        } else {
            std::mem::forget(pools);
        }
        self.release_bell(drained);
        self.state.borrow().counters.end();
        last
    }

    /// Turns without tasks until nothing is in flight. False if the time is over before.
    fn drain(&self, ending: &Ending<'_>, end_ns: u64) -> bool {
        loop {
            self.executor.drain_inbox();
            ending.close_dropped();
            let now_ns = {
                let mut state = self.state.borrow_mut();
                // Destructors may still have made handles while the tasks ended.
                state.let_go_all();
                if state.in_flight() == 0 {
                    return true;
                }
                state.ring.kernel().now()
            };
            if now_ns >= end_ns {
                return false;
            }
            self.turn_without_tasks(Some((end_ns - now_ns).min(10_000_000)));
        }
    }

    fn cancel_everything(&self) {
        let mut state = self.state.borrow_mut();
        for key in state.records.live() {
            state.end_flush(key);
        }
        let all = SyncCancel {
            fd: -1,
            flags: CancelFlags::ANY | CancelFlags::ALL,
            timeout: Timespec { sec: 0, nsec: 100_000_000 },
            ..SyncCancel::default()
        };
        // Older kernels have no such call; the single cancels have been sent already.
        let _: Result<u32, Errno> = state.ring.sync_cancel(&all);
    }

    fn release_bell(&self, drained: bool) {
        self.executor.clear_bell();
        let mut state = self.state.borrow_mut();
        if let Some(fd) = state.bell.fd() {
            state.close_descriptor(fd);
        }
        if drained {
            // SAFETY: its request is no longer in flight, and it was taken away from the executor.
            unsafe { state.bell.release() };
        }
    }
}

impl State {
    /// Asks the kernel to end everything, and ends every record.
    fn stop(&mut self) {
        self.stopping = true;
        if self.bell_armed {
            self.push_cancel(user_data(Kind::Bell, Key { index: 0, generation: 0 }));
        }
        self.stop_tick();
        self.let_go_all();
        let round = self.round();
        for key in self.table.live() {
            let slot = self.table.at(key.index);
            let (phase, lane) = (slot.phase(), slot.lane());
            // Futures that outlive the runtime find their slots gone; the owners go when they end.
            match phase {
                Phase::Flight | Phase::Cancelling => {
                    slot.left = round;
                    let is_orphan = slot.lose_future();
                    self.counters.orphans_in_flight.add(u64::from(is_orphan));
                }
                Phase::Queued => slot.abandon(),
                Phase::Done => self.abandon_done(key),
                Phase::Free | Phase::Orphan => {}
            }
            let is_with_kernel = matches!(phase, Phase::Flight | Phase::Orphan | Phase::Cancelling);
            if is_with_kernel && may_be_cancelled(lane) {
                self.push_cancel(user_data(Kind::Op, key));
            }
        }
    }

    fn let_go_all(&mut self) {
        for key in self.records.live() {
            self.let_go(key);
        }
    }

    /// Closes descriptors although requests are in flight on them: the kernel holds the files, and
    /// this ring takes no more requests that could meet a reused number. Those of handles that live
    /// stay.
    fn abandon_descriptors(&mut self) {
        for key in self.records.live() {
            let is_kept = self.records.at(key.index).is_kept;
            let (fd, _, _) = self.records.remove(key.index);
            if !is_kept {
                self.close_descriptor(fd);
            }
        }
    }

    fn discard_received(&mut self) {
        for key in self.records.live() {
            if let Some(stream) = self.records.stream(key) {
                stream.recv.queue = Unread::default();
            }
            if let Some(datagrams) = self.records.datagrams(key) {
                datagrams.discard();
            }
        }
    }
}

/// Whether the end of the core cancels a request of this lane: not what sends bytes of a socket
/// that is flushing, which has a bound of its own. There is nothing to cancel in one that has sent
/// them and only waits for its memory, nor in one whose device is polled.
fn may_be_cancelled(lane: Lane) -> bool {
    !matches!(lane, Lane::Send | Lane::Released | Lane::Polled)
}
