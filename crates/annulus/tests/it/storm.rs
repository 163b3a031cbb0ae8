//! Cancelled accepts, opens, reads and timeouts by the ten thousand, in every order, and the
//! process has the same descriptors before and after.
//!
//! A round makes a few dozen victims, ends each in its own way, and lets the peers of some act at
//! that very moment. No byte and no connection may be lost over it: what no victim took is there
//! afterwards. `ANNULUS_TEST_STORM=NUMBER` sets how many of them the kernel is given; those that it
//! never hears of come on top:
//!
//! ```sh
//! ANNULUS_TEST_STORM=1000000 cargo test -p annulus --test it storm -- --nocapture
//! ```
//!
//! Owns: the choice of victims and how they end. Does not own: what they wait for (`ground`).

pub mod ground;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use annulus::runtime::{Metrics, metrics};
use annulus::task::JoinHandle;

use crate::cancel::{small, until, yield_to_kernel};
use crate::harness::{NOTHING, assert_nothing_left, descriptors, opened_since, own_process};
use ground::{Ground, Kind, Places};

pub type Victim = Pin<Box<dyn Future<Output = ()> + Send>>;

/// When a victim is ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Order {
    /// Never polled: the kernel never hears of it.
    BeforePoll,
    /// In the turn in which it was polled first, before anything is submitted.
    BeforeSubmit,
    /// When the kernel has it.
    AfterSubmit,
    /// When its completion is on the way, not reaped.
    WithCompletion,
    /// When it was woken, or has had the time for it, and was not polled again.
    AfterCompletion,
    /// With the task that awaits it.
    Aborted,
    /// On a thread that has no runtime.
    Elsewhere,
    /// With the runtime, in a task.
    RuntimeDropped,
    /// After the runtime.
    RuntimeGone,
}

impl Order {
    /// With the runtime, for those of the last round.
    const OF_THE_LAST: [Self; 2] = [Self::RuntimeDropped, Self::RuntimeGone];

    const OF_A_ROUND: [Self; 7] = [
        Self::BeforePoll,
        Self::BeforeSubmit,
        Self::AfterSubmit,
        Self::WithCompletion,
        Self::AfterCompletion,
        Self::Aborted,
        Self::Elsewhere,
    ];

    /// Whether the kernel has it before it is ended, if it waits and asks the kernel at all.
    fn submits(self) -> bool {
        !matches!(self, Self::BeforePoll | Self::BeforeSubmit)
    }

    /// Whether its peer acts, or its time is over, while it is ended.
    fn completes(self) -> bool {
        matches!(self, Self::WithCompletion | Self::AfterCompletion)
    }
}

/// Victims of one round.
pub const ROUND: usize = 32;
/// Rounds of one runtime, before the one in which it ends.
const ROUNDS: usize = 50;
/// Victims that the kernel is given where nothing else is said.
const USUAL: usize = 10_000;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        // ORDERING: relaxed; all on one thread.
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Standing {
    kind: Kind,
    order: Order,
    place: usize,
    future: Option<Victim>,
    task: Option<JoinHandle<()>>,
    woken: Arc<Flag>,
}

impl Standing {
    /// Polls it with the waker of the test's task, or with one that notes the wake.
    fn poll(&mut self, cx: &Context<'_>) {
        let notes = self.order == Order::AfterCompletion;
        let waker = if notes { Waker::from(self.woken.clone()) } else { cx.waker().clone() };
        let mut cx = Context::from_waker(&waker);
        if let Some(future) = &mut self.future {
            if future.as_mut().poll(&mut cx).is_ready() {
                self.future = None;
            }
        }
    }
}

/// What was ended, by kind and order, and how much of it had an effect.
#[derive(Default)]
struct Tally {
    ended: BTreeMap<(Kind, Order), usize>,
    /// Requests that the kernel had when their victims were ended, or when these were let go of.
    given: usize,
    ready: usize,
    woken: usize,
    counters: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn victims(&self) -> usize {
        self.ended.values().sum()
    }

