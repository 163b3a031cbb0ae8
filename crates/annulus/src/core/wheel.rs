//! The timers of one core: a hierarchical timing wheel.
//!
//! Owns which timer is due when, and what is to happen then, a `T` that it only keeps. Does not own
//! the clock (time comes in as an argument), or the wait (the driver asks for
//! [`Wheel::next_deadline_ns`]).
//!
//! Time is counted in ticks of 2^16 ns (65.5 µs). A deadline is rounded *up* to a tick and the
//! clock *down*, so no timer fires early, and none later than one tick after its deadline if
//! somebody looks. There are seven levels of 256 slots; one slot of a level is as wide as all of
//! the level below (65.5 µs, 17 ms, 4 s, 18 min, …). A timer is in the level of the highest bit in
//! which its tick differs from `elapsed_tick`:
//!
//! ```text
//! elapsed   00000c : 07 : 33              levels 2 : 1 : 0, eight bits each
//! a timer   00000c : 07 : 41              level 0, slot 41: fires at this tick
//! a timer   00000c : 09 : 05              level 1, slot 9: moves down when c:09:00 is reached
//!
//!   level n   [ . . . . . x . . x . ]     one bit per slot in `slots[n]`
//!                   ^ elapsed  ^ a circular doubly linked list through `timers`
//! ```
//!
//! Invariants:
//! * A timer at level `n` agrees with `elapsed_tick` in all bits above level `n`, and its slot
//!   there is *behind* the current one. So slots never wrap, every timer of a level is earlier than
//!   all timers of the levels above, and the first timer is in the lowest bit of the lowest level.
//! * A bit is set exactly if the list is not empty: time jumps from set bit to set bit, and an
//!   interval without timers costs nothing, be it years.
//! * So the tick of a timer tells its list as long as it is there: what is not after `elapsed_tick`
//!   is in that of expired ones, which take a slot of the lowest level over whole.
//! * Timers of one tick fire in the order of their insertion.
//!
//! Insert and cancel are O(1). A timer moves down at most once per level. Nothing is allocated
//! while there are no more timers than there have been at once before.
#![forbid(unsafe_code)]

/// Width of a tick as a power of two: 65 536 ns.
const TICK_BITS: u32 = 16;
/// Width of a tick.
pub(crate) const TICK_NS: u64 = 1 << TICK_BITS;
/// Bits of the tick that choose the slot within a level.
const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;
/// Six levels cover the 2^48 ticks of the clock. Rounding up can give 2^48 itself, which the clock
/// never reaches; the seventh level holds these, and nobody looks for them.
const LEVELS: usize = 7;
/// The bits of the levels that the clock reaches.
const REACHED: u8 = (1 << (LEVELS - 1)) - 1;
/// The list of expired timers, behind the lists of all slots.
const DUE: usize = LEVELS * SLOTS;
/// No timer: an empty list, or the end of the free ones.
const NIL: u32 = u32::MAX;

/// Names one timer that was inserted. Stale once it fired or was cancelled, and recognised as stale
/// (until the same index has been used 2^32 times).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TimerKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// See the [module](self).
pub(crate) struct Wheel<T> {
    /// The latest instant that `advance` was told.
    now_ns: u64,
    /// Everything up to and including this tick has expired.
    elapsed_tick: u64,
    /// Bit `n`: there are timers in level `n`.
    levels: u8,
    /// Bit `s` of element `n`: the list of slot `s` of level `n` is not empty.
    slots: [Bits; LEVELS],
    /// First timer of each list; its `prev` is the last one.
    heads: [u32; LEVELS * SLOTS + 1],
    timers: Vec<Timer<T>>,
    /// First free element of `timers`, linked through `next`.
    free: u32,
    len: usize,
}

struct Timer<T> {
    /// One that had passed when the timer was inserted may be an earlier one.
    deadline_ns: u64,
    /// None while it is free.
    what: Option<T>,
    prev: u32,
    next: u32,
    /// Odd while in a list, even while free.
    generation: u32,
}

/// One bit for each slot of a level.
#[derive(Clone, Copy, Default)]
struct Bits([u64; SLOTS / 64]);

impl Bits {
    fn set(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    fn clear(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; SLOTS / 64]
    }

    /// The lowest bit that is set, or `SLOTS`.
    fn first(&self) -> usize {
        let word = self.0.iter().position(|word| *word != 0).unwrap_or(self.0.len() - 1);
        word * 64 + self.0[word].trailing_zeros() as usize
    }
}

