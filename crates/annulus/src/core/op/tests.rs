//! Wakers of which a clone runs user code.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{RawWaker, RawWakerVTable};

use super::*;
use crate::runtime::Runtime;

/// A waker that takes a turn of the core when it is cloned, and notes that it was woken.
fn hasty(woken: &'static AtomicBool) -> Waker {
    fn cloned(data: *const ()) -> RawWaker {
        with_any(|core| core.turn_without_tasks(Some(0))).expect("a core is entered");
        RawWaker::new(data, &VTABLE)
    }
    fn wake(data: *const ()) {
        // SAFETY: the data of all wakers of this table are such a static.
        unsafe { &*data.cast::<AtomicBool>() }.store(true, Ordering::Relaxed);
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(cloned, wake, wake, |_| {});
    let data = std::ptr::from_ref(woken).cast();
    // SAFETY: the functions of the table may be called on any thread, and free nothing.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}

#[test]
fn an_operation_that_ends_while_a_waker_is_cloned_for_it_wakes_that_one() {
    static WOKEN: AtomicBool = AtomicBool::new(false);
    Runtime::new().unwrap().block_on(async {
        for polled_before in [false, true] {
            // SAFETY: a no-op points to nothing.
            let mut op = pin!(unsafe { crate::submit(annulus_ring::op::Nop) });
            if polled_before {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(op.as_mut().poll(&mut cx).is_pending());
            }
            let polled = op.as_mut().poll(&mut Context::from_waker(&hasty(&WOKEN)));
            assert!(polled.is_ready() || WOKEN.swap(false, Ordering::Relaxed));
            if polled.is_pending() {
                assert!(op.poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
        }
    });
}
