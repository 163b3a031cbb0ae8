//! The ways of waiting: what keeps the tick of a CPU running, that it ends, and what it must not
//! disturb. Counted, never timed.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, Read as _, Write as _};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

use annulus::net::UnixStream;
use annulus::runtime::{Builder, Metrics, Runtime, metrics};
use annulus::task::JoinSet;
use annulus_ring::abi::{Features, Opcode, TimeoutFlags, Timespec};
use annulus_ring::op::Timeout;
use annulus_ring::{AnyKernel, Mask};
use annulus_sim::{Fault, Faults, Profile, World};

use crate::counting::{Calls, counting};
use crate::efficiency::thread_status;
use crate::harness::{check, made, share_process};

/// A peer on a thread of its own that sends back what it gets: a core that talks to it waits with
/// nothing to submit.
fn answering_peer() -> (UnixStream, std::thread::JoinHandle<()>) {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut byte = [0; 8];
        while theirs.read_exact(&mut byte).is_ok() && theirs.write_all(&byte).is_ok() {}
    });
    (UnixStream::from_std(ours).unwrap(), thread)
}

async fn ask(stream: &UnixStream) -> io::Result<()> {
    stream.write_all("question").await?;
    stream.recv().await?.expect("the peer lives");
    Ok(())
}

/// Asks until `until` says that it is enough.
async fn ask_until(stream: &UnixStream, until: impl Fn(&Metrics) -> bool) -> io::Result<()> {
    for _ in 0..2_000_000 {
        ask(stream).await?;
        if until(&metrics()?) {
            return Ok(());
        }
    }
    panic!("two million answers are not enough: {:?}", metrics()?);
}

/// Talks to a peer for a while, on a core that is to be clean afterwards.
fn talk<F>(builder: Builder, talk: impl FnOnce(UnixStream) -> F) -> Metrics
where
    F: Future<Output = io::Result<()>>,
{
    let _shared = share_process();
    let thread = Cell::new(None);
    let last = check(builder, async {
        let (stream, peer) = answering_peer();
        thread.set(Some(peer));
        talk(stream).await
    });
    thread.take().expect("started").join().expect("no panic");
    last
}

#[test]
fn a_core_that_waits_often_keeps_the_tick_running() {
    let last = talk(Runtime::builder(), |stream| async move {
        let before = metrics()?;
        ask_until(&stream, |now| now.ticks > 20).await?;
        assert_eq!(before.ticks, 0, "a core that has done nothing yet has no timer");
        Ok(())
    });
    assert_eq!((last.timers, last.timers_fired), (0, 0), "it is no timer of the program");
}

#[test]
fn the_tick_is_left_alone_where_that_is_asked_or_the_operation_is_missing() {
    let missing = Mask::none().op(Opcode::TIMEOUT);
    for builder in [Runtime::builder().keep_tick(false), Runtime::builder().mask(missing)] {
        let last = talk(builder, |stream| async move {
            for _ in 0..5000 {
                ask(&stream).await?;
            }
            Ok(())
        });
        assert_eq!(last.ticks, 0);
    }
}

#[test]
fn work_that_completes_at_once_wants_no_tick() {
    let _shared = share_process();
    let last = check(Runtime::builder(), async {
        for _ in 0..20_000 {
            // SAFETY: a no-op points to nothing.
            unsafe { annulus::submit(annulus_ring::op::Nop) }.await?;
        }
        Ok(())
    });
    assert_eq!(last.ticks, 0);
}

#[test]
fn the_tick_is_gone_soon_after_the_last_work_and_an_idle_core_makes_no_calls() {
    if crate::hostile::skip_unless_quiet() {
        return; // a signal wakes the core
    }
    let calls = Arc::new(Calls::default());
    let make = counting(&calls);
    let (told, hears) = mpsc::channel();
    let (release, released) = annulus::sync::cross::oneshot::<()>();
    let core = std::thread::spawn(move || {
        talk(Runtime::builder().kernel(make), |stream| async move {
            ask_until(&stream, |now| now.ticks > 20).await?;
            // SAFETY: gettid(2) has no preconditions.
            told.send(unsafe { libc::gettid() }).expect("heard");
            released.await.expect("released");
            Ok(())
        })
    });
    let tid = hears.recv().expect("the core starts");
    let mut idle = false;
    for _ in 0..200 {
        let before = (calls.now(), thread_status(tid));
        // Not a wait for something: the length of the look, twice the longest life of a timer.
        assert!(hears.recv_timeout(Duration::from_millis(32)).is_err());
        idle = before.1.0 && (calls.now(), thread_status(tid)) == before;
        if idle {
            break;
        }
    }
    assert!(idle, "the core is still woken: {:?}", calls.now());
    release.send(()).expect("waits");
    assert!(core.join().expect("no panic").ticks > 20);
}

