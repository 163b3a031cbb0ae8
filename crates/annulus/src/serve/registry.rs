//! The connections of a core by their names.
//!
//! Owns: which name is whose. Does not own: the connections: they are there for as long as somebody
//! has a handle. Invariant: a name is given once; that of a connection that is gone names none.

use std::sync::{Arc, Weak};

use super::conn::Inner;

/// The name of a connection of a server: of its core, and never given again.
///
/// It can be kept where the [`Conn`](super::Conn) itself would keep the connection open, sent to
/// other threads, and asked for with [`Driver::conn`](super::Driver::conn): one that is gone is not
/// found, whatever connection came after it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnId {
    core: u32,
    index: u32,
    generation: u32,
}

impl ConnId {
    /// Of connections that are in no registry; it is never found.
    pub(super) const NAMELESS: Self =
        Self { core: u32::MAX, index: u32::MAX, generation: u32::MAX };

    /// The index of the core among those of its server.
    pub fn core(self) -> usize {
        self.core as usize
    }
}

#[derive(Debug, Default)]
pub(super) struct Registry {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Somebody looks for connections that are still.
    sweeping: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Weak<Inner>>,
}

impl Registry {
    /// Whether nobody looked for idle connections before.
    pub(super) fn begin_sweeping(&mut self) -> bool {
        !std::mem::replace(&mut self.sweeping, true)
    }

    /// A name for a connection that is about to be made.
    pub(super) fn name(&mut self, core: usize) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let generation = self.slots[index as usize].generation;
        ConnId { core: core as u32, index, generation }
    }

    pub(super) fn insert(&mut self, id: ConnId, conn: Weak<Inner>) {
        if let Some(slot) = self.slots.get_mut(id.index as usize) {
            slot.conn = Some(conn);
        }
    }

    pub(super) fn find(&self, id: ConnId) -> Option<Arc<Inner>> {
        let slot = self.slots.get(id.index as usize)?;
        (slot.generation == id.generation).then_some(slot.conn.as_ref()?.upgrade()).flatten()
    }

    /// The connection is gone.
    pub(super) fn remove(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id.index as usize) else { return };
        if slot.generation != id.generation {
            return;
        }
        slot.conn = None;
        // A slot whose generations are used up is not used again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(id.index);
        }
    }

    /// All that are there.
    pub(super) fn all(&self) -> Vec<Arc<Inner>> {
        self.slots.iter().filter_map(|slot| slot.conn.as_ref()?.upgrade()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_given_again() {
        let mut registry = Registry::default();
        let first = registry.name(3);
        registry.insert(first, Weak::new());
        registry.remove(first);
        let second = registry.name(3);
        assert_eq!((first.index, first.core()), (second.index, 3));
        assert_ne!(first, second);
        registry.remove(first); // says nothing about the second
        assert_ne!(registry.name(3).index, second.index);
        assert!(registry.find(first).is_none());
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_left_alone() {
        let mut registry = Registry::default();
        let id = registry.name(0);
        registry.slots[0].generation = u32::MAX;
        let last = ConnId { generation: u32::MAX, ..id };
        registry.remove(last);
        assert_ne!(registry.name(0).index, last.index);
        assert!(registry.find(last).is_none());
    }
}