    fn add(&mut self, last: &Metrics) {
        for (name, value) in [
            ("sqes", last.sqes),
            ("cqes", last.cqes),
            ("enters", last.enters),
            ("orphans", last.orphans),
            ("cancels", last.cancels),
        ] {
            *self.counters.entry(name).or_default() += value;
        }
    }
}

/// Small, and the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, of: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % of
    }
}

#[test]
fn a_storm_of_cancellations_leaves_everything_as_it_was() {
    let wish = std::env::var("ANNULUS_TEST_STORM").ok();
    let wanted = wish.map_or(USUAL, |wish| wish.parse().expect("a number of requests"));
    let _own = own_process();
    let places = Places::new();
    let (elsewhere, doomed) = mpsc::channel::<Victim>();
    let undertaker = std::thread::spawn(move || doomed.into_iter().for_each(drop));
    let (mut tally, mut dice) = (Tally::default(), Dice(7));
    let (before, started) = (descriptors(), Instant::now());
    while tally.given < wanted {
        one_runtime(&places, &mut tally, &mut dice, &elsewhere);
        wait_for_all_before(&elsewhere);
        assert_eq!(opened_since(&before), NOTHING, "after {} victims", tally.victims());
    }
    drop(elsewhere);
    undertaker.join().expect("no panic");
    print(&tally, started);
    assert!(tally.woken > 0, "nothing ever completed before it was dropped");
    assert!(tally.counters["orphans"] > 0 && tally.counters["cancels"] > 0);
    let requests = tally.counters["sqes"] - tally.counters["cancels"];
    assert!(requests >= tally.given as u64, "{requests} requests for {} victims", tally.given);
    for kind in Kind::WEIGHTED {
        for order in Order::OF_A_ROUND.into_iter().chain(Order::OF_THE_LAST) {
            assert!(tally.ended.contains_key(&(kind, order)), "no {kind:?} was ended {order:?}");
        }
    }
}

/// Until the other thread has dropped what it was given: those victims hold handles, and a handle
/// that outlives its runtime keeps its descriptor.
fn wait_for_all_before(elsewhere: &mpsc::Sender<Victim>) {
    let (held, dropped) = mpsc::channel::<()>();
    let last = async move { drop(held) };
    elsewhere.send(Box::pin(last)).expect("the other thread lives");
    dropped.recv().expect_err("nothing is ever sent");
}

/// Rounds on a runtime of their own, which ends in the middle of the last of them.
fn one_runtime(
    places: &Places,
    tally: &mut Tally,
    dice: &mut Dice,
    elsewhere: &mpsc::Sender<Victim>,
) {
    let runtime = small().build().expect("io_uring is there");
    let left = runtime.block_on(async {
        let ground = Ground::new(places).await?;
        let rest = levels();
        for round in 0..ROUNDS {
            one_round(&ground, tally, dice, elsewhere).await?;
            if round % 8 == 7 {
                ground.drain().await?;
                until("the levels are those of the start", || levels() == rest).await?;
            }
        }
        last_round(&ground, tally, dice).await
    });
    let last = runtime.shutdown();
    // Futures of a runtime that is gone, and everything that they hold.
    drop(left.expect("no operation fails"));
    assert_nothing_left(&last);
    tally.add(&last);
}

/// Slots, descriptors, leases, tasks, timers.
fn levels() -> (u32, u32, u32, usize, usize) {
    let now = metrics().expect("a runtime runs");
    (now.ops_in_flight, now.descriptors, now.leases_out, now.tasks, now.timers)
}

