//! The requests that are on their way, by place and generation.
//!
//! Owns: [`Table`]. Does not own: room in it, which is taken before. Invariants: whoever has room
//! finds a free place; a generation is used once in 2^32 requests of its place, and its upper half
//! of the user data keeps clear of the marks of the threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::task::Job;
use crate::shared::slots::{Slots, Taken};

/// The requests on their way.
pub(super) struct Table {
    free: Slots,
    places: Box<[Mutex<Place>]>,
}

#[derive(Default)]
struct Place {
    generation: u32,
    job: Option<Arc<dyn Job>>,
}

/// Generations are below this, so no user data of a request is one of the marks.
const GENERATIONS: u32 = 1 << 31;

impl Table {
    pub(super) fn new(places: u32) -> Self {
        Self { free: Slots::full(places), places: (0..places).map(|_| Mutex::default()).collect() }
    }

    /// Puts a request into a free place and returns its user data. The caller has room.
    pub(super) fn insert(&self, job: Arc<dyn Job>) -> u64 {
        let place = loop {
            // A place is free before its room is returned, so at most a look comes too early.
            if let Some(index) = self.free.take(1, 0).and_then(|mut taken| taken.pop()) {
                break index;
            }
            std::hint::spin_loop();
        };
        let mut entry = self.locked(place);
        entry.generation = (entry.generation + 1) % GENERATIONS;
        entry.job = Some(job);
        u64::from(entry.generation) << 32 | u64::from(place)
    }

    /// The request, if it is still there.
    pub(super) fn find(&self, user_data: u64) -> Option<Arc<dyn Job>> {
        let entry = self.locked(user_data as u32);
        (entry.generation == (user_data >> 32) as u32).then(|| entry.job.clone()).flatten()
    }

    /// Takes the request out, which frees its place.
    pub(super) fn remove(&self, user_data: u64) -> Option<Arc<dyn Job>> {
        let place = user_data as u32;
        let mut entry = self.locked(place);
        if entry.generation != (user_data >> 32) as u32 {
            return None;
        }
        let job = entry.job.take()?;
        drop(entry);
        self.free.give(Taken::one(place));
        Some(job)
    }

    /// The user data of all requests.
    pub(super) fn all(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.places.len() as u32).filter_map(|place| {
            let entry = self.locked(place);
            entry.job.as_ref().map(|_| u64::from(entry.generation) << 32 | u64::from(place))
        })
    }

    fn locked(&self, place: u32) -> MutexGuard<'_, Place> {
        self.places[place as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
