//! Entering the kernel: submit, wait, or both in one call.
//!
//! Owns: when a call is needed, with which flags, and what its result means. Does not own: retries
//! and deadlines across interruptions, which are the caller's.
//!
//! Invariants: one call at most for each method (but for timed waits on kernels without `EXT_ARG`);
//! no allocation; how many entries were consumed is read from the queue's head, so it is right
//! whatever the call returned. Mirrors io_uring_enter(2).
//!
//! | after the call | result |
//! |---|---|
//! | all or some entries consumed | `Ok(consumed)`; [`Ring::sq_pending`] tells what is left |
//! | the time is over (ETIME) | `Ok(consumed)`; the queue may be empty |
//! | EINTR, EAGAIN, EBUSY, … | `Err`; nothing is lost, the next call submits what is left |

use annulus_abi::{EnterFlags, Errno, GetEventsArg, SetupFlags, SqFlags, Timespec};

use crate::{CqeShape, Enter, Kernel, Ring, SqeShape};

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Gives all pushed entries to the kernel and runs what task work there is. Does not wait.
    ///
    /// Returns the number of entries consumed (given to the submission thread, with `SQPOLL`).
    /// Makes no system call if there is nothing to be done by one.
    ///
    /// # Errors
    /// EAGAIN (no memory for a request), EBUSY (reap first), EBADR (completions were lost), EBADFD
    /// (the ring is disabled), EEXIST (another thread is the single issuer), and what else
    /// io_uring_enter(2) says; [`RingError`](crate::RingError) has words for them.
    #[doc(alias = "io_uring_submit")]
    #[doc(alias = "io_uring_submit_and_get_events")]
    #[inline]
    pub fn submit(&mut self) -> Result<u32, Errno> {
        if self.is_sqpoll() {
            return self.submit_to_thread();
        }
        let to_submit = self.sq.publish();
        let mut flags = EnterFlags::EMPTY;
        if self.wants_events(to_submit) {
            flags = EnterFlags::GETEVENTS;
        } else if to_submit == 0 {
            return Ok(0);
        }
        self.enter(Enter {
            to_submit,
            min_complete: 0,
            flags,
            arg: core::ptr::null(),
            arg_bytes: 0,
        })
    }

    /// Gives all pushed entries to the kernel and waits until `want` completions are ready or the
    /// time is over, in one call. Runs task work even if `want` is 0.
    ///
    /// A wait that slept may leave more than it waited for to the next call: with
    /// [`TaskWork::Defer`](crate::TaskWork::Defer) the kernel then runs, since 6.13, the task work
    /// of `want` completions, and in a call that does not sleep that of 20 if `want` is less.
    /// [`task_work_pending`](Self::task_work_pending) tells; a [`submit`](Self::submit) gets them.
    ///
    /// Returns the number of entries consumed; that the time is over is no error. Without
    /// [`Capabilities::ext_arg`](crate::Capabilities::ext_arg) (before 5.11) a wait with a limit
    /// ends with the first completion, and takes several calls.
    ///
    /// # Errors
    /// EINTR, and as [`submit`](Self::submit). If only some entries are consumed there is no wait.
    #[doc(alias = "io_uring_submit_and_wait")]
    #[doc(alias = "io_uring_submit_and_wait_timeout")]
    #[inline(always)]
    pub fn submit_and_wait(&mut self, want: u32, timeout_ns: Option<u64>) -> Result<u32, Errno> {
        match timeout_ns {
            None => self.wait_with(want, self.wait_flags, (core::ptr::null(), 0)),
            Some(timeout_ns) => self.wait_for(want, timeout_ns),
        }
    }

    /// With a limit.
    #[inline(never)]
    fn wait_for(&mut self, want: u32, timeout_ns: u64) -> Result<u32, Errno> {
        if !self.capabilities().ext_arg() {
            return self.wait_by_poll(want, timeout_ns);
        }
        let timeout = from_now(timeout_ns);
        let arg = GetEventsArg {
            ts: (&raw const timeout).expose_provenance() as u64,
            ..GetEventsArg::default()
        };
        let flags = self.wait_flags | EnterFlags::EXT_ARG;
        let arg: *const GetEventsArg = &arg;
        self.wait_with(want, flags, (arg.cast(), size_of::<GetEventsArg>()))
    }

    /// Runs task work that waits and flushes completions that have overflowed, as far as there is
    /// room. Submits nothing and waits for nothing.
    ///
    /// # Errors
    /// As io_uring_enter(2).
    #[doc(alias = "io_uring_get_events")]
    pub fn flush(&mut self) -> Result<(), Errno> {
        self.enter(Enter {
            to_submit: 0,
            min_complete: 0,
            flags: EnterFlags::GETEVENTS,
            arg: core::ptr::null(),
            arg_bytes: 0,
        })
        .map(drop)
    }

    /// Waits until the submission thread has made room in a full queue (`SQ_WAIT`, since 5.10).
    /// Returns at once without `SQPOLL`.
    ///
    /// # Errors
    /// As io_uring_enter(2).
    #[doc(alias = "__io_uring_sqring_wait")]
    #[doc(alias = "io_uring_sqring_wait")]
    pub fn wait_for_sq_space(&mut self) -> Result<(), Errno> {
        if !self.is_sqpoll() || self.sq.space_left() > 0 {
            return Ok(());
        }
        self.sq.publish();
        let mut flags = EnterFlags::SQ_WAIT;
        if self.sq.needs_wakeup() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        self.enter(Enter {
            to_submit: 0,
            min_complete: 0,
            flags,
            arg: core::ptr::null(),
            arg_bytes: 0,
        })
        .map(drop)
    }

    #[inline(always)]
    pub(crate) fn wait_with(
        &mut self,
        want: u32,
        flags: EnterFlags,
        (arg, arg_bytes): (*const core::ffi::c_void, usize),
    ) -> Result<u32, Errno> {
        let flags = flags | EnterFlags::GETEVENTS;
        if self.is_sqpoll() {
            return self.wait_with_thread(want, flags, (arg, arg_bytes));
        }
        let to_submit = self.sq.publish();
        self.enter(Enter { to_submit, min_complete: want, flags, arg, arg_bytes })
    }

    /// With a submission thread: wakes it if it sleeps, and waits.
    #[cold]
    fn wait_with_thread(
        &mut self,
        want: u32,
        mut flags: EnterFlags,
        (arg, arg_bytes): (*const core::ffi::c_void, usize),
    ) -> Result<u32, Errno> {
        let given = self.sq.unpublished();
        let to_submit = self.sq.publish();
        if self.sq.needs_wakeup() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        self.enter(Enter { to_submit, min_complete: want, flags, arg, arg_bytes })?;
        Ok(given)
    }

    /// One call, after which the head says what was consumed.
    #[inline(always)]
    fn enter(&mut self, call: Enter) -> Result<u32, Errno> {
        // SAFETY: every published entry was pushed through an unsafe method, whose caller answers
        // for its memory; `arg` points to a value on the stack of the caller of this function, as
        // `flags` say, or is null.
        match unsafe { self.kernel.enter(call) } {
            Ok(_) => Ok(self.sq.refresh_head()),
            Err(errno) => self.entered_with(errno),
        }
    }

    /// That the time is over is no error.
    #[cold]
    fn entered_with(&mut self, errno: Errno) -> Result<u32, Errno> {
        let consumed = self.sq.refresh_head();
        if errno.0 == libc::ETIME { Ok(consumed) } else { Err(errno) }
    }

    /// Whether an enter has more to do than to submit: task work to run, or completions to flush.
    #[inline]
    fn wants_events(&self, to_submit: u32) -> bool {
        let setup = self.params.flags;
        if self.sq.flags().intersects(SqFlags::TASKRUN | SqFlags::CQ_OVERFLOW) {
            return true;
        }
        // Deferred task work runs in this thread's enters alone; with the flag it announces itself.
        setup.contains(SetupFlags::DEFER_TASKRUN)
            && (to_submit > 0 || !setup.contains(SetupFlags::TASKRUN_FLAG))
    }

    /// With a submission thread: publishes, and calls only to wake it or to flush completions.
    fn submit_to_thread(&mut self) -> Result<u32, Errno> {
        let given = self.sq.unpublished();
        self.sq.refresh_head();
        let to_submit = self.sq.publish();
        let mut flags = EnterFlags::EMPTY;
        if to_submit > 0 && self.sq.needs_wakeup() {
            flags |= EnterFlags::SQ_WAKEUP;
        }
        if self.overflowed() {
            flags |= EnterFlags::GETEVENTS;
        }
        if !flags.is_empty() {
            self.enter(Enter {
                to_submit,
                min_complete: 0,
                flags,
                arg: core::ptr::null(),
                arg_bytes: 0,
            })?;
        }
        Ok(given)
    }

    /// The timed wait of kernels before 5.11: submit, then poll the ring, which is readable as soon
    /// as one completion is there, so this ends with the first rather than spin for the others.
    #[cold]
    fn wait_by_poll(&mut self, want: u32, timeout_ns: u64) -> Result<u32, Errno> {
        let nothing = (core::ptr::null(), 0);
        let deadline = self.kernel.now().saturating_add(timeout_ns);
        let mut consumed = self.wait_with(0, EnterFlags::EMPTY, nothing)?;
        while want > 0 && self.cq.ready() == 0 && (self.is_sqpoll() || self.sq.pending() == 0) {
            let left = deadline.saturating_sub(self.kernel.now());
            match self.kernel.poll_ring(left.min(LOOK_AGAIN_NS)) {
                Ok(()) if left > 0 => {}
                Err(Errno(libc::ETIME)) if left > LOOK_AGAIN_NS => {}
                Ok(()) | Err(Errno(libc::ETIME)) => break,
                Err(errno) => return Err(errno),
            }
            // Readable may mean that task work waits to make the completion.
            consumed += self.wait_with(0, EnterFlags::EMPTY, nothing)?;
        }
        Ok(consumed)
    }
}

/// A limit of a wait that begins now. The kernel adds its clock to it as a signed number, and a sum
/// that overflows is a moment that has passed: 146 years are as good as for ever.
pub(crate) fn from_now(timeout_ns: u64) -> Timespec {
    Timespec::from_nanos(timeout_ns.min(i64::MAX as u64 / 2))
}

/// A wait by poll(2) looks again after so long: task work that is deferred wakes no poll.
const LOOK_AGAIN_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests;
