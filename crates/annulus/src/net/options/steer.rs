//! Which of several sockets that share a port gets a connection or a datagram.
//!
//! Owns: the program that deals them out by the CPU that took the packet. Does not own: other
//! programs; those go by the descriptor. Mirrors `SO_ATTACH_REUSEPORT_CBPF` of socket(7).

use std::io;

use super::rows::so;
use super::{set, set_bytes};
use crate::core::Owned;

/// An instruction of the packet filter (`struct sock_filter`).
#[derive(Clone, Copy)]
#[repr(C)]
struct Instruction {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    value: u32,
}

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_MOD | BPF_K`.
const REMAINDER: u16 = 0x94;
/// `BPF_RET | BPF_A`.
const RETURN: u16 = 0x16;
/// `SKF_AD_OFF + SKF_AD_CPU`.
const CPU: u32 = 0xffff_f000 + 36;

/// The number of the CPU, as the number of a socket of the group.
fn by_cpu(sockets: u32) -> [Instruction; 3] {
    let instruction = |code, value| Instruction { code, jump_true: 0, jump_false: 0, value };
    [instruction(LOAD, CPU), instruction(REMAINDER, sockets), instruction(RETURN, 0)]
}

/// Has the sockets that share this one's port get what their CPU took.
pub(in crate::net) fn steer_by_cpu(owned: &Owned, sockets: u16) -> io::Result<()> {
    if sockets == 0 {
        let text = "packets cannot be dealt out among 0 sockets: say how many share the port";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let program = by_cpu(sockets.into());
    // `struct sock_fprog`: the length, and where the program is, which the kernel copies.
    let mut value = [0; 16];
    value[..2].copy_from_slice(&(program.len() as u16).to_ne_bytes());
    value[8..].copy_from_slice(&(&raw const program).expose_provenance().to_ne_bytes());
    set_bytes(owned, libc::SOL_SOCKET, so::ATTACH_REUSEPORT_CBPF, &value)
}

/// Has the kernel choose by the addresses again.
pub(in crate::net) fn steer_by_address(owned: &Owned) -> io::Result<()> {
    set(owned, libc::SOL_SOCKET, so::DETACH_REUSEPORT_BPF, 0)
}
