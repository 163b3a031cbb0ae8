//! Dumps: who waits for what, and what is said of a core that does not answer.

mod moved_clock;
mod states;

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use annulus::fs::File;
use annulus::io::{Events, Readiness};
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::{
    Armed, CoreHandle, DescriptorKind, Dump, DumpError, RequestState, Runtime, StuckAt, TaskState,
    WaitsFor, dump,
};
use annulus::sync::Mutex;
use annulus::task::{spawn_named, yield_now};
use annulus::time::sleep;
use annulus_ring::AnyKernel;
use futures_util::TryStreamExt as _;

use crate::harness::{check, run, run_on, share_process, turns};
use crate::metrics::simulated;

const LONG: Duration = Duration::from_secs(600);

/// What the only wait of a task is.
fn wait_of(dump: &Dump, name: &str) -> WaitsFor {
    let task = dump.task_named(name).unwrap_or_else(|| panic!("{name} is not there:\n{dump}"));
    assert_eq!(task.state, TaskState::Waiting, "{task}");
    assert_eq!(task.waits.len(), 1, "{task}");
    task.waits[0].clone()
}

fn pipe() -> io::Result<(File, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors there.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: it was just made, and nobody else owns it.
    let [read, write] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((File::from_std(std::fs::File::from(read))?, write))
}

#[test]
fn a_task_that_watches_waits_for_events_and_its_poll_is_armed() {
    run(async {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut readiness = Readiness::new(ours, Events::READABLE | Events::WRITABLE)?;
        let fd = readiness.as_raw_fd();
        let kind = |now: &Dump| {
            let found = now.descriptors.iter().find(|known| known.descriptor == fd);
            let found = found.expect("its descriptor is listed");
            (found.kind.clone(), found.in_flight)
        };
        let watched = |kind| match kind {
            DescriptorKind::Watched { events, poll, ready, .. } => (events, poll, ready),
            other => panic!("{other}"),
        };
        let events = Events::READABLE | Events::WRITABLE;
        let (before, in_flight) = kind(&dump()?);
        assert_eq!(watched(before), (events, Armed::No, Events::default()));
        assert_eq!(in_flight, 0, "nobody has asked yet");

        // There is room to write at once; after that nothing changes.
        assert!(readiness.try_next().await?.expect("it has no end").contains(Events::WRITABLE));
        let watcher = spawn_named("watcher", async move {
            let next = readiness.try_next().await;
            (next, readiness)
        });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Readiness { descriptor, events: wanted, .. } = wait_of(&now, "watcher")
        else {
            panic!("{now}");
        };
        assert_eq!((descriptor, wanted), (fd, events));
        let (meanwhile, in_flight) = kind(&now);
        assert_eq!(watched(meanwhile), (events, Armed::Yes, Events::default()));
        assert_eq!(in_flight, 1);
        let line = format!("READABLE | WRITABLE on descriptor {fd}");
        assert!(now.to_string().contains(&line), "{now}");

        io::Write::write_all(&mut theirs, b"x")?;
        let (next, readiness) = watcher.await.expect("no panic");
        assert!(next?.expect("it has no end").contains(Events::READABLE));

        // A report that nobody takes is shown.
        io::Write::write_all(&mut theirs, b"y")?;
        turns(3).await;
        let (after, _) = kind(&dump()?);
        assert!(watched(after).2.contains(Events::READABLE));
        drop(readiness);
        Ok(())
    });
}

#[test]
fn a_task_in_recv_waits_for_data_and_its_socket_is_armed() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        let task = spawn_named("reader", async move { right.recv().await.map(drop) });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Receive { descriptor, .. } = wait_of(&now, "reader") else {
            panic!("{now}");
        };
        let socket = now.descriptors.iter().find(|known| known.descriptor == descriptor);
        let socket = socket.expect("its descriptor is listed");
        let DescriptorKind::Stream { receive, leases, .. } = socket.kind else {
            panic!("{socket}");
        };
        assert_eq!((receive, leases, socket.in_flight), (Armed::Yes, 0, 1));
        assert!(now.to_string().contains(&format!("for data on descriptor {descriptor}")));
        left.write_all("done").await?;
        task.await.expect("no panic")
    });
}

