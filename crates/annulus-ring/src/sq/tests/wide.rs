//! Entries of 128 bytes, alone and among others; reservations; other memory.

use super::*;

/// What the kernel finds: the user data of each entry, and `None` for a filler.
type Found = Vec<(Option<u64>, SqeFlags)>;

struct Mixed {
    sq: Sq<SqeMixed>,
    memory: RingMemory,
    params: Params,
}

fn words(memory: &RingMemory, params: &Params) -> [Word; 2] {
    [params.sq_off.head, params.sq_off.tail].map(|offset| {
        // SAFETY: the offset of a word of the allocation that `memory` keeps.
        unsafe { Word::at(memory.sq_ring(), offset) }
    })
}

impl Mixed {
    fn new(entries: u32, start: u32) -> Self {
        let flags = SetupFlags::NO_SQARRAY | SetupFlags::SQE_MIXED;
        let mut params =
            Params { sq_entries: entries, cq_entries: entries, flags, ..Params::default() };
        let memory = RingMemory::allocate(-1, &mut params);
        words(&memory, &params).iter().for_each(|word| word.store(start, Relaxed));
        // SAFETY: `params` describe the memory, and this is its only queue.
        let sq = unsafe { Sq::new(&memory, &params) };
        Self { sq, memory, params }
    }

    fn narrow(&mut self, user_data: u64, flags: SqeFlags) -> bool {
        let sqe = self.sq.vacant();
        sqe.map(|sqe| (sqe.user_data, sqe.flags) = (user_data, flags)).is_some()
    }

    fn wide(&mut self, user_data: u64) -> bool {
        let vacant = self.sq.vacant_wide();
        let filled = vacant.map(|it| {
            assert_eq!((it.sqe, it.cmd_rest), (Sqe::default(), [0; 64]));
            it.sqe.opcode = Opcode::NOP128;
            it.sqe.user_data = user_data;
            it.cmd_rest = [0xff; 64];
        });
        filled.is_some()
    }

    /// Consumes everything that is published, as the kernel does: an entry of 128 bytes takes two
    /// places, and must not start at the last one.
    fn consume(&mut self) -> Found {
        self.sq.publish();
        let [head, tail] = words(&self.memory, &self.params);
        let mut found = Vec::new();
        while head.load(Relaxed) != tail.load(Relaxed) {
            let at = head.load(Relaxed);
            let index = at & (self.params.sq_entries - 1);
            // SAFETY: the masked index is within the entries.
            let sqe = unsafe { self.memory.sqes().add(index as usize) };
            // SAFETY: published entries are initialised and nobody writes them now.
            let sqe = unsafe { sqe.read() };
            let wide = sqe.opcode == Opcode::NOP128;
            assert!(!wide || index + 1 < self.params.sq_entries, "a wide entry wraps");
            let filler = sqe.flags.contains(SqeFlags::CQE_SKIP_SUCCESS);
            found.push(((!filler).then_some(sqe.user_data), sqe.flags));
            head.store(at.wrapping_add(1 + u32::from(wide)), Relaxed);
        }
        found
    }
}

#[test]
fn a_wide_entry_at_the_end_is_preceded_by_a_filler() {
    let mut mixed = Mixed::new(4, 3);
    assert!(mixed.wide(1));
    assert_eq!(mixed.sq.backlog(), 3);
    let filler = (None, SqeFlags::CQE_SKIP_SUCCESS);
    assert_eq!(mixed.consume(), [filler, (Some(1), SqeFlags::EMPTY)]);
}

#[test]
fn a_filler_in_a_chain_is_linked() {
    for link in [SqeFlags::IO_LINK, SqeFlags::IO_HARDLINK] {
        let mut mixed = Mixed::new(4, 2);
        assert!(mixed.narrow(0, link | SqeFlags::ASYNC));
        assert!(mixed.wide(1));
        let filler = (None, SqeFlags::CQE_SKIP_SUCCESS | link);
        assert_eq!(mixed.consume()[1], filler);
    }
}

#[test]
fn a_filler_after_a_chain_that_was_submitted_is_not_linked() {
    let mut mixed = Mixed::new(4, 2);
    assert!(mixed.narrow(0, SqeFlags::IO_LINK));
    assert_eq!(mixed.consume().len(), 1);
    assert!(mixed.wide(1));
    assert_eq!(mixed.consume()[0], (None, SqeFlags::CQE_SKIP_SUCCESS));
}

#[test]
fn a_wide_entry_finds_room_in_a_queue_of_two() {
    let mut mixed = Mixed::new(2, 1);
    assert!(!mixed.wide(1), "the filler leaves one place");
    assert_eq!(mixed.consume(), [(None, SqeFlags::CQE_SKIP_SUCCESS)]);
    assert!(mixed.wide(2));
    assert_eq!(mixed.consume(), [(Some(2), SqeFlags::EMPTY)]);
}

