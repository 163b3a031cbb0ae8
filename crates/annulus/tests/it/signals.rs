//! Signals, each in a child of this process that is forked for it: no other process gets one.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::runtime::Runtime;
use annulus::signal::{Signal, SignalKind, ctrl_c, signal};
use annulus::time::timeout;
use futures_util::{StreamExt as _, poll};

use crate::cancel::yield_to_kernel;
use crate::harness::{check, own_process};
use crate::hazards::fork::in_child;

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);

/// Runs a test in a forked child, with a runtime whose end is checked.
fn alone<F: Future<Output = io::Result<()>>>(test: impl FnOnce() -> F) {
    let _own = own_process();
    let code = in_child(|| {
        check(Runtime::builder(), test());
    });
    assert_eq!(code, 0, "the test failed in the child; what it said is above");
}

/// Sends a signal to this process, which is a forked child.
fn raise(kind: SignalKind) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(std::process::id() as i32, kind.as_raw()) }, 0);
}

async fn heard(signal: &mut Signal) -> io::Result<()> {
    timeout(BOUND, signal.recv()).await.expect("it comes")
}

/// Whether there is nothing to hear.
async fn is_quiet(signal: &mut Signal) -> bool {
    for _ in 0..3 {
        if poll!(Box::pin(signal.recv())).is_ready() {
            return false;
        }
        yield_to_kernel().await.expect("a no-op does not fail");
    }
    true
}

const USER: SignalKind = SignalKind::USER_DEFINED1;

#[test]
fn a_signal_is_heard_whether_it_comes_before_during_or_after_a_wait() {
    alone(|| async {
        let mut user = signal(USER)?;
        assert_eq!(user.kind(), USER);
        assert!(is_quiet(&mut user).await, "none has come");
        raise(USER);
        heard(&mut user).await?;
        assert!(is_quiet(&mut user).await, "there was one");
        {
            let mut waiting = Box::pin(user.recv());
            assert!(poll!(&mut waiting).is_pending());
            yield_to_kernel().await?;
            raise(USER);
            timeout(BOUND, waiting).await.expect("it comes")?;
        }
        // Between two waits, and before a wait that is dropped.
        raise(USER);
        drop(Box::pin(user.recv()));
        heard(&mut user).await?;
        raise(USER);
        timeout(BOUND, user.next()).await.expect("it comes").expect("it has no end")?;
        assert!(is_quiet(&mut user).await);
        Ok(())
    });
}

#[test]
fn several_that_come_meanwhile_are_one() {
    alone(|| async {
        let mut user = signal(USER)?;
        for _ in 0..10 {
            raise(USER);
        }
        heard(&mut user).await?;
        assert!(is_quiet(&mut user).await);
        Ok(())
    });
}

#[test]
fn every_listener_hears_it_and_only_its_own_signal() {
    alone(|| async {
        let mut users = [signal(USER)?, signal(USER)?];
        let mut other = signal(SignalKind::USER_DEFINED2)?;
        raise(USER);
        for user in &mut users {
            heard(user).await?;
        }
        assert!(is_quiet(&mut other).await);
        let mut late = signal(USER)?;
        assert!(is_quiet(&mut late).await, "it came before this listened");
        let [gone, mut user] = users;
        drop(gone);
        raise(USER);
        heard(&mut user).await?;
        heard(&mut late).await
    });
}

#[test]
fn listeners_of_several_runtimes_hear_it() {
    alone(|| async {
        let (ready, listening) = std::sync::mpsc::channel();
        let threads = (0..3).map(|_| {
            let ready = ready.clone();
            std::thread::spawn(move || {
                let test = async move {
                    let mut user = signal(USER)?;
                    ready.send(()).expect("somebody waits");
                    for _ in 0..2 {
                        heard(&mut user).await?;
                        ready.send(()).expect("somebody waits");
                    }
                    Ok(())
                };
                check(Runtime::builder(), test);
            })
        });
        let threads: Vec<_> = threads.collect();
        for _ in 0..2 {
            for _ in &threads {
                listening.recv().expect("all begin");
            }
            raise(USER);
        }
        for thread in threads {
            thread.join().expect("it does not panic");
        }
        Ok(())
    });
}

