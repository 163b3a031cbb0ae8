//! What rings for several threads have in common: how they are opened, entered and refused.
//!
//! Owns: [`ShareError`], [`Port`] (the calls that any thread may make) and the ring behind them.
//! Does not own: queues ([`split`](crate::split), [`shared`](crate::shared)).
//!
//! Invariants: no flag binds the ring to a thread (`SINGLE_ISSUER`, `DEFER_TASKRUN`,
//! `COOP_TASKRUN`), and it is entered through its plain descriptor, because a registered one is the
//! thread's. Only the real kernel is entered by several threads at once: [`Kernel`] takes `&mut`.
//! Mirrors io_uring_enter(2).
//!
//! To the kernel a request is that of the thread which submitted it. Once this thread has exited,
//! a request of it that had to wait does not go on: it completes with ECANCELED.

use core::{fmt, ptr};
use std::{io, os::fd::RawFd};

use annulus_abi::{EnterFlags, Errno, GetEventsArg, SetupFlags};

use crate::{Builder, Kernel, Ring, SetupError, Why, enter::from_now};

/// A ring for several threads could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShareError {
    /// The kernel refused.
    Setup(SetupError),
    /// The builder has a kernel of its own ([`Builder::kernel`]), and only the real one is entered
    /// by several threads at once.
    ForeignKernel,
    /// The builder asks for something that such a ring cannot have: entries of another size.
    Flags(SetupFlags),
    /// The builder asks for a ring that is not enabled, and nobody could enable it.
    Disabled,
    /// The ring's descriptor could not be duplicated.
    Descriptor(Errno),
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::ForeignKernel => {
                f.write_str("only the real kernel can be entered by several threads at once")
            }
            Self::Flags(flags) => write!(f, "a ring for several threads cannot have {flags:?}"),
            Self::Disabled => f.write_str("a ring for several threads is enabled from the start"),
            Self::Descriptor(errno) => {
                write!(f, "the ring's descriptor could not be duplicated: {errno}")
            }
        }
    }
}

impl std::error::Error for ShareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Setup(error) => Some(error),
            Self::Descriptor(errno) => Some(errno),
            Self::ForeignKernel | Self::Flags(_) | Self::Disabled => None,
        }
    }
}

impl From<SetupError> for ShareError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<ShareError> for io::Error {
    fn from(error: ShareError) -> Self {
        match error {
            ShareError::Setup(error) => error.into(),
            ShareError::Descriptor(errno) => errno.into(),
            other => Self::new(io::ErrorKind::InvalidInput, other),
        }
    }
}

/// Flags that bind a ring to the thread that made it.
const OF_ONE_THREAD: SetupFlags = SetupFlags(
    SetupFlags::SINGLE_ISSUER.0 | SetupFlags::DEFER_TASKRUN.0 | SetupFlags::COOP_TASKRUN.0,
);

/// Shapes of entries that only a ring of one thread understands.
const SHAPES: SetupFlags = SetupFlags(
    SetupFlags::SQE128.0 | SetupFlags::CQE32.0 | SetupFlags::CQE_MIXED.0 | SetupFlags::SQE_MIXED.0,
);

/// A ring that any thread may have.
pub(crate) struct Owner(Ring);

// SAFETY: the ring is bound to no thread: it was opened without the flags that do so, by the real
// kernel, and has no registered descriptor.
unsafe impl Send for Owner {}

impl Owner {
    /// Opens the ring without the flags that bind it to a thread, and without those `withheld`.
    pub(crate) fn open(builder: Builder, withheld: SetupFlags) -> Result<Self, ShareError> {
        if builder.is_foreign() {
            return Err(ShareError::ForeignKernel);
        }
        let mut ring = builder.build_unbound(OF_ONE_THREAD | withheld)?;
        if !ring.is_enabled() {
            return Err(ShareError::Disabled);
        }
        let excluded = OF_ONE_THREAD | SHAPES | withheld;
        let granted = ring.params().flags;
        if granted.intersects(excluded) {
            return Err(ShareError::Flags(SetupFlags(granted.0 & excluded.0)));
        }
        ring.kernel.unregister_ring();
        ring.capabilities_mut().registered_ring = Err(Why::NotAsked);
        Ok(Self(ring))
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.0
    }

