//! Classic BPF programs that decide about each submission.
//!
//! Owns: their registration with a ring; with a task it is [`ringless::filter_task`]. Does not own:
//! what a program reads (`struct io_uring_bpf_ctx`) or decides. Mirrors
//! io_uring_register_bpf_filter(3).
//!
//! [`ringless::filter_task`]: crate::ringless::filter_task

use annulus_abi::{BpfCommand, BpfFilter, BpfFilterFlags, Opcode, RegisterOp};

use super::{Refusal, RegisterError};
use crate::{CqeShape, Ring, SqeShape};

/// A program that sees each submission of one opcode, and returns 0 to deny it (EACCES).
#[derive(Clone, Copy, Debug)]
#[doc(alias = "io_uring_bpf_filter")]
pub struct Filter<'a> {
    /// Which submissions it sees.
    pub opcode: Opcode,
    /// Its instructions.
    pub program: &'a [libc::sock_filter],
    /// Size of the opcode's own data that it reads: 12 for SOCKET, 24 for OPENAT and OPENAT2, else
    /// 0.
    pub pdu_bytes: u8,
    /// What of opcodes without a filter, and how strict.
    pub flags: BpfFilterFlags,
}

impl Filter<'_> {
    /// As the kernel takes it; valid while the program is.
    pub(crate) fn command(&self) -> Result<BpfCommand, RegisterError> {
        let count = self.program.len();
        let filter_len = u32::try_from(count)
            .map_err(|_| RegisterError::new(RegisterOp::BPF_FILTER, Refusal::TooMany(count)))?;
        let filter = BpfFilter {
            opcode: u32::from(self.opcode.0),
            flags: self.flags,
            filter_len,
            pdu_size: self.pdu_bytes,
            filter_ptr: self.program.as_ptr().expose_provenance() as u64,
            ..BpfFilter::default()
        };
        Ok(BpfCommand { cmd_type: BpfCommand::FILTER, filter, ..BpfCommand::default() })
    }
}

impl<S: SqeShape, C: CqeShape> Ring<S, C> {
    /// Filters what is submitted to this ring, for good (since 7.0). Several filters of an opcode
    /// must all agree.
    ///
    /// # Errors
    /// EINVAL (not a valid program), EMSGSIZE (the opcode has no such data), EACCES (without
    /// CAP_SYS_ADMIN and no_new_privs), [`Refusal::Lacking`].
    #[doc(alias = "io_uring_register_bpf_filter")]
    #[doc(alias = "IORING_REGISTER_BPF_FILTER")]
    pub fn register_filter(&mut self, filter: &Filter<'_>) -> Result<(), RegisterError> {
        let mut command = filter.command()?;
        // SAFETY: one command and the program that it names, read during the call.
        unsafe { self.register_one(RegisterOp::BPF_FILTER, &mut command, 1) }.map(drop)
    }
}