#[test]
fn leases_that_nobody_reads_are_listed() {
    // A receive that is cancelled is not armed again for nobody, so on no hostile kernel.
    run_on(Runtime::builder().kernel(AnyKernel::default), async {
        let (left, right) = UnixStream::pair()?;
        drop(futures_util::poll!(Box::pin(right.recv())));
        left.write_all("unread").await?;
        while annulus::runtime::metrics()?.leases == 0 {
            yield_now().await;
        }
        let now = dump()?;
        let unread = now.descriptors.iter().find_map(|known| match &known.kind {
            DescriptorKind::Stream { leases: 1, unread_bytes, .. } => Some(*unread_bytes),
            _ => None,
        });
        assert_eq!(unread, Some(6), "{now}");
        Ok(())
    });
}

#[test]
fn a_task_in_accept_waits_for_a_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let task = spawn_named("server", async move { listener.accept().await.map(drop) });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Accept { descriptor, .. } = wait_of(&now, "server") else {
            panic!("{now}");
        };
        let listens = now.descriptors.iter().any(|known| {
            known.descriptor == descriptor
                && matches!(known.kind, DescriptorKind::Listener { local, accept: Armed::Yes, .. }
                    if local == Some(address))
        });
        assert!(listens, "{now}");
        let client = TcpStream::connect(address).await?;
        task.await.expect("no panic")?;
        let peer = dump()?.descriptors.into_iter().any(|known| {
            matches!(known.kind, DescriptorKind::Stream { peer, .. } if peer == Some(address))
        });
        assert!(peer, "a connection says with whom");
        drop(client);
        Ok(())
    });
}

#[test]
fn a_task_that_reads_a_pipe_waits_for_its_request() {
    run(async {
        let (read, write) = pipe()?;
        let task = spawn_named("piped", async move { read.read_at(vec![0; 8], 0).await });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Request { op, descriptor, state, .. } = wait_of(&now, "piped") else {
            panic!("{now}");
        };
        assert_eq!((op, state), ("READ", RequestState::InFlight));
        assert_eq!(now.requests.len(), 1, "{now}");
        assert_eq!(now.requests[0].descriptor, descriptor);
        assert_eq!(now.requests[0].task, now.task_named("piped").map(|task| task.id));
        drop(write);
        let (n, _) = task.await.expect("no panic")?;
        assert_eq!(n, 0);
        Ok(())
    });
}

#[test]
fn a_sleep_says_how_long_it_has_left() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let task = spawn_named("sleeper", sleep(LONG));
        turns(3).await;
        let now = dump()?;
        let WaitsFor::Timer { left, .. } = wait_of(&now, "sleeper") else { panic!("{now}") };
        assert!(left <= LONG && left > LONG - Duration::from_secs(1), "{left:?}");
        task.abort();
        assert!(dump()?.task_named("sleeper").expect("not yet gone").aborting);
        Ok(())
    });
}

#[test]
fn a_join_names_the_task_that_it_waits_for() {
    run(async {
        let joined = spawn_named("joined", std::future::pending::<()>());
        let abort = joined.abort_handle();
        let joiner = spawn_named("joiner", joined);
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Join { task, name, .. } = wait_of(&now, "joiner") else { panic!("{now}") };
        assert_eq!(Some(task), now.task_named("joined").map(|task| task.id));
        assert_eq!(name.as_deref(), Some("joined"));
        assert_eq!(wait_of(&now, "joined"), WaitsFor::Unknown);
        abort.abort();
        assert!(joiner.await.expect("no panic").is_err());
        Ok(())
    });
}

