//! What can go wrong, how often, and how often it did.
//!
//! Owns: the classes of faults ([`Fault`]), their rates ([`Faults`]) and their counts ([`Report`]).
//! Does not own: the moment at which one happens (each is drawn where it applies).
//!
//! Invariant: with all rates zero the kernel is as tame as a kernel can be; each class can be
//! switched on and off alone; a count grows only when the fault really happened.

use crate::choice::split_mix;

/// A class of faults. Each is something that Linux may do, except where it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Fault {
    /// A request is not tried at once, or its completion comes later than its effect.
    Delay,
    /// Task work, and with it completions, come out of order.
    Reorder,
    /// A read or receive gives fewer bytes than there are.
    ShortRead,
    /// A write or send takes fewer bytes than there is room for.
    ShortWrite,
    /// io_uring_enter(2) is interrupted, before or while it waits.
    Eintr,
    /// io_uring_enter(2) has no memory for a request: EAGAIN, with nothing consumed.
    Eagain,
    /// io_uring_enter(2) demands that completions be reaped first: EBUSY.
    Ebusy,
    /// Only some of the entries are consumed.
    PartialSubmit,
    /// Entries are consumed, and the call reports an error all the same. Harsher than Linux, which
    /// returns their number then.
    LateError,
    /// A completion finds the queue full, be it full or not, and waits in the list.
    Overflow,
    /// What is cancelled completes with success at the last moment, or had done so unnoticed.
    CancelRace,
    /// A receive finds no provided buffer, though there are some.
    NoBuffers,
    /// A multishot request ends, with a result that is a success.
    MultishotEnd,
    /// Buffers are touched again at odd moments of the request, data is written at the very last of
    /// them, and once more when the ring is closed.
    LateTouch,
    /// Memory that the kernel may write to is filled with a pattern while the kernel owns it, and
    /// the pattern is checked before data takes its place.
    Poison,
    /// A request that waits is woken for nothing.
    SpuriousWake,
    /// A cancel meets a request that is being worked on, says EALREADY, and is forgotten: the
    /// request goes on as if nobody had asked.
    CancelLost,
    /// A request is cancelled though nobody asked, as where no worker thread can be started for it:
    /// of those that are done by workers, and of no chain. Not one of [`ALL`](Self::ALL): it
    /// changes what a program sees. Only [`Unreliable`](crate::Unreliable) knows it.
    NoWorker,
    /// Entries are consumed only up to the middle of a chain, because there is no memory for the
    /// next request. What is left is another chain then, as it is to Linux. Not one of
    /// [`ALL`](Self::ALL): it changes what a program sees.
    SplitChain,
    /// A datagram of UDP is lost, comes twice, or overtakes others. Not one of [`ALL`](Self::ALL):
    /// it changes what a program sees.
    Datagram,
    /// A receive loses its bytes, and its completion names a buffer that the kernel does not have:
    /// the one that it gave back last, or one that there is not. Not one of [`ALL`](Self::ALL):
    /// Linux does no such thing, and a driver cannot hide it.
    WrongBuffer,
}

impl Fault {
    /// All classes that a driver hides from its users.
    pub const ALL: [Self; 17] = [
        Self::Delay,
        Self::Reorder,
        Self::ShortRead,
        Self::ShortWrite,
        Self::Eintr,
        Self::Eagain,
        Self::Ebusy,
        Self::PartialSubmit,
        Self::LateError,
        Self::Overflow,
        Self::CancelRace,
        Self::NoBuffers,
        Self::MultishotEnd,
        Self::LateTouch,
        Self::Poison,
        Self::SpuriousWake,
        Self::CancelLost,
    ];

