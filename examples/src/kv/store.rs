//! A shard: the keys that hash to one core, their values, and when they expire.
//!
//! ```text
//!   table:  hash ──> key, value, due          due:  (when, hash), the soonest first
//! ```
//!
//! Owns: the table, and the two ways in which keys expire: lazily, when they are looked at, and
//! actively, the soonest first. Does not own: commands. Invariants: `due` has an element for each
//! entry that expires, and no other; what has expired is never given out.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::parser::Limits;
use hashbrown::hash_table::Entry as Slot;

/// The time of a batch of commands, in milliseconds since 1970: read once, and only if a command
/// asks.
#[derive(Debug, Default)]
pub(super) struct Now(Cell<i64>);

impl Now {
    /// A time of its own choice, for tests.
    #[cfg(test)]
    pub(super) fn at(ms: i64) -> Self {
        Self(Cell::new(ms))
    }

    pub(super) fn ms(&self) -> i64 {
        if self.0.get() == 0 {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.0.set(since.as_millis() as i64);
        }
        self.0.get()
    }
}

/// When a key expires that does not.
pub(super) const NEVER: i64 = i64::MAX;

/// A key and what it is worth.
#[derive(Debug)]
pub(super) struct Entry {
    hash: u64,
    key: Box<[u8]>,
    pub(super) value: Vec<u8>,
    /// When it expires, in milliseconds since 1970, or [`NEVER`].
    due_ms: i64,
}

impl Entry {
    pub(super) fn due_ms(&self) -> i64 {
        self.due_ms
    }
}

/// A value that needs less than a quarter of its buffer gets a new one.
const SPARE_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Store {
    hasher: RandomState,
    table: HashTable<Entry>,
    due: BTreeSet<(i64, u64)>,
    /// Bytes that a value may have.
    pub(super) value_bytes_max: usize,
}

impl Store {
    /// An empty shard. All shards of a server have the same hasher, which says whose a key is.
    pub(super) fn new(hasher: RandomState) -> Self {
        let value_bytes_max = Limits::DEFAULT.arg_bytes;
        Self { hasher, table: HashTable::new(), due: BTreeSet::new(), value_bytes_max }
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        hash(&self.hasher, key)
    }

    /// Keys, those included that have expired and were not looked at since.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Keys that expire.
    pub(super) fn expiring(&self) -> usize {
        self.due.len()
    }

    /// When the next key expires.
    pub(super) fn next_due_ms(&self) -> Option<i64> {
        self.due.first().map(|&(due_ms, _)| due_ms)
    }

    /// What `key` is worth.
    #[inline]
    pub(super) fn get(&mut self, hash: u64, key: &[u8], now: &Now) -> Option<&mut Entry> {
        let found = self.table.find_entry(hash, |entry| *entry.key == *key).ok()?;
        if found.get().due_ms != NEVER && found.get().due_ms <= now.ms() {
            let (expired, _) = found.remove();
            self.due.remove(&(expired.due_ms, hash));
            return None;
        }
        Some(found.into_mut())
    }

    /// Sets `key`, whether it is there or not.
    #[inline]
    pub(super) fn set(&mut self, (hash, key): (u64, &[u8]), value: &[u8], due_ms: i64) {
        let slot = self.table.entry(hash, |entry| *entry.key == *key, |entry| entry.hash);
        match slot {
            Slot::Occupied(mut found) => {
                let entry = found.get_mut();
                replace(&mut entry.value, value);
                let before = std::mem::replace(&mut entry.due_ms, due_ms);
                self.reschedule(hash, before, due_ms);
            }
            Slot::Vacant(vacant) => {
                vacant.insert(Entry { hash, key: key.into(), value: value.to_vec(), due_ms });
                self.reschedule(hash, NEVER, due_ms);
            }
        }
    }

    /// Changes when `key` expires, if it is there.
    pub(super) fn set_due(&mut self, hash: u64, key: &[u8], due_ms: i64) {
        if let Some(entry) = self.table.find_mut(hash, |entry| *entry.key == *key) {
            let before = std::mem::replace(&mut entry.due_ms, due_ms);
            self.reschedule(hash, before, due_ms);
        }
    }

