//! Many cores: launching, giving them work, stopping them, what belongs to each.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::{
    self, CoreHandle, Cores, LaunchedCore, Runtime, available_cores, is_stopping, launch, stopping,
};
use annulus::sync::{Closed, cross};
use annulus::time::sleep;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};

use crate::harness::{
    NOTHING, check, descriptors, made, opened_since, own_process, share_process, started,
};
use crate::limits::{descriptor_limit, set_descriptor_limit};

const LONG: Duration = Duration::from_secs(60);

fn all<T>(results: Vec<Result<T, annulus::task::JoinError>>) -> Vec<T> {
    results.into_iter().map(|result| result.expect("the core ends well")).collect()
}

/// The CPUs that the calling thread may run on, as the kernel tells.
fn allowed() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.expect("a thread has a mask").trim().to_owned()
}

#[test]
fn each_core_has_its_thread_name_and_cpu() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::All, |core: LaunchedCore| async move {
        assert_eq!(CoreHandle::current().unwrap(), core.handle());
        assert!(core.handle().is_current());
        let name = std::thread::current().name().map(str::to_owned);
        (core.index(), name, core.cpu().to_string() == allowed(), core.peers().len())
    });
    let count = available_cores();
    assert_eq!(launched.cores().len(), count);
    for (n, (index, name, pinned, peers)) in all(launched.join()).into_iter().enumerate() {
        assert_eq!((index, peers), (n, count));
        assert_eq!(name, Some(format!("annulus-core-{n}")));
        assert!(pinned, "the thread of core {n} may run elsewhere");
    }
}

#[test]
fn a_launch_that_cannot_be_is_refused_whole() {
    let _own = own_process();
    let before = descriptors();
    let error = launch(Cores::Ids(vec![100_000]), |_| async {}).expect_err("no such CPU");
    assert!(error.to_string().contains("100000"), "{error}");
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = ran.clone();
    let (soft, _) = descriptor_limit();
    set_descriptor_limit(64);
    let launched = launch(Cores::Count(64), move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    set_descriptor_limit(soft);
    launched.expect_err("each core needs two descriptors");
    assert_eq!(ran.load(Ordering::Relaxed), 0, "no future has started");
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn any_thread_can_give_a_core_work() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(2), |_| stopping());
    let cores = launched.cores().to_vec();
    for round in 0..100 {
        for &core in &cores {
            let joined = core.spawn(move || async move {
                assert!(core.is_current());
                let kept = Rc::new(Cell::new(round));
                annulus::time::sleep(Duration::ZERO).await;
                kept.get()
            });
            assert_eq!(joined.join_blocking().unwrap(), round);
        }
    }
    all(launched.shutdown(LONG));
    let after = cores[0].spawn(|| async {});
    assert!(after.join_blocking().unwrap_err().is_aborted(), "the core is gone");
    cores[1].stop(None);
}

#[test]
fn a_remote_panic_comes_out_of_the_join_and_ends_nothing_else() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(1), |_| stopping());
    let core = launched.cores()[0];
    let panicked = core.spawn(|| async { panic!("on purpose") }).join_blocking().unwrap_err();
    assert_eq!(*panicked.into_panic().downcast_ref::<&str>().unwrap(), "on purpose");
    let making = core.spawn(|| -> std::future::Ready<()> { panic!("while making it") });
    assert!(making.join_blocking().unwrap_err().is_panic());
    assert_eq!(core.spawn(|| async { 5 }).join_blocking().unwrap(), 5);
    all(launched.shutdown(LONG));
}

struct Tell(Option<cross::OneSender<&'static str>>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.take().map(|sender| sender.send("dropped"));
    }
}

#[test]
fn a_remote_task_can_be_aborted_or_left_alone() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(1), |_| stopping());
    let core = launched.cores()[0];
    let (sender, told) = cross::oneshot();
    let (begun, has_begun) = cross::oneshot();
    let task = core.spawn(move || async move {
        let _tell = Tell(Some(sender));
        let _ = begun.send(());
        std::future::pending::<()>().await;
    });
    has_begun.recv_blocking().unwrap();
    task.abort();
    assert!(task.join_blocking().unwrap_err().is_aborted());
    assert_eq!(told.recv_blocking(), Ok("dropped"), "joined means gone");

    let (sender, told) = cross::oneshot();
    drop(core.spawn(move || async move { sender.send("ran on") }));
    assert_eq!(told.recv_blocking(), Ok("ran on"));
    all(launched.shutdown(LONG));
}

