//! The wheel against a sorted map, and the edges that random operations seldom reach.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::timers::Due;

const SECOND_NS: u64 = 1_000_000_000;
const YEAR_NS: u64 = 365 * 24 * 3600 * SECOND_NS;

fn expired(wheel: &mut Wheel<u64>, now_ns: u64) -> Vec<u64> {
    wheel.advance(now_ns);
    let listed: Vec<_> = wheel.expired().map(|(_, key)| key).collect();
    let tokens: Vec<_> = std::iter::from_fn(|| wheel.pop_expired()).collect();
    assert_eq!(listed.len(), tokens.len(), "all that has expired is listed");
    assert!(listed.into_iter().all(|key| wheel.get_mut(key).is_none()), "and popped");
    wheel.check();
    tokens
}

impl Wheel<u64> {
    /// Checks the invariants of the module against every list.
    fn check(&self) {
        let mut linked = 0;
        for (list, &head) in self.heads.iter().enumerate() {
            let (level, slot) = (list / SLOTS, list % SLOTS);
            if list != DUE {
                let bits = &self.slots[level];
                assert_eq!(bits.0[slot / 64] >> (slot % 64) & 1 == 1, head != NIL, "bit of slot");
                assert_eq!(self.levels >> level & 1 == 0, bits.is_empty(), "bit of level");
            }
            if head == NIL {
                continue;
            }
            let mut index = head;
            loop {
                let timer = &self.timers[index as usize];
                assert_eq!(self.list_of(timer.tick()), list, "timer in its slot");
                assert_eq!(timer.generation % 2, 1, "generation of a linked timer is odd");
                assert_eq!(self.timers[timer.next as usize].prev, index, "links agree");
                linked += 1;
                index = timer.next;
                if index == head {
                    break;
                }
            }
        }
        assert_eq!(linked, self.len, "every timer is in a list");
        let mut free = 0;
        let mut index = self.free;
        while index != NIL {
            assert_eq!(self.timers[index as usize].generation % 2, 0);
            free += 1;
            index = self.timers[index as usize].next;
        }
        assert_eq!(linked + free, self.timers.len(), "every element is linked or free");
    }
}

#[test]
fn an_empty_wheel_has_no_deadline_and_fires_nothing() {
    let mut wheel = Wheel::new(5 * SECOND_NS);
    assert_eq!(wheel.next_deadline_ns(), None);
    assert_eq!(expired(&mut wheel, u64::MAX), []);
    assert_eq!(wheel.len(), 0);
}

#[test]
fn a_timer_fires_at_the_first_tick_that_is_not_before_its_deadline() {
    let mut wheel = Wheel::new(0);
    wheel.insert(TICK_NS + 1, 7);
    assert_eq!(wheel.next_deadline_ns(), Some(2 * TICK_NS));
    assert_eq!(expired(&mut wheel, 2 * TICK_NS - 1), []);
    assert_eq!(expired(&mut wheel, 2 * TICK_NS), [7]);
    assert_eq!(wheel.next_deadline_ns(), None);
}

#[test]
fn a_deadline_on_a_tick_fires_exactly_then() {
    let mut wheel = Wheel::new(0);
    wheel.insert(64 * TICK_NS, 1);
    assert_eq!(expired(&mut wheel, 64 * TICK_NS - 1), []);
    assert_eq!(expired(&mut wheel, 64 * TICK_NS), [1]);
}

#[test]
fn a_deadline_in_the_past_fires_at_the_next_look() {
    let mut wheel = Wheel::new(SECOND_NS);
    wheel.insert(0, 1);
    wheel.insert(SECOND_NS / 2, 2);
    // In the middle of a tick, but not after the latest instant.
    wheel.insert(SECOND_NS, 3);
    assert!(wheel.next_deadline_ns().unwrap() <= SECOND_NS);
    assert_eq!(expired(&mut wheel, SECOND_NS), [1, 2, 3]);
}

