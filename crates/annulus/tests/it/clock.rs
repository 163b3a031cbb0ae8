//! The clock in the hands of a test: nothing here takes real time, and every moment is exact.

mod meddling;
mod resumed;

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, UnixStream};
use annulus::runtime::{Cores, Runtime, metrics};
use annulus::task::spawn_blocking;
use annulus::time::{
    self, Instant, MissedTicks, advance, interval, interval_at, sleep, sleep_until, timeout,
    timeout_at,
};

use crate::harness::{Scratch, made, pair, run_on, share_process, started};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs a test whose clock stands still from the start.
fn paused<F: Future<Output = io::Result<()>>>(test: F) {
    run_on(Runtime::builder().start_paused(true), test);
}

/// Whether a future is ready now.
macro_rules! ready {
    ($future:expr) => {
        futures_util::poll!(&mut $future).is_ready()
    };
}

#[test]
fn a_paused_clock_stands_still() {
    paused(async {
        let before = Instant::now();
        for _ in 0..100 {
            annulus::task::yield_now().await;
        }
        assert_eq!(Instant::now(), before);
        assert_eq!(before.elapsed(), Duration::ZERO);
        Ok(())
    });
}

#[test]
fn a_core_that_would_sleep_moves_its_paused_clock_to_the_next_timer() {
    paused(async {
        let start = Instant::now();
        let real = std::time::Instant::now();
        for long in [MS, HOUR, HOUR * 24 * 365, Duration::from_nanos(1), Duration::from_micros(7)] {
            let before = Instant::now();
            sleep(long).await;
            assert_eq!(before.elapsed(), long, "to the nanosecond");
        }
        assert!(start.elapsed() > HOUR * 24 * 365);
        assert!(real.elapsed() < HOUR, "and it takes no time");
        Ok(())
    });
}

