//! Values of all sizes, in the storage and boxed.

use super::{INLINE_BYTES, Storage, at, put, take};

fn round_trip<T: PartialEq + Clone + core::fmt::Debug>(value: T) {
    let mut storage = Storage::empty();
    let place: *mut Storage = &mut storage;
    // SAFETY: the place is this test's, and empty.
    unsafe { put(place, value.clone()) };
    // SAFETY: the value was put there.
    let first = unsafe { at::<T>(place) };
    assert!(first.is_aligned());
    // SAFETY: as above.
    assert_eq!(unsafe { at::<T>(place) }, first, "it does not move");
    // SAFETY: as above; it is not used any more.
    assert_eq!(unsafe { take::<T>(place) }, value);
}

#[test]
fn values_of_any_size_and_alignment_come_back() {
    #[derive(PartialEq, Clone, Debug)]
    #[repr(align(64))]
    struct Aligned(u8);

    round_trip(());
    round_trip(7_u8);
    round_trip([1_u8; INLINE_BYTES]);
    round_trip([2_u8; INLINE_BYTES + 1]);
    round_trip(Aligned(3));
    round_trip(vec![String::from("text")]);
    round_trip((vec![1], [String::from("large"); 1], [9_u64; 100].to_vec()));
}
