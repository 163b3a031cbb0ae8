//! Every decision of a run, drawn from one seed and written down.
//!
//! Owns: the generator (SplitMix64), the log of choices, and the hash of the trace. Does not own:
//! what is decided.
//!
//! Invariants: nothing else in this crate is random, and no address, time of day or hash map's
//! order enters a decision, so the same seed and the same calls give the same run, bit by bit; a
//! choice of 0 is always the tame one, so a shorter log is a tamer run.

/// One decision: at which site, among how many, and which was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// What was decided.
    pub site: &'static str,
    /// Among how many.
    pub of: u32,
    /// Which: 0 is the tame one.
    pub took: u32,
}

/// The source of all decisions.
#[derive(Debug)]
pub(crate) struct Choices {
    source: Source,
    log: Vec<Choice>,
    hash: u64,
}

#[derive(Debug)]
enum Source {
    Seed(u64),
    Log(std::vec::IntoIter<u32>),
}

/// The log stops growing here (about 64 MiB); the run and its hash go on.
const LOG_CHOICES: usize = 1 << 22;

impl Choices {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { source: Source::Seed(seed), log: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    pub(crate) fn replaying(log: Vec<u32>) -> Self {
        Self { source: Source::Log(log.into_iter()), ..Self::seeded(0) }
    }

    /// A number below `of`.
    pub(crate) fn below(&mut self, site: &'static str, of: u32) -> u32 {
        debug_assert!(of > 0, "a choice among nothing");
        let took = match &mut self.source {
            Source::Seed(state) => (split_mix(state) % u64::from(of)) as u32,
            Source::Log(log) => log.next().unwrap_or(0) % of,
        };
        self.take(Choice { site, of, took })
    }

    /// True in `permille` of a thousand cases. Decides nothing at the ends of the scale.
    pub(crate) fn chance(&mut self, site: &'static str, permille: u16) -> bool {
        if permille == 0 || permille >= 1000 {
            return permille != 0;
        }
        let took = match &mut self.source {
            Source::Seed(state) => u32::from(split_mix(state) % 1000 < u64::from(permille)),
            Source::Log(log) => log.next().unwrap_or(0) % 2,
        };
        self.take(Choice { site, of: 2, took }) == 1
    }

    /// Makes something that happened part of the trace.
    pub(crate) fn note(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn log(&self) -> &[Choice] {
        &self.log
    }

    fn take(&mut self, choice: Choice) -> u32 {
        self.note(u64::from(choice.of) << 32 | u64::from(choice.took));
        if self.log.len() < LOG_CHOICES {
            self.log.push(choice);
        }
        choice.took
    }
}

/// SplitMix64: small, fast, and good enough to choose faults with.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
