//! How a descriptor ends: flush what was accepted, wait for the kernel, then close.
//!
//! Owns: the order of a record's last steps. Invariants: a descriptor is closed when no request is
//! in flight on it and never earlier; bytes that a handle accepted before it was dropped are sent,
//! within a bounded time; the fixed-file slot is emptied before the descriptor is closed; the end
//! of a core closes no descriptor whose handle lives (`owned`).

use std::os::fd::RawFd;

use annulus_ring::Kernel as _;
use annulus_ring::op::{Close, Op as _, Target};

use super::State;
use super::key::{Key, Kind as UserKind, NONE, user_data};
use super::record::Kind;
use super::table::Phase;
use super::timers::Due;
use super::unread::Unread;

impl State {
    /// The handle is gone. False if the record is, too: the core is ending, and has let the
    /// descriptor go.
    pub(crate) fn close(&mut self, key: Key) -> bool {
        let Some(record) = self.records.get(key) else {
            return false;
        };
        record.is_kept = false;
        self.wind_up(key);
        true
    }

    /// The core is ending, and the handle may live on: then the descriptor is its own, once nothing
    /// is in flight on it any more.
    pub(crate) fn let_go(&mut self, key: Key) {
        let is_kept = self.lets_go();
        if let Some(record) = self.records.get(key).filter(|record| !record.closing) {
            record.is_kept = is_kept;
            self.wind_up(key);
        }
    }

    /// Whether descriptors can outlive the core: not those that only its kernel knows.
    pub(crate) fn lets_go(&mut self) -> bool {
        self.ring.kernel().has_process_descriptors()
    }

    /// Ends what is armed on a record, and gives what is to be sent its time.
    fn wind_up(&mut self, key: Key) {
        let flush_ns = self.close_flush_ns;
        let Some(record) = self.records.get(key) else {
            return;
        };
        if record.closing {
            return;
        }
        record.closing = true;
        match &mut record.kind {
            Kind::Stream(stream) => {
                stream.recv.queue = Unread::default();
                if stream.send.head != NONE {
                    let deadline = self.clock.now_ns(self.ring.kernel()).saturating_add(flush_ns);
                    stream.send.flush = Some(self.wheel.insert(deadline, Due::Flush(key)));
                    self.has_chores = true;
                    self.note_timers();
                }
                self.pause_recv(key);
            }
            Kind::Listener(listener) => {
                let armed = listener.is_armed();
                let untaken: Vec<RawFd> = listener.drain().collect();
                for fd in untaken {
                    self.close_descriptor(fd);
                }
                if armed {
                    self.push_cancel(user_data(UserKind::Accept, key));
                }
            }
            Kind::Watch(watch) => {
                if watch.is_armed() {
                    self.push_cancel(user_data(UserKind::Watch, key));
                }
            }
            Kind::Datagrams(datagrams) => {
                datagrams.discard();
                self.pause_messages(key);
            }
            Kind::Plain | Kind::Pipe | Kind::Free { .. } => {}
        }
        self.finish_close(key);
    }

    /// Closes a closing record if nothing is in flight on it any more.
    pub(crate) fn finish_close(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        if !record.closing || record.in_flight > 0 {
            return;
        }
        let is_kept = record.is_kept;
        let (fd, target, kind) = self.records.remove(key.index);
        self.counters.descriptors.subtract(1);
        self.release_fixed(target);
        if let Kind::Stream(stream) = &kind {
            if let Some(timer) = stream.send.flush {
                self.end_timer(timer);
            }
        }
        if is_kept {
            return;
        }
        match kind {
            // A last close of a file may write back and block (NFS, FUSE): the kernel's affair.
            Kind::Plain | Kind::Watch(_) => self.push_close(fd),
            // It waits until the peer has acknowledged everything, or the time is over.
            Kind::Stream(stream) if stream.lingers => self.push_lingering_close(fd),
            // Closing another socket does not block.
            _ => self.close_descriptor(fd),
        }
    }