#[test]
fn what_waits_for_a_lock_waits_for_something_unknown() {
    run(async {
        let lock = Rc::new(Mutex::new(()));
        let guard = lock.lock().await;
        let theirs = lock.clone();
        let task = spawn_named("locked out", async move { drop(theirs.lock().await) });
        yield_now().await;
        assert_eq!(wait_of(&dump()?, "locked out"), WaitsFor::Unknown);
        drop(guard);
        task.await.expect("no panic");
        Ok(())
    });
}

#[test]
fn states_tell_who_runs_who_is_ready_and_who_was_never_polled() {
    run(async {
        spawn_named("fresh", async {}).detach();
        let task = spawn_named("asker", async {
            spawn_named("later", async {}).detach();
            dump()
        });
        let from_root = dump()?;
        let fresh = from_root.task_named("fresh").expect("it is there");
        assert_eq!((fresh.state, fresh.idle), (TaskState::Ready, None));
        assert!(from_root.tasks[0].is_root());
        assert_eq!(from_root.tasks[0].state, TaskState::Running);
        let now = task.await.expect("no panic")?;
        assert!(now.task_named("fresh").is_none(), "it has ended");
        assert_eq!(now.task_named("asker").expect("it asks").state, TaskState::Running);
        assert_eq!(now.task_named("later").expect("it is there").state, TaskState::Ready);
        let root = &now.tasks[0];
        let [WaitsFor::Join { name, .. }] = &root.waits[..] else { panic!("{root}") };
        assert_eq!(name.as_deref(), Some("asker"));
        Ok(())
    });
}

#[test]
fn a_task_that_selects_waits_for_all_of_it() {
    run(async {
        let (_left, right) = UnixStream::pair()?;
        let task = spawn_named("selecting", async move {
            annulus::select! {
                _ = right.recv() => {}
                () = sleep(LONG) => {}
            }
        });
        yield_now().await;
        let now = dump()?;
        let waits = &now.task_named("selecting").expect("it is there").waits;
        assert_eq!(waits.len(), 2, "{now}");
        assert!(waits.iter().any(|wait| matches!(wait, WaitsFor::Receive { .. })));
        assert!(waits.iter().any(|wait| matches!(wait, WaitsFor::Timer { .. })));
        task.abort();
        Ok(())
    });
}

#[test]
fn a_task_says_where_it_was_spawned_and_of_which_type_it_is() {
    run(async {
        let line = line!() + 1;
        let task = annulus::spawn(async { std::future::pending::<()>().await });
        let named = spawn_named("named", async {});
        let remote = annulus::task::spawn_on(CoreHandle::current()?.id(), || async {
            std::future::pending::<()>().await;
        });
        yield_now().await;
        let now = dump()?;
        let found = now.task(task.id()).expect("it is there");
        let at = found.spawned_at.expect("it is no root");
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert!(found.kind.contains("dump::a_task_says_where"), "{}", found.kind);
        let mut lines: Vec<u32> =
            now.tasks.iter().filter_map(|task| Some(task.spawned_at?.line())).collect();
        lines.sort_unstable();
        assert_eq!(lines, [line, line + 2], "spawned on a core from elsewhere, too");
        task.abort();
        named.await.expect("no panic");
        remote.expect("the core lives").abort();
        Ok(())
    });
}

#[test]
fn an_orphan_is_listed_with_its_descriptor() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (_left, right) = UnixStream::pair()?;
        let mut read = Box::pin(right.read(vec![0; 8]));
        assert!(futures_util::poll!(read.as_mut()).is_pending());
        yield_now().await;
        assert_eq!(dump()?.orphans().count(), 0);
        drop(read);
        let now = dump()?;
        let orphans: Vec<_> = now.orphans().collect();
        assert_eq!(orphans.len(), 1, "{now}");
        assert_eq!((orphans[0].op, orphans[0].task), ("RECV", None));
        assert_eq!(orphans[0].orphaned.expect("it is an orphan").rounds, 0);
        assert!(now.to_string().contains("is an orphan, left 0 rounds ago"), "{now}");
        while dump()?.orphans().count() > 0 {
            yield_now().await;
        }
        Ok(())
    });
}

