//! Random programs under all faults: whatever they do, the promises of io_uring hold.
//!
//! Each request ends exactly once (the bench counts), every byte arrives once and in order, each
//! provided buffer is with the kernel or with the program, no descriptor is left, and nothing is
//! written after the last completion.

use std::collections::VecDeque;

use annulus_ring::Kernel;
use annulus_ring::abi::BufRegFlags;
use annulus_ring::op;
use annulus_sim::{Faults, Profile, World};
use proptest::prelude::*;

use crate::bench::Bench;

/// A socket under test: what was sent into it and has not come out.
struct Line {
    fds: [i32; 2],
    sent: VecDeque<u8>,
    sending: Option<u64>,
    receiving: Option<u64>,
    multishot: bool,
}

/// A program's own small source of randomness, so that the world's choices stay its own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, of: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % of
    }
}

const BUFFERS: u16 = 4;

struct Program<'a> {
    bench: &'a mut Bench,
    dice: Dice,
    line: Line,
    next: u64,
    byte: u8,
    /// Buffers that the program has.
    ours: Vec<u16>,
    /// Buffers whose bytes were checked and must not change before they are given back.
    kept: Vec<(u16, Vec<u8>)>,
    /// How far the kernel has filled the buffer it keeps.
    filled: Vec<usize>,
    taken: Vec<(u64, Vec<u8>)>,
}

/// Plays a random program of so many steps, then lets everything come to its end.
pub fn play(bench: &mut Bench, dice: u64, steps: u32) {
    let fds = bench.pair();
    let incremental = bench.ring().capabilities().inc_buffers() && dice % 2 == 0;
    let flags = if incremental { BufRegFlags::INC } else { BufRegFlags::EMPTY };
    bench.provide(BUFFERS, 64, flags);
    let line =
        Line { fds, sent: VecDeque::new(), sending: None, receiving: None, multishot: false };
    let mut program = Program {
        bench,
        dice: Dice(dice),
        line,
        next: 1,
        byte: 0,
        ours: Vec::new(),
        kept: Vec::new(),
        filled: vec![0; usize::from(BUFFERS)],
        taken: Vec::new(),
    };
    for _ in 0..steps {
        program.step();
    }
    program.finish();
}

