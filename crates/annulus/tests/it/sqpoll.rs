//! A submission thread as a way to drive the ring: everything works as without it, whether the
//! thread is awake or asleep.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use annulus::Error;
use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::{Builder, Runtime, metrics};
use annulus::time::{sleep, timeout};
use annulus_ring::abi::{Features, SetupFlags};
use annulus_ring::op::Nop;
use annulus_ring::{Cause, Mask};

use crate::harness::{Scratch, check, made, pair, run_on, share_process, skip};

const MS: Duration = Duration::from_millis(1);
/// A request that nobody submitted would wait for ever: this is where it fails instead.
const FOREVER: Duration = Duration::from_secs(60);

/// A thread that sleeps after a millisecond without work.
fn sqpoll() -> Builder {
    Runtime::builder().sqpoll(MS)
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(FOREVER, future).await.expect("a request was never submitted")
}

async fn nop() {
    // SAFETY: a no-op points to nothing.
    within(unsafe { annulus::submit(Nop) }).await.expect("a no-op cannot fail");
}

/// What a program does with a runtime, all of it on one core.
async fn suite(directory: &Path) -> io::Result<()> {
    within(echo()).await?;
    within(files(directory)).await?;
    within(cancels()).await?;
    within(timers()).await?;
    within(wakes()).await
}

async fn echo() -> io::Result<()> {
    let (client, server) = pair().await?;
    let echo = annulus::spawn(async move {
        while let Some(lease) = server.recv().await? {
            server.write_all(lease).await?;
        }
        server.shutdown(Shutdown::Write)
    });
    for size in [1, 100, 5000, 300_000] {
        let sent: Vec<u8> = (0..size).map(|n| (n * 31) as u8).collect();
        let (written, read) =
            annulus::join!(client.write_all(sent.clone()), client.read_exact(vec![0; size]));
        let ((), back) = (written?.0, read?.1);
        assert!(back == sent, "{size} bytes");
    }
    client.send_nowait(b"queued")?;
    client.shutdown(Shutdown::Write)?;
    assert_eq!(&*client.recv().await?.expect("no end yet"), b"queued");
    assert!(client.recv().await?.is_none());
    echo.await.expect("no panic")
}

async fn files(directory: &Path) -> io::Result<()> {
    let path = directory.join("file");
    let file = File::create(&path).await?;
    let contents: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let (n, contents) = file.write_at(contents, 0).await?;
    assert_eq!(n, 100_000);
    file.sync_all().await?;
    file.close().await?;
    let file = Rc::new(File::open(&path).await?);
    let reads: Vec<_> = (0..50u64)
        .map(|n| {
            let file = file.clone();
            annulus::spawn(async move { file.read_at(vec![0; 1000], n * 2000).await })
        })
        .collect();
    for (n, read) in reads.into_iter().enumerate() {
        let (count, bytes) = read.await.expect("no panic")?;
        assert!(bytes[..count] == contents[n * 2000..][..1000], "read {n}");
    }
    Ok(())
}

async fn cancels() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    assert!(timeout(MS, listener.accept()).await.is_err());
    let client = TcpStream::connect(address).await?;
    let (server, _) = listener.accept().await?;
    for round in 0..10u8 {
        // Dropped while the kernel has them, or before it has seen them.
        assert!(timeout(MS * u32::from(round % 3), client.recv()).await.is_err());
        assert!(timeout(MS * u32::from(round % 2), server.read(vec![0; 10])).await.is_err());
        server.write_all(vec![round; 100]).await?;
        let ((), back) = client.read_exact(vec![0; 100]).await?;
        assert_eq!(back, [round; 100], "what a dropped read received is not lost");
    }
    Ok(())
}

async fn timers() -> io::Result<()> {
    let before = annulus::time::Instant::now();
    let sleeps: Vec<_> = (0..20).map(|n| annulus::spawn(sleep(MS / 4 * n))).collect();
    for sleeping in sleeps {
        sleeping.await.expect("no panic");
    }
    assert!(before.elapsed() >= MS / 4 * 19);
    Ok(())
}

/// Wakes from another thread end a wait.
async fn wakes() -> io::Result<()> {
    for _ in 0..20 {
        let (told, hears) = annulus::sync::cross::oneshot::<u32>();
        let thread = std::thread::spawn(move || told.send(1));
        assert_eq!(hears.await.expect("sent"), 1);
        thread.join().expect("no panic").expect("heard");
    }
    Ok(())
}