#[test]
fn the_time_since_a_poll_is_bounded_by_what_the_clock_said() {
    let (world, builder) = simulated();
    run_on(builder, async move {
        let task = spawn_named("old", std::future::pending::<()>());
        yield_now().await;
        let begun_ns = world.now_ns();
        sleep(Duration::from_secs(1)).await;
        sleep(Duration::from_secs(2)).await;
        let since = dump()?.task_named("old").expect("it is there").idle.expect("it was polled");
        let passed = Duration::from_nanos(world.now_ns() - begun_ns);
        assert!(passed >= Duration::from_secs(3));
        assert!(since.rounds >= 2, "{since}");
        assert!(since.at_least <= passed + Duration::from_millis(100), "{since} of {passed:?}");
        assert!(since.at_most.expect("the core has begun") >= Duration::from_secs(3), "{since}");
        assert!(since.at_least >= Duration::from_secs(1), "timers read the clock: {since}");
        task.abort();
        Ok(())
    });
}

#[test]
fn a_dump_of_many_tasks_has_them_all() {
    run(async {
        const TASKS: usize = 10_000;
        let tasks: Vec<_> =
            (0..TASKS).map(|_| annulus::spawn(std::future::pending::<()>())).collect();
        while annulus::runtime::metrics()?.polls < TASKS as u64 {
            yield_now().await;
        }
        let now = dump()?;
        assert_eq!(now.tasks.len(), TASKS + 1);
        assert_eq!(now.metrics.tasks, TASKS);
        tasks.iter().for_each(|task| task.abort());
        Ok(())
    });
}

/// Runs a core on a thread of its own until it is stopped.
fn elsewhere(
    builder: annulus::runtime::Builder,
    start: impl FnOnce() + Send + 'static,
) -> (CoreHandle, std::thread::JoinHandle<()>) {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        check(builder, async move {
            start();
            yield_now().await;
            tell.send(CoreHandle::current()?).expect("heard");
            annulus::runtime::stopping().await;
            Ok(())
        });
    });
    (told.recv().expect("it starts"), thread)
}

#[test]
fn another_thread_gets_a_dump_of_a_core_that_sleeps() {
    let _shared = share_process();
    let (core, thread) = elsewhere(Runtime::builder(), || {
        spawn_named("sleeper", sleep(LONG)).detach();
    });
    let now = core.dump_blocking(LONG).expect("it answers");
    assert!(matches!(wait_of(&now, "sleeper"), WaitsFor::Timer { .. }), "{now}");
    assert_eq!(now.core, core.id());
    let root = &now.tasks[0];
    assert_eq!((root.is_root(), &root.waits[..]), (true, &[WaitsFor::Stop][..]));
    // From a future of another core, too.
    let runtime = crate::harness::made(Runtime::builder());
    let now = runtime.block_on(core.dump()).expect("it answers");
    assert!(now.task_named("sleeper").is_some());
    let own = runtime.block_on(async { runtime.handle().dump().await }).expect("at once");
    assert_eq!(own.tasks.len(), 1);
    assert_eq!(runtime.dump().tasks.len(), 0, "nobody drives it");
    core.spawn(|| async {
        annulus::task::coop::poll_proceed(&mut std::task::Context::from_waker(
            std::task::Waker::noop(),
        ))
        .is_ready()
    })
    .join_blocking()
    .expect("no panic");
    core.stop(None);
    thread.join().expect("no panic");
    assert!(matches!(core.dump_blocking(LONG), Err(DumpError::Ended)));
    assert!(matches!(runtime.block_on(core.dump()), Err(DumpError::Ended)));
}

