//! The submission queue over allocated memory, the test playing the kernel.

use core::sync::atomic::Ordering::Relaxed;

use annulus_abi::Opcode;
use proptest::prelude::*;

use super::*;

mod wide;

/// A queue whose indices stand at `start`, and the kernel's half of it.
struct Bench {
    sq: Sq,
    memory: RingMemory,
    params: Params,
}

impl Bench {
    fn new(entries: u32, start: u32, flags: SetupFlags) -> Self {
        let mut params =
            Params { sq_entries: entries, cq_entries: entries, flags, ..Params::default() };
        let memory = RingMemory::allocate(-1, &mut params);
        for offset in [params.sq_off.head, params.sq_off.tail] {
            // SAFETY: the offset of a word of the allocation that `memory` keeps.
            unsafe { Word::at(memory.sq_ring(), offset) }.store(start, Relaxed);
        }
        // SAFETY: `params` describe the memory, and this is its only queue.
        let sq = unsafe { Sq::new(&memory, &params) };
        Self { sq, memory, params }
    }

    fn word(&self, offset: u32) -> Word {
        // SAFETY: the offset of a word of the allocation that `memory` keeps.
        unsafe { Word::at(self.memory.sq_ring(), offset) }
    }

    fn push(&mut self, user_data: u64) -> bool {
        self.sq.vacant().map(|sqe| sqe.user_data = user_data).is_some()
    }

    /// Consumes up to `count` published entries, as the kernel does.
    fn consume(&mut self, count: u32) -> Vec<u64> {
        let head = self.word(self.params.sq_off.head);
        let tail = self.word(self.params.sq_off.tail).load(Relaxed);
        let first = head.load(Relaxed);
        let count = count.min(tail.wrapping_sub(first));
        let taken = (0..count).map(|step| {
            let index = first.wrapping_add(step) & (self.params.sq_entries - 1);
            // SAFETY: the masked index is within the entries.
            let sqe = unsafe { self.memory.sqes().add(index as usize) };
            // SAFETY: published entries are initialised and nobody writes them now.
            unsafe { sqe.read() }.user_data
        });
        let taken = taken.collect();
        head.store(first.wrapping_add(count), Relaxed);
        taken
    }
}

#[test]
fn a_full_queue_gives_no_entry_until_the_kernel_moves_its_head() {
    let mut bench = Bench::new(4, 0, SetupFlags::NO_SQARRAY);
    for user_data in 0..4 {
        assert_eq!(bench.sq.space_left(), 4 - user_data as u32);
        assert!(bench.push(user_data));
    }
    assert!(!bench.push(4));
    assert_eq!(bench.sq.publish(), 4);
    assert!(!bench.push(4));
    assert_eq!(bench.consume(1), [0]);
    assert!(bench.push(4));
    assert!(!bench.push(5));
}

#[test]
fn a_full_queue_gives_no_entry_without_a_look_until_somebody_has_looked() {
    let mut bench = Bench::new(4, 2, SetupFlags::NO_SQARRAY);
    assert!(bench.sq.vacant_seen().is_none(), "nobody has looked");
    assert!((0..4).all(|user_data| bench.push(user_data)));
    assert!(!bench.push(4));
    assert_eq!(bench.sq.publish(), 4);
    assert_eq!(bench.consume(3), [0, 1, 2]);
    bench.sq.refresh_head();
    assert!(bench.sq.vacant_seen().is_none(), "there is room, for which nobody has asked");
    assert!(bench.push(4));
    assert!(bench.sq.vacant_seen().is_some());
    assert!(bench.sq.vacant_seen().is_none(), "the end of the entries");
}

