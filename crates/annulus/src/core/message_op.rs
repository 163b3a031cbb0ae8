//! Receiving one message: into somebody's buffer, or into the heap where no provided buffer is to
//! be had.
//!
//! Owns: the two operations, with all that the kernel reads and writes meanwhile. Invariants: every
//! address is taken anew when the request goes to the kernel, after the operation's last move; a
//! message that arrives after the future was dropped goes into the socket's queue; the socket is
//! one that keeps messages apart. `MSG_TRUNC` asks such a socket for the whole length of a message,
//! of which it writes as much as there is room for; TCP would throw bytes away, write none and tell
//! their count. So whatever makes a record of messages opens the socket itself, accepts it from a
//! listener of packets, or asks the kernel what it is (`net/foreign.rs`).

use std::io;

use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use annulus_task::Waiter;

use super::key::{Handle, Key};
use super::message::{Layout, Message, Parts, adopt};
use super::messages::BUFFER_BYTES;
use super::op::{Late, Operation, vtable};
use super::table::{Lane, Phase};
use super::{Core, State, errors};
use crate::buf::{BufError, IoBufMut, Lease, clamp_transfer};
use crate::net::control::Control;

/// Room for the address of any family that has messages here.
pub(crate) const NAME_BYTES: usize = 112;

/// A `msghdr` and its one piece: what a request of one buffer points at.
pub(crate) struct Header {
    pub(crate) message: libc::msghdr,
    pub(crate) piece: libc::iovec,
}

// SAFETY: its addresses are only read by the kernel, while the operation that owns it, and all that
// they name, is in a slot; wherever it goes meanwhile nobody follows them.
unsafe impl Send for Header {}
// SAFETY: nothing reads them through a shared reference.
unsafe impl Sync for Header {}

impl Header {
    pub(crate) fn new() -> Self {
        // SAFETY: every field is an integer or a pointer; zero is a value of each.
        let message = unsafe { std::mem::zeroed() };
        Self { message, piece: libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 } }
    }

    /// Names the bytes of a message.
    pub(crate) fn of_piece(&mut self, address: *mut u8, len: usize) {
        self.piece = libc::iovec { iov_base: address.cast(), iov_len: len };
        self.message.msg_iov = &raw mut self.piece;
        self.message.msg_iovlen = 1;
    }

    /// Names its address.
    pub(crate) fn of_name(&mut self, address: *mut u8, len: usize) {
        self.message.msg_name = address.cast();
        self.message.msg_namelen = len as libc::socklen_t;
    }

    /// Names its control data.
    pub(crate) fn of_control(&mut self, address: *mut u8, len: usize) {
        self.message.msg_control = if len == 0 { std::ptr::null_mut() } else { address.cast() };
        self.message.msg_controllen = len as _;
    }
}

/// What a receive into a buffer has brought.
pub(crate) struct Arrival {
    /// Bytes in the buffer.
    pub(crate) bytes: usize,
    /// The length of the message as it was sent.
    pub(crate) sent_bytes: usize,
    pub(crate) name: [u8; NAME_BYTES],
    pub(crate) name_bytes: usize,
}

impl Default for Arrival {
    fn default() -> Self {
        Self { bytes: 0, sent_bytes: 0, name: [0; NAME_BYTES], name_bytes: 0 }
    }
}

impl Arrival {
    /// The sender's address, as the kernel has it; empty if it has none.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name[..self.name_bytes]
    }
}

/// A receive of one message into a buffer of the user.
pub(crate) struct MessageInto<B> {
    handle: Handle,
    layout: Layout,
    buf: B,
    control: Control,
    header: Header,
    name: [u8; NAME_BYTES],
}

impl<B> MessageInto<B> {
    pub(crate) fn new(handle: Handle, layout: Layout, buf: B, control: Control) -> Self {
        Self { handle, layout, buf, control, header: Header::new(), name: [0; NAME_BYTES] }
    }

    fn name_bytes(&self) -> usize {
        (self.header.message.msg_namelen as usize).min(NAME_BYTES)
    }

    fn is_cut(&self) -> bool {
        self.header.message.msg_flags & libc::MSG_CTRUNC != 0
    }

    /// The control data that the kernel has written, and the descriptors in it.
    fn close_control(&mut self) {
        let written = self.header.message.msg_controllen;
        let truncated = self.is_cut();
        let bytes = self.control.written(written);
        // SAFETY: the kernel has just written them, into room that was zeroed before; this runs
        // once for each receive.
        let descriptors = unsafe { adopt(bytes) };
        self.control.filled(descriptors, truncated);
    }
}

// SAFETY: the buffer's memory is stable (the contract of `IoBufMut`), that of the control data is
// on the heap; header and name are in the operation itself, which does not move while it is in a
// slot.
unsafe impl<B: IoBufMut> Operation for MessageInto<B> {
    type Output = Result<(Arrival, B, Control), BufError<(B, Control)>>;
    const OPCODE: Option<Opcode> = Some(Opcode::RECVMSG);
    const LANE: Lane = Lane::Recv;

    fn handle(&self) -> Option<Handle> {
        Some(self.handle)
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let len = clamp_transfer(self.buf.bytes_capacity()) as usize;
        self.header.of_piece(self.buf.bytes_mut_ptr(), len);
        self.header.of_name(self.name.as_mut_ptr(), NAME_BYTES);
        let room = self.control.zeroed_room();
        self.header.of_control(room.as_mut_ptr(), room.len());
        let recv = op::RecvMsg {
            target,
            msg: &raw mut self.header.message,
            flags: libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC,
            ioprio: RecvSendFlags::EMPTY,
        };
        recv.encode(sqe);
    }

