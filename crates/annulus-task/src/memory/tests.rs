//! Blocks that are taken, given back, kept and not kept.

use super::*;
use crate::{Executor, OnPanic};

const SMALL: Layout = Layout::new::<[u64; 5]>();

#[test]
fn every_size_up_to_a_kilobyte_has_the_smallest_class_that_holds_it() {
    for bytes in 1..=CLASSES * STEP {
        let layout = Layout::from_size_align(bytes, 8).unwrap();
        let class = class_of(layout).expect("kept");
        assert!(layout_of(class).size() >= bytes && layout_of(class).size() < bytes + STEP);
    }
    assert_eq!(class_of(Layout::from_size_align(CLASSES * STEP + 1, 8).unwrap()), None);
    assert_eq!(class_of(Layout::from_size_align(64, 32).unwrap()), None);
}

#[test]
fn a_block_that_was_given_back_is_taken_next() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let _entered = executor.enter();
    let (first, second) = (take(SMALL), take(SMALL));
    assert_ne!(first, second);
    for block in [first, second] {
        // SAFETY: just taken with this layout.
        unsafe { give(block, SMALL) };
    }
    assert_eq!((take(SMALL), take(SMALL)), (second, first));
    for block in [first, second] {
        // SAFETY: as above.
        unsafe { give(block, SMALL) };
    }
}

#[test]
fn no_more_is_kept_than_the_bound() {
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let _entered = executor.enter();
    let class = class_of(SMALL).unwrap();
    let bound = KEPT_BYTES / bytes_of(class);
    let blocks: Vec<_> = (0..bound + 10).map(|_| take(SMALL)).collect();
    for block in blocks {
        // SAFETY: just taken with this layout.
        unsafe { give(block, SMALL) };
    }
    let kept = with_entered(|local| local.memory.0[class].kept.get()).unwrap();
    assert_eq!(kept as usize, bound);
}

#[test]
fn without_a_core_the_allocator_serves() {
    let block = take(SMALL);
    // SAFETY: just taken with this layout.
    unsafe { give(block, SMALL) };
    let executor = Executor::new(OnPanic::Contain).unwrap();
    let block = {
        let _entered = executor.enter();
        take(SMALL)
    };
    // SAFETY: as above; the core is not entered any more.
    unsafe { give(block, SMALL) };
    let large = Layout::new::<[u8; 5000]>();
    let _entered = executor.enter();
    let block = take(large);
    // SAFETY: as above.
    unsafe { give(block, large) };
}
