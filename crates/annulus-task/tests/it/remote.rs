//! Handles that cross threads: joining, aborting and spawning from elsewhere.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use annulus_task::{AbortHandle, Closed, JoinError, RemoteJoinHandle, spawn, spawn_on};

use crate::support::*;

fn remote_result<T>(mut handle: RemoteJoinHandle<T>) -> Result<T, JoinError> {
    match poll_once(&mut handle) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task is not done"),
    }
}

#[test]
fn handles_that_cross_threads_are_send_and_sync_for_outputs_that_are_send() {
    fn crosses<T: Send + Sync>() {}
    crosses::<RemoteJoinHandle<std::cell::Cell<u8>>>();
    crosses::<AbortHandle>();
}

#[test]
fn an_executor_of_another_thread_awaits_a_task() {
    let ours = executor();
    let task = ours
        .spawn(async {
            yield_now().await;
            "across"
        })
        .remote();
    let (waiting, at_work) = mpsc::channel();
    let other = thread::spawn(move || {
        let theirs = executor();
        block_on(&theirs, async {
            let mut task = task;
            poll_fn(|cx| {
                let polled = Pin::new(&mut task).poll(cx);
                let _ = waiting.send(());
                polled
            })
            .await
        })
    });
    at_work.recv().unwrap(); // it waits; only now may the task end
    settle(&ours);
    assert_eq!(other.join().unwrap().unwrap(), "across");
}

#[test]
fn a_task_that_was_done_before_its_handle_crossed_gives_its_output() {
    let executor = executor();
    let handle = executor.spawn(async { 5 });
    settle(&executor);
    let remote = handle.remote();
    assert!(remote.is_finished());
    assert_eq!(thread::spawn(move || remote_result(remote).unwrap()).join().unwrap(), 5);
}

#[test]
fn a_panic_crosses_with_its_payload() {
    let executor = executor();
    let remote = executor.spawn(async { panic!("over there") }).remote();
    settle(&executor);
    let error = thread::spawn(move || remote_result::<()>(remote).unwrap_err()).join().unwrap();
    assert_eq!(error.to_string(), "the task panicked: over there");
}

#[test]
fn an_abort_from_another_thread_drops_the_future_before_the_join_is_ready() {
    let executor = executor();
    let (probe, counts) = Probe::new(0);
    let mut remote = executor.spawn(probe).remote();
    settle(&executor);
    let remote = thread::spawn(move || {
        remote.abort();
        assert!(poll_once(&mut remote).is_pending(), "the task is not gone yet");
        remote
    });
    let remote = remote.join().unwrap();
    assert_eq!(counts.get(), (1, 0));
    settle(&executor);
    assert_eq!(counts.get(), (1, 1));
    assert!(remote_result(remote).unwrap_err().is_aborted());
}

#[test]
fn aborts_of_tasks_that_ended_and_of_cores_that_are_gone_do_nothing() {
    let first = executor();
    let done = first.spawn(async {}).abort_handle();
    settle(&first);
    let successor = first.spawn(pending::<()>());
    assert_eq!(successor.id().index(), done.id().index(), "the place is used again");
    done.abort();
    thread::spawn(move || done.abort()).join().unwrap();
    settle(&first);
    assert!(done.is_finished() && !successor.is_finished());
    let old = successor.abort_handle();
    drop(first);
    // Most likely in the same slot; in any other it is even less the old task's core.
    let second = executor();
    let task = second.spawn(pending::<()>());
    thread::spawn(move || old.abort()).join().unwrap();
    settle(&second);
    assert!(old.is_finished() && !task.is_finished());
}

#[test]
fn a_shutdown_is_an_abort_for_who_joins_from_elsewhere() {
    let executor = executor();
    let remote = executor.spawn(pending::<()>()).remote();
    let (_, waker) = Counting::new();
    drop(executor);
    let mut remote = remote;
    let polled = Pin::new(&mut remote).poll(&mut Context::from_waker(&waker));
    assert!(matches!(polled, Poll::Ready(Err(JoinError::Aborted))));
}

#[test]
fn the_last_waker_is_woken_once_and_wherever_it_is() {
    let executor = executor();
    let mut remote = executor.spawn(async {}).remote();
    let ((first, first_waker), (second, second_waker)) = (Counting::new(), Counting::new());
    for waker in [&first_waker, &second_waker] {
        assert!(Pin::new(&mut remote).poll(&mut Context::from_waker(waker)).is_pending());
    }
    settle(&executor);
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    remote_result(remote).unwrap();
}

