//! When a round was: what tells for how long a task has waited without a clock reading for it.
//!
//! Owns: pairs of (round, moment), noted when the clock is read anyway: in turns with a timer
//! armed, at each look for stalls, at each dump. Does not own: the rounds (the task crate counts
//! them, and notes in each task when it was polled last). All moments are those of the kernel's
//! clock, never those of a core's own, which a test may stop and move (`clock`).
//!
//! Rounds with many trailing zero bits are kept long, two of each kind, so that there is always one
//! about as far back as what is asked for:
//!
//! ```text
//!   kept at round 1000:  1000 999 | 998 | 996 | 992 984 | 976 | 960 928 | 896 | 768 | 512 | 0
//! ```
//!
//! Invariant: an answer is an interval that the true value is in.

/// Bits of the round that are told apart.
const KINDS: usize = 32;

#[derive(Clone, Copy)]
struct Sample {
    round: u64,
    at_ns: u64,
}

/// The samples of one core.
pub(crate) struct Samples {
    kept: [[Option<Sample>; 2]; KINDS],
}

impl Samples {
    pub(crate) fn new(now_ns: u64) -> Self {
        let mut samples = Self { kept: [[None; 2]; KINDS] };
        samples.note(0, now_ns);
        samples
    }

    /// `round` rounds have been begun by now.
    #[inline]
    pub(crate) fn note(&mut self, round: u64, at_ns: u64) {
        let kind = (round.trailing_zeros() as usize).min(KINDS - 1);
        let turn = (round >> kind >> 1) as usize & 1;
        self.kept[kind][turn] = Some(Sample { round, at_ns });
    }

    /// How long ago polls of `round` were: at least, and at most if that is known.
    pub(crate) fn age_ns(&self, round: u64, now_ns: u64) -> (u64, Option<u64>) {
        let all = || self.kept.iter().flatten().flatten();
        // A sample of the same round was taken after its polls.
        let after = all().filter(|sample| sample.round >= round).map(|sample| sample.at_ns).min();
        let before = all().filter(|sample| sample.round < round).map(|sample| sample.at_ns).max();
        let age = |at_ns: u64| now_ns.saturating_sub(at_ns);
        (after.map_or(0, age), before.map(age))
    }
}

#[cfg(test)]
mod tests;
