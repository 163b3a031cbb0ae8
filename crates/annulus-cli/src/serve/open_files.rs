//! Files that stay open for the next request: which, and for how long.
//!
//! Owns: the bound on their number, their age, and which one goes when another comes (the one that
//! was not asked for since the hand of a clock passed it last). Does not own: whether an open file
//! is still what it was when it was opened (the site asks the file itself).
//!
//! Invariants: there are never more than the bound; none is given out that is older than its time;
//! nothing is dropped while the lists are borrowed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use annulus::time::Instant;

/// Open files by their paths.
pub struct OpenFiles<T> {
    bound: usize,
    valid: Duration,
    kept: RefCell<Kept<T>>,
}

struct Kept<T> {
    by_path: HashMap<Rc<[u8]>, usize>,
    places: Vec<Place<T>>,
    /// Where the clock's hand is.
    hand: usize,
}

struct Place<T> {
    path: Rc<[u8]>,
    file: Rc<T>,
    since: Instant,
    /// It was asked for since the hand passed.
    used: bool,
}

impl<T> OpenFiles<T> {
    /// At most so many files, each for so long after it was opened. None at all if either is zero.
    pub fn new(bound: usize, valid: Duration) -> Self {
        let kept = Kept { by_path: HashMap::new(), places: Vec::new(), hand: 0 };
        let bound = if valid.is_zero() { 0 } else { bound };
        Self { bound, valid, kept: RefCell::new(kept) }
    }

    /// How long a file is kept after it was opened.
    pub fn valid(&self) -> Duration {
        self.valid
    }

    /// The file that was opened by this path, if it was not long ago.
    pub fn find(&self, path: &[u8], now: Instant) -> Option<Rc<T>> {
        if self.bound == 0 {
            return None;
        }
        let mut kept = self.kept.borrow_mut();
        let at = *kept.by_path.get(path)?;
        let place = &mut kept.places[at];
        if now.saturating_duration_since(place.since) >= self.valid {
            return None;
        }
        place.used = true;
        Some(place.file.clone())
    }

    /// Keeps a file that was opened just now, instead of the one that was opened by this path
    /// before. Returns whether it is kept, and the first of all.
    pub fn keep(&self, path: &[u8], file: &Rc<T>, now: Instant) -> Keeping {
        if self.bound == 0 {
            return Keeping::Not;
        }
        let mut kept = self.kept.borrow_mut();
        let first = kept.places.is_empty();
        let place = Place { path: path.into(), file: file.clone(), since: now, used: false };
        let gone = kept.put(place, self.bound);
        drop(kept);
        drop(gone);
        if first { Keeping::First } else { Keeping::Also }
    }

    /// Forgets the file that was opened by this path.
    pub fn forget(&self, path: &[u8]) {
        let gone = self.kept.borrow_mut().remove(path);
        drop(gone);
    }

    /// Lets go of the files whose time is over. Returns whether some are left.
    pub fn sweep(&self, now: Instant) -> bool {
        let mut kept = self.kept.borrow_mut();
        let mut gone = Vec::new();
        let mut at = 0;
        while at < kept.places.len() {
            if now.saturating_duration_since(kept.places[at].since) >= self.valid {
                gone.push(kept.take(at));
            } else {
                at += 1;
            }
        }
        let some_left = !kept.places.is_empty();
        drop(kept);
        drop(gone);
        some_left
    }

    /// Lets go of all, and gives them.
    pub fn clear(&self) -> Vec<Rc<T>> {
        let mut kept = self.kept.borrow_mut();
        kept.by_path.clear();
        let places = std::mem::take(&mut kept.places);
        drop(kept);
        places.into_iter().map(|place| place.file).collect()
    }
}

/// What became of a file that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// None is kept.
    Not,
    /// It is kept, and was not the first.
    Also,
    /// It is kept, and there was none before.
    First,
}

impl<T> Kept<T> {
    /// Puts a file into a place: its own, a new one, or that of another. Returns what was there.
    fn put(&mut self, place: Place<T>, bound: usize) -> Option<Place<T>> {
        if let Some(&at) = self.by_path.get(&place.path) {
            return Some(std::mem::replace(&mut self.places[at], place));
        }
        if self.places.len() < bound {
            self.by_path.insert(place.path.clone(), self.places.len());
            self.places.push(place);
            return None;
        }
        let at = self.unused();
        self.by_path.insert(place.path.clone(), at);
        let gone = std::mem::replace(&mut self.places[at], place);
        self.by_path.remove(&gone.path);
        Some(gone)
    }

    /// The next place that was not used since the hand passed.
    fn unused(&mut self) -> usize {
        loop {
            let at = self.hand % self.places.len();
            self.hand = at + 1;
            if !std::mem::take(&mut self.places[at].used) {
                return at;
            }
        }
    }

    fn remove(&mut self, path: &[u8]) -> Option<Place<T>> {
        let at = *self.by_path.get(path)?;
        Some(self.take(at))
    }

    /// Takes a place out; the last one comes in its stead.
    fn take(&mut self, at: usize) -> Place<T> {
        let gone = self.places.swap_remove(at);
        self.by_path.remove(&gone.path);
        if let Some(moved) = self.places.get(at) {
            self.by_path.insert(moved.path.clone(), at);
        }
        gone
    }
}

/// How many files one of several cores keeps open, if all together are to keep so many, and the
/// process may have so many descriptors: connections need most of these.
pub fn share(asked: usize, cores: usize, descriptors: u64) -> usize {
    let most = usize::try_from(descriptors / 4).unwrap_or(usize::MAX);
    let all = asked.min(most);
    if all == 0 { 0 } else { all.div_ceil(cores.max(1)) }
}

#[cfg(test)]
mod tests;
