//! Futexes: between tasks, threads and processes; and words that processes share.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annulus::OpExt as _;
use annulus::buf::{AlignedBuf, DirectPool};
use annulus::futex::{Futex, wait_any};
use annulus::mem::{Advice, SharedWords, advise};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;
use futures_util::poll;

use crate::cancel::yield_to_kernel;
use crate::harness::forking::fork;
use crate::harness::{check, made, own_process, run, run_on, share_process, skip};
use crate::hazards::fork::in_child;

/// Whether rings can wait for futexes here.
fn can_wait() -> bool {
    let can = {
        let _shared = share_process();
        made(Runtime::builder()).capabilities().supports(Opcode::FUTEX_WAIT)
    };
    if !can {
        skip("rings wait for futexes since Linux 6.7");
    }
    can
}

fn word(value: u32) -> Futex<Arc<AtomicU32>> {
    Futex::of_process(Arc::new(AtomicU32::new(value)))
}

#[test]
fn a_wait_ends_by_a_wake_and_not_before() {
    if !can_wait() {
        return;
    }
    run(async {
        let futex = word(1);
        assert!(!futex.wait(0).await?, "the word is 1");
        let mut waiting = [futex.wait(1), futex.wait(1), futex.wait(1)];
        for wait in &mut waiting {
            assert!(poll!(wait).is_pending());
        }
        yield_to_kernel().await?;
        // ORDERING: Relaxed; nothing is published.
        futex.store(2, Ordering::Relaxed);
        for wait in &mut waiting {
            assert!(poll!(wait).is_pending(), "nobody has woken it");
        }
        assert_eq!(futex.wake(2)?, 2);
        assert_eq!(futex.wake(u32::MAX)?, 1);
        assert_eq!(futex.wake(1)?, 0);
        for wait in waiting {
            assert!(wait.await?);
        }
        Ok(())
    });
}

#[test]
fn a_thread_and_a_task_wake_each_other() {
    if !can_wait() {
        return;
    }
    run(async {
        const ROUNDS: u32 = 2000;
        let futex = word(0);
        let other = futex.clone();
        let thread = std::thread::spawn(move || {
            for round in 0..ROUNDS {
                // ORDERING: Acquire, pairs with the Release of the task.
                while other.load(Ordering::Acquire) != 2 * round + 1 {
                    std::thread::yield_now();
                }
                // ORDERING: Release, pairs with the Acquire of the task.
                other.store(2 * round + 2, Ordering::Release);
                other.wake(1).unwrap();
            }
        });
        for round in 0..ROUNDS {
            // ORDERING: Release, pairs with the Acquire of the thread.
            futex.store(2 * round + 1, Ordering::Release);
            // ORDERING: Acquire, pairs with the Release of the thread.
            while futex.load(Ordering::Acquire) == 2 * round + 1 {
                futex.wait(2 * round + 1).await?;
            }
        }
        thread.join().expect("it does not panic");
        Ok(())
    });
}

#[test]
fn a_wait_can_be_cancelled_and_its_word_is_kept_until_then() {
    if !can_wait() {
        return;
    }
    run(async {
        let shared = Arc::new(AtomicU32::new(0));
        let futex = Futex::of_process(shared.clone());
        let mut waiting = futex.wait(0);
        assert!(poll!(&mut waiting).is_pending());
        drop(futex);
        assert_eq!(Arc::strong_count(&shared), 2, "the slot has one");
        let error = waiting.cancel().await.unwrap_err();
        assert!(Cancelled::of(&error).is_some());
        assert_eq!(Arc::strong_count(&shared), 1);

        let futex = Futex::of_process(shared.clone());
        let mut waiting = futex.wait(0);
        assert!(poll!(&mut waiting).is_pending());
        drop((waiting, futex));
        assert_eq!(Arc::strong_count(&shared), 2, "it has not ended yet");
        crate::cancel::until("the slot lets go", || Arc::strong_count(&shared) == 1).await
    });
}

#[test]
fn a_wake_that_met_a_dropped_wait_is_passed_on() {
    if !can_wait() {
        return;
    }
    run(async {
        let futex = word(0);
        for _ in 0..50 {
            let mut gone = futex.wait(0);
            assert!(poll!(&mut gone).is_pending());
            yield_to_kernel().await?;
            let mut kept = futex.wait(0);
            assert!(poll!(&mut kept).is_pending());
            yield_to_kernel().await?;
            assert_eq!(futex.wake(1)?, 1, "the first");
            drop(gone);
            assert!(kept.await?);
        }
        Ok(())
    });
}

