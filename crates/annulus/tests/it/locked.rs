//! No locked read-modify-write per operation, and one fence at most per turn that blocks, also
//! where that turn calls the kernel twice: counted by stepping a core through its work, one
//! instruction after the other.
//!
//! A core steps itself through its work by the trap flag of the processor, and looks at what each
//! instruction begins with. Exact, and the same for every optimisation level, because what is
//! locked is in the sources. x86-64 only, where [`stepper`] knows the encodings.
//!
//! Owns: the work and its bounds. Does not own: stepping.

mod stepper;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use annulus::pipe::pipe;
use annulus::runtime::metrics;
use annulus::task::yield_now;
use annulus::time::sleep;
use annulus_ring::Real;
use annulus_ring::abi::Timespec;
use futures_util::poll;

use crate::cancel::{small, yield_to_kernel};
use crate::harness::{made, own_process, pair};
use crate::storm::ground::Expires;
use stepper::{begin, end};

/// Operations that are stepped, after as many to warm up.
const OPERATIONS: u64 = 3;
/// Longer than the first poll of a sleep takes, also if it is stepped: a step is a signal.
const NAP: Duration = Duration::from_millis(200);

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
fn check<W, F>(name: &str, busy: bool, work: impl FnOnce() -> W) -> Counts
where
    W: Future<Output = io::Result<F>>,
    F: AsyncFnMut() -> io::Result<()>,
{
    let _own = own_process();
    let runtime = made(small().kernel(|| Real::new().into()));
    let (steps, counts) = runtime.block_on(async {
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
        let before = counts();
        begin();
        all().await;
        let steps = end();
        let after = counts();
        (steps, after.since(&before))
    });
    let waits = counts.waits;
    println!(
        "{name}{}: {OPERATIONS} operations, {} instructions, {} locked, {} fences, {waits} waits",
        if busy { " on a busy core" } else { "" },
        steps.instructions,
        steps.locked(),
        steps.fences(),
    );
    assert!(steps.instructions > OPERATIONS * 10, "{name}: something was stepped");
    assert_eq!(steps.locked(), 0, "{name}: locked instructions at {}", steps.sites());
    assert!(!busy || waits == 0, "{name}: a busy core has waited");
    // None of these turns is without one, so if the sum is right, each has one.
    assert_eq!(steps.fences(), waits, "{name}: one fence for each wait: {}", steps.sites());
    counts
}

/// What a core has done.
struct Counts {
    /// Turns that have blocked: each is one wait for the ring, whatever else it asked of the
    /// kernel, or one for the bell alone.
    waits: u64,
    /// Calls of the kernel.
    enters: u64,
    /// Timers that have fired.
    timers: u64,
}

impl Counts {
    fn since(&self, before: &Self) -> Self {
        Self {
            waits: self.waits - before.waits,
            enters: self.enters - before.enters,
            timers: self.timers - before.timers,
        }
    }
}

fn counts() -> Counts {
    let now = metrics().expect("a runtime runs");
    let waits = now.waits + now.waits_alone;
    Counts { waits, enters: now.enters, timers: now.timers_fired }
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

async fn writes() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let file = File::from_std(tempfile::tempfile()?)?;
    let mut kept = vec![7; 4096];
    Ok(async move || {
        let (n, buf) = file.write_at(std::mem::take(&mut kept), 4096).await?;
        assert_eq!(n, 4096);
        kept = buf;
        Ok(())
    })
}

/// Connections that wait in the backlog are accepted, and closed.
async fn accepts() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..2 * OPERATIONS)
        .map(|_| std::net::TcpStream::connect(address))
        .collect::<io::Result<_>>()?;
    Ok(async move || {
        let _clients = &clients;
        drop(listener.accept().await?);
        Ok(())
    })
}

async fn connects() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    Ok(async move || {
        let _listener = &listener;
        drop(TcpStream::connect(address).await?);
        Ok(())
    })
}