#[test]
fn ctrl_c_no_longer_ends_the_process() {
    alone(|| async {
        let mut waiting = Box::pin(ctrl_c());
        assert!(poll!(&mut waiting).is_pending());
        yield_to_kernel().await?;
        raise(SignalKind::INTERRUPT);
        timeout(BOUND, waiting).await.expect("it comes")?;
        raise(SignalKind::INTERRUPT);
        yield_to_kernel().await
    });
}

#[test]
fn what_cannot_be_listened_to_is_refused_with_the_reason() {
    alone(|| async {
        for forbidden in
            [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE]
        {
            let error = signal(SignalKind::from_raw(forbidden)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("cannot be listened to"), "{error}");
        }
        for none in [-1, 0, 65, i32::MAX] {
            let error = signal(SignalKind::from_raw(none)).unwrap_err();
            assert!(error.to_string().contains("is no signal"), "{error}");
        }
        // A real-time signal is one; the two that the C library keeps for itself are not.
        let mut real_time = signal(SignalKind::from_raw(libc::SIGRTMIN()))?;
        raise(SignalKind::from_raw(libc::SIGRTMIN()));
        heard(&mut real_time).await?;
        assert!(signal(SignalKind::from_raw(32)).is_err());
        Ok(())
    });
}

static BEFORE: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_signal: i32) {
    // ORDERING: Relaxed; a count that is read when all is over.
    BEFORE.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn count_with_sender(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gave it to the handler.
    let number = unsafe { (*info).si_signo };
    assert_eq!(number, signal);
    count(signal);
}

#[test]
fn handlers_that_were_there_before_are_called_after_ours() {
    alone(|| async {
        let short = count as extern "C" fn(i32) as libc::sighandler_t;
        // SAFETY: the handler adds to an atomic.
        unsafe { libc::signal(USER.as_raw(), short) };
        // SAFETY: every field is an integer, a set of bits or an address.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = count_with_sender as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_SIGINFO;
        let other = SignalKind::USER_DEFINED2;
        // SAFETY: as above.
        unsafe { libc::sigaction(other.as_raw(), &action, std::ptr::null_mut()) };
        let (mut one, mut two) = (signal(USER)?, signal(other)?);
        let _again = signal(USER)?;
        for round in 1..=3 {
            raise(USER);
            heard(&mut one).await?;
            raise(other);
            heard(&mut two).await?;
            // ORDERING: Relaxed; both handlers ran on this thread.
            assert_eq!(BEFORE.load(Ordering::Relaxed), 2 * round);
        }
        Ok(())
    });
}

#[test]
fn a_signal_that_a_thread_has_blocked_is_heard_by_way_of_another() {
    alone(|| async {
        let mut user = signal(USER)?;
        // The core's own thread has it blocked; a thread that was started before has not.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let open = std::thread::spawn(move || wait.recv());
        // SAFETY: a set of bits.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: a valid set.
        unsafe { libc::sigaddset(&mut set, USER.as_raw()) };
        // SAFETY: as above, and no old set is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
        raise(USER);
        heard(&mut user).await?;
        drop(go);
        assert!(open.join().expect("it does not panic").is_err());
        Ok(())
    });
}

#[test]
fn a_forked_child_has_its_own_count() {
    alone(|| async {
        let mut user = signal(USER)?;
        let code = in_child(|| raise(USER));
        assert_eq!(code, 0);
        assert!(is_quiet(&mut user).await, "it was the child's");
        raise(USER);
        heard(&mut user).await
    });
}

#[test]
fn a_storm_of_signals_from_many_threads_ends_with_the_last_one_heard() {
    alone(|| async {
        let mut user = signal(USER)?;
        let threads: Vec<_> =
            (0..4).map(|_| std::thread::spawn(|| (0..500).for_each(|_| raise(USER)))).collect();
        let mut items = 0;
        while !threads.iter().all(|thread| thread.is_finished()) {
            items += u32::from(timeout(Duration::from_millis(1), user.recv()).await.is_ok());
        }
        for thread in threads {
            thread.join().expect("it does not panic");
        }
        while !is_quiet(&mut user).await {
            items += 1;
        }
        assert!((1..=2001).contains(&items), "{items}");
        raise(USER);
        heard(&mut user).await
    });
}
