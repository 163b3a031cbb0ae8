//! What a steady state costs: requests, allocations, system calls. Counted, never timed.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{Parsed, TcpListener, TcpStream, UnixStream};
use annulus::runtime::{Runtime, metrics};
use annulus_ring::op::Nop;

use crate::counting::{Calls, allocations, counting};
use crate::harness::{Scratch, check, pair, run, share_process, skip};
use crate::hostile::{Quiet as _, is_quiet, skip_unless_quiet};

async fn nop() -> io::Result<()> {
    // SAFETY: a no-op points to nothing.
    unsafe { annulus::submit(Nop) }.await.map(drop)
}

/// One request, and where the kernel cancels some for want of a worker, a few that begin it anew.
fn is_one(requests: u64, what: &str) {
    let most = if is_quiet() { 1 } else { 16 };
    assert!((1..=most).contains(&requests), "one {what}, not {requests}");
}

#[test]
fn one_request_receives_a_thousand_messages() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (received, wait) = mpsc::channel::<()>();
        // A sender of its own, so that all requests of this core are the receiver's.
        let sender = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            for round in 0..1000u32 {
                stream.write_all(&round.to_le_bytes())?;
                if wait.recv().is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        });
        let (stream, _) = listener.accept().await?;
        let before = metrics()?;
        for round in 0..1000u32 {
            let lease = stream.recv().await?.expect("no end yet");
            assert_eq!(&*lease, &round.to_le_bytes());
            received.send(()).expect("the sender waits for it");
        }
        let after = metrics()?;
        is_one(after.sqes - before.sqes, "multishot receive");
        assert!(after.leases - before.leases >= 1000);
        sender.join().expect("no panic")
    });
}

#[test]
fn an_accepted_connection_costs_no_request_of_its_own() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let clients: Vec<_> =
            (0..100).map(|_| std::net::TcpStream::connect(address)).collect::<io::Result<_>>()?;
        nop().await?; // the first wait for the ring has it wait for other threads as well
        let before = metrics()?;
        let mut accepted = Vec::new();
        while accepted.len() < clients.len() {
            accepted.push(listener.accept().await?);
        }
        is_one(metrics()?.sqes - before.sqes, "multishot accept");
        Ok(())
    });
}

/// Allocations of `rounds` rounds after as many to warm up.
pub async fn steady<F>(rounds: usize, mut round: impl FnMut() -> F) -> io::Result<u64>
where
    F: Future<Output = io::Result<()>>,
{
    for _ in 0..rounds {
        round().await?;
    }
    let before = allocations();
    for _ in 0..rounds {
        round().await?;
    }
    Ok(allocations() - before)
}

#[test]
fn awaiting_a_no_op_allocates_nothing() {
    run(async {
        assert_eq!(steady(1000, nop).await?, 0);
        Ok(())
    });
}

#[test]
fn reading_a_file_allocates_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[1; 8192]);
    run(async {
        let file = File::open(&path).await?;
        let kept = Cell::new(vec![0; 4096]);
        let read = || async {
            let (n, buf) = file.read_at(kept.take(), 4096).await?;
            assert_eq!(n, 4096);
            kept.set(buf);
            Ok(())
        };
        assert_eq!(steady(500, read).await?, 0);
        Ok(())
    });
}

#[test]
fn an_echo_of_leases_allocates_nothing() {
    run(async {
        let (client, server) = pair().await?;
        let echo = annulus::spawn(async move {
            while let Some(lease) = server.recv().await? {
                server.write_all(lease).await?;
            }
            io::Result::Ok(())
        });
        let ask = || async {
            client.write_all("question").await?;
            let answer = client.recv().await?.expect("no end yet");
            assert_eq!(&*answer, b"question");
            Ok(())
        };
        assert_eq!(steady(500, ask).await?, 0);
        drop(client);
        echo.await.expect("no panic")
    });
}

#[test]
fn an_echo_into_buffers_of_ones_own_allocates_nothing() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let kept = Cell::new((vec![0; 64], vec![0; 64]));
        let ask = || async {
            let (mine, theirs) = kept.take();
            let ((), mine) = client.write_all(mine).await?;
            let ((), theirs) = server.read_exact(theirs).await?;
            kept.set((mine, theirs));
            Ok(())
        };
        assert_eq!(steady(500, ask).await?, 0);
        Ok(())
    });
}

#[test]
fn a_parsed_echo_with_queued_answers_allocates_nothing() {
    run(async {
        let (client, server) = pair().await?;
        let echo = annulus::spawn(async move {
            let answer = |bytes: &[u8]| {
                server.send_nowait(bytes).expect("below the bound");
                Parsed::Consumed(bytes.len())
            };
            while server.with_data(answer).await? > 0 {}
            io::Result::Ok(())
        });
        let ask = || async {
            client.send_nowait(b"question")?;
            let answer = client.recv().await?.expect("no end yet");
            assert_eq!(&*answer, b"question");
            Ok(())
        };
        assert_eq!(steady(500, ask).await?, 0);
        drop(client);
        echo.await.expect("no panic")
    });
}

#[test]
fn a_spawned_task_takes_the_memory_of_one_that_ended() {
    run(async {
        let spawn = || async {
            annulus::spawn(async { 1 }).await.expect("no panic");
            Ok(())
        };
        assert_eq!(steady(500, spawn).await?, 0);
        Ok(())
    });
}

#[test]
fn timers_allocate_nothing() {
    run(async {
        let timed = || async {
            let done = annulus::time::timeout(Duration::from_secs(100), nop()).await;
            done.expect("in time")
        };
        assert_eq!(steady(500, timed).await?, 0);
        Ok(())
    });
}