/// What a socket takes at once, without a request.
async fn sends() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (left, right) = UnixStream::pair()?;
    Ok(async move || {
        left.send_nowait(b"a few bytes")?;
        assert_eq!(&*right.recv().await?.expect("no end"), b"a few bytes");
        Ok(())
    })
}

async fn datagrams() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (left, right) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let to = right.local_addr()?;
    Ok(async move || {
        assert_eq!(left.send_to("question", to).await?.0, 8);
        assert_eq!(&*right.recv().await?, b"question");
        Ok(())
    })
}

async fn pipes() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (sender, receiver) = pipe()?;
    let mut kept = vec![0; 16];
    Ok(async move || {
        sender.write_all("a few bytes").await?;
        let (n, buf) = receiver.read(std::mem::take(&mut kept)).await?;
        assert_eq!(&buf[..n], b"a few bytes");
        kept = buf;
        Ok(())
    })
}

/// A read that is dropped when the kernel has it, up to the last completion.
async fn drops() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    let (left, right) = UnixStream::pair()?;
    let mut rounds = 0;
    Ok(async move || {
        let _peer = &left;
        {
            let mut reading = pin!(right.read(Vec::with_capacity(64)));
            assert!(poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
        }
        rounds += 1;
        // Others may look at these numbers, so looking at them is locked.
        let is_stepped = rounds > OPERATIONS;
        assert!(is_stepped || metrics()?.orphans_in_flight == 1, "the kernel has it");
        for _ in 0..3 {
            yield_to_kernel().await?;
        }
        assert!(is_stepped || metrics()?.orphans_in_flight == 0, "it has been cancelled");
        Ok(())
    })
}

async fn timers() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    Ok(async || {
        sleep(NAP).await;
        Ok(())
    })
}

/// Two timers of the kernel that end at once. Since 6.13 a wait that slept has the work of the
/// first only, and a second call of the same turn that of the other.
async fn together() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    static SOON: Timespec = Timespec { sec: 0, nsec: 2_000_000 };
    // SAFETY: what they point to is static.
    let soon = || unsafe { annulus::submit(Expires(&SOON)) };
    Ok(async move || annulus::try_join!(soon(), soon()).map(drop))
}

async fn tasks() -> io::Result<impl AsyncFnMut() -> io::Result<()>> {
    Ok(async || {
        assert_eq!(annulus::spawn(async { 7 }).await.expect("no panic"), 7);
        Ok(())
    })
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

#[test]
fn a_write_is_never_locked() {
    check("write", false, writes);
    check("write", true, writes);
}

#[test]
fn an_accept_and_a_connect_are_never_locked() {
    check("accept", false, accepts);
    check("accept", true, accepts);
    check("connect", false, connects);
    check("connect", true, connects);
}

#[test]
fn a_datagram_is_never_locked() {
    check("datagram", false, datagrams);
    check("datagram", true, datagrams);
}

#[test]
fn a_pipe_is_never_locked() {
    check("pipe", false, pipes);
    check("pipe", true, pipes);
}

#[test]
fn a_send_at_once_is_never_locked() {
    check("send", false, sends);
    check("send", true, sends);
}

#[test]
fn a_dropped_request_is_never_locked() {
    check("drop", false, drops);
    check("drop", true, drops);
}

#[test]
fn a_timer_that_fires_is_never_locked() {
    let idle = check("timer", false, timers);
    assert_eq!(idle.timers, OPERATIONS);
    assert!(idle.waits >= OPERATIONS, "{} waits, where one is interrupted more", idle.waits);
    assert_eq!(check("timer", true, timers).timers, OPERATIONS);
}

#[test]
fn a_task_that_is_joined_is_never_locked() {
    check("task", true, tasks);
}

#[test]
fn a_turn_with_two_calls_has_one_fence() {
    let counts = check("together", false, together);
    println!("{} calls", counts.enters);
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