#[test]
fn the_tick_wakes_no_task() {
    talk(Runtime::builder(), |stream| async move {
        let polls = Rc::new(Cell::new(0));
        let counter = polls.clone();
        let bystander = annulus::spawn(poll_fn(move |_| {
            counter.set(counter.get() + 1);
            Poll::<()>::Pending
        }));
        ask_until(&stream, |now| now.ticks > 20).await?;
        assert_eq!(polls.get(), 1, "polled when it was spawned");
        bystander.abort();
        Ok(())
    });
}

#[test]
fn the_tick_survives_a_completion_queue_that_overflows() {
    for entries in [1, 2, 8] {
        let builder = Runtime::builder().entries(entries).cq_entries(entries);
        let last = talk(builder, |stream| async move {
            let pairs: Vec<_> = (0..16).map(|_| UnixStream::pair().unwrap()).collect();
            for round in 0.. {
                ask_until(&stream, |now| now.ticks > round).await?;
                for (left, right) in &pairs {
                    left.send_nowait(b"x")?;
                    right.send_nowait(b"y")?;
                }
                for (left, right) in &pairs {
                    left.recv().await?.expect("no end");
                    right.recv().await?.expect("no end");
                }
                if round > 20 && metrics()?.cq_overflows > 0 {
                    return Ok(());
                }
            }
            unreachable!("the rounds have no end");
        });
        assert!(last.ticks > 20 && last.cq_overflows > 0, "{last:?}");
    }
}

#[test]
fn a_core_ends_cleanly_while_the_timer_is_armed() {
    for ticks in 0..40 {
        // Any number of expirations leads to any phase of its life.
        talk(Runtime::builder(), |stream| ask_until_owned(stream, ticks));
    }
}

async fn ask_until_owned(stream: UnixStream, ticks: u64) -> io::Result<()> {
    ask_until(&stream, |now| now.ticks >= ticks).await
}

/// Waits of 50 µs, so that the core is busy but has nothing to submit; how many expirations there
/// were.
async fn short_waits(count: u32) -> io::Result<u64> {
    let before = metrics()?.ticks;
    for _ in 0..count {
        annulus::time::sleep(Duration::from_micros(50)).await;
    }
    Ok(metrics()?.ticks - before)
}

static MILLISECOND: Timespec = Timespec { sec: 0, nsec: 1_000_000 };

thread_local! {
    static WORLD: Cell<Option<(World, Profile)>> = const { Cell::new(None) };
}

/// Runs a body on the simulated kernel, with small queues.
fn simulate<F>(world: &World, profile: Profile, body: F) -> Metrics
where
    F: Future<Output = io::Result<()>>,
{
    simulate_with(
        Runtime::builder().entries(8).cq_entries(8).buffer_count(16),
        world,
        profile,
        body,
    )
}

fn simulate_with<F>(builder: Builder, world: &World, profile: Profile, body: F) -> Metrics
where
    F: Future<Output = io::Result<()>>,
{
    WORLD.set(Some((world.clone(), profile)));
    let make = || -> AnyKernel {
        let (world, profile) = WORLD.take().expect("a world was chosen on this thread");
        world.any_kernel(profile)
    };
    let _shared = share_process();
    let last = check(builder.kernel(make), body);
    assert_eq!((world.in_flight(), world.open_descriptors()), (0, 0));
    last
}

const PROFILES: [Profile; 3] = [Profile::LINUX_6_1, Profile::LINUX_6_12, Profile::LINUX_6_18];

#[test]
fn a_simulated_core_ticks_each_millisecond_while_it_is_busy_and_then_stops() {
    for profile in PROFILES {
        let world = World::new(1).with_faults(Faults::none());
        let enters = Cell::new((0, 0));
        simulate(&world, profile, async {
            let (begun, ticks) = (world.now_ns(), short_waits(2000).await?);
            let elapsed_ms = (world.now_ns() - begun) / 1_000_000;
            // The first eight waits have none; a single timer is armed again a little late.
            assert!(ticks <= elapsed_ms, "{ticks} in {elapsed_ms} ms");
            assert!(ticks * 10 >= elapsed_ms * 8, "{ticks} in {elapsed_ms} ms");
            // Nothing happens in the hour that follows but the end of the timer.
            let (before, ticks) = (world.report().enters, metrics()?.ticks);
            annulus::time::sleep(Duration::from_secs(3600)).await;
            assert!(metrics()?.ticks - ticks <= 16);
            enters.set((before, world.report().enters));
            Ok(())
        });
        let (before, after) = enters.get();
        // The wheel looks a few times on its way, too.
        assert!(after - before <= 32, "{} enters in an idle hour", after - before);
    }
}

#[test]
fn a_simulated_core_that_is_rarely_busy_hardly_ticks() {
    let world = World::new(1).with_faults(Faults::none());
    simulate(&world, Profile::LINUX_6_18, async {
        for _ in 0..1000 {
            annulus::time::sleep(Duration::from_millis(5)).await;
        }
        // One expiration for seven waits or more, and no two in a row.
        let ticks = metrics()?.ticks;
        assert!(ticks <= 1000 / 7, "{ticks} in a thousand waits of 5 ms");
        Ok(())
    });
}

