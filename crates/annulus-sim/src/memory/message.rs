//! A `struct msghdr` that a request names, and what it names in turn.
//!
//! Owns: reading it once, at submission, and writing back what recvmsg(2) writes. Invariant: see
//! the parent module.

use core::mem::offset_of;

use super::Span;

/// The most pieces that a message has (`UIO_MAXIOV`).
const PIECES_MAX: usize = 1024;

/// What a message is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MessageHeader {
    header: Span,
    pub(crate) name: Span,
    pub(crate) pieces: Vec<Span>,
    pub(crate) control: Span,
}

impl MessageHeader {
    /// # Safety
    /// * There is a `struct msghdr` at the address, and it and what it names are as `Span::new`
    ///   demands. A null name, or null control data, have a length all the same where nothing but
    ///   the length counts.
    pub(super) unsafe fn new(addr: u64) -> Self {
        let at = core::ptr::with_exposed_provenance::<libc::msghdr>(addr as usize);
        // SAFETY: the caller's contract.
        let header = unsafe { at.read_unaligned() };
        // SAFETY: the caller's contract.
        let own = unsafe { Span::new(addr, size_of::<libc::msghdr>() as u32) };
        let name = header.msg_name.expose_provenance() as u64;
        // SAFETY: the caller's contract.
        let name = unsafe { Span::new(name, header.msg_namelen) };
        let control = header.msg_control.expose_provenance() as u64;
        // SAFETY: the caller's contract.
        let control = unsafe { Span::new(control, header.msg_controllen as u32) };
        let count = (header.msg_iovlen as usize).min(PIECES_MAX);
        let pieces = (0..count).map(|index| {
            // SAFETY: the caller's contract: there are so many pieces.
            let piece = unsafe { header.msg_iov.add(index) };
            // SAFETY: as above.
            let piece = unsafe { piece.read_unaligned() };
            let start = piece.iov_base.expose_provenance() as u64;
            // SAFETY: the caller's contract.
            unsafe { Span::new(start, piece.iov_len as u32) }
        });
        Self { header: own, name, pieces: pieces.collect(), control }
    }

    /// Bytes that fit into the first piece: the only one that is modelled for receiving.
    pub(crate) fn room(&self) -> usize {
        self.pieces.first().map_or(0, |piece| piece.len() as usize)
    }

    /// Writes what a receive tells besides the bytes.
    pub(crate) fn answer(&self, name: &[u8], flags: i32) {
        if !self.name.is_fault() {
            self.name.write(&name[..name.len().min(self.name.len() as usize)]);
        }
        let field = |offset: usize, len: u32| self.header.part(offset as u32, len);
        field(offset_of!(libc::msghdr, msg_namelen), 4).write(&(name.len() as u32).to_ne_bytes());
        field(offset_of!(libc::msghdr, msg_controllen), 8).write(&0_u64.to_ne_bytes());
        field(offset_of!(libc::msghdr, msg_flags), 4).write(&flags.to_ne_bytes());
    }
}
