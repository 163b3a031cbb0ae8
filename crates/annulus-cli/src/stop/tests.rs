//! Who is woken by a request to stop, and how often.

use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        // ORDERING: read after the thread that wakes was joined.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn stopping_wakes_each_core_once() {
    let stop = Stop::default();
    let cores = [(); 2].map(|()| Arc::new(Count::default()));
    let polled = |core: &Arc<Count>| {
        let waker = Waker::from(core.clone());
        stop.poll_requested(&mut Context::from_waker(&waker))
    };
    for core in &cores {
        assert!(polled(core).is_pending());
    }
    let other = stop.clone();
    std::thread::spawn(move || other.trigger()).join().unwrap();
    stop.trigger();
    for core in &cores {
        // ORDERING: the thread that added was joined.
        assert_eq!(core.0.load(Ordering::Relaxed), 1);
        assert!(polled(core).is_ready());
    }
}

#[test]
fn a_core_that_is_polled_twice_waits_once() {
    let stop = Stop::default();
    let core = Arc::new(Count::default());
    let waker = Waker::from(core.clone());
    for _ in 0..2 {
        let polled = stop.poll_requested(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    stop.trigger();
    // ORDERING: added on this thread.
    assert_eq!(core.0.load(Ordering::Relaxed), 1);
}