/// A core with a task that polls until it is told to go on.
fn stuck_core(builder: annulus::runtime::Builder) -> StuckCore {
    let (begins, begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (core, thread) = elsewhere(builder, || ());
    core.spawn(move || async move {
        spawn_named("stubborn", async move {
            begins.send(()).expect("heard");
            let _ = may_go_on.recv();
        })
        .detach();
    })
    .detach();
    begun.recv().expect("it begins");
    StuckCore { core, thread, go_on }
}

struct StuckCore {
    core: CoreHandle,
    thread: std::thread::JoinHandle<()>,
    go_on: mpsc::Sender<()>,
}

impl StuckCore {
    fn end(self) {
        drop(self.go_on);
        self.core.stop(None);
        self.thread.join().expect("no panic");
    }
}

#[test]
fn a_stuck_core_is_told_from_outside_by_its_task() {
    let _shared = share_process();
    let stuck = stuck_core(Runtime::builder());
    let timeout = Duration::from_millis(5);
    let Err(DumpError::Stuck(seen)) = stuck.core.dump_blocking(timeout) else {
        panic!("it does not answer");
    };
    let StuckAt::Task { name, kind, .. } = &seen.at else { panic!("{seen}") };
    assert_eq!(*name, None, "nobody watches its polls");
    assert!(kind.contains("dump::stuck_core"), "{kind}");
    assert!(seen.at_least >= timeout && seen.lasts.is_none());
    assert!(seen.to_string().contains("does not end, for "), "{seen}");
    // Its numbers are readable all the same.
    assert!(stuck.core.metrics().expect("it lives").inbox_waits);
    drop(stuck.go_on);
    let StuckCore { core, thread, .. } =
        StuckCore { core: stuck.core, thread: stuck.thread, go_on: mpsc::channel().0 };
    assert!(core.dump_blocking(LONG).is_ok(), "it goes on");
    core.stop(None);
    thread.join().expect("no panic");
}

#[test]
fn with_a_stall_threshold_a_stuck_task_has_a_name_and_a_time() {
    let _shared = share_process();
    let before = Instant::now();
    let stuck = stuck_core(Runtime::builder().stall_threshold(LONG));
    let timeout = Duration::from_millis(5);
    let Err(DumpError::Stuck(seen)) = stuck.core.dump_blocking(timeout) else {
        panic!("it does not answer");
    };
    let StuckAt::Task { name, .. } = &seen.at else { panic!("{seen}") };
    assert_eq!(name.as_deref(), Some("stubborn"));
    let lasts = seen.lasts.expect("its core reads the clock");
    assert!(lasts >= timeout && lasts <= before.elapsed(), "{seen}");
    assert!(seen.to_string().contains("a poll of task \"stubborn\" TaskId("), "{seen}");
    stuck.end();
}

#[test]
fn a_core_that_nobody_drives_says_so() {
    let _shared = share_process();
    let runtime = crate::harness::made(Runtime::builder());
    let core = runtime.handle();
    let asker = std::thread::spawn(move || core.dump_blocking(Duration::from_millis(1)));
    let Err(DumpError::Stuck(seen)) = asker.join().expect("no panic") else {
        panic!("nobody answers");
    };
    assert_eq!(seen.at, StuckAt::NotDriven);
}

#[test]
fn the_future_of_block_on_and_jobs_can_be_stuck_as_well() {
    let _shared = share_process();
    let runtime = crate::harness::made(Runtime::builder());
    let (core, own) = (runtime.handle(), runtime.core_id());
    let ask = move || {
        std::thread::spawn(move || core.dump_blocking(Duration::from_millis(2)))
            .join()
            .expect("no panic")
    };
    let at = |asked: Result<Dump, DumpError>| match asked {
        Err(DumpError::Stuck(stuck)) => stuck.at,
        other => panic!("{other:?}"),
    };
    runtime.block_on(async {
        assert_eq!(at(ask()), StuckAt::BlockOn);
        let (tell, told) = mpsc::channel();
        annulus::task::spawn_on(own, || async {}).expect("it lives").await.expect("no panic");
        let poster = std::thread::spawn(move || {
            core.spawn(move || {
                tell.send(ask()).expect("heard");
                async {}
            })
            .join_blocking()
        });
        while !poster.is_finished() {
            yield_now().await;
        }
        poster.join().expect("no panic").expect("no panic");
        // What makes a future is part of its task.
        assert!(matches!(at(told.recv().expect("told")), StuckAt::Task { .. }));
    });
}