    /// Takes a record away without closing its descriptor. The caller has made sure that nothing is
    /// in flight on it.
    pub(crate) fn detach(&mut self, key: Key) -> Option<RawFd> {
        let record = self.records.get(key)?;
        debug_assert_eq!(record.in_flight, 0, "only a record at rest is detached");
        let (fd, target, _) = self.records.remove(key.index);
        self.counters.descriptors.subtract(1);
        self.release_fixed(target);
        Some(fd)
    }

    /// The time to send queued bytes is over: what is left is given up.
    pub(crate) fn end_flush(&mut self, key: Key) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        let Kind::Stream(stream) = &mut record.kind else {
            return;
        };
        if !record.closing || stream.send.head == NONE {
            return;
        }
        stream.send.given_up = true;
        stream.send.open = NONE;
        let head = stream.send.head;
        // A chunk that was never started is tried once; then the cancel has something to meet.
        self.start_queued(head);
        let slot = self.table.at(head);
        let head_key = slot.key();
        let mut next = std::mem::replace(&mut slot.next, NONE);
        self.push_cancel(user_data(UserKind::Op, head_key));
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        stream.send.tail = head;
        while next != NONE {
            let slot = self.table.at(next);
            let following = std::mem::replace(&mut slot.next, NONE);
            if slot.phase() == Phase::Queued {
                self.counters.sends_given_up.add(1);
                self.settle(next, -libc::ECANCELED, 0);
            }
            next = following;
        }
    }

    /// Closes a descriptor at once; its errors say nothing that anybody could act on.
    pub(crate) fn close_descriptor(&mut self, fd: RawFd) {
        // SAFETY: the core owns what it closes: no handle has it, and no request is in flight on
        // it.
        let _ = unsafe { self.ring.kernel().close(fd) };
    }

    /// Closes a descriptor through the ring.
    pub(crate) fn push_close(&mut self, fd: RawFd) {
        self.closes += 1;
        let key = Key { index: fd as u32, generation: 0 };
        self.push(user_data(UserKind::Close, key), |sqe| Close { fd }.encode(sqe));
    }

    /// Closes a descriptor by a worker of the kernel, which waits in the core's place.
    fn push_lingering_close(&mut self, fd: RawFd) {
        self.closes += 1;
        let key = Key { index: fd as u32, generation: 0 };
        let close = Close { fd }.flagged().on_worker();
        self.push(user_data(UserKind::Close, key), |sqe| close.encode(sqe));
    }

    /// A close has ended. The last resort of a shutdown cancels everything, and a close that was
    /// cancelled while it waited for a worker has not closed anything.
    pub(crate) fn on_close(&mut self, key: Key, res: i32) {
        self.closes -= 1;
        if res == -libc::ECANCELED {
            self.close_descriptor(key.index as RawFd);
        }
    }

    pub(crate) fn release_fixed(&mut self, target: Target) {
        let Target::Fixed(fixed) = target else {
            return;
        };
        // A slot that could not be emptied keeps its file open; it is overwritten at its next use,
        // so it goes back to the list either way.
        let _ = self.ring.update_files(fixed, &[-1]);
        self.fixed_free.push(fixed);
        self.counters.fixed_files_free.set(self.fixed_free.len() as u64);
    }

    /// The shadow slot for a descriptor, or the descriptor when the table is full or refused.
    pub(crate) fn take_fixed(&mut self, fd: RawFd) -> Target {
        let Some(fixed) = self.fixed_free.pop() else {
            return Target::Fd(fd);
        };
        match self.ring.update_files(fixed, &[fd]) {
            Ok(_) => {
                self.counters.fixed_files_free.set(self.fixed_free.len() as u64);
                Target::Fixed(fixed)
            }
            Err(_) => {
                self.fixed_free.push(fixed);
                Target::Fd(fd)
            }
        }
    }
}