impl<T> Timer<T> {
    /// When it fires. The end of time is beyond the last tick of the clock.
    fn tick(&self) -> u64 {
        self.deadline_ns.div_ceil(TICK_NS)
    }
}

impl<T> Wheel<T> {
    /// An empty wheel; it allocates with the first timer.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            now_ns,
            elapsed_tick: now_ns >> TICK_BITS,
            levels: 0,
            slots: [Bits::default(); LEVELS],
            heads: [NIL; LEVELS * SLOTS + 1],
            timers: Vec::new(),
            free: NIL,
            len: 0,
        }
    }

    /// The latest instant that `advance` was told.
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// How many timers there are, expired ones that were not popped yet included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a timer. One whose deadline is not after the latest [`advance`](Self::advance) has
    /// expired already and is popped first.
    ///
    /// A deadline within the last tick of the clock, such as `u64::MAX`, never fires.
    pub(crate) fn insert(&mut self, deadline_ns: u64, what: T) -> TimerKey {
        let index = self.allocate();
        let timer = &mut self.timers[index as usize];
        timer.deadline_ns = if deadline_ns <= self.now_ns {
            // Rounded up, it may be a tick that is yet to come.
            deadline_ns.min(self.elapsed_tick << TICK_BITS)
        } else {
            deadline_ns
        };
        timer.what = Some(what);
        timer.generation = timer.generation.wrapping_add(1);
        let generation = timer.generation;
        self.link(index);
        self.len += 1;
        TimerKey { index, generation }
    }

    /// What is to happen when a timer fires; `None` if it was popped or cancelled.
    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        let timer = self.timers.get_mut(key.index as usize)?;
        // Generations of keys are odd, those of free elements even.
        if timer.generation == key.generation { timer.what.as_mut() } else { None }
    }

    /// Takes a timer out, with what was to happen; `None` if it was popped or cancelled before.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.get_mut(key)?;
        let list = self.list_of(self.timers[key.index as usize].tick());
        self.unlink(key.index, list);
        self.release(key.index)
    }

    /// An instant by which to call [`advance`](Self::advance) again, or `None` without timers that
    /// ever fire.
    ///
    /// Never later than the earliest deadline rounded up to a tick, and exactly that if the
    /// earliest timer is in the lowest level or alone in its slot. Otherwise it is the instant at
    /// which that slot moves down: looking then fires nothing, and at most once per level of each
    /// timer. If timers have expired already, it is an instant of the past.
    pub(crate) fn next_deadline_ns(&self) -> Option<u64> {
        let tick = if self.heads[DUE] != NIL {
            self.elapsed_tick
        } else {
            let (list, start_tick) = self.first_slot()?;
            let head = &self.timers[self.heads[list] as usize];
            // In the lowest level, `tick` is the start of the slot.
            let alone = head.prev == head.next && head.prev == self.heads[list];
            if alone { head.tick() } else { start_tick }
        };
        Some(tick.saturating_mul(TICK_NS))
    }

    /// Expires every timer whose deadline has come; [`pop_expired`](Self::pop_expired) yields them.
    ///
    /// A clock that goes backwards is taken to stand still.
    pub(crate) fn advance(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let now_tick = self.now_ns >> TICK_BITS;
        while let Some((list, start_tick)) = self.first_slot() {
            if start_tick > now_tick {
                break;
            }
            self.elapsed_tick = start_tick;
            if list < SLOTS { self.move_to_due(list) } else { self.move_down(list) }
        }
        self.elapsed_tick = now_tick;
    }

    /// Takes out the next timer that expired, in the order of ticks and of insertion.
    ///
    /// One at a time, so that the wheel need not be borrowed while it happens.
    pub(crate) fn pop_expired(&mut self) -> Option<T> {
        let index = self.heads[DUE];
        if index == NIL {
            return None;
        }
        self.unlink(index, DUE);
        self.release(index)
    }

    /// Those that have expired, in the order in which they would be popped.
    pub(crate) fn expired(&self) -> impl Iterator<Item = (u64, TimerKey)> + '_ {
        let first = self.heads[DUE];
        let mut next = first;
        std::iter::from_fn(move || {
            let index = next;
            let timer = self.timers.get(index as usize)?;
            next = if timer.next == first { NIL } else { timer.next };
            Some((timer.deadline_ns, TimerKey { index, generation: timer.generation }))
        })
    }

    /// Every timer there is, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> + '_ {
        self.timers.iter().filter_map(|timer| Some((timer.deadline_ns, timer.what.as_ref()?)))
    }

    /// The first list that is not empty, and the tick at which its slot starts, if that ever comes.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let levels = self.levels & REACHED;
        if levels == 0 {
            return None;
        }
        let level = levels.trailing_zeros();
        let slot = self.slots[level as usize].first();
        let shift = level * SLOT_BITS;
        // The bits above this level are those of the present; the bits below it are zero.
        let above = self.elapsed_tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        let start_tick = above | (slot as u64) << shift;
        debug_assert!(start_tick > self.elapsed_tick, "a slot of the past is occupied");
        Some((level as usize * SLOTS + slot, start_tick))
    }

    /// Takes all of a list.
    fn empty(&mut self, list: usize) -> u32 {
        let head = std::mem::replace(&mut self.heads[list], NIL);
        self.clear_bit(list);
        head
    }

    /// Empties a slot of the lowest level that starts now: its timers are behind those that are due
    /// already.
    fn move_to_due(&mut self, list: usize) {
        let head = self.empty(list);
        let due = self.heads[DUE];
        if due == NIL {
            self.heads[DUE] = head;
            return;
        }
        let last = self.timers[head as usize].prev;
        let last_due = self.timers[due as usize].prev;
        self.timers[last_due as usize].next = head;
        self.timers[head as usize].prev = last_due;
        self.timers[last as usize].next = due;
        self.timers[due as usize].prev = last;
    }

    /// Empties a slot of another level that starts now: each timer goes to a lower level, or is
    /// due.
    ///
    /// The list is followed from both ends, for where the next timer is in memory is known only
    /// once this one has come from there: so two are on their way at a time instead of one.
    fn move_down(&mut self, list: usize) {
        let head = self.empty(list);
        let mut index = head;
        let mut from_end = self.timers[head as usize].prev;
        let mut met = false;
        loop {
            let next = self.timers[index as usize].next;
            if !met {
                met = from_end == index || from_end == next;
                from_end = self.timers[from_end as usize].prev;
            }
            self.link(index);
            if next == head {
                return;
            }
            index = next;
        }
    }

    /// Appends a timer to the list that its tick belongs to now.
    fn link(&mut self, index: u32) {
        let list = self.list_of(self.timers[index as usize].tick());
        let head = self.heads[list];
        let (prev, next) = if head == NIL {
            self.heads[list] = index;
            self.set_bit(list);
            (index, index)
        } else {
            let last = self.timers[head as usize].prev;
            self.timers[last as usize].next = index;
            self.timers[head as usize].prev = index;
            (last, head)
        };
        let timer = &mut self.timers[index as usize];
        timer.prev = prev;
        timer.next = next;
    }

    /// Takes a timer out of the list that it is in.
    fn unlink(&mut self, index: u32, list: usize) {
        let &Timer { prev, next, .. } = &self.timers[index as usize];
        if next == index {
            self.heads[list] = NIL;
            self.clear_bit(list);
            return;
        }
        self.timers[prev as usize].next = next;
        self.timers[next as usize].prev = prev;
        if self.heads[list] == index {
            self.heads[list] = next;
        }
    }

    /// The list of timers of a tick.
    fn list_of(&self, tick: u64) -> usize {
        if tick <= self.elapsed_tick {
            return DUE;
        }
        let level = (tick ^ self.elapsed_tick).ilog2() / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        level as usize * SLOTS + slot
    }

    fn set_bit(&mut self, list: usize) {
        if list != DUE {
            let (level, slot) = (list / SLOTS, list % SLOTS);
            self.slots[level].set(slot);
            self.levels |= 1 << level;
        }
    }

    fn clear_bit(&mut self, list: usize) {
        if list != DUE {
            let (level, slot) = (list / SLOTS, list % SLOTS);
            self.slots[level].clear(slot);
            if self.slots[level].is_empty() {
                self.levels &= !(1 << level);
            }
        }
    }

    /// An element of `timers` that is in no list, the last one that was freed if there is any.
    fn allocate(&mut self) -> u32 {
        if self.free != NIL {
            let index = self.free;
            self.free = self.timers[index as usize].next;
            return index;
        }
        let index = self.timers.len();
        assert!(index < NIL as usize, "more than 2^32 - 1 timers on one core");
        let free = Timer { deadline_ns: 0, what: None, prev: NIL, next: NIL, generation: 0 };
        self.timers.push(free);
        index as u32
    }

    /// Frees an element that is in no list any more, and returns what it had.
    fn release(&mut self, index: u32) -> Option<T> {
        let timer = &mut self.timers[index as usize];
        timer.generation = timer.generation.wrapping_add(1);
        timer.next = self.free;
        self.free = index;
        self.len -= 1;
        timer.what.take()
    }
}

#[cfg(test)]
mod tests;
