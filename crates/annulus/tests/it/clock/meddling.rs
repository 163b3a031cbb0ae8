//! A waker that moves the clock while it is cloned.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use annulus::time::{advance, sleep};

use super::{HOUR, MS, paused};

/// A waker that moves the clock by an hour when it is cloned, and notes that it was woken.
fn meddling(woken: &'static AtomicBool) -> Waker {
    fn cloned(data: *const ()) -> RawWaker {
        let moving = pin!(advance(HOUR));
        let _ = moving.poll(&mut Context::from_waker(Waker::noop()));
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
fn a_sleep_that_ends_while_its_waker_is_cloned_is_not_lost() {
    static WOKEN: AtomicBool = AtomicBool::new(false);
    paused(async {
        let mut sleeping = pin!(sleep(MS));
        assert!(futures_util::poll!(&mut sleeping).is_pending());
        let polled = sleeping.poll(&mut Context::from_waker(&meddling(&WOKEN)));
        assert!(polled.is_ready() || WOKEN.load(Ordering::Relaxed));
        Ok(())
    });
}
