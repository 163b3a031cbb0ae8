//! Whose each buffer is: what a completion may name, what comes back, and that nothing is in two
//! places or in none. And what is left of a group that cannot be made.

use std::ptr;

use annulus_task::{Executor, OnPanic};

use super::super::CURRENT;
use super::super::workers::{Shape as Threads, Workers};
use super::*;

const SHAPE: Shape = Shape { buffer_bytes: 256, count: 4, published: 4, incremental: false };

/// A group that is registered, of a core that is current on this thread.
struct Bench {
    pool: Pool,
    ring: Ring,
    board: Arc<Board>,
    executor: Executor,
}

impl Bench {
    /// `None` where the kernel has no such groups.
    fn new(shape: Shape) -> Option<Self> {
        let mut ring = Ring::new(8).expect("io_uring is there");
        let granted = ring.capabilities();
        if !granted.buf_rings() || shape.incremental && !granted.inc_buffers() {
            return None;
        }
        let executor = Executor::new(OnPanic::Contain).expect("there is room for a core");
        let workers = Workers::new(Threads::default());
        let board = Board::new(executor.id(), executor.tally(), workers);
        let pool = Pool::new(&mut ring, board.clone(), shape, 3).expect("its number is free");
        CURRENT.with(|current| current.replace(ptr::null(), executor.id().to_bits()));
        Some(Self { pool, ring, board, executor })
    }

    /// Each buffer is with the kernel, on lease or free, and all numbers say so.
    fn assert_conserved(&self, leases: &[Lease]) {
        let (pool, remote) = (&self.pool, self.pool.shared().returns.waiting());
        let with_kernel = |bid: &u16| pool.consumed[usize::from(*bid)] != GONE;
        let published = (0..pool.count()).filter(with_kernel).count();
        pool.with_local(|local| {
            assert_eq!(local.leases, leases.len() as u32 + remote);
            let holds: u32 = local.holds.iter().sum();
            assert_eq!(holds, local.leases + published as u32);
            let held = local.holds.iter().filter(|&&holds| holds > 0).count();
            assert_eq!(held + local.free.len(), usize::from(pool.count()));
            assert!(local.free.iter().all(|&bid| local.holds[usize::from(bid)] == 0));
            for bid in (0..pool.count()).filter(with_kernel) {
                assert!(local.holds[usize::from(bid)] > 0, "the kernel's hold on {bid}");
            }
        });
        assert_eq!(usize::from(pool.published()), published);
        assert_eq!(self.board.buffers_published.read(), published as u64);
        assert_eq!(pool.leases_out(), leases.len() as u32);
        assert_eq!(self.board.leases_out.read(), leases.len() as u64 + u64::from(remote));
    }

    fn misnamed(&self) -> u64 {
        self.board.stale_cqes.read()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        CURRENT.with(|current| current.replace(ptr::null(), 0));
        let group = self.pool.take_ring().expect("it is registered");
        assert!(self.ring.unregister_buf_ring(group).is_ok(), "nobody else has it");
        assert_eq!(self.executor.live_tasks(), 0);
    }
}

#[test]
fn a_buffer_is_leased_once_until_the_kernel_has_it_again() {
    let Some(mut bench) = Bench::new(SHAPE) else { return };
    let mut leases = vec![bench.pool.lease(2, 10, false).expect("the kernel has it")];
    for len in [10, 0, 1, 256, u32::MAX] {
        for more in [false, true] {
            assert!(bench.pool.lease(2, len, more).is_none(), "{len} bytes of it once more");
        }
    }
    bench.pool.discard(2, false);
    assert_eq!(bench.misnamed(), 11);
    bench.assert_conserved(&leases);
    for bid in [4, 5, 32768, u16::MAX] {
        assert!(bench.pool.lease(bid, 1, false).is_none(), "there is no buffer {bid}");
    }
    assert!(bench.pool.lease(1, 257, false).is_none(), "it is not so long");
    assert_eq!(bench.misnamed(), 16);
    leases.extend(bench.pool.lease(1, 256, false));
    assert_eq!(leases.len(), 2, "what was refused took nothing");
    bench.assert_conserved(&leases);
    leases.clear();
    assert!(bench.pool.lease(1, 1, false).is_none(), "it is free");
    assert!(bench.pool.replenish());
    assert!(bench.pool.lease(2, 1, false).is_some(), "the kernel has it again");
    assert_eq!((bench.misnamed(), bench.pool.leases_out()), (17, 0));
}

