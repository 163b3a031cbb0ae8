//! What a descriptor can be ready for.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of events, as poll(2) has them.
///
/// ```
/// use annulus::io::Events;
///
/// let both = Events::READABLE | Events::WRITABLE;
/// assert!(both.contains(Events::READABLE) && !both.contains(Events::HANG_UP));
/// assert_eq!(format!("{both:?}"), "READABLE | WRITABLE");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Events(u32);

impl Events {
    /// There is something to read, or the end of the stream (`POLLIN`).
    pub const READABLE: Self = Self(libc::POLLIN as u32);
    /// There is something urgent to read (`POLLPRI`).
    pub const PRIORITY: Self = Self(libc::POLLPRI as u32);
    /// There is room to write (`POLLOUT`).
    pub const WRITABLE: Self = Self(libc::POLLOUT as u32);
    /// The peer has ended its sending direction (`POLLRDHUP`).
    pub const READ_HANG_UP: Self = Self(libc::POLLRDHUP as u32);
    /// Something is wrong; reported whether asked for or not (`POLLERR`).
    pub const ERROR: Self = Self(libc::POLLERR as u32);
    /// The other end is gone; reported whether asked for or not (`POLLHUP`).
    pub const HANG_UP: Self = Self(libc::POLLHUP as u32);

    /// None of them.
    pub const EMPTY: Self = Self(0);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::READABLE, "READABLE"),
        (Self::PRIORITY, "PRIORITY"),
        (Self::WRITABLE, "WRITABLE"),
        (Self::READ_HANG_UP, "READ_HANG_UP"),
        (Self::ERROR, "ERROR"),
        (Self::HANG_UP, "HANG_UP"),
    ];

    /// Whether all of `events` are in it.
    #[must_use]
    pub const fn contains(self, events: Self) -> bool {
        self.0 & events.0 == events.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of `events` is in it.
    #[must_use]
    pub const fn intersects(self, events: Self) -> bool {
        self.0 & events.0 != 0
    }

    /// Whether a read would not wait, be it for bytes, for the end or for an error.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.intersects(Self::of_reading())
    }

    /// Whether a write would not wait, be it because of room or because of an error.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.intersects(Self::of_writing())
    }

    /// Whether there is something urgent to read.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.contains(Self::PRIORITY)
    }

    /// Whether the peer has ended its sending direction, or is gone.
    #[must_use]
    pub const fn is_read_closed(self) -> bool {
        self.intersects(Self(Self::READ_HANG_UP.0 | Self::HANG_UP.0))
    }

    /// Whether nobody reads what is written any more.
    #[must_use]
    pub const fn is_write_closed(self) -> bool {
        self.intersects(Self(Self::HANG_UP.0 | Self::ERROR.0))
    }

    /// Whether something is wrong.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.contains(Self::ERROR)
    }

    /// The events that end a wait for something to read.
    pub(crate) const fn of_reading() -> Self {
        Self(Self::READABLE.0 | Self::READ_HANG_UP.0 | Self::HANG_UP.0 | Self::ERROR.0)
    }

    /// The events that end a wait for room to write.
    pub(crate) const fn of_writing() -> Self {
        Self(Self::WRITABLE.0 | Self::HANG_UP.0 | Self::ERROR.0)
    }

    /// Those that are not in `events`.
    #[must_use]
    pub const fn without(self, events: Self) -> Self {
        Self(self.0 & !events.0)
    }

    /// The bits of poll(2).
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The events of these bits of poll(2); also of those that have no name here.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Events {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut first) = (self.0, true);
        for (event, name) in Self::NAMES.into_iter().filter(|(event, _)| self.contains(*event)) {
            f.write_str(if first { "" } else { " | " })?;
            f.write_str(name)?;
            rest &= !event.0;
            first = false;
        }
        match (rest, first) {
            (0, false) => Ok(()),
            (0, true) => f.write_str("(none)"),
            (rest, true) => write!(f, "{rest:#x}"),
            (rest, false) => write!(f, " | {rest:#x}"),
        }
    }
}