#[test]
fn timers_of_one_tick_fire_in_the_order_of_insertion_whatever_level_they_came_from() {
    let deadline_ns = 70_000 * TICK_NS;
    let mut wheel = Wheel::new(0);
    for (token, lead_ticks) in [(0, 70_000), (1, 4_000), (2, 70), (3, 3), (4, 1)] {
        assert_eq!(expired(&mut wheel, deadline_ns - lead_ticks * TICK_NS), []);
        wheel.insert(deadline_ns, token);
    }
    assert_eq!(expired(&mut wheel, deadline_ns), [0, 1, 2, 3, 4]);
}

#[test]
fn a_jump_over_centuries_fires_everything_in_order() {
    let mut wheel = Wheel::new(0);
    for (token, years) in [(3, 400), (1, 3), (2, 50), (0, 0)] {
        wheel.insert(years * YEAR_NS + 1, token);
    }
    assert_eq!(expired(&mut wheel, 500 * YEAR_NS), [0, 1, 2, 3]);
}

#[test]
fn a_timer_alone_in_a_high_level_is_waited_for_exactly() {
    let mut wheel = Wheel::new(123 * TICK_NS);
    let key = wheel.insert(YEAR_NS, 0);
    assert_eq!(wheel.next_deadline_ns(), Some(YEAR_NS.next_multiple_of(TICK_NS)));
    wheel.insert(YEAR_NS + 1, 1);
    assert!(wheel.next_deadline_ns().unwrap() <= YEAR_NS);
    assert_eq!(wheel.cancel(key), Some(0));
    assert_eq!(wheel.next_deadline_ns(), Some((YEAR_NS + 1).next_multiple_of(TICK_NS)));
}

#[test]
fn waiting_for_each_next_deadline_reaches_a_timer_within_one_look_per_level() {
    let mut wheel = Wheel::new(0);
    wheel.insert(300 * YEAR_NS, 0);
    wheel.insert(300 * YEAR_NS, 1);
    let mut looks = 0;
    loop {
        let now_ns = wheel.next_deadline_ns().unwrap();
        looks += 1;
        if !expired(&mut wheel, now_ns).is_empty() {
            break;
        }
        assert!(looks < LEVELS, "still waiting after {looks} looks");
    }
}

#[test]
fn the_end_of_time_never_comes() {
    let mut wheel = Wheel::new(0);
    let never = wheel.insert(u64::MAX, 1);
    wheel.insert(u64::MAX - TICK_NS + 1, 2);
    assert_eq!(wheel.next_deadline_ns(), Some(u64::MAX - TICK_NS + 1));
    assert_eq!(expired(&mut wheel, u64::MAX), [2]);
    assert_eq!(wheel.next_deadline_ns(), None);
    assert_eq!(expired(&mut wheel, u64::MAX), []);
    assert_eq!(wheel.cancel(never), Some(1));
}

#[test]
fn a_key_is_good_for_one_cancel() {
    let mut wheel = Wheel::new(0);
    let key = wheel.insert(SECOND_NS, 9);
    assert_eq!(wheel.cancel(key), Some(9));
    assert_eq!(wheel.cancel(key), None);
    let reused = wheel.insert(SECOND_NS, 10);
    assert_eq!(reused.index, key.index);
    assert_eq!(wheel.cancel(key), None);
    assert_eq!(expired(&mut wheel, 2 * SECOND_NS), [10]);
    assert_eq!(wheel.cancel(reused), None);
    assert_eq!(wheel.cancel(TimerKey { index: 77, generation: 1 }), None);
}

#[test]
fn generations_wrap_without_losing_the_difference_between_linked_and_free() {
    let mut wheel = Wheel::new(0);
    let first = wheel.insert(1, 0);
    wheel.cancel(first).unwrap();
    wheel.timers[first.index as usize].generation = u32::MAX - 1;
    let last = wheel.insert(1, 1);
    assert_eq!(last.generation, u32::MAX);
    assert_eq!(wheel.cancel(last), Some(1));
    let wrapped = wheel.insert(1, 2);
    assert_eq!(wrapped.generation, 1);
    wheel.check();
}

