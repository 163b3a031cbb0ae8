//! The members of the entry's C unions that are not a field of their own.
//!
//! Owns: a getter and a setter for each, under its C name. Does not own: the fields. A setter
//! writes exactly the bytes of its member and leaves the rest of the union alone, as an assignment
//! in C does.

use crate::{FILE_INDEX_ALLOC, Opcode, Sqe};

impl Sqe {
    /// `addr2`: the whole of [`off`](Self::off), read as an address.
    #[must_use]
    pub const fn addr2(&self) -> u64 {
        self.off
    }

    /// Sets `addr2`, the whole of [`off`](Self::off).
    pub const fn set_addr2(&mut self, addr2: u64) {
        self.off = addr2;
    }

    /// `cmd_op`: the lower 32 bits of [`off`](Self::off), the command of a URING_CMD.
    #[must_use]
    pub const fn cmd_op(&self) -> u32 {
        self.off as u32
    }

    /// Sets `cmd_op`, the lower 32 bits of [`off`](Self::off). The upper (`__pad1`) must be 0.
    pub const fn set_cmd_op(&mut self, cmd_op: u32) {
        self.off = with_low(self.off, cmd_op);
    }

    /// `splice_off_in`: the whole of [`addr`](Self::addr), the offset of a splice's input.
    #[must_use]
    pub const fn splice_off_in(&self) -> u64 {
        self.addr
    }

    /// Sets `splice_off_in`, the whole of [`addr`](Self::addr); `u64::MAX` for none.
    pub const fn set_splice_off_in(&mut self, offset: u64) {
        self.addr = offset;
    }

