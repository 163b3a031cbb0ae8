//! Tasks of a runtime: sets, scopes, names, other threads, fairness, a million of them.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{OnPanic, Runtime};
use annulus::task::{
    JoinSet, RemoteJoinHandle, current_name, scope, spawn_named, spawn_on, yield_now,
};
use annulus::time::{Instant, sleep};

use crate::harness::{check, made, run, run_on, share_process};

annulus::task_local! {
    static PEER: usize;
}

#[test]
fn a_set_gives_the_results_of_connections_as_they_end() {
    run(async {
        let mut set = JoinSet::new();
        let mut peers = Vec::new();
        for number in 0..20 {
            let (left, right) = UnixStream::pair()?;
            set.spawn(PEER.scope(number, async move {
                let data = right.recv().await?.expect("something is sent");
                io::Result::Ok((PEER.get(), data.len()))
            }));
            peers.push(left);
        }
        for number in (0..20).rev() {
            peers[number].write_all(vec![0; number + 1]).await?;
            let (who, bytes) = set.join_next().await.expect("there are more").unwrap()?;
            assert_eq!((who, bytes), (number, number + 1));
        }
        assert!(set.is_empty());
        Ok(())
    });
}

#[test]
fn a_scope_that_is_given_up_closes_what_its_children_held() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let serving = scope(|s| async move {
            s.spawn(async move { right.recv().await.map(drop) });
            pending::<()>().await;
        });
        assert!(annulus::time::timeout(Duration::from_millis(1), serving).await.is_err());
        assert!(left.recv().await?.is_none(), "the child's end was closed");
        Ok(())
    });
}

#[test]
fn dropping_a_set_cancels_what_its_tasks_wait_for() {
    let _shared = share_process();
    let last = check(Runtime::builder(), async {
        let (left, right) = UnixStream::pair()?;
        let mut set = JoinSet::new();
        set.spawn(async move { right.read(vec![0; 8]).await.map(drop) });
        crate::harness::turns(1).await;
        drop(set);
        assert!(left.recv().await?.is_none());
        Ok(())
    });
    assert!(last.cancels > 0, "{last:?}");
}

#[test]
fn a_task_is_awaited_by_another_runtime_and_aborted_from_a_plain_thread() {
    let _shared = share_process();
    let (give, take) = mpsc::channel::<RemoteJoinHandle<u32>>();
    let (give_slow, take_slow) = mpsc::channel::<RemoteJoinHandle<u32>>();
    let other = std::thread::spawn(move || {
        let theirs = made(Runtime::builder());
        let answer = theirs.block_on(take.recv().unwrap()).unwrap();
        let slow = take_slow.recv().unwrap();
        slow.abort();
        (answer, theirs.block_on(slow).unwrap_err().is_aborted())
    });
    let ours = made(Runtime::builder());
    ours.block_on(async {
        let task = annulus::spawn(async {
            sleep(Duration::from_millis(1)).await;
            42
        });
        give.send(task.remote()).unwrap();
        let (left, right) = UnixStream::pair().unwrap();
        let slow = annulus::spawn(async move {
            let _ = right.recv().await;
            1
        });
        give_slow.send(slow.remote()).unwrap();
        assert!(left.recv().await.unwrap().is_none(), "the abort closed the other end");
    });
    assert_eq!(other.join().unwrap(), (42, true));
}

#[test]
fn a_task_is_spawned_on_a_core_that_sleeps() {
    let _shared = share_process();
    let (told, core) = mpsc::channel();
    let (left, right) = mpsc::channel();
    let serving = std::thread::spawn(move || {
        let runtime = made(Runtime::builder());
        told.send(runtime.core_id()).unwrap();
        runtime.block_on(async {
            let (stop, stopped) = UnixStream::pair().unwrap();
            left.send(stop.into_std().await.unwrap()).unwrap();
            assert!(stopped.recv().await.unwrap().is_none());
        });
    });
    let (core, stop) = (core.recv().unwrap(), right.recv().unwrap());
    let runtime = made(Runtime::builder());
    for round in 0..100 {
        let task = spawn_on(core, move || async move {
            sleep(Duration::from_micros(50)).await;
            round
        });
        assert_eq!(runtime.block_on(task.unwrap()).unwrap(), round);
    }
    drop(stop);
    serving.join().unwrap();
    assert!(spawn_on(core, || async {}).is_err());
}