#[test]
fn an_expired_timer_can_be_cancelled_until_it_is_popped() {
    let mut wheel = Wheel::new(0);
    wheel.insert(1, 0);
    let second = wheel.insert(1, 1);
    wheel.insert(1, 2);
    wheel.advance(SECOND_NS);
    assert_eq!(wheel.pop_expired(), Some(0));
    assert_eq!(wheel.cancel(second), Some(1));
    assert_eq!(wheel.pop_expired(), Some(2));
    assert_eq!(wheel.pop_expired(), None);
}

#[test]
fn a_clock_that_goes_backwards_stands_still() {
    let mut wheel = Wheel::new(10 * SECOND_NS);
    wheel.insert(11 * SECOND_NS, 0);
    assert_eq!(expired(&mut wheel, 0), []);
    wheel.insert(10 * SECOND_NS, 1);
    assert_eq!(expired(&mut wheel, 5 * SECOND_NS), [1]);
    assert_eq!(expired(&mut wheel, 12 * SECOND_NS), [0]);
}

#[test]
fn churn_allocates_nothing_beyond_the_most_timers_at_once() {
    let mut wheel = Wheel::new(0);
    let mut keys: Vec<_> = (0..100).map(|i| wheel.insert(i * SECOND_NS, i)).collect();
    let capacity = wheel.timers.capacity();
    for round in 1..1000 {
        for (i, key) in keys.iter_mut().enumerate() {
            wheel.cancel(*key);
            *key = wheel.insert((round * 7 + i as u64 * 31) * SECOND_NS, round);
        }
        assert!(wheel.len() <= 100);
        expired(&mut wheel, round * SECOND_NS);
    }
    assert_eq!(wheel.timers.capacity(), capacity);
    assert!(wheel.timers.len() <= 100);
}

#[test]
fn a_timer_stays_small() {
    assert_eq!(size_of::<Timer<std::num::NonZeroU64>>(), 32);
    assert_eq!(size_of::<Timer<Due>>(), 48);
    assert_eq!(size_of::<TimerKey>(), 8);
}

/// What the wheel promises, in the most obvious way.
struct Oracle {
    now_ns: u64,
    sequence: u64,
    timers: BTreeMap<(u64, u64), u64>,
}

impl Oracle {
    fn insert(&mut self, deadline_ns: u64, token: u64) -> (u64, u64) {
        self.sequence += 1;
        let tick = if deadline_ns <= self.now_ns {
            self.now_ns / TICK_NS
        } else {
            deadline_ns.div_ceil(TICK_NS)
        };
        self.timers.insert((tick, self.sequence), token);
        (tick, self.sequence)
    }

    /// The same timers are there, and each is found by its key, or not.
    fn check(&self, wheel: &mut Wheel<u64>, keys: &[(TimerKey, (u64, u64))]) {
        let mut there: Vec<_> = wheel.iter().map(|(_, token)| *token).collect();
        let mut expected: Vec<_> = self.timers.values().copied().collect();
        there.sort_unstable();
        expected.sort_unstable();
        assert_eq!(there, expected);
        assert_eq!(wheel.len(), expected.len());
        for (key, name) in keys {
            assert_eq!(wheel.get_mut(*key).copied(), self.timers.get(name).copied());
        }
    }