#[test]
fn sleeps_of_a_paused_clock_end_in_the_order_of_their_deadlines() {
    paused(async {
        let start = Instant::now();
        let order = Rc::new(RefCell::new(Vec::new()));
        // Many within one tick of the wheel, and some far apart; inserted out of order.
        let mut nanos: Vec<u64> = (0..300).map(|n| n * 7919 % 300).collect();
        nanos.extend([1_000_000, 70_000, 65_536, 65_537, 131_072, 1 << 40, 999]);
        let tasks: Vec<_> = nanos
            .iter()
            .map(|&ns| {
                let order = order.clone();
                annulus::spawn(async move {
                    let deadline = start + Duration::from_nanos(ns);
                    sleep_until(deadline).await;
                    assert_eq!(Instant::now(), deadline);
                    order.borrow_mut().push(ns);
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("each at its own moment");
        }
        nanos.sort_unstable();
        assert_eq!(*order.borrow(), nanos);
        assert_eq!(metrics()?.timers, 0);
        Ok(())
    });
}

#[test]
fn advancing_moves_the_clock_by_exactly_so_much() {
    paused(async {
        let start = Instant::now();
        let mut sleeping = Box::pin(sleep(MS * 10));
        assert!(!ready!(sleeping));
        advance(MS * 10 - Duration::from_nanos(1)).await;
        assert!(!ready!(sleeping), "a nanosecond is missing");
        assert_eq!(metrics()?.timers, 1);
        advance(Duration::from_nanos(1)).await;
        assert!(ready!(sleeping));
        assert_eq!(start.elapsed(), MS * 10);
        assert_eq!(metrics()?.timers, 0);
        advance(Duration::ZERO).await;
        assert_eq!(start.elapsed(), MS * 10);
        Ok(())
    });
}

#[test]
fn advancing_runs_the_tasks_whose_time_has_come() {
    paused(async {
        let start = Instant::now();
        let ended = Rc::new(RefCell::new(Vec::new()));
        for n in [3u32, 1, 2, 20] {
            let ended = ended.clone();
            annulus::spawn(async move {
                sleep(MS * n).await;
                ended.borrow_mut().push((n, start.elapsed()));
            })
            .detach();
        }
        annulus::task::yield_now().await;
        advance(MS * 5).await;
        // All see the time that was advanced to.
        assert_eq!(*ended.borrow(), [(1, MS * 5), (2, MS * 5), (3, MS * 5)]);
        Ok(())
    });
}

#[test]
fn a_sleep_that_is_dropped_holds_nothing_up() {
    paused(async {
        // Two within one tick of the wheel, so that the second one is held out of it.
        let start = Instant::now();
        let mut second = Box::pin(sleep(Duration::from_nanos(20)));
        assert!(!ready!(second));
        sleep(Duration::from_nanos(10)).await;
        assert_eq!(metrics()?.timers, 1);
        second.as_mut().get_mut().reset(start + MS);
        assert!(!ready!(second));
        assert_eq!(metrics()?.timers, 1);
        sleep(Duration::from_nanos(15)).await;
        assert!(!ready!(second), "it was reset");
        drop(second);
        assert_eq!(metrics()?.timers, 0);
        sleep(HOUR).await;
        assert_eq!(start.elapsed(), HOUR + Duration::from_nanos(25));
        Ok(())
    });
}

#[test]
fn misuse_of_the_clock_says_what_is_wrong() {
    fn complaint(misuse: impl FnOnce()) -> String {
        let misuse = std::panic::AssertUnwindSafe(misuse);
        let payload = std::panic::catch_unwind(misuse).expect_err("refused");
        payload.downcast_ref::<String>().cloned().unwrap_or_else(|| {
            (*payload.downcast_ref::<&str>().expect("a panic with a text")).to_owned()
        })
    }
    let _shared = share_process();
    assert!(complaint(time::pause).contains("no Annulus runtime"), "{}", complaint(time::pause));
    assert!(complaint(time::resume).contains("no Annulus runtime"));
    let runtime = made(Runtime::builder());
    runtime.block_on(async {
        assert!(complaint(time::resume).contains("runs already"));
        time::pause();
        assert!(complaint(time::pause).contains("paused already"));
        time::resume();
    });
    assert!(complaint(|| runtime.block_on(advance(MS))).contains("only a paused clock"));
}

#[test]
fn a_timeout_ends_at_its_deadline_and_not_before() {
    paused(async {
        let start = Instant::now();
        assert!(timeout(HOUR, std::future::pending::<()>()).await.is_err());
        assert_eq!(start.elapsed(), HOUR);
        assert_eq!(
            timeout(HOUR, async {
                sleep(MS).await;
                1
            })
            .await,
            Ok(1)
        );
        assert_eq!(start.elapsed(), HOUR + MS);
        let deadline = start + HOUR * 3;
        assert!(timeout_at(deadline, sleep(HOUR * 2)).await.is_err());
        assert_eq!(Instant::now(), deadline);
        // Both at the same moment: what is there wins.
        assert_eq!(timeout(MS, sleep(MS)).await, Ok(()));
        Ok(())
    });
}

#[test]
fn an_interval_ticks_on_its_grid() {
    paused(async {
        let start = Instant::now();
        let mut ticks = interval(MS * 7);
        for n in 0..100 {
            assert_eq!(ticks.tick().await, start + MS * 7 * n);
            assert_eq!(Instant::now(), start + MS * 7 * n);
        }
        let start = Instant::now() + HOUR;
        let mut ticks = interval_at(start, MS);
        assert_eq!(ticks.tick().await, start);
        assert_eq!(Instant::now(), start);
        advance(Duration::from_micros(400)).await;
        ticks.reset();
        let next = start + Duration::from_micros(1400);
        assert_eq!(ticks.tick().await, next);
        assert_eq!(Instant::now(), next);
        Ok(())
    });
}

/// The ticks of an interval of 10 ms of which the one at 10 ms is taken 35 ms late; each with the
/// moment at which it came, in milliseconds.
async fn late_ticks(missed: MissedTicks, count: usize) -> Vec<(u128, u128)> {
    let start = Instant::now();
    let mut ticks = interval(MS * 10);
    ticks.set_missed_ticks(missed);
    ticks.tick().await;
    advance(MS * 45).await;
    let mut seen = Vec::new();
    for _ in 0..count {
        let due = ticks.tick().await;
        seen.push((due.duration_since(start).as_millis(), start.elapsed().as_millis()));
    }
    seen
}

#[test]
fn missed_ticks_come_in_a_burst() {
    paused(async {
        let seen = late_ticks(MissedTicks::Burst, 6).await;
        assert_eq!(seen, [(10, 45), (20, 45), (30, 45), (40, 45), (50, 50), (60, 60)]);
        Ok(())
    });
}

#[test]
fn missed_ticks_delay_those_that_follow() {
    paused(async {
        let seen = late_ticks(MissedTicks::Delay, 4).await;
        assert_eq!(seen, [(10, 45), (55, 55), (65, 65), (75, 75)]);
        Ok(())
    });
}

#[test]
fn missed_ticks_are_skipped() {
    paused(async {
        let seen = late_ticks(MissedTicks::Skip, 4).await;
        assert_eq!(seen, [(10, 45), (50, 50), (60, 60), (70, 70)]);
        Ok(())
    });
}

#[test]
fn a_tick_that_is_late_by_less_than_a_period_misses_none() {
    paused(async {
        for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
            let start = Instant::now();
            let mut ticks = interval(MS * 10);
            ticks.set_missed_ticks(missed);
            ticks.tick().await;
            advance(MS * 14).await;
            assert_eq!(ticks.tick().await, start + MS * 10);
            assert_eq!(ticks.tick().await, start + MS * 20, "{missed:?}");
            assert_eq!(Instant::now(), start + MS * 20, "{missed:?}");
        }
        Ok(())
    });
}

#[test]
fn more_missed_ticks_than_fit_into_32_bits_are_skipped() {
    paused(async {
        let start = Instant::now();
        let mut ticks = interval(Duration::from_nanos(3));
        ticks.set_missed_ticks(MissedTicks::Skip);
        ticks.tick().await;
        advance(HOUR * 24).await;
        ticks.tick().await;
        let next = ticks.tick().await;
        assert!(next > start + HOUR * 24 && next <= start + HOUR * 24 + Duration::from_nanos(3));
        assert_eq!(next.duration_since(start).as_nanos() % 3, 0);
        Ok(())
    });
}

#[test]
fn the_clock_waits_for_requests_that_the_kernel_ends() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[7; 100_000]);
    paused(async {
        let start = Instant::now();
        let bound = Duration::from_nanos(1);
        let file = timeout(bound, File::open(&path)).await.expect("time stood still")?;
        let (n, buf) = timeout(bound, file.read_at(vec![0; 100_000], 0)).await.expect("still")?;
        assert_eq!((n, buf[n - 1]), (100_000, 7));
        let out = timeout(bound, File::create(scratch.path().join("out"))).await.expect("still")?;
        timeout(bound, out.write_at(buf, 0)).await.expect("still")?;
        timeout(bound, out.sync_all()).await.expect("still")?;
        assert_eq!(start.elapsed(), Duration::ZERO);
        Ok(())
    });
}

