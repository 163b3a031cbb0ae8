//! Counters and levels: exact where the kernel is simulated, readable from everywhere always.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{Builder, CoreHandle, Cores, Runtime, metrics};
use annulus::task::{spawn_blocking, yield_now};
use annulus::time::sleep;
use annulus_ring::op::Nop;
use annulus_sim::{Faults, Profile, World};

use crate::harness::ground::tiny;
use crate::harness::{check, own_process, run, run_on, share_process, started};

thread_local! {
    static WORLD: std::cell::RefCell<Option<World>> = const { std::cell::RefCell::new(None) };
}

/// A builder on a simulated kernel without faults, for this thread.
pub fn simulated() -> (World, Builder) {
    let world = World::new(7).with_faults(Faults::none());
    WORLD.set(Some(world.clone()));
    let builder = Runtime::builder().kernel(|| {
        let world = WORLD.take().expect("a world was made on this thread");
        world.any_kernel(Profile::LINUX_6_18)
    });
    (world, builder.entries(16).cq_entries(32).buffer_bytes(256).buffer_count(16))
}

async fn nop() -> io::Result<()> {
    // SAFETY: a no-op points to nothing.
    unsafe { annulus::submit(Nop) }.await
}

#[test]
fn each_request_of_a_row_is_one_entry_one_completion_one_poll_and_one_turn() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        nop().await?;
        let task = annulus::spawn(async {
            let before = metrics()?;
            for _ in 0..10 {
                nop().await?;
            }
            io::Result::Ok(metrics()?.since(&before))
        });
        let since = task.await.expect("no panic")?;
        assert_eq!((since.sqes, since.cqes, since.polls, since.turns), (10, 10, 10, 10), "{since}");
        assert_eq!((since.enters, since.waits, since.spins), (10, 10, 0));
        assert_eq!((since.sq_full, since.cq_overflows, since.stale_cqes), (0, 0, 0));
        assert_eq!((since.ops_in_flight, since.tasks, since.timers), (0, 1, 0));
        Ok(())
    });
}

#[test]
fn a_crowd_shares_turns_and_fills_the_queue() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        nop().await?;
        let before = metrics()?;
        let tasks: Vec<_> = (0..40).map(|_| annulus::spawn(nop())).collect();
        assert_eq!(metrics()?.tasks, 40);
        yield_now().await;
        for task in tasks {
            task.await.expect("no panic")?;
        }
        let since = metrics()?.since(&before);
        assert_eq!((since.sqes, since.cqes, since.tasks_spawned), (40, 40, 40));
        assert_eq!(since.polls, 80);
        assert_eq!(since.sq_full, 2, "16 entries for 40 requests");
        assert!(since.turns <= 4, "{since}");
        Ok(())
    });
}

#[test]
fn an_orphan_is_counted_until_the_kernel_lets_go_of_it() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (_silent, stream) = UnixStream::pair()?;
        let levels = || metrics().map(|now| (now.ops_in_flight, now.orphans_in_flight));
        let mut read = Box::pin(stream.read(vec![0; 16]));
        assert!(futures_util::poll!(read.as_mut()).is_pending());
        assert_eq!(levels()?, (1, 0));
        drop(read);
        assert_eq!(levels()?, (1, 1));
        let now = metrics()?;
        assert_eq!((now.orphans, now.cancels), (1, 1));
        while levels()? != (0, 0) {
            yield_now().await;
        }
        Ok(())
    });
}

#[test]
fn levels_of_descriptors_timers_and_buffers_follow() {
    run(async {
        let before = metrics()?;
        let (left, right) = UnixStream::pair()?;
        left.write_all("hello").await?;
        let lease = right.recv().await?.expect("it was sent");
        let timer = sleep(Duration::from_secs(600));
        let mut timer = Box::pin(timer);
        assert!(futures_util::poll!(timer.as_mut()).is_pending());
        let now = metrics()?;
        assert_eq!(now.descriptors - before.descriptors, 2);
        assert_eq!(before.fixed_files_free - now.fixed_files_free, 2);
        assert_eq!((now.timers, now.leases_out, now.since(&before).leases), (1, 1, 1));
        assert!(now.buffers >= now.buffers_published);
        assert!(now.buffers_published > 0 && now.starved == 0);
        drop((lease, timer));
        let now = metrics()?;
        assert_eq!((now.timers, now.leases_out), (0, 0));
        Ok(())
    });
}