    fn expire(&mut self, now_ns: u64) -> Vec<u64> {
        self.now_ns = self.now_ns.max(now_ns);
        let later = self.timers.split_off(&(self.now_ns / TICK_NS + 1, 0));
        std::mem::replace(&mut self.timers, later).into_values().collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert { delay_ns: u64, copies: u8 },
    InsertAt { deadline_ns: u64 },
    Cancel { which: prop::sample::Index },
    Advance { by_ns: u64 },
    AdvanceToNext,
}

/// Durations of all magnitudes: uniform in the number of bits.
fn duration() -> impl Strategy<Value = u64> {
    (0_u32..64, any::<u64>()).prop_map(|(bits, noise)| noise >> (63 - bits))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (duration(), 1_u8..4).prop_map(|(delay_ns, copies)| Step::Insert { delay_ns, copies }),
        4 => (0..300 * TICK_NS, 1_u8..4)
            .prop_map(|(delay_ns, copies)| Step::Insert { delay_ns, copies }),
        1 => prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>()]
            .prop_map(|deadline_ns| Step::InsertAt { deadline_ns }),
        4 => any::<prop::sample::Index>().prop_map(|which| Step::Cancel { which }),
        4 => (0..100 * TICK_NS).prop_map(|by_ns| Step::Advance { by_ns }),
        1 => (0_u32..50, any::<u64>()).prop_map(|(bits, noise)| Step::Advance {
            by_ns: noise >> (63 - bits),
        }),
        2 => Just(Step::AdvanceToNext),
    ]
}

proptest! {
    #[test]
    fn behaves_as_a_sorted_map(
        start_ns in prop_oneof![Just(0_u64), 0..1_u64 << 50, any::<u64>()],
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut now_ns = start_ns;
        let mut wheel = Wheel::new(now_ns);
        let mut oracle = Oracle {
            now_ns,
            sequence: 0,
            timers: BTreeMap::new(),
        };
        let mut keys = Vec::new();
        let mut deadlines = Vec::new();
        for step in steps {
            match step {
                Step::Insert { delay_ns, copies } => {
                    let deadline_ns = now_ns.saturating_add(delay_ns);
                    for _ in 0..copies {
                        let token = deadlines.len() as u64;
                        deadlines.push(deadline_ns);
                        keys.push((
                            wheel.insert(deadline_ns, token),
                            oracle.insert(deadline_ns, token),
                        ));
                    }
                }
                Step::InsertAt { deadline_ns } => {
                    let token = deadlines.len() as u64;
                    deadlines.push(deadline_ns);
                    keys.push((
                        wheel.insert(deadline_ns, token),
                        oracle.insert(deadline_ns, token),
                    ));
                }
                Step::Cancel { which } if !keys.is_empty() => {
                    // Keys stay in the list, so stale ones are tried too.
                    let (key, expected) = keys[which.index(keys.len())];
                    prop_assert_eq!(wheel.cancel(key), oracle.timers.remove(&expected));
                }
                Step::Cancel { .. } => {}
                Step::Advance { by_ns } => now_ns = now_ns.saturating_add(by_ns),
                Step::AdvanceToNext => {
                    now_ns = wheel.next_deadline_ns().unwrap_or(now_ns).max(now_ns);
                }
            }
            if matches!(step, Step::Advance { .. } | Step::AdvanceToNext) {
                let fired = expired(&mut wheel, now_ns);
                for &token in &fired {
                    prop_assert!(deadlines[token as usize] <= now_ns, "fired early");
                }
                prop_assert_eq!(fired, oracle.expire(now_ns));
            }
            oracle.check(&mut wheel, &keys);
            let next_ns = wheel.next_deadline_ns();
            // One beyond the last tick of the clock never comes.
            let first = oracle.timers.first_key_value();
            match first.filter(|((tick, _), _)| *tick <= u64::MAX / TICK_NS) {
                None => prop_assert_eq!(next_ns, None),
                Some((&(tick, _), _)) => {
                    let next_ns = next_ns.unwrap();
                    prop_assert!(next_ns <= tick.saturating_mul(TICK_NS), "would wake late");
                    // And never so early that nothing at all would happen.
                    prop_assert!(
                        next_ns / TICK_NS > (now_ns / TICK_NS) || tick == (now_ns / TICK_NS),
                        "would wake for nothing"
                    );
                }
            }
        }
    }
}
