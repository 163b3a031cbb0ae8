//! The same random programs through this crate and through the `io-uring` crate: the kernel must
//! be asked the same things, so results, bytes and error numbers are the same.
//!
//! Owns: what a program is, how one is made up, and that both sides of it agree. A program runs on
//! a ground of its own (`ground`): a file, a pipe, a pair of stream sockets, a pair of datagram
//! sockets; it is first run by `ours`, then by `theirs`. Between two batches everything completes,
//! so nothing depends on timing: a message that could wait is EAGAIN instead, and a read that could
//! is left out.
//! A failure shrinks to a short program (proptest).

mod ground;
mod ours;
mod theirs;

use proptest::collection::vec;
use proptest::prelude::*;

use ground::{BYTES, Ground};

/// The objects that a program works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    File,
    PipeReader,
    PipeWriter,
    StreamA,
    StreamB,
    DatagramA,
    DatagramB,
    /// A number that is no descriptor.
    Nothing,
}

/// One step, as both crates can say it. Lengths stay within a slot of the ground's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Nop,
    Read {
        from: Object,
        len: u32,
        offset: u16,
    },
    Write {
        to: Object,
        len: u32,
        offset: u16,
    },
    /// Into, or from, two pieces; the first has `first` bytes.
    Readv {
        from: Object,
        first: u32,
        second: u32,
        offset: u16,
    },
    Writev {
        to: Object,
        first: u32,
        second: u32,
        offset: u16,
    },
    Fsync {
        of: Object,
        data_only: bool,
    },
    Fallocate {
        of: Object,
        offset: u16,
        len: u16,
    },
    Ftruncate {
        of: Object,
        len: u16,
    },
    Send {
        to: Object,
        len: u32,
    },
    Recv {
        from: Object,
        len: u32,
        peek: bool,
    },
    SendMsg {
        to: Object,
        first: u32,
        second: u32,
    },
    RecvMsg {
        from: Object,
        first: u32,
        second: u32,
    },
    Shutdown {
        of: Object,
        how: u8,
    },
    PollAdd {
        of: Object,
        write: bool,
    },
    /// Of a tag that nothing carries.
    Cancel {
        tag: u16,
    },
    TimeoutRemove {
        tag: u16,
    },
    Close {
        of: Object,
    },
}

/// How a step hangs together with the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tie {
    Alone,
    Linked,
    HardLinked,
}

/// A program: batches of steps. Steps of a batch that must keep their order are tied.
type Program = Vec<Vec<(Step, Tie)>>;

/// What a completion says, without the user data by which they are sorted.
pub type Outcome = (u64, i32, u32);

/// One crate's way of running a batch.
pub trait Side {
    /// Runs `steps` to the last completion. Step number `i` uses slot `i` of the ground's memory
    /// and has the user data `i`.
    fn batch(&mut self, ground: &mut Ground, steps: &[(Step, Tie)]) -> Vec<Outcome>;
}

/// Runs a program and gives all that can be seen of it.
fn observed(side: &mut dyn Side, program: &Program) -> Vec<(Vec<Outcome>, Vec<u8>)> {
    let mut ground = Ground::new();
    let mut seen: Vec<_> = program
        .iter()
        .map(|steps| {
            ground.refill();
            let steps = ground.without_waits(steps);
            let mut outcomes = side.batch(&mut ground, &steps);
            outcomes.sort_unstable();
            ground.settle(|index| outcomes[index].1 == 0);
            (outcomes, ground.memory().to_vec())
        })
        .collect();
    seen.push((Vec::new(), ground.rest()));
    seen
}

