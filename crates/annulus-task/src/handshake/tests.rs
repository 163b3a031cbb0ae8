//! The handshake on one thread; the races are in `tests/loom`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn count(word: u64) {
    // SAFETY: the tests below pass the address of an `AtomicU64` that outlives the handshake.
    let rung = unsafe { &*ptr::with_exposed_provenance::<AtomicU64>(word as usize) };
    rung.fetch_add(1, Ordering::Relaxed);
}

fn bell(rung: &AtomicU64) -> Bell {
    Bell { ring: count, word: ptr::from_ref(rung).expose_provenance() as u64 }
}

#[test]
fn a_core_that_is_awake_is_not_rung() {
    let rung = AtomicU64::new(0);
    let handshake = Handshake::new();
    handshake.set_bell(Some(bell(&rung)));
    handshake.knock();
    handshake.announce();
    handshake.withdraw();
    handshake.knock();
    assert_eq!(rung.load(Ordering::Relaxed), 0);
}

#[test]
fn one_sleep_is_rung_once() {
    let rung = AtomicU64::new(0);
    let handshake = Handshake::new();
    handshake.set_bell(Some(bell(&rung)));
    for sleep in 1..=3 {
        handshake.announce();
        handshake.knock();
        handshake.knock();
        handshake.withdraw();
        assert_eq!(rung.load(Ordering::Relaxed), sleep);
    }
}

#[test]
fn a_bell_that_was_taken_away_is_silent() {
    let rung = AtomicU64::new(0);
    let handshake = Handshake::new();
    handshake.set_bell(Some(bell(&rung)));
    handshake.set_bell(None);
    handshake.announce();
    handshake.knock();
    assert_eq!(rung.load(Ordering::Relaxed), 0);
}
