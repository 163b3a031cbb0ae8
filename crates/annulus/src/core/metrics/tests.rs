//! What a reader gets of a board.

use annulus_task::{Executor, OnPanic};

use super::super::workers::{Shape, Workers};
use super::Board;

#[test]
fn all_pools_together_may_have_more_buffers_than_a_single_one() {
    let executor = Executor::new(OnPanic::Contain).expect("there is room for a core");
    let workers = Workers::new(Shape::default());
    let board = Board::new(executor.id(), executor.tally(), workers);
    // As many pools as a core can have, each of as many buffers as the kernel allows.
    for _ in 0..256 {
        board.buffers.add(1 << 15);
        board.buffers_published.add(1 << 15);
    }
    let now = board.snapshot();
    assert_eq!((now.buffers, now.buffers_published), (1 << 23, 1 << 23));
}
