//! What a restricted ring may do. Mirrors register-restrictions of liburing.

use std::{fs::File, os::fd::AsRawFd};

use annulus_ring::{
    Pages, Restrictions, Ring, RingError, What, Why,
    abi::{Cqe, Errno, Opcode, RegisterOp, Sqe, SqeFlags},
};

use super::{next, small};
use crate::support::push;

const FORBIDDEN: Errno = Errno(libc::EACCES);

/// A NOP with these flags.
fn nop(flags: SqeFlags) -> Sqe {
    Sqe { opcode: Opcode::NOP, flags, ..Sqe::default() }
}

fn run(ring: &mut Ring, sqe: &Sqe) -> Result<i32, Errno> {
    push(ring, sqe).unwrap();
    let Cqe { res, .. } = next(ring);
    if res < 0 { Err(Errno(-res)) } else { Ok(res) }
}

fn allowed_nops() -> Restrictions {
    Restrictions::none_allowed().allow_op(Opcode::NOP)
}

#[test]
fn an_operation_that_is_not_on_the_list_completes_with_eacces() {
    let mut ring = small().restrict(allowed_nops()).build().unwrap();
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
    let file = File::open("/dev/null").unwrap();
    let sync = Sqe { opcode: Opcode::FSYNC, fd: file.as_raw_fd(), ..Sqe::default() };
    assert_eq!(run(&mut ring, &sync), Err(FORBIDDEN));
    assert!(RingError(FORBIDDEN).to_string().contains("restrictions"));
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
}

#[test]
fn a_registration_that_is_not_on_the_list_is_refused() {
    let list = allowed_nops().allow_registration(RegisterOp::FILES2);
    let mut ring = small().restrict(list).build().unwrap();
    assert_eq!(ring.register_files_sparse(2), Ok(()));
    assert_eq!(ring.update_files(0, &[-1]), Err(FORBIDDEN));
    assert_eq!(ring.probe().map(drop), Err(FORBIDDEN));
}

#[test]
fn a_flag_that_is_not_on_the_list_is_refused() {
    let mut ring = small().restrict(allowed_nops().allow_flags(SqeFlags::ASYNC)).build().unwrap();
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
    assert_eq!(run(&mut ring, &nop(SqeFlags::ASYNC)), Ok(0));
    assert_eq!(run(&mut ring, &nop(SqeFlags::IO_DRAIN)), Err(FORBIDDEN));
    let both = SqeFlags::ASYNC | SqeFlags::IO_DRAIN;
    assert_eq!(run(&mut ring, &nop(both)), Err(FORBIDDEN));
}

#[test]
fn a_flag_that_is_required_must_be_there() {
    let list = allowed_nops().require_flags(SqeFlags::ASYNC).allow_flags(SqeFlags::IO_DRAIN);
    let mut ring = small().restrict(list).build().unwrap();
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Err(FORBIDDEN));
    assert_eq!(run(&mut ring, &nop(SqeFlags::ASYNC)), Ok(0));
    assert_eq!(run(&mut ring, &nop(SqeFlags::ASYNC | SqeFlags::IO_DRAIN)), Ok(0));
    assert_eq!(run(&mut ring, &nop(SqeFlags::IO_DRAIN)), Err(FORBIDDEN));
}

#[test]
fn a_ring_that_may_do_nothing_at_all_can_still_be_made() {
    let mut ring = small().restrict(Restrictions::none_allowed()).build().unwrap();
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Err(FORBIDDEN));
    assert_eq!(ring.register_files_sparse(1), Err(FORBIDDEN));
}

#[test]
fn restrictions_count_from_enabling_on() {
    let mut ring = small().disabled(true).build().unwrap();
    ring.restrict(&allowed_nops()).unwrap();
    assert_eq!(ring.register_files_sparse(2), Ok(()), "not yet");
    ring.enable().unwrap();
    assert_eq!(ring.update_files(0, &[-1]), Err(FORBIDDEN));
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
}

#[test]
fn an_enabled_ring_cannot_be_restricted() {
    let mut ring = small().build().unwrap();
    assert_eq!(ring.restrict(&allowed_nops()), Err(Errno(libc::EBADFD)));
    assert_eq!(ring.register_files_sparse(1), Ok(()));
}

#[test]
fn a_ring_is_restricted_once() {
    let mut ring = small().disabled(true).build().unwrap();
    ring.restrict(&allowed_nops()).unwrap();
    assert_eq!(ring.restrict(&allowed_nops()), Err(Errno(libc::EBUSY)));
}

#[test]
fn a_restricted_ring_is_entered_through_its_descriptor_unless_the_list_allows_the_other_way() {
    let plain = small().restrict(allowed_nops()).build().unwrap();
    let missing = |ring: &Ring| {
        let mut missing = ring.capabilities().missing();
        missing.find(|it| it.what == What::RegisteredRing).map(|it| it.why)
    };
    assert_eq!(missing(&plain), Some(Why::Refused(FORBIDDEN)));
    let half = allowed_nops().allow_registration(RegisterOp::RING_FDS);
    assert!(missing(&small().restrict(half.clone()).build().unwrap()).is_some(), "it could not go");
    let both = half.allow_registration(RegisterOp::UNREGISTER_RING_FDS);
    let mut ring = small().restrict(both).build().unwrap();
    assert_eq!(missing(&ring), None);
    assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
}

#[test]
fn a_restricted_ring_without_a_descriptor_gives_its_place_in_the_table_back() {
    std::thread::spawn(|| {
        for _ in 0..40 {
            let builder = small().memory(Pages::anonymous(64 << 10).unwrap());
            let builder = builder.registered_fd_only().restrict(allowed_nops());
            let mut ring = builder.build().unwrap();
            assert_eq!(run(&mut ring, &nop(SqeFlags::EMPTY)), Ok(0));
        }
    })
    .join()
    .unwrap();
}