/// What another thread reads is what the core itself reads, as soon as it sleeps.
#[test]
fn a_sleeping_core_is_read_exactly_from_another_thread() {
    // Alone, because many cores that end meanwhile would take the place of this one's numbers.
    let _alone = own_process();
    let (tell, told) = mpsc::channel();
    let core = std::thread::spawn(move || {
        check(Runtime::builder(), async move {
            let (left, right) = UnixStream::pair()?;
            left.write_all("hello").await?;
            let lease = right.recv().await?.expect("it was sent");
            let waits = annulus::spawn(async move { right.recv().await.map(drop) });
            yield_now().await;
            tell.send((CoreHandle::current()?, metrics()?)).expect("heard");
            let timer = annulus::spawn(sleep(Duration::from_secs(600)));
            annulus::runtime::stopping().await;
            drop((lease, left, timer));
            waits.await.expect("no panic")
        });
    });
    let (core_handle, inside) = told.recv().expect("it tells");
    let reader = core_handle.metrics_handle().expect("it lives");
    // Two more tasks' polls and a turn are under way; then nothing moves any more.
    let mut last = reader.read();
    while last.timers == 0 || last.waits == inside.waits {
        std::thread::yield_now();
        last = reader.read();
    }
    assert_eq!((last.descriptors, last.leases_out, last.tasks, last.timers), (2, 1, 2, 1));
    assert_eq!((last.buffers, last.fixed_files_free), (inside.buffers, inside.fixed_files_free));
    assert!(last.sqes >= inside.sqes && last.turns >= inside.turns);
    assert_eq!(core_handle.metrics().expect("it lives").tasks, 2);
    assert!(!reader.has_ended());
    core_handle.stop(None);
    core.join().expect("no panic");
    let ended = reader.read();
    assert!(reader.has_ended());
    assert_eq!(
        (ended.tasks, ended.descriptors, ended.ops_in_flight, ended.leases_out),
        (0, 0, 0, 0)
    );
    assert_eq!((ended.posts, ended.since(&last).posts), (1, 1), "the stop");
    assert_eq!(core_handle.metrics(), Some(ended), "its name still leads there");
}

#[test]
fn of_cores_that_have_ended_those_that_ended_last_are_remembered() {
    let _alone = own_process();
    let made = || {
        let runtime = crate::harness::made(tiny());
        let handle = runtime.block_on(async { CoreHandle::current().expect("it runs") });
        (runtime, handle)
    };
    let (long_lived, remembered) = made();
    let forgotten = made().1;
    for _ in 0..300 {
        drop(made());
    }
    drop(long_lived);
    for _ in 0..3 {
        drop(made());
    }
    assert!(remembered.metrics().is_some(), "it ended just now");
    assert!(forgotten.metrics().is_none(), "it ended long ago");
}

#[test]
fn a_reader_never_sees_a_counter_go_back() {
    let _shared = share_process();
    let runtime = crate::harness::made(Runtime::builder());
    let (reader, over) = (runtime.metrics_handle(), Arc::new(AtomicBool::new(false)));
    let seen = over.clone();
    let thread = std::thread::spawn(move || {
        let (mut before, mut readings) = (reader.read(), 0_u64);
        while !seen.load(Ordering::Relaxed) || readings == 0 {
            let now = reader.read();
            for (now, then) in [
                (now.turns, before.turns),
                (now.enters, before.enters),
                (now.sqes, before.sqes),
                (now.cqes, before.cqes),
                (now.polls, before.polls),
                (now.tasks_spawned, before.tasks_spawned),
            ] {
                assert!(now >= then);
            }
            assert!(now.tasks <= 1 && now.ops_in_flight <= 1);
            (before, readings) = (now, readings + 1);
        }
        before
    });
    runtime.block_on(async {
        for _ in 0..2_000 {
            annulus::spawn(nop()).await.expect("no panic").expect("a no-op succeeds");
        }
    });
    over.store(true, Ordering::Relaxed);
    let last = thread.join().expect("no assertion failed");
    assert!(last.tasks_spawned <= 2_000);
    assert_eq!(runtime.metrics().tasks_spawned, 2_000);
}

