//! ASYNC_CANCEL, POLL_REMOVE and the synchronous cancel: ending other requests.
//!
//! Owns: which requests match, and the race between a cancel and its victim. Mirrors
//! io_uring_prep_cancel(3), io_uring_register_sync_cancel(3).
//!
//! | the victim | the cancel says | the victim says |
//! |---|---|---|
//! | waits, or was not tried yet | 0 | `-ECANCELED`, or the bytes it had moved |
//! | the same, and the race is lost | `-EALREADY` | success |
//! | the same, and the cancel is lost | `-EALREADY` | nothing: it goes on |
//! | is done, its completion under way | `-ENOENT` or `-EALREADY` | its own result |

use annulus_abi::{CancelFlags, Opcode};

use crate::fault::Fault;
use crate::files::Id;
use crate::machine::Machine;
use crate::request::{Request, Tried};

/// What to cancel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Matcher {
    pub(crate) user_data: Option<u64>,
    pub(crate) file: Option<Id>,
    pub(crate) opcode: Option<Opcode>,
    pub(crate) all: bool,
}

impl Matcher {
    pub(crate) fn matches(&self, request: &Request) -> bool {
        let cancels = matches!(
            request.entry.opcode,
            Opcode::ASYNC_CANCEL | Opcode::LINK_TIMEOUT | Opcode::TIMEOUT_REMOVE
        );
        !cancels
            && self.user_data.is_none_or(|user_data| user_data == request.entry.user_data)
            && self.file.is_none_or(|file| Some(file) == request.file)
            && self.opcode.is_none_or(|opcode| opcode == request.entry.opcode)
    }
}

impl Machine {
    pub(super) fn cancel_asked(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        let entry = &request.entry;
        let flags = CancelFlags(entry.op_flags);
        let target = (entry.fd, flags.contains(CancelFlags::FD_FIXED));
        let matcher = self.matcher(ring, flags, (entry.addr, entry.cancel_opcode()), target)?;
        if !matcher.all && self.loses_cancel(ring, &matcher) {
            return Err(libc::EALREADY);
        }
        self.cancel(ring, &matcher).map(|count| Tried::done(count as i32))
    }

    /// Whether a cancel is forgotten: of one request, which has not ended.
    fn loses_cancel(&mut self, ring: usize, matcher: &Matcher) -> bool {
        let first = self.ring(ring).requests.values().find(|request| matcher.matches(request));
        let meets = first.is_some_and(|request| !request.is_finished());
        let lost = meets && self.choices.chance("cancel lost", self.faults.rate(Fault::CancelLost));
        if lost {
            self.report.counted(Fault::CancelLost);
        }
        lost
    }

    pub(super) fn remove_poll(&mut self, ring: usize, request: &Request) -> Result<Tried, i32> {
        if request.entry.len != 0 {
            return Err(libc::EINVAL);
        }
        let (user_data, opcode) = (Some(request.entry.addr), Some(Opcode::POLL_ADD));
        let matcher = Matcher { user_data, opcode, ..Matcher::default() };
        self.cancel(ring, &matcher).map(|_| Tried::done(0))
    }

    /// What flags, key and target select.
    pub(crate) fn matcher(
        &mut self,
        ring: usize,
        flags: CancelFlags,
        (user_data, opcode): (u64, Opcode),
        target: (i32, bool),
    ) -> Result<Matcher, i32> {
        let all = flags.intersects(CancelFlags::ALL | CancelFlags::ANY);
        if flags.contains(CancelFlags::ANY) {
            let excluded = CancelFlags::FD | CancelFlags::OP | CancelFlags::USERDATA;
            if flags.intersects(excluded) {
                return Err(libc::EINVAL);
            }
            return Ok(Matcher { all, ..Matcher::default() });
        }
        let keyed = flags.intersects(CancelFlags::FD | CancelFlags::OP);
        let by_user_data = !keyed || flags.contains(CancelFlags::USERDATA);
        let mut matcher = Matcher { all, ..Matcher::default() };
        matcher.user_data = by_user_data.then_some(user_data);
        matcher.opcode = flags.contains(CancelFlags::OP).then_some(opcode);
        if flags.contains(CancelFlags::FD) {
            matcher.file = Some(self.file_of(ring, target)?);
        }
        Ok(matcher)
    }

    /// Cancels what matches: how many with ALL, else 0.
    pub(crate) fn cancel(&mut self, ring: usize, matcher: &Matcher) -> Result<u32, i32> {
        let requests = self.ring(ring).requests.values();
        let matching: Vec<Id> =
            requests.filter(|request| matcher.matches(request)).map(|request| request.id).collect();
        if matcher.all {
            let mut count = 0;
            for id in matching {
                count += u32::from(self.cancel_one(ring, id).is_ok());
            }
            return Ok(count);
        }
        match matching.first() {
            Some(id) => self.cancel_one(ring, *id).map(|()| 0),
            None => Err(libc::ENOENT),
        }
    }

    /// Ends one request, if it is not too late.
    pub(crate) fn cancel_one(&mut self, ring: usize, id: Id) -> Result<(), i32> {
        let Some(mut request) = self.ring(ring).requests.remove(&id) else {
            return Err(libc::ENOENT);
        };
        let race = self.faults.rate(Fault::CancelRace);
        if request.is_finished() {
            self.ring(ring).requests.insert(id, request);
            let already = self.choices.chance("cancel says already", race);
            if already {
                self.report.counted(Fault::CancelRace);
            }
            return Err(if already { libc::EALREADY } else { libc::ENOENT });
        }
        if self.choices.chance("cancel race", race) {
            if let Tried::Done(res, flags) = self.attempt(ring, &mut request) {
                self.report.counted(Fault::CancelRace);
                self.finish(ring, request, res, flags);
                return Err(libc::EALREADY);
            }
        }
        self.abort(ring, request, libc::ECANCELED);
        Ok(())
    }
}
