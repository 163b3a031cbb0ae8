//! SEND_ZC: a send with two completions, the second of which gives the memory back.
//!
//! Owns: what lies between them. Does not own: how bytes are moved (`bytes`). Mirrors
//! io_uring_prep_send_zc(3).
//!
//! | what happens | completions |
//! |---|---|
//! | `CQE_SKIP_SUCCESS` | `-EINVAL`, final: nothing was begun |
//! | bytes are sent, or the send fails | the result, with `MORE`; later 0 or "copied", with `NOTIF` |
//! | options that this kernel does not know | `-EINVAL`, with `MORE`; later a notification |
//! | a Unix socket | `-EOPNOTSUPP`, with `MORE`; later a notification |
//!
//! Invariant: between the two the request holds its buffer and nothing else: not the file, and no
//! cancel finds it.

use std::collections::VecDeque;

use annulus_abi::{CqeFlags, Opcode, RecvSendFlags, SqeFlags};

use crate::events::Event;
use crate::files::Kind;
use crate::machine::Machine;
use crate::request::{Phase, Prepared, Request};

/// What of a zero-copy send's `ioprio` is modelled.
const MODELLED: RecvSendFlags =
    RecvSendFlags(RecvSendFlags::POLL_FIRST.0 | RecvSendFlags::SEND_ZC_REPORT_USAGE.0);
/// In a notification's result: the bytes were copied after all.
const USAGE_COPIED: i32 = i32::MIN;

impl Request {
    fn reports_usage(&self) -> bool {
        RecvSendFlags(self.entry.ioprio).contains(RecvSendFlags::SEND_ZC_REPORT_USAGE)
    }

    /// Whether its result is not its last completion.
    pub(crate) fn will_notify(&self, flags: CqeFlags) -> bool {
        self.entry.opcode == Opcode::SEND_ZC
            && !flags.contains(CqeFlags::NOTIF)
            && !matches!(self.prepared, Prepared::Failed(_))
    }
}

impl Machine {
    /// What Linux refuses before it has made a notification.
    pub(super) fn prepare_zero_copy(&self, request: &Request) -> Result<(), i32> {
        let skips = request.entry.flags.contains(SqeFlags::CQE_SKIP_SUCCESS);
        if skips { Err(libc::EINVAL) } else { Ok(()) }
    }

    /// What it refuses after that: options, and sockets that cannot do it.
    pub(super) fn check_zero_copy(&mut self, ring: usize, request: &Request) -> Result<(), i32> {
        let unknown = !RecvSendFlags(request.entry.ioprio).without(MODELLED).is_empty();
        let reports = request.reports_usage() && !self.ring(ring).profile.is_since(6, 2);
        let addressed = request.entry.off != 0 || request.entry.file_index != 0;
        if unknown || reports || addressed {
            return Err(libc::EINVAL);
        }
        let Kind::Socket(socket) = *self.files.kind(request.file_id()?) else {
            return Err(libc::ENOTSOCK);
        };
        if self.socket(socket).is_unix() { Err(libc::EOPNOTSUPP) } else { Ok(()) }
    }

    /// The notification of a zero-copy send that has its result now: from here on it holds the
    /// buffer.
    pub(crate) fn plan_notification(&mut self, ring: usize, request: &mut Request) {
        let copied = self.choices.below("copied after all", 2) == 1;
        let usage = if copied && request.reports_usage() { USAGE_COPIED } else { 0 };
        let mut notification = Request::new(self.new_id(), request.entry.clone(), VecDeque::new());
        notification.phase = Phase::Finished(usage, CqeFlags::NOTIF);
        notification.hold = request.hold.take();
        let at_ns = self.now_ns + self.some_delay_ns();
        self.events.plan(at_ns, Event::Run { ring, request: notification.id });
        self.ring(ring).requests.insert(notification.id, notification);
    }
}
