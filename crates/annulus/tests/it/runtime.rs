//! The runtime itself: entering, nesting, tasks, panics, shutdown.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::Runtime;

use crate::harness::{
    NOTHING, check, descriptors, made, opened_since, own_process, run, share_process,
};

#[test]
fn block_on_gives_the_output_of_its_future() {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
    assert_eq!(runtime.block_on(async { annulus::spawn(async { 5 }).await.unwrap() }), 5);
}

#[test]
fn tasks_go_on_at_the_next_block_on() {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let seen = Rc::new(Cell::new(0));
    let task = runtime.spawn({
        let seen = seen.clone();
        async move {
            annulus::time::sleep(Duration::from_millis(1)).await;
            seen.set(1);
        }
    });
    runtime.block_on(async {});
    assert_eq!(seen.get(), 0);
    runtime.block_on(task).unwrap();
    assert_eq!(seen.get(), 1);
}

#[test]
fn a_nested_block_on_is_a_clear_error() {
    let _shared = share_process();
    let outer = made(Runtime::builder());
    let inner = made(Runtime::builder());
    let nested =
        std::panic::AssertUnwindSafe(|| outer.block_on(async { inner.block_on(async {}) }));
    let payload = std::panic::catch_unwind(nested).expect_err("nesting is refused");
    let text = payload.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(text.contains("await"), "{text}");
    assert_eq!(outer.block_on(async { 1 }), 1, "the outer one still works");
}

#[test]
fn outside_a_runtime_operations_say_that_there_is_none() {
    let _shared = share_process();
    let error = UnixStream::pair().expect_err("no runtime");
    assert!(error.to_string().contains("no Annulus runtime"), "{error}");
    let spawned = std::panic::catch_unwind(|| drop(annulus::spawn(async {})));
    assert!(spawned.is_err());
}

#[test]
fn a_panic_ends_its_task_only() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let bad = annulus::spawn(async move {
            let _held = left.recv().await;
            panic!("on purpose");
        });
        right.write_all("go").await?;
        let error = bad.await.expect_err("it panicked");
        assert!(error.is_panic());
        assert!(right.recv().await?.is_none(), "the panicked task's socket was closed");
        Ok(())
    });
}

#[test]
fn aborting_a_task_drops_what_it_held() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let task = annulus::spawn(async move {
            let _ = left.recv().await;
        });
        crate::harness::turns(1).await;
        task.abort();
        assert!(task.await.expect_err("aborted").is_aborted());
        assert!(right.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn dropping_a_runtime_ends_tasks_in_every_state_and_closes_everything() {
    let _own = own_process();
    let before = descriptors();
    for round in 0..20 {
        let runtime = made(Runtime::builder());
        runtime
            .block_on(async {
                let (left, right) = UnixStream::pair()?;
                let (third, _fourth) = UnixStream::pair()?;
                annulus::spawn(async move { left.recv().await.map(drop) });
                annulus::spawn(async move { right.read(vec![0; 8]).await.map(drop) });
                annulus::spawn(async move { third.write_all(vec![0; 1 << 20]).await.map(drop) });
                annulus::spawn(annulus::time::sleep(Duration::from_secs(1000)));
                crate::harness::turns(round % 3).await;
                io::Result::Ok(())
            })
            .unwrap();
        drop(runtime);
    }
    // The bells of registry slots are closed with their cores, so nothing at all may remain.
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn several_runtimes_live_in_one_process_and_their_handles_do_not_mix() {
    let _shared = share_process();
    let first = made(Runtime::builder());
    let second = made(Runtime::builder());
    let (left, _right) = first.block_on(async { UnixStream::pair() }).unwrap();
    let error = second.block_on(left.write_all("x")).expect_err("a foreign core");
    assert!(error.error().to_string().contains("belongs to"), "{error:?}");
    assert_eq!(error.into_buf(), Some("x"));
    second.block_on(async move { drop(left) });
    first.block_on(async {});
    first.shutdown();
}

#[test]
fn futures_that_outlive_their_runtime_are_dead_and_harmless() {
    let _own = own_process();
    let before = descriptors();
    let runtime = made(Runtime::builder());
    let (left, right) = runtime.block_on(async { UnixStream::pair() }).unwrap();
    let mut reading = Box::pin(async move { left.read(vec![0; 4]).await.map(drop) });
    runtime.block_on(async {
        assert!(futures_util::poll!(&mut reading).is_pending());
    });
    drop(runtime);
    drop(right);
    drop(reading);
    assert_eq!(opened_since(&before), NOTHING, "the handles closed them");
    let again = made(Runtime::builder());
    again.block_on(async {});
}

#[test]
fn a_lease_may_outlive_its_runtime() {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let lease = runtime.block_on(async {
        let (left, right) = UnixStream::pair().unwrap();
        left.write_all("kept").await.unwrap();
        right.recv().await.unwrap().unwrap()
    });
    assert_eq!(runtime.leave().leases_out, 1);
    assert_eq!(&*lease, b"kept");
    std::thread::spawn(move || drop(lease)).join().unwrap();
}

#[test]
fn a_turn_enters_the_kernel_once_and_metrics_tell() {
    let _shared = share_process();
    let last = check(Runtime::builder(), async {
        let (left, right) = UnixStream::pair()?;
        let before = annulus::runtime::metrics()?;
        for _ in 0..100 {
            left.write_all("x").await?;
            right.recv().await?;
        }
        let after = annulus::runtime::metrics()?;
        let (turns, enters) = (after.turns - before.turns, after.enters - before.enters);
        assert!(enters <= turns, "{enters} enters in {turns} turns");
        Ok(())
    });
    assert!(last.cqes > 100);
}

#[test]
fn every_knob_of_the_builder_makes_a_runtime_that_works() {
    let builders = [
        Runtime::builder().entries(1),
        Runtime::builder().entries(8).cq_entries(8),
        Runtime::builder().fixed_files(0),
        Runtime::builder().fixed_files(1),
        Runtime::builder().buffer_bytes(64).buffer_count(2).buffers_published(1),
        Runtime::builder().buffers_incremental(false),
        Runtime::builder().spin(Duration::from_micros(50)),
        Runtime::builder().budget(1),
        Runtime::builder().sqpoll(Duration::from_millis(10)),
    ];
    for builder in builders {
        let name = format!("{builder:?}");
        crate::harness::run_on(builder, async move {
            let (client, server) = crate::harness::pair().await?;
            let echo = annulus::spawn(async move {
                while let Some(lease) = server.recv().await? {
                    server.write_all(lease).await?;
                }
                io::Result::Ok(())
            });
            for size in [1, 100, 5000] {
                client.write_all(vec![1; size]).await?;
                let ((), back) = client.read_exact(vec![0; size]).await?;
                assert_eq!(back, vec![1; size], "{name}");
            }
            drop(client);
            echo.await.unwrap()
        });
    }
}