#[test]
fn the_clock_waits_for_work_on_other_threads() {
    paused(async {
        let start = Instant::now();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let job = spawn_blocking(move || {
            wait.recv_timeout(HOUR).expect("told to go on");
            5
        });
        let teller = spawn_blocking(move || go.send(()).expect("heard"));
        assert_eq!(timeout(MS, job).await.expect("time stood still").expect("no panic"), 5);
        teller.await.expect("no panic");
        assert_eq!(start.elapsed(), Duration::ZERO);
        Ok(())
    });
}

#[test]
fn the_clock_does_not_wait_for_peers_that_say_nothing() {
    paused(async {
        let start = Instant::now();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (left, right) = UnixStream::pair()?;
        assert!(timeout(HOUR, listener.accept()).await.is_err());
        assert!(timeout(HOUR, left.recv()).await.is_err());
        assert!(timeout(HOUR, right.read(vec![0; 10])).await.is_err());
        assert_eq!(start.elapsed(), HOUR * 3);
        Ok(())
    });
}

#[test]
fn connections_work_while_the_clock_stands_and_their_timeouts_are_exact() {
    paused(async {
        let start = Instant::now();
        let (client, server) = pair().await?;
        annulus::spawn(async move {
            let mut answers = 0u64;
            while let Ok(Some(lease)) = server.recv().await {
                answers += 1;
                sleep(MS * 100 * answers as u32).await;
                if server.write_all(lease).await.is_err() {
                    break;
                }
            }
        })
        .detach();
        for round in 1..=5 {
            let before = Instant::now();
            client.write_all("ask").await?;
            let answer = timeout(MS * 100 * 4 + MS, client.recv()).await;
            let waited = before.elapsed();
            match round {
                5 => assert!(answer.is_err() && waited == MS * 401, "{waited:?}"),
                _ => {
                    assert_eq!(&*answer.expect("in time")?.expect("no end"), b"ask");
                    assert_eq!(waited, MS * 100 * round);
                }
            }
        }
        assert_eq!(start.elapsed(), MS * 1401);
        Ok(())
    });
}

