//! The programs through this crate.

use annulus_ring::{
    Op, Ring, Target,
    abi::{CancelFlags, FsyncFlags, PollFlags, RecvSendFlags, SqeFlags},
    op::{
        Cancel, Close, Fallocate, Fsync, Ftruncate, Nop, PollAdd, Read, Readv, Recv, RecvMsg, Send,
        SendMsg, Shutdown, TimeoutRemove, Write, Writev,
    },
};

use super::{Ground, Outcome, Side, Step, Tie, ground::Messages};
use crate::support::wait;

pub struct Ours {
    ring: Ring,
}

impl Ours {
    pub fn new() -> Self {
        Self { ring: Ring::new(16).unwrap() }
    }

    fn push<O: Op>(&mut self, op: &O, index: usize, tie: Tie) {
        let flags = match tie {
            Tie::Alone => SqeFlags::EMPTY,
            Tie::Linked => SqeFlags::IO_LINK,
            Tie::HardLinked => SqeFlags::IO_HARDLINK,
        };
        // SAFETY: the ground and the messages outlive the batch, which waits for every completion.
        unsafe { self.ring.push_with_flags(op, index as u64, flags) }.unwrap();
    }

    fn bytes(&mut self, ground: &mut Ground, index: usize, (step, tie): (Step, Tie)) {
        let addr = ground.slot(index);
        match step {
            Step::Read { from, len, offset } => {
                let offset = Ground::offset(from, offset);
                let target = Target::Fd(ground.fd(from));
                self.push(&Read { target, addr, len, offset }, index, tie);
            }
            Step::Write { to, len, offset } => {
                let offset = Ground::offset(to, offset);
                let target = Target::Fd(ground.fd(to));
                self.push(&Write { target, addr, len, offset }, index, tie);
            }
            Step::Send { to, len } => {
                let (target, flags) = (Target::Fd(ground.fd(to)), libc::MSG_DONTWAIT);
                let send = Send { target, addr, len, flags, ioprio: RecvSendFlags::EMPTY };
                self.push(&send, index, tie);
            }
            Step::Recv { from, len, peek } => {
                let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
                let target = Target::Fd(ground.fd(from));
                let recv = Recv { target, addr, len, flags, ioprio: RecvSendFlags::EMPTY };
                self.push(&recv, index, tie);
            }
            other => unreachable!("{other:?} moves no plain bytes"),
        }
    }

    fn pieces(&mut self, ground: &Ground, msg: *mut libc::msghdr, index: usize, step: (Step, Tie)) {
        let (step, tie) = step;
        // SAFETY: the header was made for this step and lives as long as the batch.
        let iovecs = unsafe { (*msg).msg_iov };
        let (ioprio, flags) = (RecvSendFlags::EMPTY, libc::MSG_DONTWAIT);
        match step {
            Step::Readv { from, offset, .. } => {
                let (target, offset) = (Target::Fd(ground.fd(from)), Ground::offset(from, offset));
                self.push(&Readv { target, iovecs, count: 2, offset, flags: 0 }, index, tie);
            }
            Step::Writev { to, offset, .. } => {
                let (target, offset) = (Target::Fd(ground.fd(to)), Ground::offset(to, offset));
                self.push(&Writev { target, iovecs, count: 2, offset, flags: 0 }, index, tie);
            }
            Step::SendMsg { to, .. } => {
                let target = Target::Fd(ground.fd(to));
                self.push(&SendMsg { target, msg, flags, ioprio }, index, tie);
            }
            Step::RecvMsg { from, .. } => {
                let target = Target::Fd(ground.fd(from));
                self.push(&RecvMsg { target, msg, flags, ioprio }, index, tie);
            }
            other => unreachable!("{other:?} has no pieces"),
        }
    }

    fn rest(&mut self, ground: &mut Ground, index: usize, (step, tie): (Step, Tie)) {
        match step {
            Step::Fsync { of, data_only } => {
                let flags = if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::EMPTY };
                self.push(&Fsync { target: Target::Fd(ground.fd(of)), flags }, index, tie);
            }
            Step::Fallocate { of, offset, len } => {
                let (target, offset) = (Target::Fd(ground.fd(of)), offset.into());
                self.push(&Fallocate { target, mode: 0, offset, len: len.into() }, index, tie);
            }
            Step::Ftruncate { of, len } => {
                let target = Target::Fd(ground.fd(of));
                self.push(&Ftruncate { target, len: len.into() }, index, tie);
            }
            Step::Shutdown { of, how } => {
                let target = Target::Fd(ground.fd(of));
                self.push(&Shutdown { target, how: how.into() }, index, tie);
            }
            Step::PollAdd { of, write } => {
                let (target, events) = (Target::Fd(ground.fd(of)), Ground::events(write));
                self.push(&PollAdd { target, events, flags: PollFlags::EMPTY }, index, tie);
            }
            Step::Cancel { tag } => {
                let user_data = Ground::tag(tag);
                self.push(&Cancel { user_data, flags: CancelFlags::EMPTY }, index, tie);
            }
            Step::TimeoutRemove { tag } => {
                self.push(&TimeoutRemove { user_data: Ground::tag(tag) }, index, tie);
            }
            Step::Close { of } => self.push(&Close { fd: ground.closing(of, index) }, index, tie),
            _ => self.push(&Nop, index, tie),
        }
    }
}

impl Side for Ours {
    fn batch(&mut self, ground: &mut Ground, steps: &[(Step, Tie)]) -> Vec<Outcome> {
        let mut messages = Messages::new(ground, steps);
        for (index, &step) in steps.iter().enumerate() {
            match step.0 {
                Step::Read { .. } | Step::Write { .. } | Step::Send { .. } | Step::Recv { .. } => {
                    self.bytes(ground, index, step);
                }
                Step::Readv { .. }
                | Step::Writev { .. }
                | Step::SendMsg { .. }
                | Step::RecvMsg { .. } => self.pieces(ground, messages.at(index), index, step),
                _ => self.rest(ground, index, step),
            }
        }
        let mut cqes = Vec::new();
        while cqes.len() < steps.len() {
            let missing = (steps.len() - cqes.len()) as u32;
            wait(&mut self.ring, missing, None);
            self.ring.reap_into(&mut cqes);
        }
        cqes.iter().map(|cqe| (cqe.user_data, cqe.res, cqe.flags.bits())).collect()
    }
}
