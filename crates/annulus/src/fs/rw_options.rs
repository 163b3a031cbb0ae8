//! What can be said about one read or write besides its buffer and its offset.
//!
//! Owns: the options, and which of them exclude one another. Does not own: the requests
//! (`core/direct_op.rs`). Mirrors the flags of preadv2(2) and pwritev2(2), and ioprio_set(2).

use std::io;

/// Options of a read or write, which [`File::with`](super::File::with) and
/// [`Direct::with`](super::Direct::with) take. None by default; a request without any pays nothing
/// for it.
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::{File, Priority, RwOptions};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("journal");
///
/// let journal = File::create(&path).await?;
/// // On the device when it resolves, before what has no hurry.
/// let durable = RwOptions::new().dsync().priority(Priority::HIGHEST);
/// let (n, _) = journal.with(durable).write_at("entry\n", 0).await?;
/// assert_eq!(n, 6);
/// # Ok(())
/// # }
/// ```
///
/// | option | for | flag | since |
/// |---|---|---|---|
/// | [`dsync`](Self::dsync), [`sync`](Self::sync) | writes | `RWF_DSYNC`, `RWF_SYNC` | 4.7 |
/// | [`nowait`](Self::nowait) | both | `RWF_NOWAIT` | 4.14 |
/// | [`append`](Self::append), [`noappend`](Self::noappend) | writes | `RWF_APPEND`, `RWF_NOAPPEND` | 4.16, 6.9 |
/// | [`atomic`](Self::atomic) | writes | `RWF_ATOMIC` | 6.11 |
/// | [`dontcache`](Self::dontcache) | both | `RWF_DONTCACHE` | 6.14 |
/// | [`priority`](Self::priority) | both | the `ioprio` field | 5.1 |
///
/// An option that the file system does not know is an error of the request, mostly `EOPNOTSUPP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[doc(alias = "rw_flags")]
#[must_use = "options do nothing until a request has them"]
pub struct RwOptions {
    flags: i32,
    ioprio: u16,
}

const OF_WRITES: i32 =
    libc::RWF_DSYNC | libc::RWF_SYNC | libc::RWF_APPEND | libc::RWF_NOAPPEND | libc::RWF_ATOMIC;

impl RwOptions {
    /// No options.
    pub const fn new() -> Self {
        Self { flags: 0, ioprio: 0 }
    }

    /// The write resolves when its data is on the device, with the metadata that reading it back
    /// needs: as one `fdatasync` for this write alone.
    #[doc(alias = "RWF_DSYNC")]
    pub const fn dsync(self) -> Self {
        self.also(libc::RWF_DSYNC)
    }

    /// As [`dsync`](Self::dsync), with all metadata: as one `fsync`.
    #[doc(alias = "RWF_SYNC")]
    pub const fn sync(self) -> Self {
        self.also(libc::RWF_SYNC)
    }

    /// Fails with `WouldBlock` instead of waiting, and instead of going to a worker thread of the
    /// kernel: a read whose pages are not in the page cache, a direct one for which the device's
    /// queue has no room. Nothing was read or written then. A part may be read if only the rest
    /// would wait.
    #[doc(alias = "RWF_NOWAIT")]
    #[doc(alias = "EAGAIN")]
    pub const fn nowait(self) -> Self {
        self.also(libc::RWF_NOWAIT)
    }

    /// Writes at the end of the file, whatever the offset: as if it had been opened for appending.
    #[doc(alias = "RWF_APPEND")]
    pub const fn append(self) -> Self {
        self.also(libc::RWF_APPEND)
    }

    /// Writes at the offset although the file was opened for appending.
    #[doc(alias = "RWF_NOAPPEND")]
    pub const fn noappend(self) -> Self {
        self.also(libc::RWF_NOAPPEND)
    }

    /// Writes all or nothing, also if the power fails: on a [`Direct`](super::Direct) file whose
    /// device can ([`Direct::atomic_writes`](super::Direct::atomic_writes)), which checks length
    /// and offset.
    #[doc(alias = "RWF_ATOMIC")]
    pub const fn atomic(self) -> Self {
        self.also(libc::RWF_ATOMIC)
    }

    /// Goes through the page cache and leaves nothing there: for bytes that are used once.
    #[doc(alias = "RWF_DONTCACHE")]
    pub const fn dontcache(self) -> Self {
        self.also(libc::RWF_DONTCACHE)
    }

    /// How the device's queue ranks it, where its scheduler looks at that.
    #[doc(alias = "ioprio")]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.ioprio = priority.bits();
        self
    }

    const fn also(mut self, flag: i32) -> Self {
        self.flags |= flag;
        self
    }

    pub(crate) const fn flags(self) -> i32 {
        self.flags
    }

    pub(crate) const fn ioprio(self) -> u16 {
        self.ioprio
    }

    pub(crate) const fn is_atomic(self) -> bool {
        self.flags & libc::RWF_ATOMIC != 0
    }

    /// Why no request can be made like this.
    pub(crate) fn refusal(self, writes: bool) -> Option<io::Error> {
        let both = libc::RWF_APPEND | libc::RWF_NOAPPEND;
        let why = if !writes && self.flags & OF_WRITES != 0 {
            "a read is neither synced, appended nor atomic: these options are for writes"
        } else if self.flags & both == both {
            "a write is appended or it is not"
        } else {
            return None;
        };
        Some(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}

/// The rank of a request in the queue of a device: a class, and a level from 0 (first) to 7 within
/// it.
///
/// Whether anything ranks requests is a matter of the device's scheduler
/// (`/sys/block/*/queue/scheduler`): `bfq` and `mq-deadline` do, `none` does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[doc(alias = "IOPRIO_CLASS_RT")]
#[doc(alias = "IOPRIO_CLASS_BE")]
#[doc(alias = "IOPRIO_CLASS_IDLE")]
pub enum Priority {
    /// Before all others. Needs `CAP_SYS_ADMIN` or `CAP_SYS_NICE`: `PermissionDenied` without.
    RealTime(Level),
    /// What requests are by default, with a level that follows from the thread's nice value.
    BestEffort(Level),
    /// When the device has nothing else to do.
    Idle,
}

impl Priority {
    /// The first of those that need no privilege.
    pub const HIGHEST: Self = Self::BestEffort(Level::FIRST);
    /// The last of those that are done while there are others.
    pub const LOWEST: Self = Self::BestEffort(Level::LAST);

    const fn bits(self) -> u16 {
        let (class, level) = match self {
            Self::RealTime(level) => (1, level.0),
            Self::BestEffort(level) => (2, level.0),
            Self::Idle => (3, 0),
        };
        class << 13 | level as u16
    }
}

/// A level within a class of [`Priority`]: 0 is first, 7 last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Level(u8);

impl Level {
    /// The first.
    pub const FIRST: Self = Self(0);
    /// That of a thread with nice value 0.
    pub const MIDDLE: Self = Self(4);
    /// The last.
    pub const LAST: Self = Self(7);

    /// A level from 0 to 7; `None` for other numbers.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level <= 7 { Some(Self(level)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests;
