//! What operations do: one file for each kind.
//!
//! Owns: the dispatch, and what is prepared at submission (the file, the buffer, paths, addresses).
//! Does not own: when an operation is tried (`life`).
//!
//! Invariant: everything that Linux reads at submission is read in `prepare`, so a program may
//! reuse that memory; a try either has its whole effect or none, and says what it waits for.

mod bytes;
mod cancel;
mod files;
mod messages;
mod poll;
mod selected;
mod sockets;
mod time;
mod zero_copy;

use annulus_abi::{CqeFlags, Opcode, SqeFlags, TimeoutFlags};

pub(crate) use cancel::Matcher;
pub(crate) use files::stat_of;

use crate::fault::Fault;
use crate::files::Id;
use crate::hold::Hold;
use crate::machine::Machine;
use crate::memory::Entry;
use crate::request::{Prepared, Request, Tried, target};

/// Whether an operation may be tried late, and its completion be late: all that Linux may hand to a
/// worker or finish through task work.
pub(crate) fn may_be_delayed(op: Opcode) -> bool {
    !matches!(
        op,
        Opcode::TIMEOUT
            | Opcode::TIMEOUT_REMOVE
            | Opcode::LINK_TIMEOUT
            | Opcode::ASYNC_CANCEL
            | Opcode::POLL_REMOVE
    )
}

/// Whether a result breaks a chain.
pub(crate) fn has_failed(entry: &Entry, res: i32) -> bool {
    match entry.opcode {
        Opcode::TIMEOUT if res == -libc::ETIME => {
            !TimeoutFlags(entry.op_flags).contains(TimeoutFlags::ETIME_SUCCESS)
        }
        Opcode::READ | Opcode::WRITE => res != entry.len as i32,
        Opcode::SEND | Opcode::SEND_ZC | Opcode::RECV
            if entry.op_flags as i32 & libc::MSG_WAITALL != 0 =>
        {
            res != entry.len as i32
        }
        _ => res < 0,
    }
}

/// Whether an operation works on an open file, which it then holds until it ends.
fn has_file(op: Opcode) -> bool {
    matches!(
        op,
        Opcode::READ
            | Opcode::WRITE
            | Opcode::SEND
            | Opcode::SEND_ZC
            | Opcode::RECV
            | Opcode::SENDMSG
            | Opcode::RECVMSG
            | Opcode::READ_MULTISHOT
            | Opcode::FSYNC
            | Opcode::POLL_ADD
            | Opcode::ACCEPT
            | Opcode::CONNECT
            | Opcode::SHUTDOWN
            | Opcode::BIND
            | Opcode::LISTEN
    )
}

impl Machine {
    /// Reads what is read at submission.
    pub(crate) fn prepare(&mut self, ring: usize, request: &mut Request) {
        if let Err(errno) = self.try_prepare(ring, request) {
            request.prepared = Prepared::Failed(errno);
        }
    }

    fn try_prepare(&mut self, ring: usize, request: &mut Request) -> Result<(), i32> {
        let entry = request.entry.clone();
        if !self.ring(ring).profile.has_op(entry.opcode)
            || entry.flags.contains(SqeFlags::IO_DRAIN)
            || entry.personality != 0
        {
            return Err(libc::EINVAL);
        }
        if has_file(entry.opcode) {
            let file = self.file_of(ring, target(&entry))?;
            self.files.hold(file);
            request.file = Some(file);
        }
        self.prepare_message(request)?;
        match entry.opcode {
            Opcode::SENDMSG | Opcode::RECVMSG => self.hold_message(request)?,
            Opcode::READ | Opcode::RECV if !request.selects_buffer() => {
                let span = entry.buffer();
                if span.is_fault() {
                    return Err(libc::EFAULT);
                }
                let poison = self.strikes(Fault::Poison);
                request.hold = Some(Hold::receiving(span, poison));
            }
            Opcode::WRITE | Opcode::SEND | Opcode::SEND_ZC => {
                if entry.opcode == Opcode::SEND_ZC {
                    self.prepare_zero_copy(request)?;
                }
                if request.selects_buffer() {
                    return Err(libc::EINVAL);
                }
                if entry.buffer().is_fault() {
                    return Err(libc::EFAULT);
                }
                request.hold = Some(Hold::sending(entry.buffer()));
            }
            Opcode::READ | Opcode::RECV | Opcode::READ_MULTISHOT => {}
            _ if request.selects_buffer() => return Err(libc::EOPNOTSUPP),
            Opcode::TIMEOUT | Opcode::LINK_TIMEOUT => self.prepare_time(ring, request)?,
            Opcode::OPENAT | Opcode::OPENAT2 | Opcode::STATX => self.prepare_name(request)?,
            Opcode::CONNECT | Opcode::BIND => request.prepared = Prepared::Address(entry.address()),
            _ => {}
        }
        Ok(())
    }

    /// Tries a request once.
    pub(crate) fn attempt(&mut self, ring: usize, request: &mut Request) -> Tried {
        if let Prepared::Failed(errno) = request.prepared {
            return Tried::done(-errno);
        }
        let tried = match request.entry.opcode {
            Opcode::NOP => Ok(Tried::done(0)),
            Opcode::READ | Opcode::RECV | Opcode::READ_MULTISHOT => self.read(ring, request),
            Opcode::WRITE | Opcode::SEND => self.write(request),
            Opcode::SENDMSG => self.send_whole(request),
            Opcode::RECVMSG => self.receive_whole(ring, request),
            Opcode::SEND_ZC => {
                self.check_zero_copy(ring, request).and_then(|()| self.write(request))
            }
            Opcode::FSYNC => self.fsync(request),
            Opcode::OPENAT | Opcode::OPENAT2 => self.open(ring, request),
            Opcode::CLOSE => self.close(ring, request),
            Opcode::STATX => self.stat_named(request),
            Opcode::TIMEOUT => self.timeout(ring, request),
            Opcode::LINK_TIMEOUT => self.linked_timeout(ring, request),
            Opcode::TIMEOUT_REMOVE => self.remove_timeout(ring, request),
            Opcode::ASYNC_CANCEL => self.cancel_asked(ring, request),
            Opcode::POLL_REMOVE => self.remove_poll(ring, request),
            Opcode::POLL_ADD => self.poll(ring, request),
            Opcode::SOCKET => self.socket_asked(ring, request),
            Opcode::BIND => self.bind_asked(request),
            Opcode::LISTEN => self.listen_asked(request),
            Opcode::CONNECT => self.connect(request),
            Opcode::ACCEPT => self.accept(ring, request),
            Opcode::SHUTDOWN => self.shutdown_asked(request),
            _ => Err(libc::EINVAL),
        };
        match tried {
            Ok(tried) => tried,
            // What was moved before the error counts.
            Err(_) if request.done > 0 => Tried::done(request.done as i32),
            Err(errno) => Tried::Done(-errno, CqeFlags::EMPTY),
        }
    }

    /// The open file behind a descriptor or a fixed-file slot.
    pub(crate) fn file_of(&mut self, ring: usize, target: (i32, bool)) -> Result<Id, i32> {
        let (fd, fixed) = target;
        if !fixed {
            return self.files.find(fd).map_err(|errno| errno.0);
        }
        let table = self.ring(ring).table.as_ref();
        let slot = table.and_then(|table| table.get(fd as usize).copied().flatten());
        slot.ok_or(libc::EBADF)
    }

    pub(crate) fn must(&self, checked: Result<(), &'static str>) {
        if let Err(what) = checked {
            self.violation(what);
        }
    }
}
