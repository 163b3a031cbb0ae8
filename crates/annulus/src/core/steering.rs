//! Which of several sockets on one address gets a connection or a datagram: the one whose core runs
//! on the CPU that handles its packets.
//!
//! Owns: the filter, and attaching it where no core is yet. Mirrors socket(7),
//! `SO_ATTACH_REUSEPORT_CBPF`: a program of the classic BPF whose result is the number of the
//! listener, in the order of listen(2).

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

const _: () = assert!(size_of::<libc::sock_fprog>() == 16);
const _: () = assert!(std::mem::offset_of!(libc::sock_fprog, filter) == 8);

/// Loads the number of the CPU: an address in the extension area, `SKF_AD_OFF + SKF_AD_CPU`.
const CPU: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_CPU) as u32;

/// Of asm-generic/socket.h; the `libc` crate does not have it.
const SO_ATTACH_REUSEPORT_CBPF: i32 = 51;

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// For each CPU of the list its place there; for another one, its own number modulo the sockets.
pub(crate) fn program(cpus: &[usize], sockets: u32) -> Vec<libc::sock_filter> {
    use libc::{BPF_A, BPF_ABS, BPF_ALU, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_MOD, BPF_RET, BPF_W};
    let mut program = vec![statement(BPF_LD | BPF_W | BPF_ABS, CPU)];
    for (index, cpu) in cpus.iter().enumerate() {
        let code = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
        program.push(libc::sock_filter { code, jt: 0, jf: 1, k: *cpu as u32 });
        program.push(statement(BPF_RET | BPF_K, index as u32));
    }
    program.push(statement(BPF_ALU | BPF_MOD | BPF_K, sockets));
    program.push(statement(BPF_RET | BPF_A, 0));
    program
}

/// A program as the value of the option (`struct sock_fprog`): its length, and where it is, from
/// where the kernel copies it.
///
/// # Errors
/// It has too many instructions.
pub(crate) fn value(program: &[libc::sock_filter]) -> io::Result<[u8; 16]> {
    let len = u16::try_from(program.len())
        .map_err(|_| io::Error::other("too many cores for one filter: steer with fewer"))?;
    let mut value = [0; 16];
    value[..2].copy_from_slice(&len.to_ne_bytes());
    value[8..].copy_from_slice(&program.as_ptr().expose_provenance().to_ne_bytes());
    Ok(value)
}

/// Steers the connections of all listeners that share the address of this one: listener `index`
/// gets those that come to `cpus[index]`.
///
/// # Errors
/// Those of setsockopt(2): EINVAL without `SO_REUSEPORT`; ENOMEM.
pub(crate) fn steer(listener: BorrowedFd<'_>, cpus: &[usize]) -> io::Result<()> {
    let program = program(cpus, cpus.len() as u32);
    let filter = value(&program)?;
    // SAFETY: `filter` and the program that it names live until the call returns; the kernel copies
    // them.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_ATTACH_REUSEPORT_CBPF,
            filter.as_ptr().cast(),
            filter.len() as u32,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