#[test]
fn a_graceful_stop_lets_tasks_finish() {
    let _shared = share_process();
    let finished = Arc::new(AtomicUsize::new(0));
    let counter = finished.clone();
    let ready = Arc::new(Barrier::new(3));
    let met = ready.clone();
    let launched = started(Runtime::builder(), Cores::Count(2), move |_| {
        let (counter, met) = (counter.clone(), met.clone());
        async move {
            for _ in 0..10 {
                let counter = counter.clone();
                annulus::spawn(async move {
                    stopping().await;
                    annulus::time::sleep(Duration::from_millis(1)).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                });
            }
            assert!(!is_stopping());
            met.wait();
            stopping().await;
            assert!(is_stopping());
            "stopped"
        }
    });
    ready.wait();
    assert_eq!(all(launched.shutdown(LONG)), ["stopped"; 2]);
    assert_eq!(finished.load(Ordering::Relaxed), 20, "the tasks were awaited");
}

#[test]
fn a_root_that_was_woken_as_it_ended_does_not_keep_a_stopping_core_awake() {
    let _shared = share_process();
    let (tell, told) = std::sync::mpsc::channel();
    let launched = started(Runtime::builder(), Cores::Count(1), move |_| {
        let tell = tell.clone();
        async move {
            drop(annulus::spawn(async move {
                stopping().await;
                let turns = || runtime::metrics().expect("a runtime runs").turns;
                let before = turns();
                sleep(Duration::from_millis(50)).await;
                tell.send(turns() - before).expect("the test waits");
            }));
            stopping().await;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(())
            })
            .await;
        }
    });
    all(launched.shutdown(LONG));
    let turns = told.recv().expect("the task came to its end");
    assert!(turns < 1000, "{turns} turns in one sleep");
}

#[test]
fn past_the_deadline_what_is_left_is_dropped() {
    let _shared = share_process();
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counter = dropped.clone();
    let ready = Arc::new(Barrier::new(3));
    let met = ready.clone();
    let launched = started(Runtime::builder(), Cores::Count(2), move |core| {
        let (counter, met) = (counter.clone(), met.clone());
        async move {
            let _main = Count(counter.clone());
            annulus::spawn(async move {
                let _task = Count(counter);
                std::future::pending::<()>().await;
            });
            met.wait();
            if core.index() == 0 {
                stopping().await;
            } else {
                std::future::pending::<()>().await;
            }
        }
    });
    ready.wait();
    // A stop without a deadline first: a later one brings the deadline.
    launched.stop();
    let results = launched.shutdown(Duration::from_millis(5));
    assert!(results[0].is_ok());
    assert!(results[1].as_ref().unwrap_err().is_aborted());
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
}

#[test]
fn a_core_that_panics_stops_the_others_and_is_told_of() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(2), |core| async move {
        assert!(core.index() == 0, "core 1 fails on purpose");
        stopping().await;
    });
    let results = launched.join();
    assert!(results[0].is_ok());
    assert!(results[1].as_ref().unwrap_err().is_panic());
}

#[test]
fn channels_connect_cores() {
    let _shared = share_process();
    const VALUES: usize = 5_000;
    let launched = started(Runtime::builder(), Cores::Count(2), |core| async move {
        if core.index() > 0 {
            stopping().await;
            return 0;
        }
        let (there, mut received) = cross::channel(8);
        let (back, mut answers) = cross::channel(8);
        let echo = core.peers()[1].spawn(move || async move {
            while let Some(value) = received.recv().await {
                back.send(value).await.unwrap();
            }
        });
        let sending = annulus::spawn(async move {
            for value in 0..VALUES {
                there.send(value).await.unwrap();
            }
        });
        let mut next = 0;
        while let Some(value) = answers.recv().await {
            assert_eq!(value, next);
            next += 1;
        }
        sending.await.unwrap();
        echo.await.unwrap();
        core.peers()[1].stop(None);
        next
    });
    assert_eq!(all(launched.join())[0], VALUES);
}

