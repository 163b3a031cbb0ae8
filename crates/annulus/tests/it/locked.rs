//! No locked read-modify-write per operation, and one fence at most per turn that blocks: counted
//! by stepping a core through its work, one instruction after the other.
//!
//! A core steps itself through its work by the trap flag of the processor, and looks at what each
//! instruction begins with. Exact, and the same for every optimisation level, because what is
//! locked is in the sources. x86-64 only, where [`stepper`] knows the encodings.
//!
//! Owns: the work and its bounds. Does not own: stepping.

mod stepper;

use std::future::Future;
use std::io;
use std::rc::Rc;

use annulus::fs::File;
use annulus::runtime::metrics;
use annulus::task::yield_now;
use annulus_ring::Real;

use crate::cancel::{small, yield_to_kernel};
use crate::harness::{made, own_process, pair};
use stepper::{begin, end};

/// Operations that are stepped, after as many to warm up.
const OPERATIONS: u64 = 3;

/// Keeps the core busy: it never has a reason to sleep.
fn keep_busy() {
    annulus::spawn(async {
        loop {
            yield_now().await;
        }
    })
    .detach();
}

/// What holds for all work of one core.
fn check<W, F>(name: &str, busy: bool, work: impl FnOnce() -> W)
where
    W: Future<Output = io::Result<F>>,
    F: AsyncFnMut() -> io::Result<()>,
{
    let _own = own_process();
    let runtime = made(small().kernel(|| Real::new().into()));
    let (steps, enters) = runtime.block_on(async {
        let mut round = work().await.expect("the work begins");
        if busy {
            keep_busy();
        }
        let mut all = async || {
            for _ in 0..OPERATIONS {
                round().await.expect("the work goes on");
            }
        };
        all().await;
        let before = metrics().expect("a runtime runs").enters;
        begin();
        all().await;
        let steps = end();
        (steps, metrics().expect("a runtime runs").enters - before)
    });
    println!(
        "{name}{}: {OPERATIONS} operations, {} instructions, {} locked, {} fences, {enters} enters",
        if busy { " on a busy core" } else { "" },
        steps.instructions,
        steps.locked(),
        steps.fences(),
    );
    assert!(steps.instructions > OPERATIONS * 10, "{name}: something was stepped");
    assert_eq!(steps.locked(), 0, "{name}: locked instructions at {}", steps.sites());
    // A turn that blocks is one enter.
    let bound = if busy { 0 } else { enters };
    assert!(steps.fences() <= bound, "{name}: {bound} fences at most: {}", steps.sites());
}

async fn nop() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    Ok(async || yield_to_kernel().await)
}

async fn reads() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let file = File::open("/proc/self/exe").await?;
    let mut kept = vec![0; 4096];
    Ok(async move || {
        let (n, buf) = file.read_at(std::mem::take(&mut kept), 4096).await?;
        assert_eq!(n, 4096);
        kept = buf;
        Ok(())
    })
}

async fn echoes() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (left, right) = pair().await?;
    annulus::spawn(async move {
        while let Some(lease) = right.recv().await? {
            right.write_all(lease).await?;
        }
        io::Result::Ok(())
    })
    .detach();
    Ok(async move || {
        left.write_all("question").await?;
        assert_eq!(&*left.recv().await?.expect("no end"), b"question");
        Ok(())
    })
}

async fn yields() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    Ok(async || {
        yield_now().await;
        Ok(())
    })
}

/// A value to a task and one back, over the channels of one core: two wakes.
async fn messages() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (ask, mut asked) = annulus::sync::mpsc::channel::<u32>(4);
    let (answer, mut answered) = annulus::sync::mpsc::channel::<u32>(4);
    annulus::spawn(async move {
        while let Some(question) = asked.recv().await {
            answer.send(question + 1).await.expect("heard");
        }
    })
    .detach();
    Ok(async move || {
        ask.send(1).await.expect("heard");
        assert_eq!(answered.recv().await, Some(2));
        Ok(())
    })
}

/// A task that a waker of ours wakes, and that wakes back.
async fn wakes() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (ping, pong) =
        (Rc::new(annulus::sync::Notify::new()), Rc::new(annulus::sync::Notify::new()));
    let (heard, said) = (ping.clone(), pong.clone());
    annulus::spawn(async move {
        loop {
            heard.notified().await;
            said.notify_one();
        }
    })
    .detach();
    Ok(async move || {
        ping.notify_one();
        pong.notified().await;
        Ok(())
    })
}

async fn time_limits() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let hour = std::time::Duration::from_secs(3600);
    Ok(async move || annulus::time::timeout(hour, yield_to_kernel()).await.expect("in time"))
}

#[test]
fn an_awaited_no_op_is_never_locked() {
    check("nop", false, nop);
    check("nop", true, nop);
}

#[test]
fn a_read_is_never_locked() {
    check("read", false, reads);
    check("read", true, reads);
}

#[test]
fn an_echo_is_never_locked() {
    check("echo", false, echoes);
    check("echo", true, echoes);
}

#[test]
fn a_yield_is_never_locked() {
    check("yield", true, yields);
}

#[test]
fn messages_and_wakes_on_one_core_are_never_locked() {
    check("two messages", true, messages);
    check("two wakes", true, wakes);
}

#[test]
fn a_time_limit_is_never_locked() {
    check("time limit", false, time_limits);
    check("time limit", true, time_limits);
}

/// The instrument itself: what it must see, it sees.
#[test]
fn the_stepper_sees_what_is_locked_and_what_is_a_fence() {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU64, Ordering, fence};
    let _own = own_process();
    let word = AtomicU64::new(0);
    begin();
    // ORDERING: any; the instruction is what matters, here and below. What came of it is looked at,
    // or optimized builds would have a plain store instead.
    black_box(word.fetch_add(2, Ordering::Relaxed));
    // ORDERING: as above; an exchange is locked without saying so.
    black_box(word.swap(3, Ordering::Relaxed));
    // ORDERING: as above.
    let exchanged = word.compare_exchange(3, 4, Ordering::Relaxed, Ordering::Relaxed);
    // ORDERING: as above.
    fence(Ordering::SeqCst);
    // ORDERING: as above; plain moves.
    word.store(word.load(Ordering::SeqCst), Ordering::Release);
    let steps = end();
    assert_eq!(exchanged, Ok(3));
    assert_eq!((steps.locked(), steps.fences()), (3, 1), "{}", steps.sites());
}