    /// The rate of [`Faults::all`], of a thousand.
    const fn usual(self) -> u16 {
        match self {
            Self::Delay | Self::Reorder | Self::CancelRace => 400,
            Self::ShortRead | Self::ShortWrite | Self::LateTouch => 300,
            Self::Eintr | Self::PartialSubmit => 100,
            Self::Eagain | Self::Ebusy | Self::LateError | Self::Overflow => 50,
            Self::NoBuffers | Self::MultishotEnd | Self::SpuriousWake | Self::CancelLost => 100,
            Self::Poison => 1000,
            Self::NoWorker | Self::SplitChain | Self::Datagram | Self::WrongBuffer => 0,
        }
    }

    pub(crate) const fn site(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Reorder => "reorder",
            Self::ShortRead => "short read",
            Self::ShortWrite => "short write",
            Self::Eintr => "eintr",
            Self::Eagain => "eagain",
            Self::Ebusy => "ebusy",
            Self::PartialSubmit => "partial submit",
            Self::LateError => "late error",
            Self::Overflow => "overflow",
            Self::CancelRace => "cancel race",
            Self::NoBuffers => "no buffers",
            Self::MultishotEnd => "multishot end",
            Self::LateTouch => "late touch",
            Self::Poison => "poison",
            Self::SpuriousWake => "spurious wake",
            Self::CancelLost => "cancel lost",
            Self::NoWorker => "no worker",
            Self::SplitChain => "split chain",
            Self::Datagram => "datagram",
            Self::WrongBuffer => "wrong buffer",
        }
    }
}

const CLASSES: usize = Fault::WrongBuffer as usize + 1;

/// How often each class of faults happens, of a thousand occasions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Faults {
    permille: [u16; CLASSES],
}

impl Faults {
    /// A kernel that is as tame as can be.
    #[must_use]
    pub const fn none() -> Self {
        Self { permille: [0; CLASSES] }
    }

    /// Every class, at its usual rate.
    #[must_use]
    pub fn all() -> Self {
        Fault::ALL.into_iter().fold(Self::none(), |faults, fault| faults.with(fault, fault.usual()))
    }

    /// A random half of the classes at their usual rates: one fault often hides another, so runs
    /// with few of them find what runs with all of them do not.
    #[must_use]
    pub fn swarm(seed: u64) -> Self {
        let mut state = seed ^ 0x5157_4152_4d53;
        Fault::ALL.into_iter().fold(Self::none(), |faults, fault| {
            if split_mix(&mut state) & 1 == 0 { faults } else { faults.with(fault, fault.usual()) }
        })
    }

    /// The same with another rate of one class, 1000 for always.
    #[must_use]
    pub const fn with(mut self, fault: Fault, permille: u16) -> Self {
        self.permille[fault as usize] = permille;
        self
    }

    /// The same without one class.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        self.with(fault, 0)
    }

    /// The rate of one class.
    #[must_use]
    pub const fn rate(&self, fault: Fault) -> u16 {
        self.permille[fault as usize]
    }
}

/// What happened so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    counts: [u64; CLASSES],
    /// Calls of enter.
    pub enters: u64,
    /// Submission entries consumed.
    pub sqes: u64,
    /// Completions posted, in the queue or the overflow list.
    pub cqes: u64,
    /// Completions without `F_MORE` and those that `CQE_SKIP_SUCCESS` suppressed: requests ended.
    pub ended: u64,
    /// Completions that found the queue full, for want of room or by [`Fault::Overflow`].
    pub overflowed: u64,
    /// Requests that were in flight when their ring was closed.
    pub abandoned: u64,
    /// Times that the clock jumped because everything was idle.
    pub jumps: u64,
}

impl Report {
    /// How often a fault of this class happened.
    #[must_use]
    pub const fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.enters += other.enters;
        self.sqes += other.sqes;
        self.cqes += other.cqes;
        self.ended += other.ended;
        self.overflowed += other.overflowed;
        self.abandoned += other.abandoned;
        self.jumps += other.jumps;
    }

    pub(crate) fn counted(&mut self, fault: Fault) {
        self.counts[fault as usize] += 1;
    }
}
