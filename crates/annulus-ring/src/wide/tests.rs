//! What lies in the queue after a push of 128 bytes.

use annulus_abi::{Cqe, NopFlags, Params, Sqe, UringCmdFlags};

use super::*;
use crate::{
    AnyKernel, Capabilities, Mask, Real, RingMemory, SqeShape, Target,
    op::{Cmd80, Cmd128, Nop, Nop128},
};

/// A ring that no kernel knows, over allocated memory.
fn ring<S: SqeShape>(entries: u32) -> Ring<S, Cqe> {
    let flags = S::SETUP;
    let mut params =
        Params { sq_entries: entries, cq_entries: entries, flags, ..Params::default() };
    let memory = RingMemory::allocate(-1, &mut params);
    let capabilities = Capabilities::of(&params, flags, &Mask::none(), entries);
    // SAFETY: `params` describe the memory, which is this ring's alone.
    unsafe { Ring::new_in(AnyKernel::Real(Real::new()), memory, params, capabilities) }
}

/// The 128 bytes that begin at a place of 64.
fn at<S: SqeShape>(ring: &Ring<S, Cqe>, place: usize) -> Sqe128 {
    // SAFETY: the tests ask for places that lie in the queue, with one behind them.
    let entry = unsafe { ring.memory.sqes().add(place) }.cast::<Sqe128>();
    // SAFETY: any bytes are an entry, and nobody writes them now.
    unsafe { entry.read() }
}

fn data() -> [u8; 80] {
    core::array::from_fn(|index| index as u8)
}

fn golden(opcode: Opcode, flags: SqeFlags) -> Sqe128 {
    let mut cmd = [0; 16];
    cmd.copy_from_slice(&data()[..16]);
    let mut sqe = Sqe { opcode, fd: 3, off: 0x55, user_data: 9, flags, ..Sqe::default() };
    sqe.set_cmd(cmd);
    let mut cmd_rest = [0; 64];
    cmd_rest.copy_from_slice(&data()[16..]);
    Sqe128 { sqe, cmd_rest }
}

const CMD80: Cmd80 = Cmd80 {
    target: Target::Fixed(3),
    command: 0x55,
    addr: 0,
    len: 0,
    flags: UringCmdFlags::EMPTY,
    buf_index: 0,
    data: [0; 80],
};

const CMD128: Cmd128 = Cmd128 {
    target: Target::Fixed(3),
    command: 0x55,
    addr: 0,
    len: 0,
    flags: UringCmdFlags::EMPTY,
    buf_index: 0,
    data: [0; 80],
};

#[test]
fn a_wide_queue_holds_the_whole_entry_in_one_place() {
    let mut ring = ring::<Sqe128>(2);
    let op = Cmd80 { data: data(), ..CMD80 };
    // SAFETY: no kernel sees these entries.
    assert_eq!(unsafe { ring.push_wide(&op, 9) }, Ok(()));
    let flags = SqeFlags::IO_LINK;
    // SAFETY: as above.
    assert_eq!(unsafe { ring.push_wide_with_flags(&op, 9, flags) }, Ok(()));
    // SAFETY: as above.
    assert_eq!(unsafe { ring.push_wide(&op, 9) }, Err(SqFull));
    assert_eq!(at(&ring, 0), golden(Opcode(46), SqeFlags::FIXED_FILE));
    assert_eq!(at(&ring, 2), golden(Opcode(46), SqeFlags::FIXED_FILE | SqeFlags::IO_LINK));
}

#[test]
fn a_mixed_queue_holds_the_entry_in_two_places_that_do_not_wrap() {
    let mut ring = ring::<SqeMixed>(4);
    // SAFETY: no kernel sees these entries.
    assert_eq!(unsafe { ring.push(&Nop, 1) }, Ok(()));
    let op = Cmd128 { data: data(), ..CMD128 };
    let flags = SqeFlags::IO_DRAIN;
    // SAFETY: as above.
    assert_eq!(unsafe { ring.push_wide_with_flags(&op, 9, flags) }, Ok(()));
    assert_eq!(at(&ring, 1), golden(Opcode(64), SqeFlags::FIXED_FILE | SqeFlags::IO_DRAIN));
    assert_eq!(ring.sq_space_left(), 1);
    // SAFETY: as above.
    assert_eq!(unsafe { ring.push_wide(&op, 9) }, Err(SqFull), "there is one place");
}

#[test]
fn a_nop_of_two_places_carries_its_flags_and_its_user_data() {
    let mut ring = ring::<SqeMixed>(4);
    let op = Nop128 { flags: NopFlags::TW };
    // SAFETY: no kernel sees this entry.
    assert_eq!(unsafe { ring.push_wide(&op, u64::MAX) }, Ok(()));
    let sqe =
        Sqe { opcode: Opcode(63), fd: -1, user_data: u64::MAX, op_flags: 1 << 4, ..Sqe::default() };
    assert_eq!(at(&ring, 0), Sqe128 { sqe, cmd_rest: [0; 64] });
}
