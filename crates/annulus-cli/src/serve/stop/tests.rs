//! Tests of the graceful stop.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // ORDERING: read on the same thread.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

impl Count {
    fn woken(&self) -> u32 {
        // ORDERING: read on the thread that wrote it, or after it was joined.
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn closing_the_gate_wakes_those_who_wait_at_it() {
    let gate = Rc::new(Gate::default());
    let (idle, busy) = (gate.admit(), gate.admit());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    assert!(idle.poll_closing(&mut context).is_pending());
    assert!(idle.poll_closing(&mut context).is_pending());
    gate.close();
    assert_eq!(count.woken(), 1);
    assert!(idle.poll_closing(&mut context).is_ready());
    assert!(busy.is_closing() && busy.poll_closing(&mut context).is_ready());
    assert!(gate.admit().is_closing());
}

#[test]
fn the_gate_is_drained_when_the_last_connection_is_gone() {
    let gate = Rc::new(Gate::default());
    let passes = [gate.admit(), gate.admit()];
    assert_eq!(gate.admitted(), 2);
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    let mut drained = pin!(gate.drained());
    assert!(drained.as_mut().poll(&mut context).is_pending());
    let [first, second] = passes;
    drop(first);
    assert_eq!(count.woken(), 0);
    drop(second);
    assert_eq!(count.woken(), 1);
    assert!(drained.as_mut().poll(&mut context).is_ready());
}

#[test]
fn places_are_used_again_and_forget_who_had_them() {
    let gate = Rc::new(Gate::default());
    let (count, waker) = counted();
    for _ in 0..3 {
        let pass = gate.admit();
        assert!(pass.poll_closing(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(gate.places.borrow().wakers.len(), 1);
    assert_eq!(gate.admitted(), 0);
    gate.close();
    assert_eq!(count.woken(), 0);
}
