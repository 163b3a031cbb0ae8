//! What will happen, and when.
//!
//! Owns: the order of future events. Invariant: events of one moment come in the order in which
//! they were planned.

use std::collections::BTreeMap;

use crate::files::Id;

/// Something that happens to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// It goes on: it is tried (again), or its completion is posted.
    Run { ring: usize, request: Id },
    /// Its buffer is touched.
    Touch { ring: usize, request: Id },
}

/// The future.
#[derive(Debug, Default)]
pub(crate) struct Events {
    queue: BTreeMap<(u64, u64), Event>,
    planned: u64,
}

impl Events {
    pub(crate) fn plan(&mut self, at_ns: u64, event: Event) {
        self.planned += 1;
        self.queue.insert((at_ns, self.planned), event);
    }

    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.queue.first_key_value().map(|((at_ns, _), _)| *at_ns)
    }

    /// The next event that is due.
    pub(crate) fn due(&mut self, now_ns: u64) -> Option<Event> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.queue.pop_first().map(|(_, event)| event)
    }
}
