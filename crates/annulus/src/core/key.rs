//! Names for things that live in a core's tables: index plus generation, and the `user_data` of an
//! SQE.
//!
//! ```text
//!            63                         37 36      32 31                            0
//! user_data | generation             (27) | kind     | index                    (32) |
//! ```
//!
//! Owns: the packing. Invariant: a generation is 27 bits wide and moves on each time an index is
//! reused, so a stale key, or a stale completion, is told from a live one.

use annulus_task::CoreId;

/// Generations wrap at 27 bits, the room that `user_data` has for them.
pub(crate) const GENERATION_MASK: u32 = (1 << 27) - 1;

/// "No index": ends lists and marks absent things.
pub(crate) const NONE: u32 = u32::MAX;

/// An entry of one table of one core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// The generation that follows.
pub(crate) const fn next_generation(generation: u32) -> u32 {
    generation.wrapping_add(1) & GENERATION_MASK
}

/// What a completion belongs to. The discriminants are three bits of `user_data`; of the two above
/// them one marks a cancel, and the other one is for names of slots that are not in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A slot of the op table.
    Op = 1,
    /// The armed multishot receive of a socket record.
    Recv = 2,
    /// The armed multishot accept of a listener record.
    Accept = 3,
    /// What ends when the core's bell is rung: mostly a FUTEX_WAIT, else a read of an eventfd.
    Bell = 4,
    /// A close that nobody waits for.
    Close = 5,
    /// The timer that keeps the CPU's tick running.
    Tick = 6,
    /// The multishot poll of a watch record.
    Watch = 7,
}

/// Where the kind lies in `user_data`.
pub(crate) const KIND_SHIFT: u32 = 32;
/// How wide it is.
pub(crate) const KIND_MASK: u64 = 0x1f;
/// Where the generation lies: at the top, so that it wraps by itself.
pub(crate) const GENERATION_SHIFT: u32 = 37;

/// Packs what a completion belongs to into the 64 bits that the kernel carries.
pub(crate) const fn user_data(kind: Kind, key: Key) -> u64 {
    ((key.generation as u64) << GENERATION_SHIFT) | ((kind as u64) << KIND_SHIFT) | key.index as u64
}

/// The key in `user_data`, whatever it belongs to.
#[inline]
pub(crate) const fn key_of(user_data: u64) -> Key {
    Key { index: user_data as u32, generation: (user_data >> GENERATION_SHIFT) as u32 }
}

/// The reverse of [`user_data`]; `None` for bits that this core never wrote.
pub(crate) const fn parse(user_data: u64) -> Option<(Kind, Key)> {
    let kind = match user_data >> KIND_SHIFT & KIND_MASK {
        1 => Kind::Op,
        2 => Kind::Recv,
        3 => Kind::Accept,
        4 => Kind::Bell,
        5 => Kind::Close,
        6 => Kind::Tick,
        7 => Kind::Watch,
        _ => return None,
    };
    Some((kind, key_of(user_data)))
}

/// Marks the cancel of the request that the other bits name.
const CANCEL: u64 = 0b1000 << KIND_SHIFT;

/// The `user_data` of the cancel of `victim`.
pub(crate) const fn cancel_of(victim: u64) -> u64 {
    victim | CANCEL
}

/// The reverse of [`cancel_of`]; `None` for what is no cancel.
pub(crate) const fn victim_of(user_data: u64) -> Option<u64> {
    let victim = user_data & !CANCEL;
    if user_data & CANCEL != 0 && parse(victim).is_some() { Some(victim) } else { None }
}

/// A record of a particular core, as every handle names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Handle {
    pub(crate) core: CoreId,
    pub(crate) key: Key,
}

#[cfg(test)]
mod tests;
