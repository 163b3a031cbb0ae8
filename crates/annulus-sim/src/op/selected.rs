//! Receives into provided buffers, once or again and again.
//!
//! Owns: choosing the buffer, the flags of each completion, and when a multishot ends. Mirrors
//! io_uring_prep_recv_multishot(3), io_uring_prep_read_multishot(3).
//!
//! | what happens | completion |
//! |---|---|
//! | data | `BUFFER`, `MORE` if it stays armed, `BUF_MORE` if the kernel keeps the buffer |
//! | no buffer | `-ENOBUFS`, final, whether there is data or not |
//! | the end | 0, final, no buffer |
//! | data, and the completion queue is full | final, with its data |

use annulus_abi::{Cqe, CqeFlags, Opcode, RecvSendFlags};

use crate::fault::Fault;
use crate::files::Id;
use crate::group::Taken;
use crate::machine::Machine;
use crate::request::{Request, Tried, Wait};
use crate::ring::Posted;
use crate::stream::Sight;

impl Request {
    fn is_multishot(&self) -> bool {
        match self.entry.opcode {
            Opcode::READ_MULTISHOT => true,
            Opcode::RECV => {
                RecvSendFlags(self.entry.ioprio).contains(RecvSendFlags::RECV_MULTISHOT)
            }
            _ => false,
        }
    }
}

/// What of a receive's `ioprio` is modelled.
const MODELLED: RecvSendFlags =
    RecvSendFlags(RecvSendFlags::POLL_FIRST.0 | RecvSendFlags::RECV_MULTISHOT.0);

impl Machine {
    pub(super) fn receive_selected(
        &mut self,
        ring: usize,
        request: &mut Request,
        stream: Id,
    ) -> Result<Tried, i32> {
        let multishot = request.is_multishot();
        let entry = &request.entry;
        let all = entry.op_flags as i32 & libc::MSG_WAITALL != 0;
        let recv = entry.opcode == Opcode::RECV;
        if multishot && (!request.selects_buffer() || (recv && (all || entry.len != 0)))
            || recv && !RecvSendFlags(entry.ioprio).without(MODELLED).is_empty()
            || recv && entry.file_index != 0
        {
            return Err(libc::EINVAL);
        }
        loop {
            let room = self.room_in_group(ring, request.entry.buf_group())?;
            let wanted = if request.entry.len == 0 { room } else { room.min(request.entry.len) };
            let there = match self.stream(stream).sight() {
                Sight::Bytes(there) => there,
                Sight::End => return Ok(Tried::done(0)),
                Sight::Reset => {
                    self.stream(stream).reset = false;
                    return Err(libc::ECONNRESET);
                }
                Sight::Nothing if request.may_not_wait() => return Err(libc::EAGAIN),
                Sight::Nothing => return Ok(Tried::Wait(vec![Wait::Readable(stream)])),
            };
            let count = self.shortened(Fault::ShortRead, there.min(wanted as usize));
            let bytes = self.stream(stream).take(count);
            self.wake(Wait::Writable(stream));
            let mut flags = self.fill_buffer(ring, request, &bytes);
            if request.entry.opcode == Opcode::RECV && self.stream(stream).len() > 0 {
                flags |= CqeFlags::SOCK_NONEMPTY;
            }
            if !multishot || self.ends_early(ring) {
                return Ok(Tried::Done(count as i32, flags));
            }
            let cqe = Cqe {
                user_data: request.entry.user_data,
                res: count as i32,
                flags: flags | CqeFlags::MORE,
            };
            self.post_more(ring, cqe);
            if self.stream(stream).sight() == Sight::Nothing {
                return Ok(Tried::Wait(vec![Wait::Readable(stream)]));
            }
        }
    }

    /// Whether a multishot ends with the completion that it is about to post.
    pub(super) fn ends_early(&mut self, ring: usize) -> bool {
        self.ring(ring).is_full()
            || self.strikes(Fault::MultishotEnd)
            || self.choices.chance("overflow", self.faults.rate(Fault::Overflow))
    }

    /// Room in the first buffer of a group.
    pub(super) fn room_in_group(&mut self, ring: usize, bgid: u16) -> Result<u32, i32> {
        let poison = self.faults.rate(Fault::Poison) > 0;
        let group = self.ring(ring).groups.get_mut(&bgid).ok_or(libc::ENOBUFS)?;
        let looked = group.look(poison);
        let room = group.room();
        self.must(looked);
        let room = room.ok_or(libc::ENOBUFS)?;
        if self.strikes(Fault::NoBuffers) { Err(libc::ENOBUFS) } else { Ok(room) }
    }

    pub(super) fn fill_buffer(&mut self, ring: usize, request: &Request, bytes: &[u8]) -> CqeFlags {
        let strays = self.strikes(Fault::WrongBuffer);
        let bgid = request.entry.buf_group();
        let group = self.ring(ring).groups.get_mut(&bgid);
        let filled = group.map(|group| match strays {
            true => Ok(Taken { bid: group.foreign(), more: false }),
            false => group.fill(bytes),
        });
        let taken = match filled {
            Some(Ok(taken)) => taken,
            Some(Err(what)) => self.violation(what),
            None => panic!("the group was there when its room was asked for"),
        };
        let mut flags = CqeFlags(u32::from(taken.bid) << CqeFlags::BUFFER_SHIFT) | CqeFlags::BUFFER;
        if taken.more {
            flags |= CqeFlags::BUF_MORE;
        }
        flags
    }

    /// Posts a completion of a request that stays armed; there is room, `ends_early` has looked.
    pub(super) fn post_more(&mut self, ring: usize, cqe: Cqe) {
        let posted = self.post_as(ring, cqe, false);
        debug_assert_eq!(posted, Posted::Queue, "a completion with F_MORE never overflows");
    }
}
