//! Turns in their order, places that are left, and wakers that look at the stock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{Stock, Wait};

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        // ORDERING: SeqCst; a counter of a test.
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn times(&self) -> usize {
        // ORDERING: SeqCst; a counter of a test.
        self.0.load(Ordering::SeqCst)
    }
}

fn poll<T>(wait: &mut Wait<'_, T>, woken: &Arc<Woken>) -> Poll<T> {
    wait.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

fn users<const N: usize>() -> [Arc<Woken>; N] {
    std::array::from_fn(|_| Arc::default())
}

#[test]
fn things_are_lent_in_the_order_in_which_they_were_asked_for() {
    let stock = Stock::new(vec!["only"]);
    let [first, second, third] = users();
    let mut waits = [stock.wait(), stock.wait(), stock.wait()];
    assert_eq!(poll(&mut waits[0], &first), Poll::Ready("only"));
    assert!(poll(&mut waits[1], &second).is_pending());
    assert!(poll(&mut waits[2], &third).is_pending());
    stock.give_back("only");
    assert_eq!((second.times(), third.times()), (1, 0));
    assert!(stock.try_take().is_none(), "it is the second's");
    assert!(poll(&mut waits[2], &third).is_pending(), "nobody overtakes");
    assert!(poll(&mut waits[0], &first).is_pending(), "who had it is behind the others");
    assert_eq!(poll(&mut waits[1], &second), Poll::Ready("only"));
    stock.give_back("only");
    assert_eq!(poll(&mut waits[2], &third), Poll::Ready("only"));
}

#[test]
fn who_is_dropped_leaves_the_queue_and_hands_its_chance_on() {
    let stock = Stock::new(vec![()]);
    let [first, second, third] = users();
    let mut holder = stock.wait();
    assert!(poll(&mut holder, &first).is_ready());
    let mut gone = stock.wait();
    let mut next = stock.wait();
    assert!(poll(&mut gone, &second).is_pending());
    assert!(poll(&mut next, &third).is_pending());
    stock.give_back(());
    assert_eq!((second.times(), third.times()), (1, 0));
    drop(gone);
    assert_eq!(third.times(), 1, "the chance of who is gone");
    assert!(poll(&mut next, &third).is_ready());
    stock.give_back(());
    assert_eq!((stock.free_count(), stock.lock().waiting.len()), (1, 0));
}

#[test]
fn thousands_who_come_and_go_leave_nothing() {
    let stock = Stock::new(vec![0_u32]);
    let [user] = users();
    let taken = stock.try_take().expect("it is free");
    for _ in 0..5000 {
        let mut wait = stock.wait();
        assert!(poll(&mut wait, &user).is_pending());
        assert!(poll(&mut wait, &user).is_pending());
        assert_eq!(stock.lock().waiting.len(), 1);
    }
    assert!(stock.lock().waiting.is_empty());
    stock.give_back(taken);
    assert_eq!(stock.try_take(), Some(0));
}

#[test]
fn one_in_the_middle_may_leave() {
    let stock = Stock::new(vec![1]);
    let taken = stock.try_take();
    let [first, second, third] = users();
    let mut waits = [stock.wait(), stock.wait(), stock.wait()];
    for (wait, user) in waits.iter_mut().zip([&first, &second, &third]) {
        assert!(poll(wait, user).is_pending());
    }
    waits[1].leave();
    stock.give_back(taken.expect("it was free"));
    assert_eq!((first.times(), second.times(), third.times()), (1, 0, 0));
    assert_eq!(poll(&mut waits[0], &first), Poll::Ready(1));
    stock.give_back(1);
    assert_eq!(third.times(), 1);
    assert_eq!(poll(&mut waits[2], &third), Poll::Ready(1));
}

#[test]
fn as_many_are_served_as_there_are_things() {
    let stock = Stock::new(Vec::new());
    let [first, second, third] = users();
    let mut waits = [stock.wait(), stock.wait(), stock.wait()];
    for (wait, user) in waits.iter_mut().zip([&first, &second, &third]) {
        assert!(poll(wait, user).is_pending());
    }
    stock.give_back('a');
    stock.give_back('b');
    assert_eq!((first.times(), second.times(), third.times()), (1, 1, 0));
    // The second comes first: there is one for each of both.
    assert!(poll(&mut waits[2], &third).is_pending());
    assert!(poll(&mut waits[1], &second).is_ready());
    assert!(poll(&mut waits[0], &first).is_ready());
}

/// A waker that asks the stock something, whatever is done to it.
struct Nosy(Arc<Stock<u8>>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.0.free_count();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.free_count();
    }
}

#[test]
fn wakers_of_users_run_outside_of_the_lock() {
    let stock = Arc::new(Stock::new(vec![1]));
    let taken = stock.try_take();
    let nosy = || Waker::from(Arc::new(Nosy(stock.clone())));
    let mut wait = stock.wait();
    for _ in 0..3 {
        assert!(wait.poll(&mut Context::from_waker(&nosy())).is_pending());
    }
    let mut other = stock.wait();
    assert!(other.poll(&mut Context::from_waker(&nosy())).is_pending());
    drop(other);
    stock.give_back(taken.expect("it was free"));
    assert_eq!(wait.poll(&mut Context::from_waker(&nosy())), Poll::Ready(1));
}