    fn complete(mut self, _core: &Core, res: i32, _flags: u32) -> Self::Output {
        if res < 0 {
            self.control.clear();
            return Err(BufError::new(errors::from_res(res), (self.buf, self.control)));
        }
        self.close_control();
        let bytes = (res as usize).min(clamp_transfer(self.buf.bytes_capacity()) as usize);
        // SAFETY: the socket keeps messages apart (the module's invariant), so the kernel wrote the
        // whole message, or as much of it as the capacity holds.
        unsafe { self.buf.set_bytes_len(bytes) };
        let arrival = Arrival {
            bytes,
            sent_bytes: res as usize,
            name: self.name,
            name_bytes: self.name_bytes(),
        };
        Ok((arrival, self.buf, self.control))
    }

    fn refuse(this: Option<Self>, error: io::Error) -> Self::Output {
        Err(BufError::with(error, this.map(|this| (this.buf, this.control))))
    }

    fn orphan(mut self, core: &Core, late: Late) {
        let Some(key) = late.record else { return };
        if late.res < 0 {
            core.state.borrow_mut().message_late(key, late.res, None);
            return;
        }
        self.close_control();
        let sent_bytes = late.res as usize;
        let bytes = sent_bytes.min(clamp_transfer(self.buf.bytes_capacity()) as usize);
        let from = self.buf.bytes_mut_ptr();
        // SAFETY: as in `complete`; the kernel has ended the request, and the buffer is ours.
        let payload = unsafe { std::slice::from_raw_parts(from, bytes) };
        let flags = self.header.message.msg_flags;
        let (name_bytes, control) = (self.name_bytes(), std::mem::take(&mut self.control));
        let (control, descriptors) = control.into_parts();
        let name = &self.name[..name_bytes];
        let parts = Parts { name, control: &control, payload, sent_bytes, flags };
        let message = Message::copied(&parts, self.layout, descriptors);
        core.state.borrow_mut().message_late(key, late.res, Some(message));
    }
}

/// A receive of one message into the heap. It lies there as in a provided buffer.
struct HeapMessage {
    layout: Layout,
    bytes: Vec<u8>,
    header: Header,
}

// SAFETY: the vector's memory is on the heap; the header is in the operation itself, which does not
// move while it is in a slot.
unsafe impl Operation for HeapMessage {
    type Output = ();
    const OPCODE: Option<Opcode> = Some(Opcode::RECVMSG);
    const LANE: Lane = Lane::Recv;

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let (start, payload_at) = (self.bytes.as_mut_ptr(), self.layout.payload_at());
        let (name_bytes, control_bytes) = (self.layout.name_bytes(), self.layout.control_bytes());
        // All within the vector, which is longer than the layout.
        self.header.of_piece(start.wrapping_add(payload_at), self.bytes.len() - payload_at);
        self.header
            .of_name(start.wrapping_add(payload_at - control_bytes - name_bytes), name_bytes);
        self.header.of_control(start.wrapping_add(payload_at - control_bytes), control_bytes);
        let recv = op::RecvMsg {
            target,
            msg: &raw mut self.header.message,
            flags: libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC,
            ioprio: RecvSendFlags::EMPTY,
        };
        recv.encode(sqe);
    }

    fn complete(self, _core: &Core, _res: i32, _flags: u32) {}

    fn refuse(_this: Option<Self>, _error: io::Error) {}

    fn orphan(mut self, core: &Core, late: Late) {
        let Some(key) = late.record else { return };
        let message = (late.res >= 0).then(|| {
            let head = &self.header.message;
            let lens = (head.msg_namelen as usize, head.msg_controllen);
            let (sent_bytes, flags) = (late.res as usize, head.msg_flags);
            let parts = Parts { name: &[], control: &[], payload: &[], sent_bytes, flags };
            Message::write_header(&mut self.bytes, lens, &parts);
            self.bytes.truncate(self.layout.payload_at() + sent_bytes);
            self.bytes.shrink_to_fit();
            let bytes = Lease::from_vec(self.bytes);
            // SAFETY: this receive has just put the message there, in this layout.
            unsafe { Message::received(bytes, self.layout) }
        });
        core.state.borrow_mut().message_late(key, late.res, message.flatten());
    }
}

impl State {
    /// Receives a message into the heap, for a socket that nobody has taken the buffer of.
    pub(crate) fn launch_heap_message_of(&mut self, key: Key) {
        if let Some(layout) = self.records.datagrams(key).map(|datagrams| datagrams.layout()) {
            self.launch_heap_message(key, layout);
        }
    }

    /// Receives once into the heap. The slot has no future: its reclaimer queues the message.
    pub(crate) fn launch_heap_message(&mut self, key: Key, layout: Layout) {
        let Some(record) = self.records.get(key) else {
            return;
        };
        record.in_flight += 1;
        self.counters.heap_receives.add(1);
        self.counters.orphans_in_flight.add(1);
        let round = self.round();
        let bytes = vec![0; BUFFER_BYTES as usize];
        let owner = HeapMessage { layout, bytes, header: Header::new() };
        let slot = self.table.take(owner, vtable::<HeapMessage>(), Waiter::default()).slot;
        let slot_key = slot.key();
        slot.enter(Lane::Recv);
        slot.set_phase(Phase::Orphan);
        slot.left = round;
        slot.bind(key);
        self.launch(slot_key, Lane::Recv);
        if let Some(datagrams) = self.records.datagrams(key) {
            datagrams.heap = Some(slot_key);
        }
    }
}
