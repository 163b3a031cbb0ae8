//! The operation codes: what a submission can ask for.
//!
//! Owns: [`Opcode`], its table of names, first kernels and ways of issue. The codes themselves are
//! listed in `opcode/numbers.rs`. Does not own: how an operation fills its entry (see the tables at
//! each field of [`Sqe`](crate::Sqe)).
//!
//! Invariants: the table has one row a number, in order; numbers are never reused by the kernel.
//!
//! Mirrors `enum io_uring_op`; io_uring_enter(2), and one io_uring_prep_…(3) page an operation.

mod numbers;

/// What a submission asks for (`enum io_uring_op`, `IORING_OP_*`).
///
/// Any `u8` is representable: an unknown code completes with EINVAL, a known one that was not built
/// into this kernel (no networking, no epoll) with EOPNOTSUPP. Ask with
/// [`RegisterOp::PROBE`](crate::RegisterOp::PROBE) which ones a kernel has; its version does not
/// tell.
///
/// ```
/// use annulus_abi::{Issue, Opcode};
///
/// assert_eq!(Opcode::RECV.name(), "RECV");
/// assert_eq!(Opcode::RECV.since(), Some((5, 6)));
/// assert_eq!(Opcode::STATX.issue(), Some(Issue::Punted));
/// assert_eq!(format!("{:?}", Opcode(27)), "RECV(27)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
#[doc(alias = "io_uring_op")]
pub struct Opcode(pub u8);

/// Where the kernel does the work of an operation, and so what it costs.
///
/// [`SqeFlags::ASYNC`](crate::SqeFlags::ASYNC) turns all but [`Armed`](Self::Armed) into
/// [`Punted`](Self::Punted). The way of issue is the kernel's habit, not its promise; it is
/// recorded as of Linux 6.18.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Issue {
    /// Done within io_uring_enter(2), on the submitting thread; the completion is there when the
    /// call returns.
    Inline,
    /// Armed at submission: a timer or a wait queue completes it later. No thread waits.
    Armed,
    /// Tried at once. If the file is not ready, the kernel polls it and tries again when it is; no
    /// thread waits. A file that cannot be polled (a regular file) is read and written as
    /// [`Tried`](Self::Tried) says, though buffered reads of many file systems and all of O_DIRECT
    /// complete by callback, without a worker.
    Polled,
    /// Tried at once without blocking; if it would block, a worker thread does it.
    Tried,
    /// Always handed to a worker thread: two context switches and a wake-up before any work is
    /// done. The plain system call costs less if it cannot block.
    Punted,
}

impl Opcode {
    /// The kernel's name without the prefix, e.g. `"RECV"`, or `"?"` for a number without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE.get(usize::from(self.0)).map_or("?", |entry| entry.0)
    }

    /// The first kernel that has it, as `(major, minor)`.
    #[must_use]
    pub fn since(self) -> Option<(u8, u8)> {
        Self::TABLE.get(usize::from(self.0)).map(|entry| entry.1)
    }

    /// Where the kernel does its work.
    #[must_use]
    pub fn issue(self) -> Option<Issue> {
        Self::ISSUE.get(usize::from(self.0)).copied()
    }

    /// The manual page that describes it best, e.g. `"io_uring_prep_recv(3)"`.
    #[must_use]
    pub fn man_page(self) -> Option<&'static str> {
        Self::MAN_PAGES.get(usize::from(self.0)).copied()
    }

    /// Whether its entry is 128 bytes long, which needs
    /// [`SetupFlags::SQE128`](crate::SetupFlags::SQE128) or
    /// [`SQE_MIXED`](crate::SetupFlags::SQE_MIXED).
    #[must_use]
    pub const fn is_128(self) -> bool {
        matches!(self, Self::NOP128 | Self::URING_CMD128)
    }
}

impl core::fmt::Debug for Opcode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

/// Declares the opcodes: a constant each, and the tables indexed by number.
///
/// Each row is `NAME = number => "C_NAME", (major, minor), Issue, "manual page";`.
macro_rules! opcodes {
    ($(
        $(#[$doc:meta])*
        $name:ident = $number:literal => $c_name:literal, ($major:literal, $minor:literal),
            $issue:ident, $man:literal;
    )*) => {
        impl crate::Opcode {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = "# Kernel"]
                #[doc = concat!(
                    "`", $c_name, "` (", $number, "), since Linux ", $major, ".", $minor,
                    ". [`", stringify!($issue), "`](crate::Issue::", stringify!($issue), "). ",
                    $man, "."
                )]
                #[doc(alias = $c_name)]
                pub const $name: Self = Self($number);
            )*

            /// One past the highest opcode that has a name here.
            #[doc(alias = "IORING_OP_LAST")]
            pub const COUNT: u8 = [ $( $number ),* ].len() as u8;

            /// Name and first kernel `(major, minor)` of each opcode, indexed by number.
            pub const TABLE: [(&'static str, (u8, u8)); Self::COUNT as usize] =
                [ $( (stringify!($name), ($major, $minor)), )* ];

            /// Where the kernel does the work of each opcode, indexed by number.
            pub const ISSUE: [crate::Issue; Self::COUNT as usize] =
                [ $( crate::Issue::$issue, )* ];

            /// The C name of each opcode, indexed by number.
            pub const C_NAMES: [&'static str; Self::COUNT as usize] = [ $( $c_name, )* ];

            /// The manual page of each opcode, indexed by number.
            pub const MAN_PAGES: [&'static str; Self::COUNT as usize] = [ $( $man, )* ];
        }

        /// The rows as they were written, to prove that each stands at its number.
        #[cfg(test)]
        pub(super) const ROWS: &[(u8, &str)] = &[ $( ($number, stringify!($name)), )* ];
    };
}
use opcodes;

#[cfg(test)]
mod tests;