/// A hundred questions and answers over one pair. (Not of Unix sockets, at which the runtime looks
/// once more after each receive.)
async fn exchange(left: &TcpStream, right: &TcpStream) -> io::Result<()> {
    for _ in 0..100 {
        left.write_all("question").await?;
        let lease = right.recv().await?.expect("no end yet");
        right.write_all(lease).await?;
        left.recv().await?.expect("no end yet");
    }
    Ok(())
}

#[test]
fn a_turn_is_one_enter_and_nothing_else() {
    if skip_unless_quiet() {
        return;
    }
    let _shared = share_process();
    let calls = Arc::new(Calls::default());
    let builder = Runtime::builder().keep_tick(false).kernel(counting(&calls));
    check(builder, async {
        let (left, right) = pair().await?;
        exchange(&left, &right).await?;
        let (turns, before) = (metrics()?.turns, calls.now());
        exchange(&left, &right).await?;
        let (turns, after) = (metrics()?.turns - turns, calls.now());
        assert!(after.0 - before.0 <= turns, "one enter a turn at most");
        assert!(turns <= 400, "{turns} turns for 400 requests in line");
        assert_eq!(after.1, before.1, "no timer, no clock");
        assert_eq!(after.2, before.2, "no other call");
        Ok(())
    });
}

#[test]
fn many_tasks_share_one_enter() {
    if skip_unless_quiet() {
        return;
    }
    let _shared = share_process();
    let calls = Arc::new(Calls::default());
    check(Runtime::builder().kernel(counting(&calls)), async {
        let before = calls.now();
        let tasks: Vec<_> = (0..200).map(|_| annulus::spawn(nop())).collect();
        for task in tasks {
            task.await.expect("no panic")?;
        }
        let enters = calls.now().0 - before.0;
        assert!(enters <= 4, "{enters} enters for 200 requests at once");
        Ok(())
    });
}

/// Whether a thread sleeps in io_uring_enter, and how often it has left its CPU.
pub fn thread_status(tid: i32) -> (bool, String) {
    let read = |name| std::fs::read_to_string(format!("/proc/self/task/{tid}/{name}"));
    let (call, status) = (read("syscall"), read("status").expect("the thread lives"));
    let enters = call.is_ok_and(|call| {
        let number = call.split_whitespace().next();
        number == Some(&libc::SYS_io_uring_enter.to_string())
    });
    let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
    (enters, switches.collect::<Vec<_>>().join(" "))
}

#[test]
fn an_idle_core_makes_no_system_call() {
    if skip_unless_quiet() {
        return;
    }
    let _shared = share_process();
    let calls = Arc::new(Calls::default());
    let make = counting(&calls);
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let (ours, theirs) = (waker.clone(), mpsc::channel());
    let core = std::thread::spawn(move || {
        check(Runtime::builder().kernel(make), async {
            // Sockets that wait, and a wake that comes from elsewhere.
            let (left, _right) = UnixStream::pair()?;
            annulus::spawn(async move { left.recv().await.map(drop) }).detach();
            nop().await?;
            // SAFETY: gettid(2) has no preconditions.
            theirs.0.send(unsafe { libc::gettid() }).expect("heard");
            let mut asked = false;
            poll_fn(|cx| {
                if asked {
                    return Poll::Ready(());
                }
                asked = true;
                *ours.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            Ok(())
        });
    });
    let tid = theirs.1.recv().expect("the core starts");
    while waker.lock().unwrap().is_none() || !thread_status(tid).0 {
        std::thread::yield_now();
    }
    let before = (calls.now(), thread_status(tid));
    // Not a wait for something: the length of the look.
    assert!(theirs.1.recv_timeout(Duration::from_millis(50)).is_err());
    assert_eq!((calls.now(), thread_status(tid)), before);
    waker.lock().unwrap().take().expect("just seen").wake();
    core.join().expect("no panic");
}

/// Set in the child that strace looks at.
const TRACED: &str = "ANNULUS_TEST_TRACED";

#[test]
fn strace_sees_nothing_but_enters_in_a_steady_state() {
    if std::env::var_os(TRACED).is_some() {
        return traced();
    }
    let _own = crate::harness::own_process();
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("calls");
    let this = std::env::current_exe().unwrap();
    let name = "efficiency::strace_sees_nothing_but_enters_in_a_steady_state";
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .arg(this)
        .args(["--exact", name])
        .env(TRACED, "1")
        .quiet()
        .output();
    let calls = std::fs::read_to_string(&log).unwrap_or_default();
    match status {
        Err(error) => return skip(&format!("strace does not run: {error}")),
        Ok(_) if !calls.contains("io_uring_enter") => return skip("strace may not look"),
        Ok(output) => assert!(output.status.success(), "{output:?}"),
    }
    let marked = |line: &&str| line.contains("getppid(");
    let marker = calls.lines().find(marked).expect("the child marks");
    let thread = marker.split_whitespace().next().expect("a thread's id");
    let mine = calls.lines().filter(|line| line.split_whitespace().next() == Some(thread));
    let between: Vec<_> = mine
        .skip_while(|line| !line.contains("getppid("))
        .skip(1)
        .take_while(|line| !line.contains("getppid("))
        .collect();
    assert!(between.len() >= 100, "{} calls", between.len());
    for line in between {
        assert!(line.contains("io_uring_enter"), "{line}");
    }
}

/// A steady state between two marks.
fn traced() {
    run(async {
        let (left, right) = pair().await?;
        exchange(&left, &right).await?;
        // SAFETY: getppid(2) has no preconditions.
        unsafe { libc::getppid() };
        exchange(&left, &right).await?;
        // SAFETY: as above.
        unsafe { libc::getppid() };
        Ok(())
    });
}
