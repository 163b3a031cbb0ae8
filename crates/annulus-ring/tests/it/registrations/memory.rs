//! Regions of memory that are for nothing in particular. Mirrors the registration of
//! io_uring_register_region(3).

use core::ptr::NonNull;

use annulus_ring::{
    MemoryRegion, Refusal, RegisterError, Ring,
    abi::{Errno, RegisterOp},
};

use crate::support::{nop, push, skip};

const PAGE: usize = 4096;

fn ring() -> Ring {
    Ring::builder().entries(8).build().unwrap()
}

/// The region; `None` if the kernel has none, said aloud.
fn there(region: Result<MemoryRegion, RegisterError>) -> Option<MemoryRegion> {
    match region {
        Ok(region) => Some(region),
        Err(refused) => {
            assert_eq!(refused.errno(), Errno(libc::EINVAL), "{refused}");
            skip("this kernel has no memory regions");
            None
        }
    }
}

/// All of it is memory, and zero at first.
fn fill(region: &MemoryRegion) {
    for offset in (0..region.bytes()).step_by(PAGE / 2) {
        // SAFETY: within the region.
        let at = unsafe { region.start().add(offset) };
        // SAFETY: memory of this test's own, which this kernel does not use.
        assert_eq!(unsafe { at.read() }, 0);
        // SAFETY: as above.
        unsafe { at.write(offset as u8 | 1) };
        // SAFETY: as above.
        assert_eq!(unsafe { at.read() }, offset as u8 | 1);
    }
}

#[test]
fn a_ring_shares_memory_of_this_process_or_of_the_kernels_making() {
    let mut ours = ring();
    let Some(region) = there(ours.register_region(PAGE + 1)) else { return };
    assert_eq!(region.bytes(), 2 * PAGE);
    fill(&region);
    let mut theirs = Ring::builder().entries(8).disabled(true).build().unwrap();
    let kernels = theirs.register_kernel_region(3 * PAGE).unwrap();
    theirs.enable().unwrap();
    assert_eq!(kernels.bytes(), 3 * PAGE);
    fill(&kernels);
    for ring in [&mut ours, &mut theirs] {
        push(ring, &nop(1)).unwrap();
        assert_eq!(ring.submit_and_wait(1, None), Ok(1));
    }
    drop(ours);
    // The memory stays ours when the ring is gone.
    // SAFETY: the first byte of the region.
    assert_eq!(unsafe { region.start().read() }, 1);
}

#[test]
fn a_ring_shares_memory_of_the_callers() {
    let (mut one, mut other) = (ring(), ring());
    let shared = Box::leak(vec![0_u8; 3 * PAGE].into_boxed_slice());
    let to_the_page = shared.as_ptr().addr().next_multiple_of(PAGE) - shared.as_ptr().addr();
    let start = NonNull::from(&mut shared[to_the_page..]).cast::<u8>();
    let at = |ring: &mut Ring| {
        // SAFETY: memory that is never freed, and that this test alone works on.
        unsafe { ring.register_region_at(start, 2 * PAGE) }
    };
    let Some(region) = there(at(&mut one)) else { return };
    assert_eq!((region.start(), region.bytes()), (start, 2 * PAGE));
    let same = at(&mut other).expect("the memory of two rings may be the same");
    fill(&region);
    // SAFETY: the first byte of the region.
    assert_eq!(unsafe { same.start().read() }, 1);
}

#[test]
fn a_ring_has_one_region_of_either_kind() {
    let mut ring = Ring::builder().entries(8).disabled(true).build().unwrap();
    let Some(_region) = there(ring.register_region(PAGE)) else { return };
    let again = [
        ring.register_region(PAGE).unwrap_err(),
        ring.register_kernel_region(PAGE).unwrap_err(),
        ring.register_wait_region(1).unwrap_err(),
    ];
    for refused in again {
        assert_eq!((refused.op(), refused.errno()), (RegisterOp::MEM_REGION, Errno(libc::EBUSY)));
        assert!(refused.to_string().contains("a region already"), "{refused}");
    }
}

#[test]
fn a_region_that_cannot_be_is_refused_before_the_kernel_is_asked() {
    let mut ring = ring();
    let refused = ring.register_region(0).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::RegionBytes(0));
    assert!(refused.to_string().contains("multiple of the page"), "{refused}");
    let refused = ring.register_kernel_region(usize::MAX).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::RegionBytes(usize::MAX));
    let at = |ring: &mut Ring, start: usize, bytes: usize| {
        let start = NonNull::new(core::ptr::without_provenance_mut(start)).unwrap();
        // SAFETY: it is refused, for want of alignment or of memory.
        unsafe { ring.register_region_at(start, bytes) }.unwrap_err()
    };
    assert_eq!(at(&mut ring, PAGE + 8, PAGE).refusal(), Refusal::Unaligned(PAGE + 8));
    assert_eq!(at(&mut ring, PAGE, PAGE + 8).refusal(), Refusal::RegionBytes(PAGE + 8));
    let unmapped = at(&mut ring, PAGE, PAGE).errno();
    assert!([libc::EFAULT, libc::EINVAL].contains(&unmapped.0), "{unmapped}");
}