    /// Removes `key`; gives its value if it was there.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8], now: &Now) -> Option<Vec<u8>> {
        let found = self.table.find_entry(hash, |entry| *entry.key == *key).ok()?;
        let (entry, _) = found.remove();
        if entry.due_ms == NEVER {
            return Some(entry.value);
        }
        self.due.remove(&(entry.due_ms, hash));
        (entry.due_ms > now.ms()).then_some(entry.value)
    }

    pub(super) fn clear(&mut self) {
        self.table = HashTable::new();
        self.due.clear();
    }

    /// Removes what has expired, at most so many keys. Gives how many it were.
    pub(super) fn expire(&mut self, now: &Now, most: usize) -> usize {
        let mut expired = 0;
        while expired < most {
            let Some(&(due_ms, hash)) = self.due.first() else {
                break;
            };
            if due_ms > now.ms() {
                break;
            }
            self.due.pop_first();
            let is_it = |entry: &Entry| entry.hash == hash && entry.due_ms == due_ms;
            if let Ok(found) = self.table.find_entry(hash, is_it) {
                found.remove();
            }
            expired += 1;
        }
        expired
    }

    #[inline]
    fn reschedule(&mut self, hash: u64, before: i64, due_ms: i64) {
        if before == due_ms {
            return;
        }
        if before != NEVER {
            self.due.remove(&(before, hash));
        }
        if due_ms != NEVER {
            self.due.insert((due_ms, hash));
        }
    }
}

/// The hash of `key`, which says its shard, and its place there.
#[inline]
pub(super) fn hash(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(key);
    state.finish()
}

/// Puts `value` into the buffer of another, if that is not far too large for it.
fn replace(buffer: &mut Vec<u8>, value: &[u8]) {
    if buffer.capacity() > SPARE_BYTES_MAX && buffer.capacity() / 4 > value.len() {
        *buffer = value.to_vec();
    } else {
        buffer.clear();
        buffer.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shard(Store);

    impl Shard {
        fn new() -> Self {
            Self(Store::new(RandomState::default()))
        }

        fn set(&mut self, key: &str, value: &str, due_ms: i64) {
            let key = key.as_bytes();
            self.0.set((self.0.hash(key), key), value.as_bytes(), due_ms);
        }

        fn get(&mut self, key: &str, now_ms: i64) -> Option<Vec<u8>> {
            let hash = self.0.hash(key.as_bytes());
            let entry = self.0.get(hash, key.as_bytes(), &Now::at(now_ms))?;
            Some(entry.value.clone())
        }
    }

    #[test]
    fn a_key_that_has_expired_is_not_given_out() {
        let mut shard = Shard::new();
        shard.set("a", "1", 1000);
        assert_eq!(shard.get("a", 999).as_deref(), Some(&b"1"[..]));
        assert_eq!(shard.get("a", 1000), None);
        assert_eq!((shard.0.len(), shard.0.expiring()), (0, 0));
        shard.set("b", "2", 1000);
        let hash = shard.0.hash(b"b");
        assert_eq!(shard.0.remove(hash, b"b", &Now::at(2000)), None);
        assert_eq!((shard.0.len(), shard.0.expiring()), (0, 0));
    }

    #[test]
    fn expiring_removes_the_soonest_first_and_no_other() {
        let mut shard = Shard::new();
        for n in 0..100 {
            shard.set(&format!("{n}"), "x", 1000 + n);
        }
        shard.set("stays", "x", NEVER);
        shard.set("7", "x", NEVER);
        assert_eq!(shard.0.next_due_ms(), Some(1000));
        assert_eq!(shard.0.expire(&Now::at(1050), 10), 10);
        assert_eq!(shard.get("11", 1), None.or(Some(b"x".to_vec())));
        assert_eq!(shard.0.expire(&Now::at(1050), 1000), 40);
        assert_eq!((shard.0.len(), shard.0.expiring()), (51, 49));
        assert_eq!(shard.0.next_due_ms(), Some(1051));
        assert!(shard.get("7", i64::MAX - 1).is_some() && shard.get("stays", 1).is_some());
    }

    #[test]
    fn a_small_value_does_not_keep_the_buffer_of_a_large_one() {
        let mut shard = Shard::new();
        shard.set("a", &"x".repeat(1 << 20), NEVER);
        shard.set("a", "small", NEVER);
        let hash = shard.0.hash(b"a");
        let entry = shard.0.get(hash, b"a", &Now::at(1)).unwrap();
        assert!(entry.value.capacity() < 1024);
    }
}
