//! Bytes that `send_nowait` took: chunks that coalesce, wait in the send queue, and go out
//! unawaited.
//!
//! Owns: the chunk as an operation, and the accounting of queued bytes. Invariants: bytes are sent
//! in the order in which they were queued, each exactly once unless the connection fails; a chunk
//! takes more bytes only while it is not with the kernel; the bound is checked before bytes are
//! taken, so one call may go over it, and the next one is refused.

use std::io::{self, IoSlice};
use std::task::Poll;

use annulus_ring::abi::{Opcode, RecvSendFlags, Sqe};
use annulus_ring::op::{self, Op as _, Target};
use annulus_task::Waiter;

use super::key::{Handle, Key, NONE};
use super::op::{Late, Operation, vtable};
use super::record::Kind;
use super::table::{Lane, Phase, locate};
use super::{Core, State, errors};
use crate::buf::clamp_transfer;

/// A chunk is full when it has this many bytes; the next ones start another.
const CHUNK_BYTES: usize = 64 * 1024;
const SPARE_CHUNKS: usize = 256;
const SPARE_CHUNK_BYTES: usize = 4096;
/// Larger memory is kept as well, but less of it: new pages for each send cost more than the copy.
const SPARE_LARGE: usize = 16;
const SPARE_LARGE_BYTES: usize = 96 * 1024;

/// Bytes that belong to the core.
struct Chunk {
    bytes: Vec<u8>,
    sent: usize,
}

impl Chunk {
    /// The result of the whole, from that of its last send.
    fn outcome(&self, res: i32) -> i32 {
        // The last one took nothing, or nobody waited for the rest: that is lost.
        if res >= 0 && self.sent < self.bytes.len() { -libc::EIO } else { res }
    }
}

// SAFETY: the bytes are on the heap, owned by the chunk, and not changed once it is encoded: only
// an `open` chunk grows, and a chunk is no longer open when it goes to the kernel.
unsafe impl Operation for Chunk {
    type Output = ();
    const OPCODE: Option<Opcode> = Some(Opcode::SEND);
    const LANE: Lane = Lane::Send;
    const CANCELS: bool = false;
    const IS_OURS: bool = true;

    fn handle(&self) -> Option<Handle> {
        None
    }

    fn encode(&mut self, target: Target, sqe: &mut Sqe) {
        let rest = &self.bytes[self.sent.min(self.bytes.len())..];
        let send = op::Send {
            target,
            addr: rest.as_ptr(),
            len: clamp_transfer(rest.len()),
            flags: libc::MSG_NOSIGNAL | libc::MSG_WAITALL,
            ioprio: RecvSendFlags::EMPTY,
        };
        send.encode(sqe);
    }

    fn resume(&mut self, res: i32) -> bool {
        self.sent += res as usize;
        self.sent < self.bytes.len()
    }

    fn complete(self, _core: &Core, _res: i32, _flags: u32) {}

    fn refuse(_this: Option<Self>, _error: io::Error) {}

    fn reclaim_at_once(self, state: &mut State, late: Late) {
        let res = self.outcome(late.res);
        let mut bytes = self.bytes;
        if let Some(key) = late.record {
            state.chunk_ended(key, bytes.len(), res);
        }
        match bytes.capacity() {
            ..=SPARE_CHUNK_BYTES if state.spare_chunks.len() < SPARE_CHUNKS => {
                bytes.clear();
                state.spare_chunks.push(bytes);
            }
            ..=SPARE_CHUNK_BYTES => {}
            // Not cleared: who is given it need not initialise it again.
            ..=SPARE_LARGE_BYTES if state.spare_large.len() < SPARE_LARGE => {
                state.spare_large.push(bytes);
            }
            _ => {}
        }
    }
}

impl State {
    /// `send_nowait`: takes the bytes, or refuses them all.
    pub(crate) fn queue_bytes(&mut self, key: Key, bytes: &[u8]) -> io::Result<()> {
        let open = self.admit(key, bytes.len())?;
        if !bytes.is_empty() && (open == NONE || !self.extend_chunk(open, bytes)) {
            self.append_copy(key, bytes);
        }
        Ok(())
    }

    /// As [`queue_bytes`](Self::queue_bytes); what is large becomes a chunk itself, and other
    /// memory is left in its place.
    pub(crate) fn queue_vec(&mut self, key: Key, bytes: &mut Vec<u8>) -> io::Result<()> {
        if bytes.len() <= SPARE_CHUNK_BYTES {
            return self.queue_bytes(key, bytes);
        }
        self.admit(key, bytes.len())?;
        let spare = self.spare_large.pop().unwrap_or_default();
        let filled = std::mem::replace(bytes, spare);
        self.append_chunk(key, filled);
        Ok(())
    }