async fn one_round(
    ground: &Ground,
    tally: &mut Tally,
    dice: &mut Dice,
    elsewhere: &mpsc::Sender<Victim>,
) -> io::Result<()> {
    let mut victims: Vec<Standing> = (0..ROUND)
        .map(|place| {
            let order = Order::OF_A_ROUND[dice.below(Order::OF_A_ROUND.len())];
            stand(ground, tally, (dice, order, place))
        })
        .collect();
    victims.retain(|victim| victim.order != Order::BeforePoll);
    poll_all(&mut victims).await;
    tally.ready += victims.iter().filter(|v| v.future.is_none() && v.task.is_none()).count();
    victims.retain(|victim| victim.order != Order::BeforeSubmit);
    yield_to_kernel().await?;
    tally.given += given(&victims);
    for victim in &mut victims {
        if victim.order.completes() {
            ground.act(victim.kind, victim.place)?;
        }
        match victim.order {
            Order::AfterSubmit | Order::WithCompletion => victim.future = None,
            Order::Aborted => victim.task.iter().for_each(JoinHandle::abort),
            Order::Elsewhere => {
                if let Some(future) = victim.future.take() {
                    elsewhere.send(future).expect("the other thread lives");
                }
            }
            _ => {}
        }
    }
    yield_to_kernel().await?;
    yield_to_kernel().await?;
    // ORDERING: relaxed; all on one thread.
    tally.woken += victims.iter().filter(|victim| victim.woken.0.load(Ordering::Relaxed)).count();
    Ok(())
}

/// Victims that the kernel has when the runtime ends: some in tasks, some given to the caller.
async fn last_round(
    ground: &Ground,
    tally: &mut Tally,
    dice: &mut Dice,
) -> io::Result<Vec<Standing>> {
    let orders = Order::OF_THE_LAST;
    let mut victims: Vec<Standing> =
        (0..ROUND).map(|place| stand(ground, tally, (dice, orders[place % 2], place))).collect();
    poll_all(&mut victims).await;
    if dice.below(2) == 0 {
        yield_to_kernel().await?;
        tally.given += given(&victims);
    }
    for victim in &victims {
        if dice.below(4) == 0 {
            ground.act(victim.kind, victim.place)?;
        }
    }
    Ok(victims)
}

fn stand(
    ground: &Ground,
    tally: &mut Tally,
    (dice, order, place): (&mut Dice, Order, usize),
) -> Standing {
    let kind = Kind::WEIGHTED[dice.below(Kind::WEIGHTED.len())];
    *tally.ended.entry((kind, order)).or_default() += 1;
    let future = ground.victim(kind, place, order.completes());
    let mut victim =
        Standing { kind, order, place, future: Some(future), task: None, woken: Arc::default() };
    if matches!(order, Order::Aborted | Order::RuntimeDropped) {
        victim.task = victim.future.take().map(annulus::spawn);
    }
    victim
}

/// Those of the victims, in a turn that has submitted, for each of which the kernel has got a
/// request: they wait, and not for a timer of the core, nor for a request that others wait for,
/// too.
fn given(victims: &[Standing]) -> usize {
    let waits = |victim: &&Standing| victim.future.is_some() || victim.task.is_some();
    let asks = |victim: &&Standing| victim.kind.asks_by_itself() && victim.order.submits();
    victims.iter().filter(waits).filter(asks).count()
}

async fn poll_all(victims: &mut [Standing]) {
    poll_fn(|cx| {
        victims.iter_mut().for_each(|victim| victim.poll(cx));
        Poll::Ready(())
    })
    .await;
}

fn print(tally: &Tally, started: Instant) {
    let (victims, took) = (tally.victims(), started.elapsed());
    println!("{} victims, {victims} in all, in {:.1} s", tally.given, took.as_secs_f64());
    for ((kind, order), count) in &tally.ended {
        println!("{:>16} {:<16} {count:>8}", format!("{kind:?}"), format!("{order:?}"));
    }
    println!("{} were ready at once, {} were woken and dropped", tally.ready, tally.woken);
    println!("{:?}", tally.counters);
}
