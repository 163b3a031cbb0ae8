//! The threads of a proactor.
//!
//! Owns: when a batch is submitted, cancelling, the end; and the loop of a thread that reaps. Does
//! not own: requests. Invariants: requests are submitted by these threads alone, which outlive
//! them; a request that cannot be submitted is answered here.

use core::time::Duration;
use std::{sync::Arc, thread, time::Instant};

use annulus_abi::{CancelFlags, Cqe, Sqe, SqeFlags};

use super::{
    FLUSH, STOP, Shared,
    cell::{Cell, Left},
    list::Posted,
};
use crate::{
    PushError, Submitter,
    op::{self, Op as _},
};

/// User data of a cancel's own completion.
const CANCELLED: u64 = u64::MAX;
/// User data of a NOP that ends a thread that reaps.
const END: u64 = u64::MAX - 1;
/// How often what is in flight is cancelled while the proactor ends: a request that runs may want
/// to be asked again.
const AGAIN: Duration = Duration::from_millis(10);
/// Completions that are reaped at once.
const REAP: usize = 32;

/// The submitter's thread.
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) batch: u32,
    pub(super) linger: Duration,
    pub(super) reapers: usize,
}

/// What the submitter has been told and has not done.
#[derive(Default)]
struct Told {
    submits: Posted,
    cancels: Posted,
    marks: u32,
}

impl Told {
    fn is_empty(&self) -> bool {
        self.submits.is_empty() && self.cancels.is_empty() && self.marks == 0
    }
}

impl Work {
    /// Until it is told to stop, and nothing is in flight.
    pub(super) fn run(self) {
        let mut submitter = self.shared.ring.submitter();
        let mut told = Told::default();
        loop {
            self.turn(&mut submitter, &mut told);
            if told.marks & STOP != 0 && told.submits.is_empty() {
                break;
            }
        }
        while self.shared.room.credits() < self.shared.capacity {
            for cell in self.shared.table.all() {
                if let Some(generation) = self.shared.table.cell(cell).in_flight() {
                    push(&mut submitter, &cancel(user_data(cell, generation)));
                }
            }
            submit(&mut submitter);
            // Ends early when all room has come back.
            let home = || (self.shared.room.credits() == self.shared.capacity).then_some(());
            self.shared.room.wait(Some(AGAIN), home);
        }
        for _ in 0..self.reapers {
            push(&mut submitter, &nop(END));
        }
        submit(&mut submitter);
    }

    /// Collects a batch and submits it.
    fn turn(&self, submitter: &mut Submitter, told: &mut Told) {
        if told.is_empty() {
            self.shared.bell.wait(None, || self.listen(told));
        }
        // `None` is for ever.
        let deadline = Instant::now().checked_add(self.linger);
        loop {
            while submitter.len() < self.batch {
                let Some(cell) = told.submits.pop(|cell| &self.cell(cell).submits) else {
                    break;
                };
                self.begin(submitter, cell);
            }
            if !told.submits.is_empty() {
                break;
            }
            // What is to be cancelled was pushed before; else its cancel follows when it is.
            while let Some(cell) = told.cancels.pop(|cell| &self.cell(cell).cancels) {
                self.cancel(submitter, cell);
            }
            let flush = told.marks != 0;
            told.marks &= !FLUSH;
            if flush || submitter.len() >= self.batch || !self.more(deadline, told) {
                break;
            }
        }
        submit(submitter);
    }

