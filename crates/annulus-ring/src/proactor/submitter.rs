//! The threads of a proactor.
//!
//! Owns: when a batch is submitted, cancelling, the end; and the loop of a thread that reaps. Does
//! not own: requests. Invariants: requests are submitted by these threads alone, which outlive
//! them; a request that cannot be submitted is answered here.

use core::{ops::ControlFlow, time::Duration};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use annulus_abi::{CancelFlags, Cqe, Sqe, SqeFlags};

use super::Shared;
use crate::{
    PushError, Submitter,
    op::{self, Op as _},
};

/// What the submitter's thread is told.
pub(super) enum Message {
    /// Submit this request.
    Submit(u64),
    /// Ask the kernel to end this request.
    Cancel(u64),
    /// Somebody waits: do not collect any longer.
    Flush,
    /// Cancel everything, and end when it has completed.
    Stop,
}

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
    pub(super) inbox: mpsc::Receiver<Message>,
    pub(super) batch: u32,
    pub(super) linger: Duration,
    pub(super) reapers: usize,
}

impl Work {
    /// Until it is told to stop, and the table is empty.
    pub(super) fn run(self) {
        let mut submitter = self.shared.ring.submitter();
        while self.turn(&mut submitter).is_continue() {}
        while self.shared.room.credits() < self.shared.capacity {
            let all: Vec<u64> = self.shared.table.all().collect();
            all.into_iter().for_each(|user_data| self.cancel(&mut submitter, user_data));
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
    fn turn(&self, submitter: &mut Submitter) -> ControlFlow<()> {
        let Ok(first) = self.inbox.recv() else {
            return ControlFlow::Break(());
        };
        let deadline = Instant::now() + self.linger;
        let mut heard = self.hear(submitter, first);
        while heard == Heard::More && submitter.len() < self.batch {
            let next = match self.inbox.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    match self.inbox.recv_timeout(left) {
                        Ok(message) => message,
                        Err(_) => break,
                    }
                }
            };
            heard = self.hear(submitter, next);
        }
        submit(submitter);
        if heard == Heard::Stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn hear(&self, submitter: &mut Submitter, message: Message) -> Heard {
        match message {
            Message::Submit(user_data) => self.begin(submitter, user_data),
            Message::Cancel(user_data) => self.cancel(submitter, user_data),
            Message::Flush => return Heard::Enough,
            Message::Stop => return Heard::Stop,
        }
        Heard::More
    }

    fn begin(&self, submitter: &mut Submitter, user_data: u64) {
        let Some(job) = self.shared.table.find(user_data) else {
            return;
        };
        let mut sqe = Sqe::default();
        // A request that panics while it is encoded is answered like one that the kernel refuses.
        let encoded = panic::catch_unwind(AssertUnwindSafe(|| job.encode(&mut sqe)));
        sqe.user_data = user_data;
        // A link would tie it to somebody else's.
        let tied = sqe.flags.intersects(SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
        if encoded.is_err() || tied || !push(submitter, &sqe) {
            let refused = Cqe { user_data, res: -libc::EINVAL, ..Cqe::default() };
            self.shared.complete(&refused);
        }
    }

    fn cancel(&self, submitter: &mut Submitter, user_data: u64) {
        if self.shared.table.find(user_data).is_none() {
            return;
        }
        let mut sqe = Sqe::default();
        op::Cancel { user_data, flags: CancelFlags::EMPTY }.encode(&mut sqe);
        sqe.user_data = CANCELLED;
        push(submitter, &sqe);
    }
}

/// What a message asks of the batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    More,
    Enough,
    Stop,
}

/// Pushes an entry, waiting for room; false if the ring cannot take such an entry.
fn push(submitter: &mut Submitter, sqe: &Sqe) -> bool {
    loop {
        // SAFETY: the entry is a request's, which lies in the table with all that it owns
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
        if let Some(job) = self.table.remove(cqe.user_data) {
            // The panic has been reported by the hook; the thread has other requests.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| job.complete(cqe)));
            let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(job)));
            self.room.give(1);
        }
    }
}
