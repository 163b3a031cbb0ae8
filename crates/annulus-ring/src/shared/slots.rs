//! Which entries are free: a set of bits that many threads take from and give back to.
//!
//! Owns: [`Slots`]. Does not own: what a slot is (an entry of the submission queue, a record of a
//! proactor).
//!
//! Invariants: a slot is in the set or somebody's, never both; to take is one compare-and-swap on
//! the word of 64 slots, however many are taken, and it can fail only because another thread took
//! or gave. A word that changed and changed back still says the truth about each slot, so there is
//! no ABA problem and no counter against it.

use core::sync::atomic::Ordering;

use super::sync::AtomicU64;

/// A set of free slots.
pub struct Slots {
    words: Box<[AtomicU64]>,
}

/// Slots taken together: bits of one word of the set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Which word.
    pub word: u32,
    /// The slots, as bits of that word.
    pub bits: u64,
}

/// Slots of one word.
const PER_WORD: u32 = u64::BITS;

impl Slots {
    /// The set of all slots below `count`.
    #[must_use]
    pub fn full(count: u32) -> Self {
        let words = (0..count.div_ceil(PER_WORD)).map(|word| {
            let left = count - word * PER_WORD;
            AtomicU64::new(if left >= PER_WORD { u64::MAX } else { (1 << left) - 1 })
        });
        Self { words: words.collect() }
    }

    /// Takes at least one slot and at most `most`, all of one word; looks at the word `first`
    /// first. `None` if no slot was free.
    #[must_use]
    pub fn take(&self, most: u32, first: u32) -> Option<Taken> {
        let count = self.words.len();
        for step in 0..count {
            let word = (first as usize + step) % count;
            let bits = take_from(&self.words[word], most);
            if bits != 0 {
                return Some(Taken { word: word as u32, bits });
            }
        }
        None
    }

    /// Gives slots back.
    pub fn give(&self, taken: Taken) {
        // ORDERING: release pairs with the acquire of `take_from`: whoever takes a slot next comes
        // after everything that was done with it.
        self.words[taken.word as usize].fetch_or(taken.bits, Ordering::Release);
    }

    /// How many slots are free, as far as a look at word after word tells.
    #[cfg(any(test, loom))]
    pub fn count(&self) -> u32 {
        // ORDERING: relaxed; a number that is old when it is returned.
        self.words.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum()
    }
}

impl Taken {
    /// The set with one slot.
    #[must_use]
    pub fn one(slot: u32) -> Self {
        Self { word: slot / PER_WORD, bits: 1 << (slot % PER_WORD) }
    }

    /// Removes the lowest slot and returns its number.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        if self.bits == 0 {
            return None;
        }
        let bit = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.word * PER_WORD + bit)
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.bits.count_ones()
    }
}

/// Takes the lowest slots of one word, `most` of them or as many as there are.
fn take_from(word: &AtomicU64, most: u32) -> u64 {
    // ORDERING: relaxed; the exchange below reads it again.
    let mut free = word.load(Ordering::Relaxed);
    while free != 0 {
        let left = drop_lowest(free, most);
        // ORDERING: acquire pairs with the release of `give`; relaxed if it fails.
        match word.compare_exchange_weak(free, left, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return free & !left,
            Err(now) => free = now,
        }
    }
    0
}

/// `bits` without the lowest `count`.
fn drop_lowest(bits: u64, count: u32) -> u64 {
    if bits.count_ones() <= count {
        return 0;
    }
    (0..count).fold(bits, |bits, _| bits & (bits - 1))
}

#[cfg(all(test, not(loom)))]
mod tests;