#[test]
fn a_shared_buffer_is_named_until_the_kernel_has_given_it_up() {
    let Some(mut bench) = Bench::new(Shape { incremental: true, ..SHAPE }) else { return };
    let mut leases = Vec::new();
    for piece in 0..5 {
        leases.extend(bench.pool.lease(0, 50, piece < 4));
        bench.assert_conserved(&leases);
    }
    assert_eq!((leases.len(), bench.misnamed()), (5, 0));
    for (len, more) in [(6, false), (6, true), (7, false), (0, false), (0, true)] {
        assert!(bench.pool.lease(0, len, more).is_none(), "{len} bytes of what was given up");
    }
    assert_eq!(bench.misnamed(), 5);
    leases.extend(bench.pool.lease(1, 200, true));
    assert!(bench.pool.lease(1, 57, true).is_none(), "there are 56");
    leases.extend(bench.pool.lease(1, 56, true));
    bench.pool.discard(1, false);
    bench.assert_conserved(&leases);
    while let Some(lease) = leases.pop() {
        drop(lease);
        bench.assert_conserved(&leases);
    }
    assert!(bench.pool.replenish());
    assert_eq!((bench.pool.published(), bench.misnamed()), (4, 6));
}

#[test]
fn every_buffer_is_in_one_place_whatever_completions_name_and_wherever_leases_end() {
    for seed in 1..60_u64 {
        let shape = Shape { incremental: seed % 2 == 0, published: 1, ..SHAPE };
        let Some(mut bench) = Bench::new(shape) else { continue };
        let (mut leases, mut state) = (Vec::new(), seed);
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
            (state >> 33) % below
        };
        for _ in 0..200 {
            match draw(8) {
                0..=3 => {
                    let (bid, len) = (draw(5) as u16, draw(140) as u32);
                    leases.extend(bench.pool.lease(bid, len, draw(3) > 0));
                }
                4 => bench.pool.discard(draw(5) as u16, draw(2) > 0),
                5 if !leases.is_empty() => {
                    drop(leases.swap_remove(draw(leases.len() as u64) as usize));
                }
                6 if !leases.is_empty() => {
                    let lease: Lease = leases.swap_remove(draw(leases.len() as u64) as usize);
                    std::thread::scope(|scope| scope.spawn(move || drop(lease)).join().is_ok());
                }
                _ => {
                    bench.pool.grow();
                    bench.pool.replenish();
                }
            }
            bench.assert_conserved(&leases);
        }
        assert!(bench.misnamed() > 0, "some named what the kernel did not have");
        leases.clear();
        bench.pool.grow();
        bench.pool.replenish();
        bench.assert_conserved(&leases);
    }
}

#[test]
fn what_is_refused_leaves_no_group_with_the_ring() {
    let mut ring = Ring::new(8).expect("io_uring is there");
    if !ring.capabilities().buf_rings() {
        return;
    }
    let executor = Executor::new(OnPanic::Contain).expect("there is room for a core");
    let workers = Workers::new(Threads::default());
    let board = Board::new(executor.id(), executor.tally(), workers);
    let shape = Shape { buffer_bytes: 4096, count: 4, published: 4, incremental: false };
    // As many bytes as a process has addresses there, but for a few.
    if cfg!(target_arch = "x86_64") {
        let endless = Shape { buffer_bytes: u32::MAX, count: 1 << 15, ..shape };
        let refused = Pool::new(&mut ring, board.clone(), endless, 3);
        assert!(matches!(refused, Err(Refused::Memory(_))));
    }
    let mut pool = Pool::new(&mut ring, board.clone(), shape, 3).expect("its number is free");
    let second = Pool::new(&mut ring, board, shape, 3);
    assert!(matches!(second, Err(Refused::Group)), "its number is taken");
    let group = pool.take_ring().expect("it is registered");
    assert!(ring.unregister_buf_ring(group).is_ok(), "nobody else has it");
}

#[test]
fn memory_of_a_group_that_the_ring_still_has_is_not_freed() {
    let mut ring = Ring::new(8).expect("io_uring is there");
    if !ring.capabilities().buf_rings() {
        return;
    }
    let executor = Executor::new(OnPanic::Contain).expect("there is room for a core");
    let workers = Workers::new(Threads::default());
    let board = Board::new(executor.id(), executor.tally(), workers);
    let shape = Shape { buffer_bytes: 4096, count: 4, published: 4, incremental: false };
    for ends_in_order in [true, false] {
        let mut pool = Pool::new(&mut ring, board.clone(), shape, 4).expect("its number is free");
        let memory = pool.shared().memory;
        if ends_in_order {
            let group = pool.take_ring().expect("it is registered");
            assert!(ring.unregister_buf_ring(group).is_ok(), "nobody else has it");
        }
        drop(pool);
        if !ends_in_order {
            let mut resident = [0; 4];
            // SAFETY: room for the answer about four pages, whether or not they are there.
            let found =
                unsafe { libc::mincore(memory.as_ptr().cast(), 4096, resident.as_mut_ptr()) };
            assert_eq!(found, 0, "the kernel may still write there");
        }
    }
}
