//! Wakers of whole executors, used by other threads while their core works, sleeps and ends.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::Mutex;
use loom::thread;

use crate::core::*;
use crate::parts::model;

/// Catches: a wake lost between the last look and the sleep (the fences of the handshake), and one
/// that does not bring what was written before it (the swaps of the inbox).
#[test]
fn a_task_hears_of_another_thread_and_the_root_hears_of_the_task() {
    model(|| {
        let core = Core::new();
        let news = News::new();
        let teller = Arc::clone(&news);
        let thread = thread::spawn(move || teller.tell());
        let task = core.executor.spawn(news.heard());
        core.block_on(task).unwrap();
        thread.join().unwrap();
        core.end();
    });
}

/// Catches: a root future that is deaf to other threads.
#[test]
fn the_root_hears_of_another_thread() {
    model(|| {
        let core = Core::new();
        let news = News::new();
        let teller = Arc::clone(&news);
        let thread = thread::spawn(move || teller.tell());
        core.block_on(news.heard());
        thread.join().unwrap();
        core.end();
    });
}

/// Catches: a flag of the first waker that swallows the second, and a bell that is rung for each.
#[test]
fn two_threads_wake_two_tasks_and_neither_is_lost() {
    model(|| {
        let core = Core::new();
        let threads = [(); 2].map(|()| {
            let news = News::new();
            let teller = Arc::clone(&news);
            core.executor.spawn(news.heard()).detach();
            thread::spawn(move || teller.tell())
        });
        while core.executor.live_tasks() > 0 {
            core.turn();
            if core.executor.live_tasks() > 0 {
                core.sleep();
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(core.rung() <= 2);
        core.end();
    });
}

/// Catches: a core that ends while one of its wakers is at work (a bell after the end, a header
/// touched by two threads), and a wake that is not harmless any more.
#[test]
fn a_wake_may_come_while_its_core_ends() {
    model(|| {
        let core = Core::new();
        let place: Rc<RefCell<Option<Waker>>> = Rc::default();
        let kept = Rc::clone(&place);
        core.executor
            .spawn(poll_fn(move |cx| {
                *kept.borrow_mut() = Some(cx.waker().clone());
                Poll::<()>::Pending
            }))
            .detach();
        core.turn();
        let waker = place.take().unwrap();
        let root = core.executor.root_waker();
        let thread = thread::spawn(move || {
            waker.wake();
            root.wake();
        });
        core.nap();
        core.end();
        thread.join().unwrap();
    });
}

/// Catches: a header that passes from one owner to the next without a happens-before, and a stale
/// waker that deafens or confuses the task that lives in its place now.
#[test]
fn a_waker_of_a_finished_task_may_be_woken_while_the_next_task_moves_in() {
    model(|| {
        let core = Core::new();
        let stale: Rc<RefCell<Option<Waker>>> = Rc::default();
        let kept = Rc::clone(&stale);
        core.executor
            .spawn(poll_fn(move |cx| {
                kept.borrow_mut().get_or_insert_with(|| cx.waker().clone());
                Poll::Ready(())
            }))
            .detach();
        core.turn();
        let stale = stale.take().unwrap();
        let news = News::new();
        let teller = Arc::clone(&news);
        let thread = thread::spawn(move || {
            stale.wake();
            teller.tell();
        });
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let task = core.executor.spawn(async move {
            counted.set(counted.get() + 1);
            news.heard().await;
        });
        core.block_on(task).unwrap();
        thread.join().unwrap();
        assert_eq!(polls.get(), 1);
        core.end();
    });
}

/// Catches: a wake that is lost because the task was running or queued when it came.
#[test]
fn a_task_that_is_woken_while_it_is_polled_is_polled_again() {
    model(|| {
        let core = Core::new();
        let place = Arc::new(Mutex::new(None::<Waker>));
        let count = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let (theirs, counted) = (Arc::clone(&place), Arc::clone(&count));
        let waking = thread::spawn(move || {
            let waker = theirs.lock().unwrap().clone();
            for _ in 0..2 {
                counted.fetch_add(1, loom::sync::atomic::Ordering::Relaxed);
                if let Some(waker) = &waker {
                    waker.wake_by_ref();
                }
            }
            waker.is_some()
        });
        let kept = Arc::clone(&place);
        let seen = Rc::new(Cell::new(0));
        let last = Rc::clone(&seen);
        core.executor
            .spawn(poll_fn(move |cx| {
                *kept.lock().unwrap() = Some(cx.waker().clone());
                last.set(count.load(loom::sync::atomic::Ordering::Relaxed));
                Poll::<()>::Pending
            }))
            .detach();
        core.turn();
        core.turn();
        let was_woken = waking.join().unwrap();
        core.turn();
        assert!(!was_woken || seen.get() == 2, "the last wake was lost");
        core.end();
    });
}