#[test]
fn everything_works_with_a_submission_thread() {
    let scratch = Scratch::new();
    let modern = SetupFlags::NO_SQARRAY | SetupFlags::SINGLE_ISSUER;
    let builders = [
        sqpoll(),
        Runtime::builder().sqpoll(Duration::from_millis(100)),
        Runtime::builder().sqpoll_cpu(0),
        sqpoll().entries(1),
        sqpoll().entries(4).cq_entries(4),
        sqpoll().fixed_files(0),
        sqpoll().spin(Duration::from_micros(50)),
        sqpoll().keep_tick(false),
        sqpoll().iowait(true),
        sqpoll().mask(Mask::none().setup(modern)),
        sqpoll().mask(Mask::none().features(Features::NO_IOWAIT).registered_ring()),
        sqpoll().mask(Mask::none().buf_rings()),
    ];
    for builder in builders {
        let name = format!("{builder:?}");
        let result = Cell::new(None);
        run_on(builder, async {
            result.set(Some(suite(scratch.path()).await));
            Ok(())
        });
        result.take().expect("it ran").unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_ring_really_has_a_submission_thread() {
    let _shared = share_process();
    let runtime = made(sqpoll());
    let setup = runtime.capabilities().setup();
    assert!(setup.contains(SetupFlags::SQPOLL));
    assert!(!setup.intersects(SetupFlags::DEFER_TASKRUN | SetupFlags::COOP_TASKRUN));
}

#[test]
fn no_request_is_slept_over_by_a_thread_that_is_just_falling_asleep() {
    run_on(sqpoll(), async {
        let (left, right) = UnixStream::pair()?;
        let echo = annulus::spawn(async move {
            while let Some(lease) = right.recv().await? {
                right.write_all(lease).await?;
            }
            io::Result::Ok(())
        });
        let step = Duration::from_micros(9);
        for round in 0..400u32 {
            // The thread falls asleep about a millisecond after the last request: meet it before,
            // at, and after that.
            sleep(Duration::from_micros(500) + step * (round % 120)).await;
            nop().await;
            if round % 4 == 0 {
                within(left.write_all("question")).await?;
                let lease = within(left.recv()).await?.expect("no end yet");
                assert_eq!(&*lease, b"question");
            }
        }
        drop(left);
        echo.await.expect("no panic")
    });
}

#[test]
fn a_full_queue_waits_for_the_thread_and_loses_nothing() {
    for entries in [1, 2, 8] {
        run_on(sqpoll().entries(entries), async move {
            for _ in 0..10 {
                let tasks: Vec<_> = (0..300).map(|_| annulus::spawn(nop())).collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
                // Asleep at the next round, or not.
                sleep(MS * 2).await;
            }
            assert!(metrics()?.sq_full > 0, "{:?}", metrics()?);
            Ok(())
        });
    }
}

#[test]
fn a_core_with_a_submission_thread_ends_in_the_middle_of_anything() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[3; 4096]);
    let _shared = share_process();
    for round in 0..100u32 {
        let path = &path;
        let last = check(sqpoll().entries(8), async move {
            let (left, right) = UnixStream::pair()?;
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let file = Rc::new(File::open(path).await?);
            for n in 0..10u64 {
                let file = file.clone();
                annulus::spawn(async move { file.read_at(vec![0; 400], n * 400).await.map(drop) })
                    .detach();
                annulus::spawn(sleep(FOREVER)).detach();
            }
            annulus::spawn(async move { left.recv().await.map(drop) }).detach();
            annulus::spawn(async move { right.read(vec![0; 100]).await.map(drop) }).detach();
            annulus::spawn(async move { listener.accept().await.map(drop) }).detach();
            // Nothing is submitted yet, or all of it, or the thread sleeps again.
            match round % 3 {
                0 => {}
                1 => nop().await,
                _ => sleep(MS * 2).await,
            }
            Ok(())
        });
        assert_eq!((last.ops_in_flight, last.descriptors), (0, 0));
    }
}

fn refusal(builder: Builder) -> annulus_ring::SetupError {
    match builder.build() {
        Err(Error::Ring(refusal)) => refusal,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the thread was not refused"),
    }
}

#[test]
fn a_submission_thread_on_a_cpu_that_is_not_there_is_refused_by_name() {
    let _shared = share_process();
    let refusal = refusal(Runtime::builder().sqpoll_cpu(100_000));
    if refusal.evidence().cpus_online.is_none() {
        return skip("/sys is not mounted");
    }
    assert_eq!(refusal.cause(), Cause::Cpu);
    let text = refusal.to_string();
    assert!(text.contains("SQPOLL") && text.contains("CPU 100000"), "{text}");
    assert_eq!(io::Error::from(refusal).kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_kernel_that_refuses_submission_threads_is_an_error_and_no_silent_change() {
    let _shared = share_process();
    for errno in [libc::EPERM, libc::EINVAL, libc::EAGAIN] {
        let make = move || crate::counting::refusing(SetupFlags::SQPOLL, errno);
        let refusal = refusal(sqpoll().kernel(make));
        assert_eq!(refusal.errno().0, errno);
        assert!(refusal.asked().flags.contains(SetupFlags::SQPOLL));
        assert!(!refusal.remedy().is_empty());
    }
}
