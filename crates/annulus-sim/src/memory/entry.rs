//! A consumed entry and the memory that it describes.
//!
//! Owns: making [`Span`]s of addresses, and reading what is read once, at submission. Invariant: an
//! entry comes out of a submission ring, so its promises were made; see the parent module.

use core::ffi::CStr;
use core::ops::Deref;

use annulus_abi::{Sqe, Timespec};

use super::{MessageHeader, Span};

/// A consumed entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry(Sqe);

/// What OPENAT2 is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenHow {
    pub(crate) flags: u64,
    pub(crate) resolve: u64,
}

/// Where an accept writes the peer's address and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomForAddress {
    pub(crate) bytes: Span,
    pub(crate) len: Span,
}

impl Deref for Entry {
    type Target = Sqe;
    fn deref(&self) -> &Sqe {
        &self.0
    }
}

impl Entry {
    /// # Safety
    /// * What the entry describes stays valid until its last completion.
    pub(super) unsafe fn new(sqe: Sqe) -> Self {
        Self(sqe)
    }

    /// The buffer of a read, write, send or receive.
    pub(crate) fn buffer(&self) -> Span {
        self.span(self.0.addr, self.0.len)
    }

    /// `len` bytes at an address of the entry.
    fn span(&self, addr: u64, len: u32) -> Span {
        // SAFETY: the entry describes them, and the request that holds the span ends before they
        // do.
        unsafe { Span::new(addr, len) }
    }

    /// The time of a timeout, in nanoseconds; `None` if the address is null or the time is not one.
    pub(crate) fn timespec_ns(&self, addr: u64) -> Option<u64> {
        let span = self.span(addr, size_of::<Timespec>() as u32);
        if span.is_fault() {
            return None;
        }
        let bytes = span.read();
        let (sec, nsec) = (i64_at(&bytes, 0), i64_at(&bytes, 8));
        if sec < 0 || !(0..1_000_000_000).contains(&nsec) {
            return None;
        }
        Some((sec as u64).saturating_mul(1_000_000_000).saturating_add(nsec as u64))
    }

    /// The path at `addr` of the entry; `None` if there is none.
    pub(crate) fn path(&self) -> Option<Vec<u8>> {
        if self.0.addr == 0 {
            return None;
        }
        let start = core::ptr::with_exposed_provenance(self.0.addr as usize);
        // SAFETY: the entry describes a C string, valid now.
        let path = unsafe { CStr::from_ptr(start) };
        Some(path.to_bytes().to_vec())
    }

    /// The `struct open_how` of an OPENAT2.
    pub(crate) fn open_how(&self) -> Option<OpenHow> {
        let span = self.span(self.0.off, size_of::<libc::open_how>() as u32);
        if span.is_fault() {
            return None;
        }
        let bytes = span.read();
        Some(OpenHow { flags: i64_at(&bytes, 0) as u64, resolve: i64_at(&bytes, 16) as u64 })
    }

    /// The socket address of a CONNECT or BIND.
    pub(crate) fn address(&self) -> Vec<u8> {
        let len = (self.0.off as u32).min(size_of::<libc::sockaddr_storage>() as u32);
        let span = self.span(self.0.addr, len);
        if span.is_fault() { Vec::new() } else { span.read() }
    }

    /// The address that a SEND goes to.
    pub(crate) fn destination(&self) -> Vec<u8> {
        let len = self.0.file_index.min(size_of::<libc::sockaddr_storage>() as u32);
        self.span(self.0.off, len).read()
    }

    /// The `struct msghdr` of a SENDMSG or RECVMSG; `None` if there is none.
    pub(crate) fn message_header(&self) -> Option<MessageHeader> {
        // SAFETY: the entry describes the header and what it names, as long as the request lasts.
        (self.0.addr != 0).then(|| unsafe { MessageHeader::new(self.0.addr) })
    }

    /// Where an ACCEPT writes an address, if it shall.
    pub(crate) fn room_for_address(&self) -> Option<RoomForAddress> {
        if self.0.addr == 0 || self.0.off == 0 {
            return None;
        }
        let len = self.span(self.0.off, 4);
        let room = u32::from_le_bytes(len.read().try_into().unwrap_or([0; 4]));
        Some(RoomForAddress { bytes: self.span(self.0.addr, room), len })
    }

    /// Where a STATX writes.
    pub(crate) fn statx_room(&self) -> Span {
        self.span(self.0.off, size_of::<libc::statx>() as u32)
    }
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
    word.map_or(0, i64::from_le_bytes)
}

/// The bytes of a `struct statx`.
pub(crate) fn statx_bytes(stat: &libc::statx) -> Vec<u8> {
    let start = (&raw const *stat).cast::<u8>();
    // SAFETY: a `statx` is plain integers; made from a zeroed one, so its padding is initialised.
    unsafe { core::slice::from_raw_parts(start, size_of::<libc::statx>()) }.to_vec()
}

/// A `struct statx` in which nothing is set.
pub(crate) fn blank_statx() -> libc::statx {
    // SAFETY: a `statx` is plain integers, for which zero is a value.
    unsafe { core::mem::zeroed() }
}
