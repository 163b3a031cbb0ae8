//! POLL_ADD: waiting until something can be read or written, once or each time that something
//! happens. A repeated poll is edge-triggered: it looks when it is woken.
//!
//! Owns: what is ready. Mirrors poll(2), io_uring_prep_poll_add(3).

use annulus_abi::{Cqe, CqeFlags, PollFlags};

use crate::files::{Id, Kind};
use crate::machine::Machine;
use crate::request::{Request, Tried, Wait};
use crate::socket::State;
use crate::stream::Sight;

const IN: u32 = libc::POLLIN as u32;
const OUT: u32 = libc::POLLOUT as u32;
const HUP: u32 = libc::POLLHUP as u32;
const ERR: u32 = libc::POLLERR as u32;

impl Machine {
    pub(super) fn poll(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let flags = PollFlags(request.entry.len);
        let multishot = flags.contains(PollFlags::ADD_MULTI);
        if !flags.without(PollFlags::ADD_MULTI).is_empty()
            || (multishot && !self.ring(ring).profile.is_since(5, 13))
        {
            return Err(libc::EINVAL);
        }
        let kind = self.files.kind(request.file_id()?).clone();
        let (ready, waits) = self.readiness(&kind);
        let wanted = ready & (request.entry.op_flags | HUP | ERR);
        if wanted == 0 {
            return Ok(Tried::Wait(waits));
        }
        // What never has to be waited for is reported once.
        if !multishot || waits.is_empty() || self.ends_early(ring) {
            return Ok(Tried::done(wanted as i32));
        }
        let (user_data, res) = (request.entry.user_data, wanted as i32);
        self.post_more(ring, Cqe { user_data, res, flags: CqeFlags::MORE });
        Ok(Tried::Wait(waits))
    }

    fn readiness(&mut self, kind: &Kind) -> (u32, Vec<Wait>) {
        match *kind {
            Kind::File { .. } | Kind::Dir { .. } | Kind::Ring => (IN | OUT, Vec::new()),
            Kind::PipeRead(stream) => (self.readable(stream), vec![Wait::Readable(stream)]),
            Kind::PipeWrite(stream) => (self.writable(stream), vec![Wait::Writable(stream)]),
            Kind::Event(event) => {
                let is_set = self.counters.get(&event).is_some_and(|count| *count > 0);
                (if is_set { IN | OUT } else { OUT }, vec![Wait::Event(event)])
            }
            Kind::Socket(socket) => match &self.socket(socket).state {
                State::Fresh => (OUT | HUP, Vec::new()),
                State::Messages(mailbox) => {
                    let ready = if mailbox.has_news() { IN | OUT } else { OUT };
                    (ready, vec![Wait::Readable(socket)])
                }
                State::Listening { backlog, .. } => {
                    (if backlog.is_empty() { 0 } else { IN }, vec![Wait::Accept(socket)])
                }
                State::Connected { rx, tx, .. } => {
                    let (rx, tx) = (*rx, *tx);
                    let both_ended = self.stream(rx).ended && self.stream(tx).ended;
                    let hup = if both_ended { HUP } else { 0 };
                    let ready = (self.readable(rx) & !HUP) | (self.writable(tx) & !ERR) | hup;
                    (ready, vec![Wait::Readable(rx), Wait::Writable(tx)])
                }
            },
        }
    }

    fn readable(&mut self, stream: Id) -> u32 {
        match self.stream(stream).sight() {
            Sight::Nothing => 0,
            Sight::Bytes(_) => IN,
            Sight::End => IN | HUP,
            Sight::Reset => IN | ERR,
        }
    }

    fn writable(&mut self, stream: Id) -> u32 {
        let stream = self.stream(stream);
        match (stream.is_broken(), stream.room()) {
            (true, _) => OUT | ERR,
            (false, 0) => 0,
            (false, _) => OUT,
        }
    }
}
