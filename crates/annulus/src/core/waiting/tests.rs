//! When the timer is armed and when spinning pays: pure decisions, no kernel.

use super::*;

/// So many waits; how many of them wanted the timer.
fn waits(tick: &mut Tick, count: u32) -> u32 {
    (0..count).map(|_| u32::from(tick.wants())).sum()
}

/// A millisecond with so many completions of other requests, and the expiration.
fn millisecond(tick: &mut Tick, others: u32, more: bool) -> bool {
    waits(tick, others + 1);
    tick.completed(more, -libc::ETIME)
}

fn armed() -> Tick {
    let mut tick = Tick::new(true);
    assert_eq!(waits(&mut tick, WAITS_TO_BEGIN), 1, "the eighth wait, and none before it");
    assert_eq!(tick.arm(), 1, "one millisecond, to see what it brings");
    tick
}

#[test]
fn a_few_waits_want_no_timer() {
    let mut tick = Tick::new(true);
    assert_eq!(waits(&mut tick, WAITS_TO_BEGIN - 1), 0);
    assert!(!tick.is_armed());
}

#[test]
fn a_timer_that_is_switched_off_is_never_wanted() {
    let mut tick = Tick::new(false);
    assert_eq!(waits(&mut tick, 10_000), 0);
    tick.waits = u32::MAX;
    assert_eq!(waits(&mut tick, 10), 0, "and the count does not overflow");
}

#[test]
fn a_busy_core_renews_the_timer_for_longer_each_time() {
    let mut tick = armed();
    let mut run_ms = 1;
    for expected in [2, 4, 8, 8, 8] {
        for n in 1..=run_ms {
            assert!(tick.is_armed());
            let renewed = millisecond(&mut tick, WAITS_PER_MS, n < run_ms);
            assert_eq!(renewed, n == run_ms, "when it ends, and not before");
        }
        assert!(!tick.is_armed());
        run_ms = tick.arm();
        assert_eq!(run_ms, expected);
    }
}

#[test]
fn a_core_that_went_idle_lets_the_timer_end() {
    for busy_ms in 0..8 {
        let mut tick = armed();
        tick.run_ms = 8;
        for n in 1..=8 {
            let renewed =
                millisecond(&mut tick, if n <= busy_ms { WAITS_PER_MS } else { 0 }, n < 8);
            assert!(!renewed);
        }
        assert!(!tick.is_armed());
        assert!(!tick.wants(), "{busy_ms} busy milliseconds of eight are too few");
        assert_eq!(tick.run_ms, 1, "and the next try is short again");
    }
}

#[test]
fn expirations_are_no_reason_for_further_ones() {
    let mut tick = armed();
    // The wait that ends with the expiration is the only one.
    assert!(!millisecond(&mut tick, 0, false));
    assert!(!tick.is_armed() && tick.waits == 0);
}

#[test]
fn a_kernel_without_multishot_timeouts_gets_single_ones() {
    let mut tick = armed();
    assert!(millisecond(&mut tick, WAITS_PER_MS, false));
    assert_eq!(tick.arm(), 2);
    assert!(!tick.completed(false, -libc::EINVAL));
    assert!(!tick.is_armed());
    assert_eq!(waits(&mut tick, WAITS_TO_BEGIN), 1);
    for _ in 0..10 {
        assert_eq!(tick.arm(), 1, "never multishot again");
        assert!(millisecond(&mut tick, WAITS_PER_MS, false), "but again and again");
    }
}

#[test]
fn a_kernel_that_refuses_single_timeouts_is_not_asked_again() {
    let mut tick = armed();
    assert!(!tick.completed(false, -libc::EINVAL));
    assert_eq!(waits(&mut tick, 1000), 0);
}

#[test]
fn an_ending_timer_is_not_armed_again() {
    let mut tick = armed();
    tick.phase = Phase::Ending;
    assert!(tick.is_armed());
    assert!(!tick.completed(true, -libc::ETIME));
    assert!(tick.is_armed(), "until its last completion");
    assert!(!tick.completed(false, -libc::ECANCELED));
    assert!(!tick.is_armed());
    assert_eq!(waits(&mut tick, 1000), 0);
}

/// Of so many waits, how many spin if none of them hits.
fn vain(spin: &mut Spin, waits: u32) -> u32 {
    (0..waits)
        .map(|_| {
            let tries = spin.tries();
            if tries {
                spin.ended(false);
            }
            u32::from(tries)
        })
        .sum()
}

#[test]
fn spinning_that_hits_goes_on_for_ever() {
    let mut spin = Spin::default();
    for _ in 0..1000 {
        assert!(spin.tries());
        spin.ended(true);
    }
}

#[test]
fn a_few_misses_change_nothing() {
    let mut spin = Spin::default();
    assert_eq!(vain(&mut spin, MISSES_FORGIVEN), MISSES_FORGIVEN);
    assert!(spin.tries());
}

#[test]
fn spinning_in_vain_becomes_rare() {
    let mut spin = Spin::default();
    vain(&mut spin, 1000);
    let rare = vain(&mut spin, 129 * 100);
    assert_eq!(rare, 100, "one wait of 129");
}

#[test]
fn one_hit_brings_spinning_back() {
    let mut spin = Spin::default();
    vain(&mut spin, 1000);
    while !spin.tries() {}
    spin.ended(true);
    assert_eq!(vain(&mut spin, MISSES_FORGIVEN), MISSES_FORGIVEN);
}