#[test]
fn an_entry_of_128_bytes_is_zeroed_to_its_end() {
    let flags = SetupFlags::NO_SQARRAY | SetupFlags::SQE128;
    let mut params = Params { sq_entries: 2, cq_entries: 2, flags, ..Params::default() };
    let memory = RingMemory::allocate(-1, &mut params);
    // SAFETY: `params` describe the memory, and this is its only queue.
    let mut sq: Sq<Sqe128> = unsafe { Sq::new(&memory, &params) };
    for _ in 0..2 {
        sq.vacant().unwrap().cmd_rest = [0xff; 64];
    }
    sq.publish();
    words(&memory, &params)[0].store(2, Relaxed);
    let reused = sq.vacant().unwrap();
    assert_eq!((reused.sqe, reused.cmd_rest), (Sqe::default(), [0; 64]));
}

#[test]
fn a_reservation_is_pushed_as_a_whole_or_given_back() {
    let mut bench = Bench::new(4, u32::MAX, SetupFlags::NO_SQARRAY);
    let mut dropped = bench.sq.reserve(4).unwrap();
    dropped.entry(2).user_data = 99;
    drop(dropped);
    assert_eq!((bench.sq.backlog(), bench.sq.publish()), (0, 0));
    let mut kept = bench.sq.reserve(3).unwrap();
    assert_eq!(*kept.entry(2), Sqe::default(), "zeroed again");
    for index in (0..3).rev() {
        kept.entry(index).user_data = u64::from(index);
    }
    kept.push();
    assert!(bench.sq.reserve(2).is_none());
    assert_eq!(bench.sq.publish(), 3);
    assert_eq!(bench.consume(u32::MAX), [0, 1, 2]);
    assert_eq!(bench.sq.reserve(4).unwrap().len(), 4);
}

#[test]
#[should_panic(expected = "entry 2 of a reservation of 2")]
fn an_entry_beyond_the_reservation_is_a_bug_of_the_caller() {
    let mut bench = Bench::new(4, 0, SetupFlags::NO_SQARRAY);
    bench.sq.reserve(2).unwrap().entry(2);
}

#[test]
fn pending_entries_move_with_their_indices() {
    let mut bench = Bench::new(4, u32::MAX - 1, SetupFlags::NO_SQARRAY);
    (0..4).for_each(|user_data| assert!(bench.push(user_data)));
    bench.sq.publish();
    assert_eq!(bench.consume(1), [0]);
    let flags = SetupFlags::NO_SQARRAY;
    let mut params = Params { sq_entries: 16, cq_entries: 16, flags, ..Params::default() };
    let memory = RingMemory::allocate(-1, &mut params);
    words(&memory, &params)[0].store(u32::MAX, Relaxed);
    // SAFETY: `params` describe the memory, which is large enough, and this is its only queue.
    unsafe { bench.sq.move_to(&memory, &params) };
    (bench.memory, bench.params) = (memory, params);
    assert_eq!((bench.sq.pending(), bench.sq.space_left()), (3, 13));
    assert!(bench.push(4));
    bench.sq.publish();
    assert_eq!(bench.consume(u32::MAX), [1, 2, 3, 4]);
}

#[test]
fn a_closed_queue_takes_nothing() {
    for pushed in [0, 2] {
        let mut bench = Bench::new(4, 7, SetupFlags::NO_SQARRAY);
        (0..pushed).for_each(|user_data| assert!(bench.push(user_data)));
        bench.sq.close();
        assert!(!bench.push(9));
        assert!(bench.sq.reserve(1).is_none());
        assert_eq!(bench.sq.space_left(), 0);
    }
}

proptest! {
    /// Against a plain list: whatever the order of sizes and submissions, and wherever the indices
    /// start.
    #[test]
    fn a_mixed_queue_keeps_the_order_and_never_wraps_an_entry(
        shift in 1_u32..5,
        start in prop_oneof![Just(u32::MAX), Just(u32::MAX - 9), any::<u32>()],
        steps in proptest::collection::vec(0_u32..5, 0..200),
    ) {
        let mut mixed = Mixed::new(1 << shift, start);
        let mut model = Vec::new();
        for (user_data, step) in (0_u64..).zip(steps) {
            let room = mixed.sq.space_left();
            match step {
                0 | 1 => {
                    let pushed = mixed.narrow(user_data, SqeFlags::EMPTY);
                    prop_assert_eq!(pushed, room > 0);
                    model.extend(pushed.then_some(user_data));
                }
                2 | 3 => {
                    let pushed = mixed.wide(user_data);
                    prop_assert!(!pushed || room >= 2);
                    prop_assert!(pushed || room < 3);
                    model.extend(pushed.then_some(user_data));
                }
                _ => {
                    let found: Vec<_> = mixed.consume().iter().filter_map(|it| it.0).collect();
                    prop_assert_eq!(found, std::mem::take(&mut model));
                    prop_assert_eq!(mixed.sq.space_left(), 1 << shift);
                }
            }
        }
    }
}