    /// Waits for more until the deadline; whether there is some.
    fn more(&self, deadline: Option<Instant>, told: &mut Told) -> bool {
        if self.listen(told).is_some() {
            return true;
        }
        if self.linger.is_zero() {
            return false;
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        self.shared.bell.wait(left, || self.listen(told)).is_some()
    }

    /// Takes what threads have posted, once all of the last was done.
    fn listen(&self, told: &mut Told) -> Option<()> {
        // In this order: a cancel that is seen here was posted after its request, which is then
        // seen below, if it was not earlier. One that was posted for an earlier request of the cell
        // may be asked for by the next, which may be seen later.
        told.cancels = self.shared.cancels.take(|cell| &self.cell(cell).cancels);
        told.submits = self.shared.submits.take(|cell| &self.cell(cell).submits);
        told.marks |= told.submits.marks;
        (!told.is_empty()).then_some(())
    }

    fn cell(&self, cell: u32) -> &Cell {
        self.shared.table.cell(cell)
    }

    fn begin(&self, submitter: &mut Submitter, cell: u32) {
        let Some(generation) = self.cell(cell).in_flight() else {
            return;
        };
        let user_data = user_data(cell, generation);
        let mut sqe = Sqe::default();
        // SAFETY: only this thread encodes, and each request that was posted once.
        let encoded = unsafe { self.cell(cell).encode(&mut sqe) };
        sqe.user_data = user_data;
        // A request that panics while it is encoded is answered like one that the kernel refuses. A
        // link would tie it to somebody else's.
        let tied = sqe.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
        if encoded.is_none() || tied || !push(submitter, &sqe) {
            let refused = Cqe { user_data, res: -libc::EINVAL, ..Cqe::default() };
            self.shared.complete(&refused);
        } else if encoded == Some(true) {
            push(submitter, &cancel(user_data));
        }
    }

    fn cancel(&self, submitter: &mut Submitter, cell: u32) {
        if let Some(generation) = self.cell(cell).to_cancel() {
            push(submitter, &cancel(user_data(cell, generation)));
        }
    }
}

/// The name of a request for the kernel. Generations are below 2^31, so it is none of the marks.
fn user_data(cell: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(cell)
}

/// Pushes an entry, waiting for room; false if the ring cannot take such an entry.
fn push(submitter: &mut Submitter, sqe: &Sqe) -> bool {
    loop {
        // SAFETY: the entry is a request's, which lies in its cell with all that it owns
        // until its completion has been reaped; or it borrows no memory.
        match unsafe { submitter.push_sqe(sqe) } {
            Ok(()) => return true,
            Err(PushError::Full) => {
                submit(submitter);
                // The time only bounds how long a refused submission rests.
                let _ = submitter.wait_for_room(1, Some(AGAIN));
            }
            Err(_) => return false,
        }
    }
}

/// Submits until the kernel has taken all: what it refuses, it refuses for want of memory.
fn submit(submitter: &mut Submitter) {
    while submitter.submit().is_err() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn cancel(user_data: u64) -> Sqe {
    let mut sqe = Sqe::default();
    op::Cancel { user_data, flags: CancelFlags::EMPTY }.encode(&mut sqe);
    sqe.user_data = CANCELLED;
    sqe
}

fn nop(user_data: u64) -> Sqe {
    let mut sqe = Sqe::default();
    op::Nop.encode(&mut sqe);
    sqe.user_data = user_data;
    sqe
}

impl Shared {
    /// A thread that reaps.
    pub(super) fn reap(&self) {
        let mut cqes = [Cqe::default(); REAP];
        loop {
            let count = self.ring.reap(&mut cqes);
            let mut ends = 0;
            for cqe in &cqes[..count] {
                match cqe.user_data {
                    CANCELLED => {}
                    END => ends += 1,
                    _ => self.complete(cqe),
                }
            }
            if ends > 0 {
                // Others' are passed on. There may be no room for them yet, because the thread that
                // submitted the last ones may not have come back from that.
                let mut submitter = self.ring.submitter();
                for _ in 1..ends {
                    let pushed = push(&mut submitter, &nop(END));
                    debug_assert!(pushed, "a NOP goes into any ring");
                }
                submit(&mut submitter);
                return;
            }
            if count == 0 {
                // An error is an interruption, or a refused submission of another thread's.
                let _ = self.ring.wait(1, None);
            }
        }
    }

    /// Gives a request its completion, and then its room back.
    fn complete(&self, cqe: &Cqe) {
        let cell = cqe.user_data as u32;
        match self.table.cell(cell).complete((cqe.user_data >> 32) as u32, cqe) {
            None => return,
            Some(Left::Free) => self.table.give(cell),
            Some(Left::Taken) => {}
        }
        self.room.give(1);
    }
}