#[test]
fn indices_wrap_at_two_to_the_thirty_second() {
    let mut bench = Bench::new(4, u32::MAX, SetupFlags::NO_SQARRAY);
    for round in 0..3_u64 {
        for step in 0..4 {
            assert!(bench.push(round * 4 + step));
        }
        assert!(!bench.push(99));
        assert_eq!((bench.sq.pending(), bench.sq.unpublished()), (4, 4));
        assert_eq!(bench.sq.publish(), 4);
        let expected: Vec<_> = (round * 4..round * 4 + 4).collect();
        assert_eq!(bench.consume(u32::MAX), expected);
        assert_eq!(bench.sq.refresh_head(), 4);
    }
    let tail = bench.word(bench.params.sq_off.tail).load(Relaxed);
    assert_eq!(tail, u32::MAX.wrapping_add(12));
}

#[test]
fn a_partial_submission_leaves_the_rest_pending() {
    let mut bench = Bench::new(8, u32::MAX - 2, SetupFlags::NO_SQARRAY);
    for user_data in 0..8 {
        assert!(bench.push(user_data));
    }
    assert_eq!(bench.sq.publish(), 8);
    assert_eq!(bench.consume(5), [0, 1, 2, 3, 4]);
    assert_eq!(bench.sq.refresh_head(), 5);
    assert_eq!((bench.sq.pending(), bench.sq.space_left()), (3, 5));
    assert_eq!(bench.sq.publish(), 3);
    assert_eq!(bench.consume(5), [5, 6, 7]);
}

#[test]
fn nothing_is_published_before_it_is_asked_for() {
    let mut bench = Bench::new(4, 7, SetupFlags::NO_SQARRAY);
    assert!(bench.push(1));
    assert_eq!(bench.consume(u32::MAX), []);
    assert_eq!(bench.sq.publish(), 1);
    assert_eq!(bench.sq.unpublished(), 0);
    assert_eq!(bench.consume(u32::MAX), [1]);
}

#[test]
fn a_reused_entry_is_zeroed() {
    let mut bench = Bench::new(1, u32::MAX, SetupFlags::NO_SQARRAY);
    let sqe = bench.sq.vacant().unwrap();
    sqe.opcode = Opcode::READ;
    sqe.addr3 = 7;
    bench.sq.publish();
    bench.consume(1);
    assert_eq!(*bench.sq.vacant().unwrap(), Sqe::default());
}

#[test]
fn the_index_array_is_the_identity_where_there_is_one() {
    let bench = Bench::new(8, 3, SetupFlags::EMPTY);
    for index in 0..8 {
        let word = bench.word(bench.params.sq_off.array + 4 * index);
        assert_eq!(word.load(Relaxed), index);
    }
}

#[test]
fn the_wakeup_flag_is_seen() {
    let bench = Bench::new(1, 0, SetupFlags::NO_SQARRAY);
    assert!(!bench.sq.needs_wakeup());
    let flags = bench.word(bench.params.sq_off.flags);
    flags.store(SqFlags::NEED_WAKEUP.0, Relaxed);
    assert!(bench.sq.needs_wakeup());
}

proptest! {
    /// Against a plain queue: whatever the order of pushes, publications and consumptions, and
    /// wherever the indices start.
    #[test]
    fn it_behaves_as_a_bounded_queue(
        shift in 0_u32..5,
        start in prop_oneof![Just(u32::MAX), Just(u32::MAX - 9), any::<u32>()],
        steps in proptest::collection::vec(0_u32..6, 0..200),
    ) {
        let entries = 1 << shift;
        let mut bench = Bench::new(entries, start, SetupFlags::NO_SQARRAY);
        let mut model = std::collections::VecDeque::new();
        let mut published = 0;
        let mut next = 0_u64;
        for step in steps {
            match step {
                0..=2 => {
                    let pushed = bench.push(next);
                    prop_assert_eq!(pushed, model.len() < entries as usize);
                    if pushed {
                        model.push_back(next);
                    }
                    next += 1;
                }
                3 => {
                    bench.sq.refresh_head();
                    prop_assert_eq!(bench.sq.publish() as usize, model.len());
                    published = model.len();
                }
                many => {
                    let taken = bench.consume(many - 3);
                    let count = published.min(many as usize - 3);
                    let expected: Vec<_> = model.drain(..count).collect();
                    published -= count;
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(bench.sq.pending() as usize, model.len());
        }
    }
}
