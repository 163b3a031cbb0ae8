//! The programs through the `io-uring` crate.

use io_uring::{IoUring, opcode, squeue, types};

use super::{Ground, Outcome, Side, Step, Tie, ground::Messages};

pub struct Theirs {
    ring: IoUring,
}

impl Theirs {
    pub fn new() -> Self {
        Self { ring: IoUring::new(16).unwrap() }
    }
}

fn bytes(ground: &mut Ground, index: usize, step: Step) -> squeue::Entry {
    let addr = ground.slot(index);
    match step {
        Step::Read { from, len, offset } => {
            let offset = Ground::offset(from, offset);
            opcode::Read::new(types::Fd(ground.fd(from)), addr, len).offset(offset).build()
        }
        Step::Write { to, len, offset } => {
            let offset = Ground::offset(to, offset);
            opcode::Write::new(types::Fd(ground.fd(to)), addr, len).offset(offset).build()
        }
        Step::Send { to, len } => {
            let send = opcode::Send::new(types::Fd(ground.fd(to)), addr, len);
            send.flags(libc::MSG_DONTWAIT).build()
        }
        Step::Recv { from, len, peek } => {
            let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
            opcode::Recv::new(types::Fd(ground.fd(from)), addr, len).flags(flags).build()
        }
        other => unreachable!("{other:?} moves no plain bytes"),
    }
}

fn pieces(ground: &Ground, msg: *mut libc::msghdr, step: Step) -> squeue::Entry {
    // SAFETY: the header was made for this step and lives as long as the batch.
    let iovecs = unsafe { (*msg).msg_iov };
    let flags = libc::MSG_DONTWAIT as u32;
    match step {
        Step::Readv { from, offset, .. } => {
            let readv = opcode::Readv::new(types::Fd(ground.fd(from)), iovecs, 2);
            readv.offset(Ground::offset(from, offset)).build()
        }
        Step::Writev { to, offset, .. } => {
            let writev = opcode::Writev::new(types::Fd(ground.fd(to)), iovecs, 2);
            writev.offset(Ground::offset(to, offset)).build()
        }
        Step::SendMsg { to, .. } => {
            opcode::SendMsg::new(types::Fd(ground.fd(to)), msg).flags(flags).build()
        }
        Step::RecvMsg { from, .. } => {
            opcode::RecvMsg::new(types::Fd(ground.fd(from)), msg).flags(flags).build()
        }
        other => unreachable!("{other:?} has no pieces"),
    }
}

fn rest(ground: &mut Ground, index: usize, step: Step) -> squeue::Entry {
    match step {
        Step::Fsync { of, data_only } => {
            let fsync = opcode::Fsync::new(types::Fd(ground.fd(of)));
            let datasync = types::FsyncFlags::DATASYNC;
            fsync.flags(if data_only { datasync } else { types::FsyncFlags::empty() }).build()
        }
        Step::Fallocate { of, offset, len } => {
            let fallocate = opcode::Fallocate::new(types::Fd(ground.fd(of)), len.into());
            fallocate.offset(offset.into()).build()
        }
        Step::Ftruncate { of, len } => {
            opcode::Ftruncate::new(types::Fd(ground.fd(of)), len.into()).build()
        }
        Step::Shutdown { of, how } => {
            opcode::Shutdown::new(types::Fd(ground.fd(of)), how.into()).build()
        }
        Step::PollAdd { of, write } => {
            opcode::PollAdd::new(types::Fd(ground.fd(of)), Ground::events(write)).build()
        }
        Step::Cancel { tag } => opcode::AsyncCancel::new(Ground::tag(tag)).build(),
        Step::TimeoutRemove { tag } => opcode::TimeoutRemove::new(Ground::tag(tag)).build(),
        Step::Close { of } => opcode::Close::new(types::Fd(ground.closing(of, index))).build(),
        _ => opcode::Nop::new().build(),
    }
}

impl Side for Theirs {
    fn batch(&mut self, ground: &mut Ground, steps: &[(Step, Tie)]) -> Vec<Outcome> {
        let mut messages = Messages::new(ground, steps);
        for (index, &(step, tie)) in steps.iter().enumerate() {
            let entry = match step {
                Step::Read { .. } | Step::Write { .. } | Step::Send { .. } | Step::Recv { .. } => {
                    bytes(ground, index, step)
                }
                Step::Readv { .. }
                | Step::Writev { .. }
                | Step::SendMsg { .. }
                | Step::RecvMsg { .. } => pieces(ground, messages.at(index), step),
                _ => rest(ground, index, step),
            };
            let flags = match tie {
                Tie::Alone => squeue::Flags::empty(),
                Tie::Linked => squeue::Flags::IO_LINK,
                Tie::HardLinked => squeue::Flags::IO_HARDLINK,
            };
            let entry = entry.user_data(index as u64).flags(flags);
            // SAFETY: ground and messages outlive the batch, which waits for every completion.
            unsafe { self.ring.submission().push(&entry) }.unwrap();
        }
        let mut outcomes = Vec::new();
        while outcomes.len() < steps.len() {
            self.ring.submit_and_wait(steps.len() - outcomes.len()).unwrap();
            let ready = self.ring.completion();
            outcomes.extend(ready.map(|cqe| (cqe.user_data(), cqe.result(), cqe.flags())));
        }
        outcomes
    }
}
