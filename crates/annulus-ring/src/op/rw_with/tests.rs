//! The entry of [`RwWith`].

use annulus_abi::{Errno, SqeFlags};

use super::*;
use crate::op::Target;
use crate::op::tests::{decoded, encoded, pointer};

const READ: Read =
    Read { target: Target::Fixed(5), addr: pointer_const(), len: 512, offset: u64::MAX };

const fn pointer_const() -> *mut u8 {
    ptr::without_provenance_mut(0x1000)
}

#[test]
fn read_with_options_is_the_read_and_the_options() {
    let op =
        RwWith { op: READ, flags: libc::RWF_NOWAIT, ioprio: 2 << 13 | 4, attr: pointer(0x2000) };
    let golden = Sqe {
        opcode: Opcode(22),
        flags: SqeFlags::FIXED_FILE,
        ioprio: 0x4004,
        fd: 5,
        off: u64::MAX,
        addr: 0x1000,
        len: 512,
        op_flags: 8,
        addr3: 0x2000,
        pad: 1,
        ..Sqe::default()
    };
    assert_eq!(encoded(&op), golden);
    assert_eq!((op.since(), op.features()), ((6, 14), Features::RW_ATTR));
}

#[test]
fn read_with_no_option_is_the_read() {
    let op = RwWith::of(READ);
    assert_eq!(encoded(&op), encoded(&READ));
    assert_eq!((op.since(), op.features()), ((5, 6), Features::EMPTY));
}

#[test]
fn writev_with_options_keeps_the_flags_that_it_has() {
    let writev = Writev {
        target: Target::Fd(5),
        iovecs: pointer(0x1000),
        count: 2,
        offset: 0,
        flags: libc::RWF_DSYNC,
    };
    let op = RwWith { flags: libc::RWF_APPEND, ..RwWith::of(writev) };
    assert_eq!(encoded(&op).op_flags, (libc::RWF_DSYNC | libc::RWF_APPEND) as u32);
    assert_eq!(op.check(), Ok(()));
    let both = RwWith { flags: libc::RWF_APPEND | RWF_NOAPPEND, ..RwWith::of(writev) };
    assert!(both.check().is_err());
}

#[test]
fn write_with_options_succeeds_or_fails_as_the_write() {
    assert_eq!(decoded::<RwWith<Write>>(64), Ok(64));
    assert_eq!(decoded::<RwWith<Write>>(-libc::EAGAIN), Err(Errno(libc::EAGAIN)));
}
