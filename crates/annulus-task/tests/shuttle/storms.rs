//! Many threads wake and post to few cores, all of which sleep whenever they can.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use annulus_task::post;
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use crate::support::*;

/// Catches: any wake that is lost on the way from four threads to six tasks of three cores.
#[test]
fn every_letter_to_every_task_of_three_cores_is_read() {
    explore(|| {
        let boxes: Vec<Mailbox<usize>> = (0..6).map(|_| Mailbox::new()).collect();
        let cores: Vec<_> = boxes
            .chunks(2)
            .map(|mine| {
                let mine = mine.to_vec();
                thread::spawn(move || {
                    let core = Core::new();
                    let readers: Vec<_> = mine
                        .into_iter()
                        .map(|letters| {
                            core.executor.spawn(async move {
                                let mut sum = 0;
                                for _ in 0..4 {
                                    sum += letters.next().await;
                                }
                                sum
                            })
                        })
                        .collect();
                    core.block_on(async move {
                        for reader in readers {
                            assert_eq!(reader.await.unwrap(), 1 + 2 + 3 + 4);
                        }
                    });
                })
            })
            .collect();
        let writers: Vec<_> = (1..=4)
            .map(|letter| {
                let boxes = boxes.clone();
                thread::spawn(move || boxes.iter().for_each(|letters| letters.put(letter)))
            })
            .collect();
        cores.into_iter().chain(writers).for_each(|thread| thread.join().unwrap());
    });
}

/// Catches: a last wake that is swallowed by the flag of an earlier one, in a storm on one task.
#[test]
fn a_storm_on_one_task_never_hides_its_last_wake() {
    explore(|| {
        const THREADS: usize = 5;
        const WAKES: usize = 4;
        let count = Arc::new(AtomicUsize::new(0));
        let place = Arc::new(Mutex::new(None::<Waker>));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (count, place) = (Arc::clone(&count), Arc::clone(&place));
                thread::spawn(move || {
                    for _ in 0..WAKES {
                        count.fetch_add(1, Ordering::SeqCst);
                        let waker = place.lock().unwrap().clone();
                        waker.into_iter().for_each(Waker::wake);
                    }
                })
            })
            .collect();
        let core = Core::new();
        let task = core.executor.spawn(poll_fn(move |cx| {
            *place.lock().unwrap() = Some(cx.waker().clone());
            let all = count.load(Ordering::SeqCst) == THREADS * WAKES;
            if all { Poll::Ready(()) } else { Poll::Pending }
        }));
        core.block_on(task).unwrap();
        drop(core);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Catches: a job that is lost, run twice, run elsewhere, or run before an older one of its thread.
#[test]
fn jobs_of_five_threads_run_once_and_in_their_threads_order() {
    explore(|| {
        let ids = Mailbox::new();
        let cores: Vec<_> = (0..2)
            .map(|_| {
                let ids = ids.clone();
                thread::spawn(move || {
                    let core = Core::new();
                    let (done, letters) = (Mailbox::new(), Mailbox::new());
                    ids.put((core.id(), letters.clone()));
                    core.block_on(async {
                        let mut last = [0; 5];
                        for _ in 0..5 * 3 {
                            let (thread, number): (usize, usize) = letters.next().await;
                            assert!(number > last[thread], "a job overtook an older one");
                            last[thread] = number;
                        }
                        done.put(());
                    });
                })
            })
            .collect();
        let posting = Core::new();
        let cores_there: Vec<_> = (0..2).map(|_| posting.block_on(ids.next())).collect();
        drop(posting);
        let threads: Vec<_> = (0..5)
            .map(|thread| {
                let cores = cores_there.clone();
                thread::spawn(move || {
                    for number in 1..=3 {
                        let first = thread_rng().gen_range(0..2);
                        for at in [first, 1 - first] {
                            let (core, letters) = cores[at].clone();
                            post(core, move || letters.put((thread, number)))
                                .expect("the core waits for this");
                        }
                    }
                })
            })
            .collect();
        cores.into_iter().chain(threads).for_each(|thread| thread.join().unwrap());
    });
}
