//! A read without room, of which the kernel would tell a length that it has not written.

use super::*;

#[test]
fn a_read_without_room_is_refused_with_the_ring_and_without() {
    let get = || GetPathXattr {
        path: c"/".to_owned(),
        name: c"user.annulus".to_owned(),
        value: Vec::new(),
    };
    let refusal = get().refusal().expect("it is refused");
    assert_eq!(refusal.kind(), io::ErrorKind::InvalidInput);
    let failed = get().call().expect_err("it is refused");
    assert_eq!(failed.error.kind(), io::ErrorKind::InvalidInput);
    let some = GetPathXattr { value: Vec::with_capacity(1), ..get() };
    assert!(some.refusal().is_none());
}