#[test]
fn the_end_of_a_core_closes_its_channels() {
    let _shared = share_process();
    let launched = started(Runtime::builder(), Cores::Count(1), |_| stopping());
    let (sender, receiver) = cross::oneshot::<()>();
    drop(launched.cores()[0].spawn(move || async move {
        let _kept = sender;
        std::future::pending::<()>().await;
    }));
    let results = launched.shutdown(Duration::ZERO);
    assert_eq!(receiver.recv_blocking(), Err(Closed));
    drop(results);
}

#[test]
fn every_core_can_serve_the_same_address() {
    let _shared = share_process();
    // A port that stays taken for those who share it; this socket does not listen.
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&taken, true).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = SocketAddr::try_from(getsockname(&taken).unwrap()).unwrap();
    let ready = Arc::new(Barrier::new(3));
    let met = ready.clone();
    let launched = started(Runtime::builder(), Cores::Count(2), move |_| {
        let met = met.clone();
        async move {
            let options = annulus::net::ListenOptions::new().reuse_port(true);
            let listener = TcpListener::bind_with(address, options).unwrap();
            met.wait();
            let served = Rc::new(Cell::new(0));
            let counter = served.clone();
            let accepting = annulus::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    counter.set(counter.get() + 1);
                    annulus::spawn(async move {
                        while let Ok(Some(lease)) = stream.recv().await {
                            stream.write_all(lease).await.unwrap();
                        }
                    });
                }
            });
            stopping().await;
            accepting.abort();
            served.get()
        }
    });
    ready.wait();
    check(Runtime::builder(), async move {
        for n in 0..50u8 {
            let client = TcpStream::connect(address).await?;
            client.write_all(vec![n; 100]).await?;
            let ((), back) = client.read_exact(vec![0; 100]).await?;
            assert_eq!(back, [n; 100]);
        }
        Ok(())
    });
    let served: i32 = all(launched.shutdown(LONG)).into_iter().sum();
    assert_eq!(served, 50);
}

annulus::core_local! {
    static COUNT: Cell<u32> = Cell::new(0);
    static ENDING: RefCell<Vec<Ending>> = RefCell::new(Vec::new());
    static NESTED: u32 = COUNT.with(|count| count.get()) + 100;
}

/// Uses its core while it is dropped.
struct Ending {
    dropped: Rc<Cell<bool>>,
    _stream: annulus::net::UnixStream,
}

impl Drop for Ending {
    fn drop(&mut self) {
        COUNT.with(|count| count.set(count.get() + 1));
        assert!(annulus::runtime::metrics().is_ok(), "the core is still there");
        self.dropped.set(true);
    }
}

#[test]
fn core_local_values_belong_to_a_core_and_not_to_its_thread() {
    let _shared = share_process();
    assert!(COUNT.try_with(Cell::get).is_err(), "no core runs");
    let (one, other) = (made(Runtime::builder()), made(Runtime::builder()));
    one.block_on(async { COUNT.with(|count| count.set(7)) });
    other.block_on(async {
        assert_eq!(COUNT.with(Cell::get), 0);
        assert_eq!(NESTED.with(|value| *value), 100);
    });
    one.block_on(async {
        assert_eq!(COUNT.with(Cell::get), 7);
        assert_eq!(NESTED.with(|value| *value), 107);
    });
}

#[test]
fn core_local_values_are_dropped_with_their_core() {
    let _shared = share_process();
    let dropped = Rc::new(Cell::new(false));
    let runtime = made(Runtime::builder());
    let theirs = dropped.clone();
    runtime.block_on(async {
        let (left, _) = annulus::net::UnixStream::pair().unwrap();
        ENDING.with(|list| list.borrow_mut().push(Ending { dropped: theirs, _stream: left }));
    });
    assert!(!dropped.get());
    runtime.shutdown();
    assert!(dropped.get());
}

#[test]
fn launches_leave_no_descriptor_behind() {
    let _own = own_process();
    let before = descriptors();
    for _ in 0..3 {
        all(started(Runtime::builder(), Cores::Count(2), |_| async {}).join());
    }
    assert_eq!(opened_since(&before), NOTHING);
}