    /// `level`: the lower 32 bits of [`addr`](Self::addr), the level of a socket option (SOL_…).
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.addr as u32
    }

    /// Sets `level`, the lower 32 bits of [`addr`](Self::addr).
    pub const fn set_level(&mut self, level: u32) {
        self.addr = with_low(self.addr, level);
    }

    /// `optname`: the upper 32 bits of [`addr`](Self::addr), the name of a socket option (SO_…).
    #[must_use]
    pub const fn optname(&self) -> u32 {
        (self.addr >> 32) as u32
    }

    /// Sets `optname`, the upper 32 bits of [`addr`](Self::addr).
    pub const fn set_optname(&mut self, name: u32) {
        self.addr = (self.addr & 0xffff_ffff) | ((name as u64) << 32);
    }

    /// `poll_events`: the lower 16 bits of [`op_flags`](Self::op_flags), all that kernels without
    /// [`Features::POLL_32BITS`](crate::Features::POLL_32BITS) read.
    #[must_use]
    pub const fn poll_events(&self) -> u16 {
        self.op_flags as u16
    }

    /// `buf_group`: [`buf_index`](Self::buf_index), read as the id of a buffer group (`bgid`).
    #[must_use]
    pub const fn buf_group(&self) -> u16 {
        self.buf_index
    }

    /// Sets `buf_group`, the same bytes as [`buf_index`](Self::buf_index).
    pub const fn set_buf_group(&mut self, bgid: u16) {
        self.buf_index = bgid;
    }

    /// `splice_fd_in`: [`file_index`](Self::file_index), read as the input of a splice or tee.
    #[must_use]
    pub const fn splice_fd_in(&self) -> i32 {
        self.file_index as i32
    }

    /// Sets `splice_fd_in`, the same bytes as [`file_index`](Self::file_index).
    pub const fn set_splice_fd_in(&mut self, fd: i32) {
        self.file_index = fd as u32;
    }

    /// The fixed-file slot that [`file_index`](Self::file_index) means: `None` for 0 (an ordinary
    /// descriptor) and for [`FILE_INDEX_ALLOC`] (any slot).
    #[must_use]
    pub const fn fixed_slot(&self) -> Option<u32> {
        match self.file_index {
            0 | FILE_INDEX_ALLOC => None,
            index => Some(index - 1),
        }
    }

    /// Puts the new file into `slot` of the fixed-file table (or closes that slot, with CLOSE): the
    /// kernel counts from 1 here, so that 0 can mean an ordinary descriptor.
    ///
    /// ```
    /// # use annulus_abi::{Opcode, Sqe};
    /// let mut sqe = Sqe::new(Opcode::CLOSE);
    /// sqe.set_fixed_slot(5);
    /// assert_eq!(sqe.file_index, 6);
    /// assert_eq!(sqe.fixed_slot(), Some(5));
    /// ```
    pub const fn set_fixed_slot(&mut self, slot: u32) {
        self.file_index = slot.wrapping_add(1);
    }

    /// `zcrx_ifq_idx`: [`file_index`](Self::file_index), read as the queue of a RECV_ZC.
    #[must_use]
    pub const fn zcrx_ifq_idx(&self) -> u32 {
        self.file_index
    }

    /// Sets `zcrx_ifq_idx`, the same bytes as [`file_index`](Self::file_index).
    pub const fn set_zcrx_ifq_idx(&mut self, id: u32) {
        self.file_index = id;
    }

    /// `optlen`: [`file_index`](Self::file_index), read as the length of a socket option, or as the
    /// byte limit of a multishot receive.
    #[must_use]
    pub const fn optlen(&self) -> u32 {
        self.file_index
    }

    /// Sets `optlen`, the same bytes as [`file_index`](Self::file_index).
    pub const fn set_optlen(&mut self, bytes: u32) {
        self.file_index = bytes;
    }

    /// `addr_len`: the lower 16 bits of [`file_index`](Self::file_index), the length of the address
    /// that a send goes to.
    #[must_use]
    pub const fn addr_len(&self) -> u16 {
        self.file_index as u16
    }

    /// Sets `addr_len`, the lower 16 bits of [`file_index`](Self::file_index). The upper (`__pad3`)
    /// must be 0.
    pub const fn set_addr_len(&mut self, bytes: u16) {
        self.file_index = (self.file_index & 0xffff_0000) | bytes as u32;
    }

    /// `attr_ptr`: [`addr3`](Self::addr3), read as the address of a read's or write's attributes.
    #[must_use]
    pub const fn attr_ptr(&self) -> u64 {
        self.addr3
    }

    /// Sets `attr_ptr`, the same bytes as [`addr3`](Self::addr3).
    pub const fn set_attr_ptr(&mut self, address: u64) {
        self.addr3 = address;
    }

    /// `attr_type_mask`: [`pad`](Self::pad), read as which attributes `attr_ptr` points to.
    #[must_use]
    pub const fn attr_type_mask(&self) -> u64 {
        self.pad
    }

    /// Sets `attr_type_mask`, the same bytes as [`pad`](Self::pad).
    pub const fn set_attr_type_mask(&mut self, mask: u64) {
        self.pad = mask;
    }

    /// `optval`: [`addr3`](Self::addr3), read as the address of a socket option's value.
    #[must_use]
    pub const fn optval(&self) -> u64 {
        self.addr3
    }

    /// Sets `optval`, the same bytes as [`addr3`](Self::addr3).
    pub const fn set_optval(&mut self, address: u64) {
        self.addr3 = address;
    }

    /// `cmd`: the 16 bytes of command data of a URING_CMD in a 64-byte entry.
    #[must_use]
    pub const fn cmd(&self) -> [u8; 16] {
        ((self.addr3 as u128) | ((self.pad as u128) << 64)).to_le_bytes()
    }

    /// Sets the 16 bytes of `cmd`, that is [`addr3`](Self::addr3) and [`pad`](Self::pad).
    pub const fn set_cmd(&mut self, cmd: [u8; 16]) {
        let words = u128::from_le_bytes(cmd);
        self.addr3 = words as u64;
        self.pad = (words >> 64) as u64;
    }

    /// The opcode that an ASYNC_CANCEL with [`CancelFlags::OP`](crate::CancelFlags::OP) matches:
    /// the lower 8 bits of [`len`](Self::len).
    #[must_use]
    pub const fn cancel_opcode(&self) -> Opcode {
        Opcode(self.len as u8)
    }
}

/// `word` with its lower 32 bits replaced.
const fn with_low(word: u64, low: u32) -> u64 {
    (word & 0xffff_ffff_0000_0000) | low as u64
}
