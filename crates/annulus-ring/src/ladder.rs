//! The ladder of setup flags.
//!
//! Owns: which combinations of flags are tried, best first. Does not own: trying them (`builder`).
//!
//! Invariants: each rung is a combination that some kernel accepts; a rung never holds a flag that
//! was masked or that depends on a masked one; kernels are never told apart by version. Mirrors the
//! flags of io_uring_setup(2).

use annulus_abi::SetupFlags;

/// When the kernel runs the second half of requests ("task work").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TaskWork {
    /// Only while the ring's thread enters: `DEFER_TASKRUN`, the best for one thread per ring.
    /// Falls back to [`Coop`](Self::Coop), then to [`Interrupt`](Self::Interrupt).
    #[default]
    Defer,
    /// At the thread's next system call, without an interrupt: `COOP_TASKRUN`. Falls back to
    /// [`Interrupt`](Self::Interrupt).
    Coop,
    /// As soon as possible, interrupting the thread.
    Interrupt,
}

/// What was asked for, as far as the ladder is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) task_work: TaskWork,
    pub(crate) sqpoll: bool,
    pub(crate) sqpoll_cpu: bool,
    pub(crate) clamp: bool,
    /// What no rung may have: masked, or not wanted.
    pub(crate) masked: SetupFlags,
    /// What every rung must have: there is nothing to fall back to.
    pub(crate) demanded: SetupFlags,
}

impl Wish {
    /// The rungs, best first, without repetition.
    pub(crate) fn rungs(&self) -> Vec<SetupFlags> {
        let modern = SetupFlags::SUBMIT_ALL | SetupFlags::R_DISABLED;
        let owner = modern | SetupFlags::SINGLE_ISSUER;
        let flagged = SetupFlags::TASKRUN_FLAG;
        let mut styles = Vec::with_capacity(4);
        if self.sqpoll {
            // A submission thread excludes both kinds of delayed task work.
            styles.push(owner);
            styles.push(modern);
        } else {
            if self.task_work == TaskWork::Defer {
                styles.push(owner | SetupFlags::DEFER_TASKRUN | flagged);
            }
            if self.task_work != TaskWork::Interrupt {
                styles.push(modern | SetupFlags::COOP_TASKRUN | flagged);
            }
            if self.task_work == TaskWork::Interrupt {
                styles.push(owner);
            }
        }
        styles.push(SetupFlags::EMPTY);

        let base = self.base();
        let mut rungs = Vec::with_capacity(styles.len() + 1);
        for style in styles {
            let Some(flags) = self.unmasked(style) else {
                continue;
            };
            if rungs.is_empty() && !self.masked.contains(SetupFlags::NO_SQARRAY) {
                rungs.push(base | flags | SetupFlags::NO_SQARRAY);
            }
            rungs.push(base | flags);
        }
        rungs.dedup();
        rungs
    }

    /// What every rung has: flags of Linux 5.6 and older.
    fn base(&self) -> SetupFlags {
        let mut base = SetupFlags::CQSIZE;
        if self.clamp {
            base |= SetupFlags::CLAMP;
        }
        if self.sqpoll {
            base |= SetupFlags::SQPOLL;
        }
        if self.sqpoll && self.sqpoll_cpu {
            base |= SetupFlags::SQ_AFF;
        }
        base.without(self.masked) | self.demanded
    }

    /// A style without its masked flags, or `None` if it is nothing without them.
    fn unmasked(&self, style: SetupFlags) -> Option<SetupFlags> {
        let essence = SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN;
        if self.masked.intersects(SetupFlags(style.0 & essence.0)) {
            return None;
        }
        if style.contains(SetupFlags::DEFER_TASKRUN)
            && self.masked.contains(SetupFlags::SINGLE_ISSUER)
        {
            return None;
        }
        Some(style.without(self.masked))
    }
}

#[cfg(test)]
mod tests;