#[test]
fn dropping_the_handle_elsewhere_detaches_and_the_output_is_dropped_on_the_core() {
    struct Home(thread::ThreadId, Arc<AtomicU32>);
    impl Drop for Home {
        fn drop(&mut self) {
            assert_eq!(thread::current().id(), self.0);
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let executor = executor();
    let drops = Arc::new(AtomicU32::new(0));
    let home = Home(thread::current().id(), Arc::clone(&drops));
    let remote = executor
        .spawn(async {
            yield_now().await;
            home
        })
        .remote();
    thread::spawn(move || drop(remote)).join().unwrap();
    settle(&executor);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_task_for_another_thread_costs_one_allocation_more() {
    let executor = executor();
    settle(&executor);
    let before = allocations();
    let remote = executor.spawn(async { 1 }).remote();
    settle(&executor);
    assert_eq!(remote_result(remote).unwrap(), 1);
    let after = allocations();
    // The memory of the task itself stays with its core, for the next one.
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 1));
}

#[test]
fn joining_races_with_ending_and_aborting_and_nothing_is_lost() {
    let ours = executor();
    let core = ours.id();
    let threads: Vec<_> = (0..3)
        .map(|number| {
            thread::spawn(move || {
                let theirs = executor();
                block_on(&theirs, async {
                    for round in 0..2_000_u32 {
                        let make = move || async move {
                            let shared = Rc::new(round); // made there, so it need not be Send
                            yield_now().await;
                            *shared
                        };
                        let task = spawn_on(core, make).unwrap();
                        if (round + number) % 3 == 0 {
                            task.abort();
                        }
                        match task.await {
                            Ok(output) => assert_eq!(output, round),
                            Err(error) => assert!(error.is_aborted()),
                        }
                    }
                });
            })
        })
        .collect();
    let all = thread::spawn(move || threads.into_iter().for_each(|thread| thread.join().unwrap()));
    let end = async move {
        while !all.is_finished() {
            yield_now().await;
        }
        all.join().unwrap();
    };
    block_on(&ours, end);
    settle(&ours);
    assert_eq!(ours.live_tasks(), 0);
}

#[test]
fn a_core_that_has_shut_down_refuses_and_one_that_does_so_meanwhile_aborts() {
    let executor = executor();
    let core = executor.id();
    let waiting = spawn_on(core, || async {}).unwrap();
    assert_eq!(waiting.id(), None);
    executor.shutdown();
    assert!(remote_result(waiting).unwrap_err().is_aborted());
    assert!(matches!(spawn_on(core, || async {}), Err(Closed)));
}

#[test]
fn a_task_that_is_aborted_before_it_started_is_never_polled() {
    let executor = executor();
    let (made, starts) = mpsc::channel();
    let task = spawn_on(executor.id(), move || {
        made.send(()).unwrap();
        async {}
    })
    .unwrap();
    task.abort();
    settle(&executor);
    assert!(remote_result(task).unwrap_err().is_aborted());
    assert!(starts.recv().is_err(), "it was not even made");
}

#[test]
fn a_panic_while_the_future_is_made_is_one_of_the_task() {
    let executor = executor();
    let task = spawn_on(executor.id(), || {
        if true {
            panic!("unmade");
        }
        async {}
    })
    .unwrap();
    settle(&executor);
    assert_eq!(remote_result(task).unwrap_err().to_string(), "the task panicked: unmade");
}

#[test]
fn posted_jobs_run_with_their_core_entered() {
    let executor = executor();
    let (seen, told) = mpsc::channel();
    annulus_task::post(executor.id(), move || {
        spawn(async move { seen.send(annulus_task::current()).unwrap() }).detach();
    })
    .unwrap();
    settle(&executor);
    assert_eq!(annulus_task::current(), None);
    drop(executor.enter());
    let entered = executor.enter();
    settle(&executor);
    drop(entered);
    assert!(told.recv().is_ok());
}

#[test]
fn wake_storms_at_tasks_in_every_state_allocate_nothing_on_either_side() {
    const THREADS: usize = 4;
    let executor = executor();
    let _entered = executor.enter();
    let (_, foreign) = Counting::new();
    let waiting = executor.spawn(pending::<()>());
    let aborted = executor.spawn(pending::<()>());
    let done = executor.spawn(async {});
    let names = [waiting.id(), aborted.id(), done.id()];
    aborted.abort();
    settle(&executor);
    let go = Arc::new(std::sync::Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (go, foreign) = (Arc::clone(&go), foreign.clone());
            thread::spawn(move || {
                go.wait();
                let before = allocations();
                for _ in 0..20_000 {
                    for name in names {
                        annulus_task::wake_current(name);
                    }
                    foreign.wake_by_ref();
                }
                let after = allocations();
                go.wait();
                assert_eq!(after, before);
            })
        })
        .collect();
    go.wait();
    let before = allocations();
    for _ in 0..2_000 {
        settle(&executor);
        executor.wake(names[0]);
        Waker::noop().wake_by_ref();
    }
    assert_eq!(allocations(), before);
    go.wait();
    for thread in threads {
        thread.join().unwrap();
    }
    settle(&executor);
    assert_eq!(executor.live_tasks(), 1);
}
