//! A message that has arrived, in the form in which a core keeps it.
//!
//! Owns: the layout, which is the one that a multishot RECVMSG gives a provided buffer, and the
//! descriptors that came along. Does not own: the buffer (its lease does), nor what the parts mean
//! (`net`).
//!
//! ```text
//!   | header 16 | room for the name | room for control data | payload … |
//! ```
//!
//! Messages that come by other ways, into the heap or late into somebody's buffer, are brought into
//! this form, so that a queue holds one kind of thing. Invariant: descriptors in the control data
//! are owned from the moment of the completion. Mirrors io_uring_prep_recvmsg_multishot(3).

use std::os::fd::{FromRawFd as _, OwnedFd};

use annulus_ring::op::MessageParts;

use crate::buf::Lease;
use crate::net::control::{Descriptors, numbers, pidfd_in};

const HEADER_BYTES: usize = 16;

/// How much room a message has for its address and its control data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// Of UDP: a `sockaddr_in6`, and all that a socket can be asked to tell, several times over.
    Internet,
    /// Of Unix sockets: a `sockaddr_un`, and 253 descriptors with credentials and labels.
    Unix,
}

/// What the kernel is told of a layout. It lives for ever, so it outlives every request.
struct Shape(libc::msghdr);

// SAFETY: nobody changes it, and its pointers are null.
unsafe impl Sync for Shape {}

const fn shape(layout: Layout) -> Shape {
    // SAFETY: every field is an integer or a pointer; zero is a value of each.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_namelen = layout.name_bytes() as libc::socklen_t;
    header.msg_controllen = layout.control_bytes() as _;
    Shape(header)
}

static INTERNET: Shape = shape(Layout::Internet);
static UNIX: Shape = shape(Layout::Unix);

impl Layout {
    /// Room for the address, a multiple of 16 so that the control data are aligned.
    pub(crate) const fn name_bytes(self) -> usize {
        match self {
            Self::Internet => 32,
            Self::Unix => 112,
        }
    }

    pub(crate) const fn control_bytes(self) -> usize {
        match self {
            Self::Internet => 256,
            Self::Unix => 1152,
        }
    }

    /// Where the payload begins.
    pub(crate) const fn payload_at(self) -> usize {
        HEADER_BYTES + self.name_bytes() + self.control_bytes()
    }

    /// What a multishot RECVMSG is given.
    pub(crate) fn header(self) -> *const libc::msghdr {
        match self {
            Self::Internet => &raw const INTERNET.0,
            Self::Unix => &raw const UNIX.0,
        }
    }
}

/// The parts of a message that lie elsewhere than in a provided buffer.
pub(crate) struct Parts<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) control: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// The length of the message as it was sent.
    pub(crate) sent_bytes: usize,
    pub(crate) flags: i32,
}

/// A message that has arrived.
#[derive(Debug)]
pub(crate) struct Message {
    /// All of it, header included.
    bytes: Lease,
    layout: Layout,
    descriptors: Descriptors,
}

impl Message {
    /// What the kernel has put into a buffer; `None` if that is no message.
    ///
    /// # Safety
    /// * A receive into this layout has just ended with these bytes, and nobody else looks for
    ///   descriptors in them.
    pub(crate) unsafe fn received(bytes: Lease, layout: Layout) -> Option<Self> {
        let parts = MessageParts::parse(&bytes, layout.name_bytes(), layout.control_bytes())?;
        // SAFETY: the caller's contract.
        let descriptors = unsafe { adopt(parts.control) };
        Some(Self { bytes, layout, descriptors })
    }

    /// A message that is copied to the heap, with the descriptors that its control data name.
    pub(crate) fn copied(parts: &Parts<'_>, layout: Layout, descriptors: Descriptors) -> Self {
        let name = &parts.name[..parts.name.len().min(layout.name_bytes())];
        let control = &parts.control[..parts.control.len().min(layout.control_bytes())];
        let mut bytes = Vec::with_capacity(layout.payload_at() + parts.payload.len());
        header(&mut bytes, name.len(), control.len(), parts);
        bytes.extend_from_slice(name);
        bytes.resize(HEADER_BYTES + layout.name_bytes(), 0);
        bytes.extend_from_slice(control);
        bytes.resize(layout.payload_at(), 0);
        bytes.extend_from_slice(parts.payload);
        Self { bytes: Lease::from_vec(bytes), layout, descriptors }
    }

    /// The header, written into the room before what the kernel has put into `bytes`.
    pub(crate) fn write_header(bytes: &mut [u8], lens: (usize, usize), parts: &Parts<'_>) {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        header(&mut head, lens.0, lens.1, parts);
        bytes[..HEADER_BYTES].copy_from_slice(&head);
    }

    fn parts(&self) -> MessageParts<'_> {
        let (name, control) = (self.layout.name_bytes(), self.layout.control_bytes());
        MessageParts::parse(&self.bytes, name, control).expect("it was parsed when it was made")
    }

    /// The sender's address, as the kernel has it; empty if it has none.
    pub(crate) fn name(&self) -> &[u8] {
        self.parts().name
    }

    pub(crate) fn control(&self) -> &[u8] {
        self.parts().control
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.parts().payload
    }

    /// `MSG_TRUNC`, `MSG_CTRUNC`, …
    pub(crate) fn flags(&self) -> i32 {
        self.parts().flags as i32
    }

    /// The length of the message as it was sent.
    pub(crate) fn sent_bytes(&self) -> usize {
        let length: [u8; 4] = [self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]];
        u32::from_ne_bytes(length) as usize
    }

    /// What the control data name.
    pub(crate) fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    pub(crate) fn take_descriptors(&mut self) -> Descriptors {
        std::mem::take(&mut self.descriptors)
    }

    pub(crate) fn take_rights(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors.rights)
    }

    /// The payload alone; the descriptors are closed.
    pub(crate) fn into_payload(mut self) -> Lease {
        let len = self.payload().len();
        self.bytes.advance(self.layout.payload_at());
        self.bytes.truncate(len);
        self.bytes
    }
}

/// `struct io_uring_recvmsg_out`.
fn header(bytes: &mut Vec<u8>, name: usize, control: usize, parts: &Parts<'_>) {
    let words = [name, control, parts.sent_bytes, parts.flags as usize];
    bytes.extend(words.into_iter().flat_map(|word| (word as u32).to_ne_bytes()));
}

/// Owns the descriptors that control data name.
///
/// # Safety
/// * The kernel has just written these control data, and nobody else looks for descriptors in them.
pub(crate) unsafe fn adopt(control: &[u8]) -> Descriptors {
    if control.is_empty() {
        return Descriptors::default();
    }
    // SAFETY: the kernel has opened this descriptor for whoever reads the message; that is us.
    let own = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
    let is_one = |fd: &i32| *fd >= 0;
    Descriptors {
        rights: numbers(control).filter(is_one).map(own).collect(),
        pidfd: pidfd_in(control).filter(is_one).map(own),
    }
}

#[cfg(test)]
mod tests;
