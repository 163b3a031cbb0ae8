//! Reports of stalls.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annulus::runtime::{Runtime, StalledBy};
use annulus::task::{spawn_named, spawn_on, yield_now};

use crate::harness::check;

/// Keeps the core busy.
fn spin(duration: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < duration {
        std::hint::spin_loop();
    }
}

/// What was reported, in words.
fn reports(threshold: Duration, test: impl AsyncFnOnce()) -> (Vec<String>, u64) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let telling = Arc::clone(&seen);
    let builder = Runtime::builder().stall_threshold(threshold).on_stall(move |stall| {
        assert!(stall.lasted > stall.threshold);
        assert!(
            matches!(stall.by, StalledBy::Task { .. } | StalledBy::BlockOn)
                || matches!(stall.by, StalledBy::Posted | StalledBy::Crowd { .. })
        );
        telling.lock().unwrap().push(stall.to_string());
    });
    let last = {
        let _shared = crate::harness::share_process();
        check(builder, async {
            test().await;
            Ok(())
        })
    };
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, last.stalls)
}

#[test]
fn a_long_poll_is_reported_with_the_name_of_its_task() {
    let threshold = Duration::from_micros(1);
    let (seen, count) = reports(threshold, async || {
        let busy = spawn_named("busy", async {
            yield_now().await;
            spin(Duration::from_millis(2));
        });
        busy.await.unwrap();
    });
    assert!(
        seen.iter().any(|said| said.starts_with("a poll of task \"busy\" TaskId(")),
        "{seen:?}"
    );
    assert_eq!(seen.len() as u64, count);
}

#[test]
fn the_future_of_block_on_and_posted_jobs_are_reported_as_such() {
    let (seen, _) = reports(Duration::from_micros(1), async || {
        spin(Duration::from_millis(1));
        yield_now().await;
        let core = annulus::task::current_core().unwrap();
        let _task = spawn_on(core, || async {}).unwrap();
        yield_now().await;
    });
    assert!(seen.iter().any(|said| said.contains("future of block_on")), "{seen:?}");
}

#[test]
fn a_report_that_panics_does_not_end_the_future_of_block_on() {
    let _shared = crate::harness::share_process();
    let builder = Runtime::builder()
        .stall_threshold(Duration::from_micros(500))
        .on_stall(|_stall| panic!("a report panics, as this test wants"));
    let last = check(builder, async {
        for _ in 0..3 {
            spin(Duration::from_millis(1));
            yield_now().await;
        }
        Ok(())
    });
    assert!(last.stalls >= 3);
}

#[test]
fn many_short_polls_are_reported_together_or_the_longest_by_itself() {
    let (seen, _) = reports(Duration::from_millis(8), async || {
        let crowd: Vec<_> = (0..20)
            .map(|_| spawn_named("one of many", async { spin(Duration::from_millis(1)) }))
            .collect();
        for task in crowd {
            task.await.unwrap();
        }
    });
    // A machine that is busy itself may make one of the polls too long.
    assert!(seen.iter().any(|said| said.contains("\"one of many\"")), "{seen:?}");
}

#[test]
fn what_stays_below_the_threshold_is_not_reported() {
    let (seen, count) = reports(Duration::from_secs(1000), async || {
        for _ in 0..100 {
            yield_now().await;
        }
    });
    assert_eq!((seen.len(), count), (0, 0));
}
