//! Cores of a launch that lose one another, or whoever started them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use annulus::runtime::{Cores, Runtime, stopping};

use crate::harness::{Boards, NOTHING, descriptors, opened_since, own_process, started};
use crate::processes::cores_end;

/// Says when it is dropped.
struct Told(mpsc::Sender<&'static str>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[test]
fn a_core_that_panics_gives_its_peers_a_bound() {
    let _own = own_process();
    let before = descriptors();
    let builder = Runtime::builder().shutdown_timeout(Duration::from_millis(20));
    let launched = started(builder, Cores::Count(2), |core| async move {
        if core.index() == 0 {
            // Hears of it, and does not care.
            stopping().await;
            std::future::pending::<()>().await;
        }
        panic!("on purpose")
    });
    let results = launched.join();
    assert!(results[0].as_ref().unwrap_err().is_aborted(), "its time is over");
    assert!(results[1].as_ref().unwrap_err().is_panic());
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn a_peer_that_finishes_in_time_gives_its_result() {
    let _own = own_process();
    let before = descriptors();
    let launched = started(Runtime::builder(), Cores::Count(2), |core| async move {
        if core.index() == 0 {
            stopping().await;
            annulus::task::yield_now().await;
            return 7;
        }
        panic!("on purpose")
    });
    let results = launched.join();
    assert_eq!(*results[0].as_ref().unwrap(), 7);
    assert!(results[1].as_ref().unwrap_err().is_panic());
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn a_panic_that_drops_a_launch_ends_its_cores_within_the_bound() {
    let _own = own_process();
    let (tell, told) = mpsc::channel();
    let mut boards = None;
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let builder = Runtime::builder().shutdown_timeout(Duration::from_millis(20));
        let launched = builder
            .launch(Cores::Count(2), move |_core| {
                let told = Told(tell.clone());
                async move {
                    stopping().await;
                    let _ = told.0.send("stopping");
                    std::future::pending::<()>().await;
                }
            })
            .unwrap();
        boards = Some(Boards::of(launched.cores()));
        panic!("on purpose");
    }));
    assert!(caught.is_err());
    // Until the last of what the cores had is gone, and with it every sender.
    let mut said: Vec<_> = told.iter().collect();
    said.sort_unstable();
    assert_eq!(said, ["dropped", "dropped", "stopping", "stopping"]);
    cores_end();
    boards.expect("it was launched").assert_nothing_left();
}

#[test]
fn a_launch_that_is_dropped_runs_on() {
    let _own = own_process();
    let (tell, told) = mpsc::channel();
    let launched = Runtime::builder()
        .launch(Cores::Count(1), move |_core| {
            let told = Told(tell.clone());
            async move {
                stopping().await;
                let _ = told.0.send("stopping");
            }
        })
        .unwrap();
    let (core, boards) = (launched.cores()[0], Boards::of(launched.cores()));
    drop(launched);
    assert!(core.spawn(|| async {}).join_blocking().is_ok());
    assert!(told.try_recv().is_err(), "nobody has stopped it");
    core.stop(None);
    assert_eq!(told.iter().collect::<Vec<_>>(), ["stopping", "dropped"]);
    cores_end();
    boards.assert_nothing_left();
}