fn object() -> impl Strategy<Value = Object> {
    use Object::*;
    prop_oneof![
        4 => Just(File),
        2 => Just(PipeReader),
        2 => Just(PipeWriter),
        2 => Just(StreamA),
        2 => Just(StreamB),
        1 => Just(DatagramA),
        1 => Just(DatagramB),
        1 => Just(Nothing),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let len = || 0..=BYTES as u32;
    let half = || 0..=BYTES as u32 / 2;
    let at = || 0..300_u16;
    let bytes = prop_oneof![
        (object(), len(), at()).prop_map(|(from, len, offset)| Step::Read { from, len, offset }),
        (object(), len(), at()).prop_map(|(to, len, offset)| Step::Write { to, len, offset }),
        (object(), half(), half(), at()).prop_map(|(from, first, second, offset)| Step::Readv {
            from,
            first,
            second,
            offset
        }),
        (object(), half(), half(), at()).prop_map(|(to, first, second, offset)| Step::Writev {
            to,
            first,
            second,
            offset
        }),
    ];
    let files = prop_oneof![
        (object(), any::<bool>()).prop_map(|(of, data_only)| Step::Fsync { of, data_only }),
        (object(), at(), at()).prop_map(|(of, offset, len)| Step::Fallocate { of, offset, len }),
        (object(), at()).prop_map(|(of, len)| Step::Ftruncate { of, len }),
    ];
    let messages = prop_oneof![
        (object(), len()).prop_map(|(to, len)| Step::Send { to, len }),
        (object(), len(), any::<bool>()).prop_map(|(from, len, peek)| Step::Recv {
            from,
            len,
            peek
        }),
        (object(), half(), half()).prop_map(|(to, first, second)| Step::SendMsg {
            to,
            first,
            second
        }),
        (object(), half(), half()).prop_map(|(from, first, second)| Step::RecvMsg {
            from,
            first,
            second
        }),
    ];
    let others = prop_oneof![
        Just(Step::Nop),
        (object(), 0..4_u8).prop_map(|(of, how)| Step::Shutdown { of, how }),
        any::<u16>().prop_map(|tag| Step::Cancel { tag }),
        any::<u16>().prop_map(|tag| Step::TimeoutRemove { tag }),
        (object(), any::<bool>()).prop_map(|(of, write)| Step::PollAdd { of, write }),
        object().prop_map(|of| Step::Close { of }),
    ];
    prop_oneof![4 => bytes, 1 => files, 4 => messages, 2 => others]
}

/// A batch is one chain: its steps run one after the other, or break off.
fn batch() -> impl Strategy<Value = Vec<(Step, Tie)>> {
    let tie = prop_oneof![2 => Just(Tie::Linked), 1 => Just(Tie::HardLinked)];
    vec((step(), tie), 1..6).prop_map(|mut steps| {
        if let Some((_, tie)) = steps.last_mut() {
            *tie = Tie::Alone;
        }
        steps
    })
}

fn program() -> impl Strategy<Value = Program> {
    vec(batch(), 1..8)
}

#[test]
fn random_programs_have_the_same_results_through_this_crate_and_through_io_uring() {
    let mut config = ProptestConfig::with_cases(256);
    config.failure_persistence = None;
    proptest!(config, |(program in program())| {
        let ours = observed(&mut ours::Ours::new(), &program);
        let theirs = observed(&mut theirs::Theirs::new(), &program);
        prop_assert_eq!(ours, theirs);
    });
}

#[test]
fn a_program_is_seen_to_move_bytes_and_to_fail() {
    use Object::*;
    let program = vec![vec![
        (Step::Write { to: File, len: 5, offset: 3 }, Tie::Linked),
        (Step::Read { from: File, len: 64, offset: 0 }, Tie::HardLinked),
        (Step::Send { to: StreamA, len: 7 }, Tie::Linked),
        (Step::Recv { from: StreamB, len: 7, peek: false }, Tie::Linked),
        (Step::Recv { from: StreamB, len: 7, peek: false }, Tie::Linked),
        (Step::Nop, Tie::Alone),
    ]];
    for side in [&mut ours::Ours::new() as &mut dyn Side, &mut theirs::Theirs::new()] {
        let seen = observed(side, &program);
        let results: Vec<i32> = seen[0].0.iter().map(|&(_, res, _)| res).collect();
        assert_eq!(results, [5, 8, 7, 7, -libc::EAGAIN, -libc::ECANCELED]);
        let memory = &seen[0].1;
        // Slot 1 has three zeros, then the first bytes of slot 0.
        assert_eq!(memory[BYTES..BYTES + 3], [0; 3]);
        assert_eq!(memory[BYTES + 3..BYTES + 8], memory[..5]);
        assert_eq!(memory[3 * BYTES..3 * BYTES + 7], memory[2 * BYTES..2 * BYTES + 7]);
    }
}