    /// Counts bytes as queued, if there is room, and gives the chunk that may take more.
    fn admit(&mut self, key: Key, bytes: usize) -> io::Result<u32> {
        let Some(stream) = self.records.stream(key) else {
            return Err(errors::handle_gone());
        };
        let send = &mut stream.send;
        if let Some(errno) = send.failed.take() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if send.shut {
            return Err(errors::shut());
        }
        if bytes > 0 && send.queued_bytes >= self.send_high_bytes {
            return Err(full(send.queued_bytes));
        }
        send.queued_bytes += bytes;
        Ok(send.open)
    }

    /// Takes as many of the bytes as there is room for, and waits if there is none.
    pub(crate) fn poll_queue(
        &mut self,
        key: Key,
        bufs: &[IoSlice<'_>],
        (waiter, who): (&mut Option<Key>, &mut Waiter),
    ) -> Poll<io::Result<usize>> {
        let most = self.send_high_bytes;
        let Some(stream) = self.records.stream(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        let room = most.saturating_sub(stream.send.queued_bytes);
        if room == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
            // A failure is reported at once, and else it waits: there is no room.
            return self.poll_room((key, most - 1), waiter, who).map_ok(|()| 0);
        }
        let mut taken = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room - taken)];
            if let Err(error) = self.queue_bytes(key, part) {
                return Poll::Ready(Err(error));
            }
            taken += part.len();
        }
        Poll::Ready(Ok(taken))
    }

    fn extend_chunk(&mut self, index: u32, bytes: &[u8]) -> bool {
        let storage = self.table.storage(index);
        // SAFETY: `open` names a slot that `append_chunk` filled with a `Chunk`.
        let mut place = unsafe { locate::<Chunk>(storage) };
        // SAFETY: the chunk is open: it is live and the kernel does not have it.
        let chunk = unsafe { place.as_mut() };
        let fits = chunk.bytes.len() + bytes.len() <= CHUNK_BYTES;
        if fits {
            chunk.bytes.extend_from_slice(bytes);
        }
        fits
    }

    fn append_copy(&mut self, key: Key, bytes: &[u8]) {
        let large = bytes.len() > SPARE_CHUNK_BYTES;
        let spare = if large { &mut self.spare_large } else { &mut self.spare_chunks };
        let mut copy = spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        self.append_chunk(key, copy);
    }

    fn append_chunk(&mut self, key: Key, bytes: Vec<u8>) {
        let round = self.round();
        let chunk = Chunk { bytes, sent: 0 };
        let slot = self.table.take(chunk, vtable::<Chunk>(), Waiter::default()).slot;
        let slot_key = slot.key();
        slot.enter(Lane::Send);
        slot.set_phase(Phase::Queued);
        slot.abandon();
        slot.left = round;
        slot.bind(key);
        let record = self.records.at(key.index);
        record.in_flight += 1;
        let Kind::Stream(stream) = &mut record.kind else {
            return;
        };
        let send = &mut stream.send;
        let tail = std::mem::replace(&mut send.tail, slot_key.index);
        send.open = slot_key.index;
        if tail == NONE {
            send.head = slot_key.index;
            self.dirty.push(key);
            self.has_chores = true;
        } else {
            self.table.at(tail).next = slot_key.index;
        }
    }

    /// The end of a turn: chunks at the head of a send queue go to the kernel.
    #[inline]
    pub(crate) fn start_chunks(&mut self) {
        while let Some(key) = self.dirty.pop() {
            let Some(stream) = self.records.stream(key) else {
                continue;
            };
            let head = stream.send.head;
            if head == NONE {
                continue;
            }
            if stream.send.open == head {
                stream.send.open = NONE;
            }
            self.start_queued(head);
        }
    }

    fn chunk_ended(&mut self, key: Key, bytes: usize, res: i32) {
        let Some(stream) = self.records.stream(key) else {
            return;
        };
        stream.send.queued_bytes -= bytes;
        if res < 0 {
            stream.send.failed = Some(-res);
        }
        let room = stream.send.room;
        self.wake_all(room);
    }

    /// Waits until at most `bytes_max` bytes are queued.
    pub(crate) fn poll_room(
        &mut self,
        (key, bytes_max): (Key, usize),
        waiter: &mut Option<Key>,
        who: &mut Waiter,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = self.records.stream(key) else {
            return Poll::Ready(Err(errors::handle_gone()));
        };
        let send = &mut stream.send;
        if let Some(errno) = send.failed.take() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(errno)));
        }
        // No bytes at all means an empty queue: also sends whose futures are gone come first.
        if send.queued_bytes <= bytes_max && (bytes_max > 0 || send.head == NONE) {
            return Poll::Ready(Ok(()));
        }
        self.waiters.wait(&mut send.room, waiter, who);
        Poll::Pending
    }

    /// A future that waited for room is done or gone.
    pub(crate) fn leave_room(&mut self, key: Key, waiter: Key) -> Waiter {
        let Some(stream) = self.records.stream(key) else {
            return self.waiters.abandon(waiter);
        };
        self.waiters.leave(&mut stream.send.room, waiter).1
    }
}

fn full(queued: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::WouldBlock,
        format!("{queued} bytes wait to be sent and the peer reads slower: await flush() first"),
    )
}

#[cfg(test)]
mod tests;
