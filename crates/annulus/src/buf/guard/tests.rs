//! What a guard keeps, and when it lets go.

use std::sync::Arc;

use super::super::{Guard, IoBuf};

#[test]
fn a_guard_drops_its_value_once_and_not_before() {
    let shared: Arc<[u8]> = Arc::from(&b"counted"[..]);
    let guard = Guard::new(shared.clone());
    assert_eq!(Arc::strong_count(&shared), 2);
    let moved = Box::new(guard);
    assert_eq!(moved.as_init(), b"counted");
    assert_eq!(moved.bytes_ptr(), shared.as_ptr());
    drop(moved);
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn a_guard_of_exactly_64_bytes_fits() {
    struct Full(#[allow(dead_code, reason = "it takes room")] [usize; 6], Arc<[u8]>);
    // SAFETY: the bytes of an `Arc<[u8]>` are on the heap and do not change.
    unsafe impl IoBuf for Full {
        fn bytes_ptr(&self) -> *const u8 {
            self.1.as_ptr()
        }

        fn bytes_len(&self) -> usize {
            self.1.len()
        }
    }
    assert_eq!(size_of::<Full>(), 64);
    let guard = Guard::new(Full([7; 6], Arc::from(&b"full"[..])));
    assert_eq!(guard.as_init(), b"full");
    assert!(format!("{guard:?}").contains("len: 4"));
}

#[test]
fn guards_of_several_types_lie_in_one_list() {
    let list = [Guard::new("a"), Guard::new(vec![b'b']), Guard::new(String::from("c"))];
    let all: Vec<u8> = list.iter().flat_map(|guard| guard.as_init().to_vec()).collect();
    assert_eq!(all, b"abc");
}
