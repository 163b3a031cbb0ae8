//! The records of a core: every descriptor that a handle of this core owns.
//!
//! Owns: the descriptor, its shadow slot in the fixed-file table, how many requests the kernel has
//! on it, and, for sockets, their queues. Does not own: the ring; how a descriptor ends (`close`),
//! which must wait until nothing is in flight.
//!
//! Invariant: a descriptor is closed only when its record has no request in flight, so no request
//! can meet a reused descriptor number.

use std::os::fd::RawFd;

use annulus_ring::op::Target;

use super::cached_read::Luck;
use super::datagrams::Datagrams;
use super::key::{Key, NONE, next_generation};
use super::listener::Listener;
use super::stream::Stream;
use super::watch::Watch;

/// What a record is beside a descriptor.
pub(crate) enum Kind {
    Free {
        next: u32,
    },
    /// A file, or anything else whose requests are single ops.
    Plain,
    /// As `Plain`, but closing it never blocks, so the other side hears of it at once.
    Pipe,
    Stream(Box<Stream>),
    Listener(Box<Listener>),
    Watch(Box<Watch>),
    Datagrams(Box<Datagrams>),
}

/// One descriptor of this core.
pub(crate) struct Record {
    generation: u32,
    pub(crate) fd: RawFd,
    /// The descriptor, or its shadow slot in the fixed-file table.
    target: Target,
    /// Requests that the kernel has, or that wait in the send queue.
    pub(crate) in_flight: u32,
    /// The handle is gone, or the core is ending; the record ends when nothing is in flight.
    pub(crate) closing: bool,
    /// Whether reads are tried without the ring.
    pub(crate) luck: Luck,
    /// The handle lives on after the core: the descriptor stays open then.
    pub(crate) is_kept: bool,
    pub(crate) kind: Kind,
}

impl Record {
    /// The record's name; `index` is where it is.
    pub(crate) fn key(&self, index: u32) -> Key {
        Key { index, generation: self.generation }
    }

    /// Whether the sending direction has been ended from here.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(&self.kind, Kind::Stream(stream) if stream.send.shut)
    }

    /// How an op names the descriptor.
    #[inline]
    pub(crate) fn target(&self) -> Target {
        self.target
    }
}

/// All records of a core.
pub(crate) struct Records {
    records: Vec<Record>,
    free: u32,
    used: u32,
}

impl Records {
    pub(crate) fn new() -> Self {
        Self { records: Vec::new(), free: NONE, used: 0 }
    }

    /// Records that are not free.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    pub(crate) fn insert(&mut self, fd: RawFd, target: Target, kind: Kind) -> Key {
        self.used += 1;
        if self.free == NONE {
            let index = self.records.len() as u32;
            self.records.push(Record {
                generation: 0,
                fd,
                target,
                in_flight: 0,
                closing: false,
                luck: Luck::Unknown,
                is_kept: false,
                kind,
            });
            return Key { index, generation: 0 };
        }
        let index = self.free;
        let record = &mut self.records[index as usize];
        if let Kind::Free { next } = record.kind {
            self.free = next;
        }
        let generation = record.generation;
        *record = Record {
            generation,
            fd,
            target,
            in_flight: 0,
            closing: false,
            luck: Luck::Unknown,
            is_kept: false,
            kind,
        };
        Key { index, generation }
    }

    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut Record> {
        // A free record has the generation of the next, which no key has yet.
        self.records
            .get_mut(key.index as usize)
            .filter(|record| record.generation == key.generation)
    }

    /// A record by index, for slots and queues that keep it alive.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Record {
        &mut self.records[index as usize]
    }

    /// The record of a slot, which keeps it alive; there is none at [`NONE`].
    #[inline]
    pub(crate) fn of(&mut self, index: u32) -> Option<&mut Record> {
        self.records.get_mut(index as usize)
    }

    /// The stream of a live key.
    #[inline]
    pub(crate) fn stream(&mut self, key: Key) -> Option<&mut Stream> {
        match self.get(key) {
            Some(Record { kind: Kind::Stream(stream), .. }) => Some(stream),
            _ => None,
        }
    }

    /// The listener of a live key.
    pub(crate) fn listener(&mut self, key: Key) -> Option<&mut Listener> {
        match self.get(key) {
            Some(Record { kind: Kind::Listener(listener), .. }) => Some(listener),
            _ => None,
        }
    }

    /// The watch of a live key.
    pub(crate) fn watch(&mut self, key: Key) -> Option<&mut Watch> {
        match self.get(key) {
            Some(Record { kind: Kind::Watch(watch), .. }) => Some(watch),
            _ => None,
        }
    }

    /// The socket of messages of a live key.
    #[inline]
    pub(crate) fn datagrams(&mut self, key: Key) -> Option<&mut Datagrams> {
        match self.get(key) {
            Some(Record { kind: Kind::Datagrams(datagrams), .. }) => Some(datagrams),
            _ => None,
        }
    }

    /// Frees a record and gives what it was.
    pub(crate) fn remove(&mut self, index: u32) -> (RawFd, Target, Kind) {
        let free = self.free;
        let record = &mut self.records[index as usize];
        record.generation = next_generation(record.generation);
        let kind = std::mem::replace(&mut record.kind, Kind::Free { next: free });
        self.free = index;
        self.used -= 1;
        (record.fd, record.target, kind)
    }

    /// Keys of every record that is not free.
    pub(crate) fn live(&self) -> Vec<Key> {
        let records = self.records.iter().enumerate();
        let live = records.filter(|(_, record)| !matches!(record.kind, Kind::Free { .. }));
        live.map(|(index, record)| Key { index: index as u32, generation: record.generation })
            .collect()
    }
}
