//! What a program works on: descriptors, and memory in slots, one for each step of a batch.
//!
//! Two grounds that were made alike stay alike as long as the same happens on them.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use super::{Object, Step, Tie};

/// Bytes of a slot.
pub const BYTES: usize = 96;
/// Most steps of a batch.
pub const SLOTS: usize = 8;

/// Descriptors and memory.
pub struct Ground {
    file: File,
    pipe: [OwnedFd; 2],
    streams: [UnixStream; 2],
    datagrams: [UnixDatagram; 2],
    memory: Box<[u8; BYTES * SLOTS]>,
    fill: u8,
    /// Duplicates that a step was told to close, by its number.
    closing: Vec<(usize, OwnedFd)>,
}

impl Ground {
    pub fn new() -> Self {
        let mut ends = [-1; 2];
        // SAFETY: room for the two descriptors that the call writes.
        let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
        assert_eq!(result, 0);
        // SAFETY: the call gave both descriptors to this ground.
        let pipe = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let pair = UnixStream::pair().unwrap();
        let datagrams = UnixDatagram::pair().unwrap();
        Self {
            file: tempfile::tempfile().unwrap(),
            pipe,
            streams: [pair.0, pair.1],
            datagrams: [datagrams.0, datagrams.1],
            memory: Box::new([0; BYTES * SLOTS]),
            fill: 0,
            closing: Vec::new(),
        }
    }

    /// The descriptor of an object.
    pub fn fd(&self, object: Object) -> RawFd {
        match object {
            Object::File => self.file.as_raw_fd(),
            Object::PipeReader => self.pipe[0].as_raw_fd(),
            Object::PipeWriter => self.pipe[1].as_raw_fd(),
            Object::StreamA => self.streams[0].as_raw_fd(),
            Object::StreamB => self.streams[1].as_raw_fd(),
            Object::DatagramA => self.datagrams[0].as_raw_fd(),
            Object::DatagramB => self.datagrams[1].as_raw_fd(),
            Object::Nothing => 1_000_000,
        }
    }

    /// Whether the step may name an offset: pipes and sockets have none.
    pub fn offset(object: Object, offset: u16) -> u64 {
        if object == Object::File { offset.into() } else { u64::MAX }
    }

    /// What to poll for.
    pub fn events(write: bool) -> u32 {
        (if write { libc::POLLOUT } else { libc::POLLIN }) as u32
    }

    /// User data that no request has.
    pub fn tag(tag: u16) -> u64 {
        0xdead_0000 + u64::from(tag)
    }

    /// A descriptor to be closed by step `index`.
    pub fn closing(&mut self, object: Object, index: usize) -> RawFd {
        if object == Object::Nothing {
            return self.fd(object);
        }
        // SAFETY: the descriptor belongs to this ground and is open.
        let owned = unsafe { BorrowedFd::borrow_raw(self.fd(object)) };
        let duplicate = owned.try_clone_to_owned().unwrap();
        let fd = duplicate.as_raw_fd();
        self.closing.push((index, duplicate));
        fd
    }

    /// Forgets what was closed by its step, and closes the rest.
    pub fn settle(&mut self, is_closed: impl Fn(usize) -> bool) {
        for (index, fd) in self.closing.drain(..) {
            if is_closed(index) {
                // The kernel has closed it, and the number may be another's by now.
                let _ = fd.into_raw_fd();
            }
        }
    }

    /// Whether the object is ready for it now.
    fn is_ready(&self, object: Object, write: bool) -> bool {
        let events = Self::events(write) as i16;
        let mut poll = libc::pollfd { fd: self.fd(object), events, revents: 0 };
        // SAFETY: one entry, which lives during the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready == 1
    }

    /// The same chain without the steps that could wait: each is a NOP instead.
    pub fn without_waits(&self, steps: &[(Step, Tie)]) -> Vec<(Step, Tie)> {
        let mut touched = Vec::new();
        let mut chain = Vec::new();
        for &(step, tie) in steps {
            let kept = if self.may_wait(step, &touched) { Step::Nop } else { step };
            chain.push((kept, tie));
            match step {
                Step::Read { from, .. }
                | Step::Readv { from, .. }
                | Step::Recv { from, .. }
                | Step::RecvMsg { from, .. } => touched.push(from),
                Step::Shutdown { of, .. } => touched.push(of),
                _ => {}
            }
        }
        chain
    }

    /// Whether the step could wait, after steps of its chain that took from `touched`.
    fn may_wait(&self, step: Step, touched: &[Object]) -> bool {
        match step {
            Step::Read { from, .. } | Step::Readv { from, .. } => match from {
                Object::File | Object::Nothing | Object::PipeWriter => false,
                _ => !self.is_ready(from, false) || touched.contains(&from),
            },
            // A write has no flag that keeps it from waiting for room in the other's queue.
            Step::Write { to, .. } | Step::Writev { to, .. } => {
                matches!(to, Object::DatagramA | Object::DatagramB)
            }
            Step::PollAdd { of, write } => !self.is_ready(of, write) || touched.contains(&of),
            _ => false,
        }
    }

    /// Where slot `index` begins.
    pub fn slot(&mut self, index: usize) -> *mut u8 {
        self.memory[index * BYTES..][..BYTES].as_mut_ptr()
    }

    /// Two pieces of slot `index`.
    pub fn pieces(&mut self, index: usize, first: u32, second: u32) -> [libc::iovec; 2] {
        let base = self.slot(index);
        let behind = base.wrapping_add(first as usize);
        [(base, first), (behind, second)]
            .map(|(base, len)| libc::iovec { iov_base: base.cast(), iov_len: len as usize })
    }

    /// Fills the memory with bytes that no batch before had there.
    pub fn refill(&mut self) {
        self.fill = self.fill.wrapping_add(1);
        for (index, byte) in self.memory.iter_mut().enumerate() {
            *byte = (index as u8).wrapping_mul(31).wrapping_add(self.fill);
        }
    }

    pub fn memory(&self) -> &[u8] {
        &self.memory[..]
    }

    /// What the file holds in the end.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0)).unwrap();
        self.file.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// The message headers of a batch, and the pieces that they point at.
pub struct Messages {
    headers: Vec<libc::msghdr>,
    _pieces: Vec<[libc::iovec; 2]>,
}

impl Messages {
    pub fn new(ground: &mut Ground, steps: &[(Step, Tie)]) -> Self {
        let mut pieces: Vec<_> = (0..steps.len())
            .map(|index| match steps[index].0 {
                Step::Readv { first, second, .. }
                | Step::Writev { first, second, .. }
                | Step::SendMsg { first, second, .. }
                | Step::RecvMsg { first, second, .. } => ground.pieces(index, first, second),
                _ => ground.pieces(index, 0, 0),
            })
            .collect();
        let header = |pieces: &mut [libc::iovec; 2]| {
            // SAFETY: a header of zeros names nothing.
            let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
            header.msg_iov = pieces.as_mut_ptr();
            header.msg_iovlen = 2;
            header
        };
        Self { headers: pieces.iter_mut().map(header).collect(), _pieces: pieces }
    }

    pub fn at(&mut self, index: usize) -> *mut libc::msghdr {
        &raw mut self.headers[index]
    }
}