#[test]
fn a_yield_lets_the_kernel_answer() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.write_all("x").await?;
        let reader = annulus::spawn(async move { right.recv().await });
        let mut turns = 0;
        while !reader.is_finished() {
            yield_now().await;
            turns += 1;
            assert!(turns < 1_000_000, "the reader never gets its bytes");
        }
        Ok(())
    });
}

#[test]
fn a_task_that_is_ever_ready_keeps_nobody_from_the_core() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        drop(left);
        let greedy = annulus::spawn(async move {
            loop {
                // The end of the stream is there at each poll, and so is a time that has passed.
                assert!(right.recv().await.unwrap().is_none());
                sleep(Duration::ZERO).await;
            }
        });
        sleep(Duration::from_millis(2)).await;
        greedy.abort();
        assert!(greedy.await.unwrap_err().is_aborted());
        Ok(())
    });
}

#[test]
fn a_million_tasks_wait_and_are_woken_and_dropped() {
    const TASKS: usize = 1_000_000;
    let _shared = share_process();
    let last = check(Runtime::builder(), async {
        let woken = Rc::new(Cell::new(0));
        let mut set = JoinSet::new();
        for _ in 0..TASKS {
            let woken = Rc::clone(&woken);
            set.spawn(async move {
                yield_now().await;
                woken.set(woken.get() + 1);
                pending::<()>().await;
            });
        }
        while woken.get() < TASKS {
            yield_now().await;
        }
        assert_eq!(annulus::runtime::metrics()?.tasks, TASKS);
        set.shutdown().await;
        assert_eq!(annulus::runtime::metrics()?.tasks, 0);
        for _ in 0..TASKS / 2 {
            let woken = Rc::clone(&woken);
            annulus::spawn(async move {
                pending::<()>().await;
                drop(woken);
            });
        }
        Ok(())
    });
    assert_eq!(last.tasks, 0);
}

#[test]
fn names_are_seen_by_the_task_and_in_its_handle() {
    run(async {
        let task = spawn_named("reader", async { current_name() });
        assert!(format!("{task:?}").contains("\"reader\""));
        assert_eq!(task.await.unwrap().as_deref(), Some("reader"));
        assert_eq!(current_name(), None, "the future of block_on has no name");
        Ok(())
    });
}

#[test]
fn a_panic_ends_the_process_if_that_is_the_policy() {
    const CHILD: &str = "ANNULUS_PANIC_POLICY_CHILD";
    if std::env::var_os(CHILD).is_some() {
        run_on(Runtime::builder().on_panic(OnPanic::Abort), async {
            let _ = annulus::spawn(async { panic!("fatal") }).await;
            Ok(())
        });
        return;
    }
    let _shared = share_process();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tasks::a_panic_ends_the_process_if_that_is_the_policy", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt as _;
    assert_eq!(child.status.signal(), Some(libc::SIGABRT), "{child:?}");
    assert!(String::from_utf8_lossy(&child.stderr).contains("fatal"));
}

#[test]
fn a_task_is_truly_gone_when_its_aborted_handle_is_ready() {
    struct Held(Rc<Cell<bool>>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    run(async {
        let gone = Rc::new(Cell::new(false));
        let held = Held(Rc::clone(&gone));
        let task = annulus::spawn(async move {
            let _held = held;
            sleep(Duration::from_secs(1000)).await;
        });
        let begun = Instant::now();
        yield_now().await;
        task.abort();
        assert!(!gone.get(), "an abort only asks");
        assert!(task.await.unwrap_err().is_aborted());
        assert!(gone.get());
        assert!(begun.elapsed() < Duration::from_secs(1000));
        assert_eq!(annulus::runtime::metrics()?.timers, 0);
        Ok(())
    });
}
