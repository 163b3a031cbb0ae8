//! Unix streams whose end the kernel may have lost, until somebody has looked.
//!
//! If bytes and the end of a stream come one right after the other, before the kernel has run the
//! task work of the first, Linux 6.18 loses the second wake-up: an armed multishot receive then
//! gives the bytes and never the end (seen about once in 20,000 closings under load). TCP escapes,
//! because it says that a socket at its end is not empty, so the kernel tries again at once. Both
//! events lie before the receive of the bytes, so whoever looks at the socket after their
//! completion sees whether its peer is gone, and arms the receive anew.
//!
//! Owns: which streams are in doubt, and when they are looked at. Does not own: the receive (the
//! stream). A look costs a system call, and a busy stream is soon in doubt again, so looks wait
//! until the core has nothing better to do, and are one call for all.
//!
//! Invariant: no core waits for the ring while a stream is in doubt, and no stream is for longer
//! than [`TURNS_MAX`] turns.

use std::os::fd::RawFd;

use annulus_ring::Kernel as _;

use super::State;
use super::key::Key;
use super::stream::Arm;

/// How many turns of a busy core a stream may be in doubt.
const TURNS_MAX: u32 = 64;

/// The streams in doubt.
#[derive(Default)]
pub(crate) struct Doubts {
    streams: Vec<Key>,
    /// Their descriptors, while they are looked at.
    looks: Vec<libc::pollfd>,
    /// Since the first of them came.
    turns: u32,
}

impl Doubts {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// A stream that is in no doubt yet comes into it.
    pub(crate) fn add(&mut self, key: Key) {
        self.streams.push(key);
    }
}

impl State {
    /// Looks at the streams in doubt, unless the core is `busy`, or about to be.
    pub(crate) fn resolve_doubts(&mut self, busy: bool) {
        self.doubts.turns += 1;
        let busy = busy || self.ring.wants_enter() || self.ring.cq_ready() > 0;
        if busy && self.doubts.turns < TURNS_MAX {
            return;
        }
        let mut doubts = std::mem::take(&mut self.doubts);
        for &key in &doubts.streams {
            let fd = self.end_doubt(key).unwrap_or(-1);
            doubts.looks.push(libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 });
        }
        if self.ring.kernel().hung_up(&mut doubts.looks) > 0 {
            let looked = doubts.streams.iter().zip(&doubts.looks);
            for (&key, _) in looked.filter(|(_, look)| look.revents != 0) {
                self.pause_recv(key);
            }
        }
        doubts.streams.clear();
        doubts.looks.clear();
        doubts.turns = 0;
        self.doubts = doubts;
    }

    /// A stream is being looked at. Gives what to look at, if there is anything to be seen: what is
    /// not armed sees the end when it is.
    fn end_doubt(&mut self, key: Key) -> Option<RawFd> {
        let record = self.records.get(key)?;
        let (fd, closing) = (record.fd, record.closing);
        let recv = &mut self.records.stream(key)?.recv;
        recv.in_doubt = false;
        (recv.arm == Arm::Armed && !closing).then_some(fd)
    }
}
