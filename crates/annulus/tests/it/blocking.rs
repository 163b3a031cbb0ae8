//! Work on threads where it may block.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use annulus::runtime::{Cores, Runtime, stopping};
use annulus::task::spawn_blocking;

use crate::harness::{made, run, run_on, share_process, started};

#[test]
fn blocking_work_gives_its_result_and_does_not_hold_up_the_core() {
    run(async {
        let (sender, receiver) = mpsc::channel();
        let blocked = spawn_blocking(move || {
            let name = std::thread::current().name().map(str::to_owned);
            (receiver.recv().unwrap(), name)
        });
        // The core goes on meanwhile.
        annulus::time::sleep(Duration::from_micros(10)).await;
        sender.send(7).unwrap();
        let (seven, name) = blocked.await.unwrap();
        assert_eq!(seven, 7);
        assert!(name.unwrap().starts_with("annulus-block-"));
        Ok(())
    });
}

#[test]
fn a_panic_in_blocking_work_comes_out_of_its_handle() {
    run(async {
        let error = spawn_blocking(|| panic!("on purpose")).await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(spawn_blocking(|| 1).await.unwrap(), 1);
        Ok(())
    });
}

#[test]
fn jobs_beyond_the_queue_wait_in_their_handles() {
    let builder = Runtime::builder().blocking_threads(1).blocking_queue(1);
    run_on(builder, async {
        let jobs: Vec<_> = (0..100).map(|n| spawn_blocking(move || n)).collect();
        let mut sum = 0;
        for job in futures_util::future::join_all(jobs).await {
            sum += job.unwrap();
        }
        assert_eq!(sum, 4950);
        Ok(())
    });
}

#[test]
fn a_result_can_be_awaited_on_any_core() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(2), |core| async move {
        if core.index() > 0 {
            return stopping().await;
        }
        let handle = spawn_blocking(|| "from afar");
        let joined = core.peers()[1].spawn(move || handle).await.unwrap();
        assert_eq!(joined.unwrap(), "from afar");
        core.peers()[1].stop(None);
    });
    launched.join().into_iter().for_each(|result| result.unwrap());
}

#[test]
fn the_end_of_a_runtime_awaits_work_that_has_begun_and_drops_the_rest() {
    let _shared = share_process();
    let runtime = made(Runtime::builder().blocking_threads(1));
    let done = Arc::new(std::sync::Mutex::new(Vec::new()));
    let ((began, begun), (release, gate)) = (mpsc::channel(), mpsc::channel());
    let (first, second) = runtime.block_on(async {
        let log = done.clone();
        let first = spawn_blocking(move || {
            began.send(()).unwrap();
            gate.recv().unwrap();
            log.lock().unwrap().push("first");
        });
        let log = done.clone();
        let second = spawn_blocking(move || log.lock().unwrap().push("second"));
        (first, second)
    });
    begun.recv().unwrap();
    let releasing = std::thread::spawn(move || release.send(()).unwrap());
    drop(runtime);
    releasing.join().unwrap();
    let log = done.lock().unwrap().clone();
    assert_eq!(log[0], "first");
    // The thread may have come to the second before it was told to end.
    let runtime = made(Runtime::builder());
    runtime.block_on(async {
        first.await.unwrap();
        assert_eq!(second.await.is_ok(), log.len() == 2);
    });
}

#[test]
fn outside_a_runtime_there_are_no_threads_for_it() {
    assert!(std::panic::catch_unwind(|| drop(spawn_blocking(|| ()))).is_err());
}
