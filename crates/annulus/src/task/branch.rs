//! What the macros of this crate expand to besides plain Rust. Not for use by hand, not covered by
//! any promise of compatibility.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a branch of `join!` until it is ready; keeps its output, drops its future. True if it is
/// ready.
pub fn poll_kept<F: Future>(
    mut future: Pin<&mut Option<F>>,
    output: &mut Option<F::Output>,
    cx: &mut Context<'_>,
) -> bool {
    if let Some(running) = future.as_mut().as_pin_mut() {
        let Poll::Ready(ready) = running.poll(cx) else {
            return false;
        };
        future.set(None);
        *output = Some(ready);
    }
    true
}

/// As [`poll_kept`], for `try_join!`: an error is given at once.
pub fn poll_tried<T, E, F: Future<Output = Result<T, E>>>(
    mut future: Pin<&mut Option<F>>,
    output: &mut Option<T>,
    cx: &mut Context<'_>,
) -> Result<bool, E> {
    if let Some(running) = future.as_mut().as_pin_mut() {
        let Poll::Ready(ready) = running.poll(cx) else {
            return Ok(false);
        };
        future.set(None);
        *output = Some(ready?);
    }
    Ok(true)
}

/// The output of a branch that is ready.
pub fn output<T>(kept: Option<T>) -> T {
    match kept {
        Some(output) => output,
        None => unreachable!("a join ended before its branches"),
    }
}

/// Which branch `select!` polls first: each one equally often, in no order that a branch could lean
/// on.
pub fn fair(branches: usize) -> usize {
    thread_local! {
        static STATE: Cell<u32> = const { Cell::new(0x9E37_79B9) };
    }
    // xorshift32: small, and good enough to be fair.
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    STATE.set(state);
    state as usize % branches
}

/// Which branch `select! { biased; … }` polls first.
pub fn biased(_branches: usize) -> usize {
    0
}