    pub(crate) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.0
    }
}

/// Calls of the kernel that any thread may make at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    fd: RawFd,
    ext_arg: bool,
    wait_flags: EnterFlags,
}

impl Port {
    /// Of a ring, through a descriptor of it that outlives this value.
    pub(crate) fn new(ring: &Ring, fd: RawFd) -> Self {
        Self { fd, ext_arg: ring.capabilities().ext_arg(), wait_flags: ring.wait_flags }
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Submits at most so many entries, and does not wait.
    ///
    /// # Safety
    /// * As for [`Kernel::enter`].
    #[inline]
    pub(crate) unsafe fn submit(&self, to_submit: u32) -> Result<u32, Errno> {
        let nothing = (ptr::null(), 0);
        // SAFETY: the caller answers for the entries; there is no argument.
        unsafe { annulus_abi::enter(self.fd as u32, to_submit, 0, EnterFlags::EMPTY, nothing) }
    }

    /// Wakes the submission thread.
    #[cold]
    pub(crate) fn wake_sq_thread(&self) -> Result<(), Errno> {
        let nothing = (ptr::null(), 0);
        // SAFETY: nothing is submitted by this call, and there is no argument.
        let woken =
            unsafe { annulus_abi::enter(self.fd as u32, 0, 0, EnterFlags::SQ_WAKEUP, nothing) };
        woken.map(drop)
    }

    /// Waits until `want` completions are in the queue, or the time is over, which is no error.
    /// Flushes completions that have overflowed.
    pub(crate) fn wait(&self, want: u32, timeout_ns: Option<u64>) -> Result<(), Errno> {
        let Some(timeout_ns) = timeout_ns else {
            return self.enter_and_wait(want, EnterFlags::EMPTY, (ptr::null(), 0));
        };
        if !self.ext_arg {
            return self.poll(want, timeout_ns);
        }
        let timeout = from_now(timeout_ns);
        let arg = GetEventsArg {
            ts: (&raw const timeout).expose_provenance() as u64,
            ..GetEventsArg::default()
        };
        let arg: *const GetEventsArg = &arg;
        let arg = (arg.cast(), size_of::<GetEventsArg>());
        match self.enter_and_wait(want, EnterFlags::EXT_ARG, arg) {
            Err(Errno(libc::ETIME)) => Ok(()),
            other => other,
        }
    }

    fn enter_and_wait(
        &self,
        want: u32,
        flags: EnterFlags,
        arg: (*const core::ffi::c_void, usize),
    ) -> Result<(), Errno> {
        let flags = flags | self.wait_flags | EnterFlags::GETEVENTS;
        // SAFETY: nothing is submitted; the argument is what `flags` say and lives in the caller.
        unsafe { annulus_abi::enter(self.fd as u32, 0, want, flags, arg) }.map(drop)
    }

    /// The timed wait of kernels before 5.11: ends with the first completion.
    #[cold]
    fn poll(&self, want: u32, timeout_ns: u64) -> Result<(), Errno> {
        self.enter_and_wait(0, EnterFlags::EMPTY, (ptr::null(), 0))?;
        if want == 0 {
            return Ok(());
        }
        let mut entry = libc::pollfd { fd: self.fd, events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: (timeout_ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (timeout_ns % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: one valid entry, a valid timeout, and no signal mask.
        match unsafe { libc::ppoll(&mut entry, 1, &timeout, ptr::null()) } {
            n if n < 0 => Err(Errno::last()),
            _ => Ok(()),
        }
    }
}
