//! Waits in registered memory. Mirrors reg-wait of liburing.

use annulus_ring::{
    Enter, Kernel as _, Refusal, Ring, Wait, WaitRegion,
    abi::{EnterFlags, Errno},
};

use super::{HOUR, MS, now};
use crate::support::{nop, push, skip};

fn disabled() -> Ring {
    Ring::builder().entries(8).disabled(true).build().unwrap()
}

/// A ring with a region of so many waits, or none, said aloud.
fn with_region(slots: u32) -> Option<(Ring, WaitRegion)> {
    let mut ring = disabled();
    match ring.register_wait_region(slots) {
        Ok(region) => {
            ring.enable().unwrap();
            Some((ring, region))
        }
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL), "{refused}");
            skip("this kernel has no registered waits");
            None
        }
    }
}

// IORING_MEM_REGION_REG_WAIT_ARG: each region of these tests is registered for waits with it.
#[test]
fn a_registered_wait_keeps_its_limit_as_often_as_it_is_used() {
    let Some((mut ring, mut region)) = with_region(4) else { return };
    region.set(2, &Wait::for_completions(1).within(2 * MS));
    for _ in 0..3 {
        let began = now(&mut ring);
        assert_eq!(ring.wait_in(&region, 2), Ok(0));
        assert!(now(&mut ring) - began >= 2_000_000);
    }
    region.set(2, &Wait::for_completions(1).within(HOUR));
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(ring.wait_in(&region, 2), Ok(1));
    assert_eq!(ring.cq_ready(), 1);
}

#[test]
fn every_slot_has_a_wait_of_its_own() {
    let Some((mut ring, mut region)) = with_region(200) else { return };
    assert_eq!(region.slots(), 200);
    for slot in 0..200 {
        region.set(slot, &Wait::for_completions(1).within(HOUR));
    }
    region.set(150, &Wait::for_completions(1).within(MS));
    region.set(199, &Wait::for_completions(2).within(2 * MS));
    assert_eq!(ring.wait_in(&region, 150), Ok(0));
    push(&mut ring, &nop(1)).unwrap();
    let began = now(&mut ring);
    assert_eq!(ring.wait_in(&region, 199), Ok(1));
    assert!(now(&mut ring) - began >= 2_000_000, "two were wanted");
    assert_eq!(ring.wait_in(&region, 0), Ok(0), "one is there");
}

#[test]
fn a_registered_wait_may_be_absolute() {
    let Some((mut ring, mut region)) = with_region(1) else { return };
    let until = now(&mut ring) + 2_000_000;
    region.set(0, &Wait::for_completions(1).until_ns(until));
    assert_eq!(ring.wait_in(&region, 0), Ok(0));
    assert!(now(&mut ring) >= until);
    assert_eq!(ring.wait_in(&region, 0), Ok(0), "that time has passed");
}

#[test]
fn a_registered_wait_may_be_for_a_batch() {
    let Some((mut ring, mut region)) = with_region(1) else { return };
    region.set(0, &Wait::for_completions(8).batch(2 * MS).within(HOUR));
    push(&mut ring, &nop(1)).unwrap();
    let began = now(&mut ring);
    assert_eq!(ring.wait_in(&region, 0), Ok(1));
    assert!(now(&mut ring) - began >= 2_000_000);
    assert_eq!(ring.cq_ready(), 1);
}

#[test]
fn a_registered_wait_may_have_a_mask() {
    let Some((mut ring, mut region)) = with_region(1) else { return };
    // SAFETY: an empty set is all zeroes.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    region.set(0, &Wait::for_completions(1).within(MS).blocking(&none));
    assert_eq!(ring.wait_in(&region, 0), Ok(0));
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(ring.wait_in(&region, 0), Ok(1));
}

#[test]
fn the_kernel_may_bring_the_memory() {
    let mut ring = disabled();
    let mut region = match ring.register_kernel_wait_region(100) {
        Ok(region) => region,
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL), "{refused}");
            return skip("this kernel has no registered waits");
        }
    };
    ring.enable().unwrap();
    region.set(99, &Wait::for_completions(1).within(2 * MS));
    let began = now(&mut ring);
    assert_eq!(ring.wait_in(&region, 99), Ok(0));
    assert!(now(&mut ring) - began >= 2_000_000);
}

#[test]
fn a_slot_that_is_not_there_or_says_nothing_is_refused() {
    let Some((mut ring, mut region)) = with_region(2) else { return };
    region.set(0, &Wait::for_completions(0));
    push(&mut ring, &nop(1)).unwrap();
    for slot in [1, 2, u32::MAX] {
        assert_eq!(ring.wait_in(&region, slot), Err(Errno(libc::EFAULT)), "slot {slot}");
    }
    assert_eq!(ring.sq_pending(), 1, "nothing was submitted");
    assert_eq!(ring.wait_in(&region, 0), Ok(1));
}

#[test]
fn the_region_of_another_ring_is_refused() {
    let Some((_first, mut region)) = with_region(1) else { return };
    let Some((mut second, _own)) = with_region(1) else { return };
    region.set(0, &Wait::for_completions(0));
    assert_eq!(second.wait_in(&region, 0), Err(Errno(libc::EFAULT)));
}

#[test]
fn the_kernel_refuses_an_offset_outside_of_the_region_or_between_words() {
    let Some((mut ring, _region)) = with_region(1) else { return };
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG | EnterFlags::EXT_ARG_REG;
    for (offset, bytes, expected) in [
        (4096, 64, libc::EFAULT),
        (4096 - 32, 64, libc::EFAULT),
        (usize::MAX - 7, 64, libc::EFAULT),
        (4, 64, libc::EFAULT),
        (0, 24, libc::EINVAL),
    ] {
        let arg = std::ptr::without_provenance(offset);
        let call = Enter { to_submit: 0, min_complete: 1, flags, arg, arg_bytes: bytes };
        // SAFETY: nothing is submitted, and the argument is an offset.
        let refused = unsafe { ring.kernel().enter(call) };
        assert_eq!(refused, Err(Errno(expected)), "{offset}, {bytes} bytes");
    }
}

#[test]
fn a_ring_without_a_region_has_no_offset_to_wait_at() {
    let Some(_) = with_region(1) else { return };
    let mut ring = crate::ops::ring();
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG | EnterFlags::EXT_ARG_REG;
    let arg = std::ptr::null();
    let call = Enter { to_submit: 0, min_complete: 1, flags, arg, arg_bytes: 64 };
    // SAFETY: nothing is submitted, and the argument is an offset.
    assert_eq!(unsafe { ring.kernel().enter(call) }, Err(Errno(libc::EFAULT)));
}

#[test]
fn a_region_is_registered_once_and_before_the_ring_is_enabled() {
    let mut ring = crate::ops::ring();
    let refused = ring.register_wait_region(1).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Enabled);
    assert!(refused.to_string().contains("disabled"), "{refused}");
    let mut ring = disabled();
    if ring.register_wait_region(1).is_ok() {
        let again = ring.register_wait_region(1).unwrap_err();
        assert_eq!(again.errno(), Errno(libc::EBUSY));
        assert!(again.to_string().contains("a region already"), "{again}");
    }
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn describing_a_slot_that_is_not_there_is_a_bug() {
    let Some((_ring, mut region)) = with_region(1) else {
        panic!("index out of bounds, or no registered waits");
    };
    region.set(1, &Wait::for_completions(1));
}
