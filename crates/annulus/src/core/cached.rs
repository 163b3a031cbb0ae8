//! What of files was in the page cache a moment ago, so that not every piece asks for it again.
//!
//! Owns: the few ranges that were looked up last, whose they are, and until when they are believed.
//! Does not own: the look (`net::send_file`). A range that is believed wrongly costs a wait for the
//! device, never wrong bytes.
//!
//! Invariant: a record that took the place of another has another key, and is not believed to have
//! the other's pages.

use std::ops::Range;

use super::key::Handle;

/// How long a look is believed. A large file goes out in pieces, as its socket has room, and a
/// small one to many sockets; a look for each costs up to a tenth of it.
const BELIEVED_NS: u64 = 10_000_000;
/// How many files are remembered. One that is at the place of another replaces it.
const PLACES: usize = 16;

/// The ranges that are believed to be cached.
#[derive(Default)]
pub(crate) struct Cached {
    places: [Option<Place>; PLACES],
}

struct Place {
    file: Handle,
    range: Range<u64>,
    until_ns: u64,
}

impl Cached {
    /// Up to where the bytes from `at` on are believed to be cached; `None` if nothing is known.
    pub(crate) fn end(&self, file: Handle, at: u64, now_ns: u64) -> Option<u64> {
        let place = self.places[index(file)].as_ref()?;
        let known = place.file == file && place.range.contains(&at) && now_ns < place.until_ns;
        known.then_some(place.range.end)
    }

    /// A range was seen to be cached. It extends one that it touches, which is believed for no
    /// longer than before.
    pub(crate) fn note(&mut self, file: Handle, range: Range<u64>, now_ns: u64) {
        let place = &mut self.places[index(file)];
        if let Some(known) = place {
            let touches = range.start <= known.range.end && known.range.start <= range.end;
            if known.file == file && touches && now_ns < known.until_ns {
                known.range.start = known.range.start.min(range.start);
                known.range.end = known.range.end.max(range.end);
                return;
            }
        }
        *place = Some(Place { file, range, until_ns: now_ns.saturating_add(BELIEVED_NS) });
    }
}

fn index(file: Handle) -> usize {
    file.key.index as usize % PLACES
}

#[cfg(test)]
mod tests;