#[test]
fn what_other_threads_do_to_a_core_is_counted() {
    // The numbers of a core that has ended are gone when hundreds of others have ended since.
    let _own = own_process();
    let launched = started(Runtime::builder(), Cores::Count(2), |core| async move {
        if core.index() > 0 {
            return annulus::runtime::stopping().await;
        }
        let other = core.peers()[1];
        for _ in 0..5 {
            other.spawn(|| async {}).await.expect("no panic");
        }
        for _ in 0..3 {
            spawn_blocking(|| ()).await.expect("no panic");
        }
        other.stop(None);
    });
    let cores = launched.cores().to_vec();
    launched.join().into_iter().for_each(|result| result.expect("no panic"));
    let [first, second] = [cores[0], cores[1]].map(|core| core.metrics().expect("just ended"));
    assert_eq!((second.posts, second.tasks_spawned), (6, 5));
    // One wait may end by the word, the next by the wake that follows it.
    assert!((1..=12).contains(&second.bell_rings), "at most two for each job: {second}");
    assert!(first.remote_wakes >= 1, "{first}");
    assert_eq!((first.blocking_done, second.blocking_done), (3, 3), "they share the threads");
    assert_eq!(first.blocking_queue, 0);
    assert!(!first.inbox_waits && !second.inbox_waits);
}

#[test]
fn jobs_for_a_core_that_nobody_drives_wait_in_its_inbox() {
    let _shared = share_process();
    let runtime = crate::harness::made(Runtime::builder());
    let (reader, handle) = (runtime.metrics_handle(), runtime.handle());
    assert!(!reader.read().inbox_waits);
    let task = std::thread::spawn(move || handle.spawn(|| async { 1 })).join().expect("posted");
    assert!(reader.read().inbox_waits);
    assert_eq!(runtime.block_on(task).expect("no panic"), 1);
    assert!(!reader.read().inbox_waits);
    assert_eq!(reader.read().posts, 1);
}

#[test]
fn the_longest_turn_is_known_where_the_clock_is_read() {
    let busy = || {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
    };
    for threshold in [Duration::from_micros(1), Duration::from_secs(600)] {
        let builder = Runtime::builder().stall_threshold(threshold).on_stall(|_| ());
        run_on(builder, async {
            annulus::spawn(async move { busy() }).await.expect("no panic");
            assert!(metrics()?.longest_turn_ns >= 3_000_000, "{threshold:?}");
            Ok(())
        });
    }
    run(async {
        annulus::spawn(async move { busy() }).await.expect("no panic");
        assert_eq!(metrics()?.longest_turn_ns, 0);
        Ok(())
    });
}

#[test]
fn spins_are_counted_where_they_are_wanted() {
    run_on(Runtime::builder().spin(Duration::from_micros(50)), async {
        nop().await?;
        assert!(metrics()?.spins >= 1);
        Ok(())
    });
}

#[test]
fn the_numbers_of_a_core_outlast_hundreds_of_others_in_a_handle() {
    let _own = own_process();
    let runtime = crate::harness::made(Runtime::builder());
    runtime.block_on(async { annulus::spawn(async {}).await }).expect("no panic");
    let (kept, name) = (runtime.metrics_handle(), runtime.handle());
    drop(runtime);
    assert_eq!(name.metrics().map(|last| last.tasks_spawned), Some(1));
    for _ in 0..300 {
        let (_world, builder) = simulated();
        drop(crate::harness::made(builder));
    }
    assert_eq!(kept.read().tasks_spawned, 1);
    assert!(name.metrics().is_none(), "the list of ended cores is bounded");
}
