//! Claims and epochs. Other tests of this process claim slots at the same time.

use super::*;

#[test]
fn no_two_claims_have_the_same_name_even_in_the_same_slot() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        let core = claim().unwrap();
        assert_eq!(core.epoch() & 1, 1);
        assert!(seen.insert(core));
        slot(core.slot()).door.posts.close();
        release(core);
    }
}

#[test]
fn a_post_to_a_core_that_never_lived_is_refused() {
    let core = CoreId::from_bits(u64::MAX).unwrap();
    assert_eq!(post(core, || ()), Err(Closed));
}