impl Program<'_> {
    fn user_data(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn step(&mut self) {
        match self.dice.roll(8) {
            0 => {
                let user_data = self.user_data();
                self.bench.push(&op::Nop, user_data);
            }
            1 => {
                let (ns, user_data) = (self.dice.roll(300_000), self.user_data());
                self.bench.timeout(ns, 0, user_data);
            }
            2 | 3 => self.send(),
            4 => self.receive(),
            5 => {
                let (victim, user_data) = (self.dice.roll(self.next + 1), self.user_data());
                self.bench.cancel(victim, user_data);
            }
            6 => {
                if let Some(bid) = self.ours.pop() {
                    self.filled[usize::from(bid)] = 0;
                    self.kept.retain(|(kept, _)| *kept != bid);
                    self.bench.give(bid);
                }
            }
            _ => self.bench.submit(),
        }
        // Now and then several entries are submitted at once.
        if self.dice.roll(2) == 0 {
            let ns = self.dice.roll(100_000);
            self.look(ns);
        }
    }

    fn send(&mut self) {
        if self.line.sending.is_some() {
            return;
        }
        let user_data = self.user_data();
        let bytes: Vec<u8> = (0..1 + self.dice.roll(100))
            .map(|_| {
                self.byte = self.byte.wrapping_add(1);
                self.byte
            })
            .collect();
        let flags = if self.dice.roll(2) == 0 { libc::MSG_WAITALL } else { 0 };
        self.line.sending = Some(user_data);
        self.bench.send(self.line.fds[0], &bytes, flags, user_data);
        // What a cancelled or short send leaves out never happened: the bytes start again there.
        self.line.sent.extend(bytes);
    }

    fn receive(&mut self) {
        if self.line.receiving.is_some() {
            return;
        }
        let user_data = self.user_data();
        self.line.receiving = Some(user_data);
        self.line.multishot = self.dice.roll(2) == 0;
        if self.line.multishot {
            self.bench.recv_multi(self.line.fds[1], user_data);
        } else {
            let len = 1 + self.dice.roll(100) as u32;
            let flags = if self.dice.roll(3) == 0 { libc::MSG_WAITALL } else { 0 };
            self.bench.recv(self.line.fds[1], len, flags, user_data);
        }
    }

    /// Takes what has completed, and checks it.
    fn look(&mut self, ns: u64) {
        for cqe in self.bench.poll(ns) {
            if self.line.sending == Some(cqe.user_data) {
                self.line.sending = None;
                let bytes = self.bench.take(cqe.user_data);
                let moved = usize::try_from(cqe.res).unwrap_or(0);
                let unsent = bytes.len() - moved;
                self.unsend(unsent);
                self.taken.push((cqe.user_data, bytes));
            } else if self.line.receiving == Some(cqe.user_data) {
                self.received(cqe);
            } else {
                assert!(!cqe.more(), "{cqe:?}");
            }
        }
        for (bid, bytes) in &self.kept {
            assert_eq!(self.bench.buffer(*bid), bytes, "the kernel wrote to a buffer of ours");
        }
    }

    fn unsend(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.line.sent.pop_back();
            self.byte = self.byte.wrapping_sub(1);
        }
    }

    fn received(&mut self, cqe: annulus_ring::abi::Cqe) {
        let count = usize::try_from(cqe.res).unwrap_or(0);
        if !cqe.more() {
            self.line.receiving = None;
        }
        if !self.line.multishot {
            let bytes = self.bench.take(cqe.user_data);
            self.expect(&bytes[..count]);
            assert!(bytes[count..].iter().all(|byte| *byte == 0), "written past the result");
            return;
        }
        let Some(bid) = cqe.buffer_id() else {
            assert!(cqe.res <= 0 && !cqe.more(), "{cqe:?}");
            return;
        };
        let at = self.filled[usize::from(bid)];
        let bytes = self.bench.buffer(bid)[at..at + count].to_vec();
        self.expect(&bytes);
        self.filled[usize::from(bid)] += count;
        if !cqe.flags.contains(annulus_ring::abi::CqeFlags::BUF_MORE) {
            assert!(!self.ours.contains(&bid), "the buffer was ours already");
            self.ours.push(bid);
            self.kept.push((bid, self.bench.buffer(bid).to_vec()));
        }
    }

    fn expect(&mut self, bytes: &[u8]) {
        for byte in bytes {
            assert_eq!(Some(*byte), self.line.sent.pop_front(), "bytes come once and in order");
        }
    }

    fn finish(&mut self) {
        if let Some(world) = &self.bench.world {
            world.set_faults(Faults::none());
        }
        self.bench.submit();
        for fd in self.line.fds {
            let _ = self.bench.kernel().shutdown(fd, libc::SHUT_RDWR);
        }
        for _ in 0..10_000 {
            if self.bench.open.is_empty() {
                break;
            }
            self.look(1_000_000);
        }
        self.look(0);
        assert!(self.bench.open.is_empty(), "every request ends");
        for fd in self.line.fds {
            self.bench.close(fd);
        }
        if let Some(world) = &self.bench.world {
            assert_eq!((world.open_descriptors(), world.in_flight()), (0, 0));
        }
    }
}

#[test]
fn a_random_program_keeps_its_promises_on_the_real_kernel() {
    for dice in 0..5 {
        play(&mut Bench::new(None, Profile::LINUX_6_18, 16), dice, 40);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_keep_every_invariant(
        seed in any::<u64>(),
        dice in any::<u64>(),
        steps in 1_u32..120,
        swarm in any::<bool>(),
        small in any::<bool>(),
    ) {
        let faults = if swarm { Faults::swarm(seed) } else { Faults::all() };
        let world = World::new(seed).with_faults(faults);
        let cq_entries = if small { 8 } else { 64 };
        let mut bench = Bench::new(Some(world), Profile::LINUX_6_18, cq_entries);
        play(&mut bench, dice, steps);
    }
}
