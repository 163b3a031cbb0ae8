//! What is left of a group that cannot be made.

use annulus_task::{Executor, OnPanic};

use super::super::workers::{Shape as Threads, Workers};
use super::*;

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
