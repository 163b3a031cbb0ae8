//! Every operation against the real kernel: one small behaviour each.
//!
//! Owns: how these tests push an operation and wait for it. An operation that the kernel's probe
//! says is absent is skipped, and said so on standard error.

mod accepts;
mod bytes;
mod cancel;
mod cancels;
mod chains;
mod commands;
mod connects;
mod files;
mod flows;
mod forgotten;
mod made;
mod messages;
mod names;
mod packets;
mod paths;
mod polls;
mod posts;
mod processes;
mod readiness;
mod reads;
mod receives;
mod refused;
mod rings;
mod silent;
mod slots;
mod sockets;
mod time;
mod timers;
mod timestamps;
mod waiters;

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{FromRawFd, OwnedFd},
    time::{Duration, Instant},
};

use annulus_ring::{
    BufRing, Op, Ring,
    abi::{BufRegFlags, Cqe, Errno, Opcode, SqeFlags},
};

use crate::support::wait;

/// How long a completion that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A ring of a size that suits every test here.
pub fn ring() -> Ring {
    Ring::builder().entries(32).build().unwrap()
}

/// Whether the kernel has all of `ops`; what it lacks is said on standard error.
pub fn supported(ring: &Ring, ops: &[Opcode]) -> bool {
    let mut all = true;
    for &op in ops {
        if !ring.capabilities().supports(op) {
            said("this kernel has no such operation", op);
            all = false;
        }
    }
    all
}

/// Says that a test is skipped, past the harness, which would swallow `eprintln!`.
fn said(why: &str, op: Opcode) {
    let line = format!("skipped: {op:?}: {why}\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Both ends of a pipe, the one to read from first.
pub fn pipe() -> (File, File) {
    let mut ends = [-1; 2];
    // SAFETY: room for the two descriptors that the call writes.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0);
    let [reader, writer] = ends.map(|fd| {
        // SAFETY: the call gave both descriptors to this test.
        File::from(unsafe { OwnedFd::from_raw_fd(fd) })
    });
    (reader, writer)
}

/// Pushes `op` as the next link of a chain, or with other flags, without submitting.
pub fn link<O: Op>(ring: &mut Ring, op: &O, user_data: u64, flags: SqeFlags) {
    // SAFETY: the tests keep what their operations point at until they saw the last completion; one
    // that fails before ends the process.
    unsafe { ring.push_with_flags(op, user_data, flags) }.unwrap();
}

/// Pushes and submits `op`.
pub fn push<O: Op>(ring: &mut Ring, op: &O, user_data: u64) {
    link(ring, op, user_data, SqeFlags::EMPTY);
    ring.submit().unwrap();
}

/// Submits what was pushed and waits for the next completion.
pub fn next(ring: &mut Ring) -> Cqe {
    if ring.sq_pending() > 0 {
        ring.submit().unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(cqe) = ring.completions().next() {
            return cqe;
        }
        // A wait may end early: task work need not bring a completion.
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no completion within {PATIENCE:?}");
        wait(ring, 1, Some(left.as_nanos() as u64));
    }
}

/// Waits for two completions, in whichever order, and gives them in the order of their user data.
pub fn next_two(ring: &mut Ring) -> [Cqe; 2] {
    let mut cqes = [next(ring), next(ring)];
    cqes.sort_by_key(|cqe| cqe.user_data);
    cqes
}

/// Runs `op` alone.
pub fn run<O: Op>(ring: &mut Ring, op: &O) -> Result<O::Output, Errno> {
    const ALONE: u64 = 0xa10e;
    push(ring, op, ALONE);
    let cqe = next(ring);
    assert_eq!(cqe.user_data, ALONE, "{cqe:?}");
    decode::<O>(&cqe)
}

/// What a completion of `O` means, errors as their number.
pub fn decode<O: Op>(cqe: &Cqe) -> Result<O::Output, Errno> {
    O::decode(cqe).map_err(|error| Errno(error.raw_os_error().unwrap()))
}

/// A group of provided buffers.
struct Group {
    buffers: BufRing,
    memory: Vec<Vec<u8>>,
}

impl Group {
    /// Registers group `bgid` with `count` buffers of `size` bytes each, numbered from 0.
    fn new(ring: &mut Ring, bgid: u16, count: u16, size: usize) -> Self {
        // SAFETY: `finish` unregisters it; a test that fails before ends the process.
        let buffers = unsafe { ring.register_buf_ring(16, bgid, BufRegFlags::EMPTY) }.unwrap();
        let memory = vec![vec![0; size]; usize::from(count)];
        let mut group = Self { buffers, memory };
        for bid in 0..count {
            group.give(bid);
        }
        group
    }

    /// Gives a buffer to the kernel (again).
    fn give(&mut self, bid: u16) {
        let memory = &mut self.memory[usize::from(bid)];
        let len = memory.len() as u32;
        // SAFETY: the memory lives as long as the group, which nobody reads before a completion
        // names the buffer.
        unsafe { self.buffers.push(bid, memory.as_mut_ptr(), len) };
        self.buffers.publish();
    }

    /// The first bytes of a buffer that the kernel filled.
    fn bytes(&self, bid: Option<u16>, len: u32) -> &[u8] {
        &self.memory[usize::from(bid.unwrap())][..len as usize]
    }

    /// Unregisters the group.
    fn finish(self, ring: &mut Ring) {
        ring.unregister_buf_ring(self.buffers).unwrap();
    }
}