#[test]
fn a_wake_from_another_thread_ends_the_wait_of_a_paused_core() {
    paused(async {
        let (told, hears) =
            futures_util::future::poll_immediate(async { annulus::sync::cross::oneshot::<u32>() })
                .await
                .expect("made at once");
        let thread = std::thread::spawn(move || told.send(9));
        assert_eq!(hears.await.expect("sent"), 9);
        thread.join().expect("no panic").expect("heard");
        Ok(())
    });
}

#[test]
fn a_sleep_without_end_leaves_a_paused_clock_alone() {
    paused(async {
        let start = Instant::now();
        let mut never = Box::pin(sleep(Duration::MAX));
        assert!(!ready!(never));
        sleep(MS).await;
        assert_eq!(start.elapsed(), MS);
        assert!(!ready!(never));
        let woken = spawn_blocking(std::thread::yield_now);
        woken.await.expect("the core sleeps for real, and is woken");
        assert_eq!(start.elapsed(), MS);
        Ok(())
    });
}

#[test]
fn a_stop_with_a_deadline_ends_by_the_paused_clock() {
    let _shared = share_process();
    let builder = Runtime::builder().start_paused(true);
    let launched = started(builder, Cores::Count(1), |core| async move {
        annulus::spawn(async {
            annulus::runtime::stopping().await;
            sleep(HOUR * 2).await;
            unreachable!("the deadline of the stop is nearer");
        })
        .detach();
        core.handle().stop(Some(HOUR));
    });
    for ended in launched.join() {
        ended.expect("within no time");
    }
}

#[test]
fn other_cores_keep_their_own_time() {
    let _shared = share_process();
    let (one, other) = (made(Runtime::builder()), made(Runtime::builder()));
    one.block_on(async {
        time::pause();
        sleep(HOUR * 1000).await;
    });
    let (ahead, now) = (
        one.block_on(async { Instant::now() }),
        other.block_on(async {
            sleep(MS).await;
            Instant::now()
        }),
    );
    assert!(ahead > now + HOUR * 999);
    assert!(now <= Instant::now(), "that of the other core is the system's");
}

#[test]
fn a_million_timers_come_and_go_in_bounded_memory() {
    const COUNT: u64 = 1_000_000;
    paused(async {
        let start = Instant::now();
        let span = Duration::from_secs(600);
        let moment = |n: u64| start + span * (n * 7919 % COUNT + 1) as u32 / COUNT as u32;
        let before = crate::counting::bytes();
        let mut sleeps: Vec<_> = (0..COUNT).map(|n| sleep_until(moment(n))).collect();
        let own = crate::counting::bytes();
        std::future::poll_fn(|cx| {
            for sleeping in &mut sleeps {
                assert!(std::pin::Pin::new(sleeping).poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!(metrics()?.timers, COUNT as usize);
        // Two tables that double: at most twice the entries of 40 and 48 bytes.
        let each = (crate::counting::bytes() - own) as u64 / COUNT;
        assert!(each <= 200, "{each} bytes for each timer");
        // Half of them are cancelled, from the middle outward so that no order is favoured.
        sleeps.truncate(COUNT as usize / 2);
        assert_eq!(metrics()?.timers, COUNT as usize / 2);
        let fired = metrics()?.timers_fired;
        sleep_until(start + span / 2).await;
        let halfway = metrics()?;
        assert!(halfway.timers < COUNT as usize / 2);
        let gone = COUNT as usize / 2 - halfway.timers;
        assert_eq!(halfway.timers_fired - fired, gone as u64 + 1);
        sleep_until(start + span).await;
        assert_eq!(metrics()?.timers, 0);
        drop(sleeps);
        // All of their memory serves again: the next ones allocate nothing.
        let level = crate::counting::bytes();
        let mut again: Vec<_> = (0..1000).map(|n| sleep(MS * (n + 1))).collect();
        let own = crate::counting::bytes();
        std::future::poll_fn(|cx| {
            again
                .iter_mut()
                .for_each(|next| assert!(std::pin::Pin::new(next).poll(cx).is_pending()));
            Poll::Ready(())
        })
        .await;
        assert_eq!(crate::counting::bytes(), own);
        drop(again);
        assert_eq!(crate::counting::bytes(), level);
        assert!(level >= before);
        Ok(())
    });
}