#[test]
fn one_of_several_words_ends_a_wait() {
    if !can_wait() {
        return;
    }
    run(async {
        let words = [word(1), word(2), word(3)];
        let all = [(&words[0], 1), (&words[1], 2), (&words[2], 3)];
        for index in [2, 0, 1] {
            let mut waiting = wait_any(&all);
            assert!(poll!(&mut waiting).is_pending());
            yield_to_kernel().await?;
            assert_eq!(words[index].wake(1)?, 1);
            assert_eq!(waiting.await?, Some(index));
        }
        assert_eq!(wait_any(&[all[0], (&words[1], 7)]).await?, None);
        let none: [(&Futex<Arc<AtomicU32>>, u32); 0] = [];
        assert_eq!(wait_any(&none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let many = vec![all[0]; 129];
        let error = wait_any(&many).await.unwrap_err();
        assert!(error.to_string().contains("128"), "{error}");
        Ok(())
    });
}

#[test]
fn a_kernel_that_cannot_wait_says_so() {
    let builder =
        || Runtime::builder().mask(Mask::none().op(Opcode::FUTEX_WAIT).op(Opcode::FUTEX_WAITV));
    run_on(builder(), async {
        let futex = word(0);
        assert_eq!(futex.wait(0).await.unwrap_err().kind(), ErrorKind::Unsupported);
        let error = wait_any(&[(&futex, 0)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(futex.wake(1)?, 0, "waking needs no ring");
        Ok(())
    });
}

/// Adds to a word that two processes share, in turns: this process at even numbers.
async fn in_turns(words: &SharedWords, own: u32, rounds: u32) -> io::Result<()> {
    let turn = Futex::of_system(words.word(0).expect("it has one"));
    for _ in 0..rounds {
        loop {
            // ORDERING: Acquire, pairs with the Release of the other process.
            let now = turn.load(Ordering::Acquire);
            if now % 2 == own {
                break;
            }
            turn.wait(now).await?;
        }
        // ORDERING: Relaxed; whose turn it is orders the accesses.
        let count = words[1].load(Ordering::Relaxed);
        // ORDERING: Relaxed; as above.
        words[1].store(count + 1, Ordering::Relaxed);
        // ORDERING: Release, pairs with the Acquire of the other process.
        turn.fetch_add(1, Ordering::Release);
        turn.wake(1)?;
    }
    Ok(())
}

#[test]
fn two_processes_take_turns_by_a_word_in_shared_memory() {
    if !can_wait() {
        return;
    }
    let _own = own_process();
    let words = SharedWords::new(2).unwrap();
    let there = words.as_fd().try_clone_to_owned().unwrap();
    let rounds = 500;
    let forked = std::cell::Cell::new(0);
    check(Runtime::builder(), async {
        // SAFETY: the child makes a runtime of its own, and ends with _exit; no other test runs.
        let child = unsafe { fork() };
        if child == 0 {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let words = SharedWords::from_fd(there).expect("it is sealed");
                check(Runtime::builder(), async { in_turns(&words, 1, rounds).await });
            }));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(ended.is_err())) };
        }
        forked.set(child);
        in_turns(&words, 0, rounds).await
    });
    assert_eq!(crate::harness::wait_for(forked.get()), 0);
    // ORDERING: Relaxed; the other process has ended.
    assert_eq!(words[1].load(Ordering::Relaxed), 2 * rounds);
}

#[test]
fn words_are_refused_where_they_could_vanish() {
    let _shared = share_process();
    assert_eq!(SharedWords::new(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(SharedWords::new(usize::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    let error = SharedWords::from_fd(OwnedFd::from(file)).unwrap_err();
    assert!(error.to_string().contains("may shrink"), "{error}");
    let words = SharedWords::new(3).unwrap();
    let file = std::fs::File::from(words.as_fd().try_clone_to_owned().unwrap());
    assert!(file.set_len(0).is_err(), "it is sealed");
    assert_eq!((words.len(), words.word(2).is_some(), words.word(3).is_none()), (3, true, true));
}

#[test]
fn advice_about_a_buffer_gives_it_back() {
    run(async {
        for advice in [Advice::Normal, Advice::Sequential, Advice::Random, Advice::WillNeed] {
            let ((), buf) = advise(vec![5; 100_000], advice).await?;
            assert!(buf.iter().all(|&byte| byte == 5));
        }
        let ((), small) = advise(vec![1, 2, 3], Advice::Discard).await?;
        assert_eq!(small, [1, 2, 3], "it has no whole page");
        let mut buf = AlignedBuf::new(3 * 4096 + 10, 4096)?;
        buf.fill(9);
        let ((), buf) = advise(buf, Advice::Discard).await?;
        // SAFETY: no pointers.
        if unsafe { libc::sysconf(libc::_SC_PAGESIZE) } == 4096 {
            assert!(buf[..3 * 4096].iter().all(|&byte| byte == 0));
        }
        assert_eq!(buf[3 * 4096..], [9; 10], "this was no whole page");
        Ok(())
    });
}

#[test]
fn a_forked_child_can_be_told_by_words_that_it_inherits() {
    let _own = own_process();
    let words = SharedWords::new(1).unwrap();
    let code = in_child(|| {
        // ORDERING: Relaxed; the parent waits for the end of this process.
        words[0].store(42, Ordering::Relaxed);
    });
    // ORDERING: Relaxed; as above.
    assert_eq!((code, words[0].load(Ordering::Relaxed)), (0, 42));
}

#[test]
fn registered_memory_is_not_discarded() {
    run(async {
        let pool = DirectPool::new(2, 4096)?;
        let buf = pool.take().await;
        if !buf.is_registered() {
            skip("no registered buffers here");
            return Ok(());
        }
        let error = advise(buf, Advice::Discard).await.expect_err("the ring has the old pages");
        assert_eq!(error.error().kind(), ErrorKind::InvalidInput, "{error:?}");
        let (_, buf) = error.into_parts();
        let ((), _) = advise(buf.expect("it comes back"), Advice::WillNeed).await?;
        Ok(())
    });
}
