//! Bounds, naming, idling, ending.

use std::sync::mpsc;
use std::time::Duration;

use super::{Job, Refused, Shape, Ticket, Workers};

const LONG: Duration = Duration::from_secs(60);

fn shape(threads_max: usize, queue_max: usize, idle: Duration) -> Shape {
    Shape { threads_max, queue_max, idle }
}

#[test]
fn no_thread_is_started_without_a_job() {
    let workers = Workers::new(Shape::default());
    workers.join();
    assert_eq!(workers.levels().threads, 0);
    assert!(workers.leave(LONG));
}

#[test]
fn a_full_queue_refuses_and_gives_the_job_back() {
    let workers = Workers::new(shape(1, 1, LONG));
    workers.join();
    let (release, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let blocked: Job = Box::new(move || {
        began.send(std::thread::current().name().map(str::to_owned)).unwrap();
        gate.recv().unwrap_err();
    });
    assert!(workers.push(blocked, None).is_ok());
    assert_eq!(begun.recv().unwrap().as_deref(), Some("annulus-block-0"));
    assert!(workers.push(Box::new(|| {}), None).is_ok());
    assert!(matches!(workers.push(Box::new(|| {}), None), Err(Refused::Full(_))));
    assert_eq!(workers.levels().threads, 1);
    drop(release);
    assert!(workers.leave(LONG));
    assert!(matches!(workers.push(Box::new(|| {}), None), Err(Refused::Closed)));
}

#[test]
fn every_job_gets_its_own_thread_while_others_block() {
    let workers = Workers::new(shape(8, 100, LONG));
    workers.join();
    let (met, all) = mpsc::channel();
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(8));
    for _ in 0..8 {
        let (met, barrier) = (met.clone(), barrier.clone());
        let job: Job = Box::new(move || {
            barrier.wait();
            met.send(()).unwrap();
        });
        assert!(workers.push(job, None).is_ok());
    }
    (0..8).for_each(|_| all.recv().unwrap());
    assert!(workers.leave(LONG));
}

#[test]
fn an_idle_thread_ends_and_the_next_job_starts_another() {
    let workers = Workers::new(shape(1, 1, Duration::ZERO));
    workers.join();
    for _ in 0..20 {
        let (done, ended) = mpsc::channel();
        while workers
            .push(
                Box::new({
                    let done = done.clone();
                    move || done.send(()).unwrap()
                }),
                None,
            )
            .is_err()
        {
            std::thread::yield_now();
        }
        ended.recv().unwrap();
    }
    while workers.levels().threads > 0 {
        std::thread::yield_now();
    }
    assert!(workers.leave(LONG));
}

#[test]
fn leaving_waits_no_longer_than_it_may() {
    let workers = Workers::new(Shape::default());
    workers.join();
    let (release, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let blocked: Job = Box::new(move || {
        began.send(()).unwrap();
        gate.recv().unwrap_err();
    });
    assert!(workers.push(blocked, None).is_ok());
    // A job that no thread has begun is dropped, and nobody waits for it.
    begun.recv().unwrap();
    assert!(!workers.leave(Duration::ZERO));
    drop(release);
}

#[test]
fn only_the_last_core_ends_the_threads() {
    let workers = Workers::new(Shape::default());
    workers.join();
    workers.join();
    assert!(workers.leave(LONG));
    let (done, ended) = mpsc::channel();
    assert!(workers.push(Box::new(move || done.send(()).unwrap()), None).is_ok());
    ended.recv().unwrap();
    assert!(workers.leave(LONG));
}

#[test]
fn a_thread_survives_what_jobs_and_wakers_throw() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            panic!("on purpose: the payload of a panic");
        }
    }
    impl std::task::Wake for Throws {
        fn wake(self: std::sync::Arc<Self>) {
            std::mem::forget(self);
            panic!("on purpose: a waker");
        }
    }
    let workers = Workers::new(shape(1, 1, LONG));
    workers.join();
    let (release, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let blocked: Job = Box::new(move || {
        began.send(()).unwrap();
        gate.recv().unwrap_err();
        std::panic::panic_any(Throws);
    });
    assert!(workers.push(blocked, None).is_ok());
    begun.recv().unwrap();
    let (done, ended) = mpsc::channel();
    assert!(workers.push(Box::new(move || done.send(()).unwrap()), None).is_ok());
    let mut ticket = Ticket::default();
    let waits = Some((&mut ticket, std::sync::Arc::new(Throws).into()));
    assert!(matches!(workers.push(Box::new(|| {}), waits), Err(Refused::Full(_))));
    drop(release);
    ended.recv().unwrap();
    assert!(workers.leave(LONG), "a thread was lost");
}

#[test]
fn what_a_job_throws_that_never_ran_keeps_nobody_from_being_woken_and_awaited() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            panic!("on purpose: what a job holds");
        }
    }
    struct Opens(mpsc::Sender<()>);
    impl std::task::Wake for Opens {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let workers = Workers::new(shape(1, 1, LONG));
    workers.join();
    let (open, gate) = mpsc::channel();
    let (began, begun) = mpsc::channel();
    let blocked: Job = Box::new(move || {
        began.send(()).unwrap();
        gate.recv().unwrap();
    });
    assert!(workers.push(blocked, None).is_ok());
    begun.recv().unwrap();
    let throws = Throws;
    assert!(workers.push(Box::new(move || drop(throws)), None).is_ok());
    let mut ticket = Ticket::default();
    let waits = Some((&mut ticket, std::sync::Arc::new(Opens(open)).into()));
    assert!(matches!(workers.push(Box::new(|| {}), waits), Err(Refused::Full(_))));
    // The job that has begun ends when who waits for room is told that there will be none.
    assert!(workers.leave(LONG), "nobody was told");
    assert_eq!(workers.levels().threads, 0);
}

/// Counts its wakes.
#[derive(Default)]
struct Counts(std::sync::atomic::AtomicUsize);

impl std::task::Wake for Counts {
    fn wake(self: std::sync::Arc<Self>) {
        // ORDERING: relaxed; read when the thread that woke has been joined.
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn who_waits_for_room_waits_once_however_often_it_asks() {
    let workers = Workers::new(shape(1, 1, LONG));
    workers.join();
    let (release, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let blocked: Job = Box::new(move || {
        began.send(()).unwrap();
        gate.recv().unwrap_err();
    });
    assert!(workers.push(blocked, None).is_ok());
    begun.recv().unwrap();
    assert!(workers.push(Box::new(|| {}), None).is_ok());

    let counts: [std::sync::Arc<Counts>; 3] = Default::default();
    let [mut first, mut second, mut gone] = [(); 3].map(|()| Ticket::default());
    for _ in 0..1000 {
        for (ticket, which) in [(&mut first, 0), (&mut second, 1), (&mut gone, 2)] {
            let waits = Some((ticket, std::task::Waker::from(counts[which].clone())));
            assert!(matches!(workers.push(Box::new(|| {}), waits), Err(Refused::Full(_))));
        }
        workers.leave_queue(&mut gone);
    }
    assert_eq!(workers.lock().waiting.len(), 2);
    assert_eq!(counts.each_ref().map(std::sync::Arc::strong_count), [2, 2, 1]);
    drop(release);
    assert!(workers.leave(LONG));
    // ORDERING: relaxed; the only thread has ended.
    let load = |count: &Counts| count.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(counts.each_ref().map(|count| load(count)), [1, 1, 0]);
    assert!(workers.lock().waiting.is_empty());
}
