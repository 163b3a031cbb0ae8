//! Which of several sockets that share a port gets a connection or a datagram.
//!
//! Owns: having the kernel deal them out by the CPU that took the packet. Does not own: the program
//! (`core::steering`), nor others; those go by the descriptor. Mirrors `SO_ATTACH_REUSEPORT_CBPF`
//! of socket(7).

use std::io;

use super::rows::so;
use super::{set, set_bytes};
use crate::core::{Owned, steering};

/// Has the sockets that share this one's port get what their CPU took.
pub(in crate::net) fn steer_by_cpu(owned: &Owned, sockets: u16) -> io::Result<()> {
    if sockets == 0 {
        let text = "packets cannot be dealt out among 0 sockets: say how many share the port";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    // Of no list: the number of the CPU is the number of a socket of the group.
    let program = steering::program(&[], sockets.into());
    let value = steering::value(&program)?;
    set_bytes(owned, libc::SOL_SOCKET, so::ATTACH_REUSEPORT_CBPF, &value)
}

/// Has the kernel choose by the addresses again.
pub(in crate::net) fn steer_by_address(owned: &Owned) -> io::Result<()> {
    set(owned, libc::SOL_SOCKET, so::DETACH_REUSEPORT_BPF, 0)
}