#[test]
fn the_tick_survives_every_fault_of_a_simulated_kernel() {
    let mut ticks = 0;
    for seed in 0..120 {
        let faults = if seed % 2 == 0 { Faults::all() } else { Faults::swarm(seed) };
        let world = World::new(seed).with_faults(faults);
        let last = simulate(&world, PROFILES[(seed % 3) as usize], async {
            let (client, server) = UnixStream::pair()?;
            let echo = annulus::spawn(async move {
                while let Some(lease) = server.recv().await? {
                    server.write_all(lease).await?;
                }
                io::Result::Ok(())
            });
            for round in 0..20u32 {
                short_waits(10 + round).await?;
                client.write_all(vec![round as u8; 200]).await?;
                let ((), back) = client.read_exact(vec![0; 200]).await?;
                assert_eq!(back, [round as u8; 200]);
            }
            drop(client);
            echo.await.expect("no panic")
        });
        ticks += last.ticks;
    }
    assert!(ticks > 1000, "{ticks}");
}

#[test]
fn a_sleep_gives_the_kernel_a_deadline_within_100_microseconds_and_never_an_earlier_one() {
    for profile in PROFILES {
        let world = World::new(7).with_faults(Faults::none());
        simulate(&world, profile, async {
            let mut worst_ns = 0;
            for n in 0..4000u64 {
                // Every level of the wheel, every position within a tick.
                let ns = (n * 7919 + 1) << (n % 24);
                let deadline_ns = world.now_ns() + ns;
                annulus::time::sleep(Duration::from_nanos(ns)).await;
                let now_ns = world.now_ns();
                assert!(now_ns >= deadline_ns, "{ns} ns: early");
                worst_ns = worst_ns.max(now_ns - deadline_ns);
            }
            // Time passes in this world only in calls, and until the deadlines that they are given.
            assert!(worst_ns <= 100_000, "{worst_ns} ns late");
            assert!(worst_ns >= 30_000, "{worst_ns} ns: the wheel has ticks, does this measure?");
            Ok(())
        });
    }
}

/// Of the waits of a core, how many there were and how many were no I/O wait.
fn waits(change: impl FnOnce(Builder) -> Builder) -> (u64, u64) {
    let calls = Arc::new(Calls::default());
    let builder = change(Runtime::builder().kernel(counting(&calls)));
    talk(builder, |stream| async move {
        for _ in 0..100 {
            ask(&stream).await?;
        }
        Ok(())
    });
    calls.waits()
}

#[test]
fn waits_are_no_io_wait_where_the_kernel_can_tell_them_apart() {
    let granted = {
        let _shared = share_process();
        made(Runtime::builder()).capabilities().no_iowait()
    };
    let (all, quiet) = waits(|builder| builder);
    assert!(all > 0, "it never waits");
    if granted {
        assert_eq!(quiet, all);
    } else {
        crate::harness::skip("no NO_IOWAIT before Linux 6.15");
        assert_eq!(quiet, 0);
    }
}

#[test]
fn waits_are_io_wait_if_that_is_asked_or_the_kernel_is_older() {
    let (all, quiet) = waits(|builder| builder.iowait(true));
    assert!(all > 0, "it never waits");
    assert_eq!(quiet, 0);
    let masked = Mask::none().features(Features::NO_IOWAIT);
    let (all, quiet) = waits(|builder| builder.mask(masked));
    assert!(all > 0, "it never waits");
    assert_eq!(quiet, 0);
}

/// How many of thirty that wait for the same moment run after the call that saw it.
fn together(seed: u64) -> usize {
    // All waits are woken late, by so much that more has happened.
    let world = World::new(seed).with_faults(Faults::none().with(Fault::Reorder, 1000));
    let mut enters = Vec::new();
    simulate_with(Runtime::builder(), &world, Profile::LINUX_6_18, async {
        let mut waiters = JoinSet::new();
        for _ in 0..30 {
            waiters.spawn(async {
                let spec = &raw const MILLISECOND;
                let timeout = Timeout { spec, count: 0, flags: TimeoutFlags::EMPTY };
                // SAFETY: the specification is a static.
                unsafe { annulus::submit(timeout) }.await?;
                metrics().map(|now| now.enters)
            });
        }
        while let Some(ended) = waiters.join_next().await {
            enters.push(ended.expect("no panic")?);
        }
        Ok(())
    });
    let first = enters.iter().min();
    enters.iter().filter(|at| Some(*at) == first).count()
}

#[test]
fn what_has_come_with_the_end_of_a_wait_is_worked_off_with_it() {
    let most = (0..20).map(together).max();
    assert_eq!(most, Some(21), "the one that was waited for, and those that one call brings");
}
