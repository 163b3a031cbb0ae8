//! Limits of a wait.

use super::*;

#[test]
fn a_limit_and_the_clock_of_the_kernel_add_up_to_no_moment_of_the_past() {
    const CENTURY_NS: i64 = 100 * 366 * 24 * 60 * 60 * 1_000_000_000;
    for timeout_ns in [u64::MAX, i64::MAX as u64, i64::MAX as u64 + 1] {
        let Timespec { sec, nsec } = from_now(timeout_ns);
        let ns = sec.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(nsec));
        let ends = ns.and_then(|ns| ns.checked_add(CENTURY_NS));
        assert!(ends.is_some_and(|ends| ends > 2 * CENTURY_NS), "{timeout_ns}: {sec} s");
    }
    assert_eq!(from_now(1_500_000_000), Timespec { sec: 1, nsec: 500_000_000 });
}
