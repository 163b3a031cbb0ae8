//! What the kernel refuses for long: the core asks again, but seldom, and loses nothing meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use annulus::net::{UdpSocket, UnixStream};
use annulus::runtime::{Builder, Runtime, metrics};
use annulus::task::spawn_blocking;
use annulus::time::{sleep, timeout};
use annulus_ring::abi::{Errno, Opcode};
use annulus_ring::{AnyKernel, Mask, Real};
use annulus_sim::{Failing, Faults, Unreliable};
use futures_util::poll;

use crate::counting::{Calls, counting};
use crate::files::faulty::{self, Fault};
use crate::harness::run_on;

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);
/// How long the kernel refuses.
const LONG: Duration = Duration::from_millis(100);

/// More calls or completions than a core has in so long a time that rests between them, and fewer
/// than one that does not.
fn few(since: Instant) -> u64 {
    200 + since.elapsed().as_millis() as u64
}

/// A runtime on the real kernel where what is in the list fails.
fn failing(list: &Failing) -> Builder {
    let given = list.clone();
    Runtime::builder().kernel(move || {
        let kernel = Unreliable::new(Real::new(), 1, Faults::none()).failing(given.clone());
        AnyKernel::Dyn(Box::new(kernel))
    })
}

fn fail(list: &Failing, opcode: Opcode, errno: i32) {
    list.lock().unwrap().push((opcode, Errno(errno)));
}

#[test]
fn a_request_that_no_cancel_finds_is_not_sought_all_the_time() {
    for errno in [libc::ENOENT, libc::EALREADY] {
        let list = Failing::default();
        fail(&list, Opcode::ASYNC_CANCEL, errno);
        run_on(failing(&list), async {
            let (left, right) = UnixStream::pair()?;
            let mut reading = Box::pin(right.read(vec![0; 16]));
            assert!(poll!(&mut reading).is_pending());
            drop(reading);
            let (since, before) = (Instant::now(), metrics()?);
            sleep(LONG).await;
            let after = metrics()?;
            assert_eq!(after.orphans_in_flight, 1, "nothing has ended it");
            assert!(after.cqes - before.cqes < few(since));
            // It was not forgotten.
            list.lock().unwrap().clear();
            let ended = async {
                while metrics()?.orphans_in_flight > 0 {
                    sleep(Duration::from_millis(1)).await;
                }
                io::Result::Ok(())
            };
            timeout(BOUND, ended).await.expect("it ends")?;
            left.write_all("well").await?;
            assert_eq!(right.read(vec![0; 16]).await?.0, 4);
            Ok(())
        });
    }
}

/// A core that is woken from elsewhere while its bell does not work.
fn is_woken_without_a_bell(builder: Builder, opcode: Opcode, errno: i32, list: Failing) {
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        let mut receiving = Box::pin(right.recv());
        assert!(poll!(&mut receiving).is_pending(), "the core has something in the ring");
        fail(&list, opcode, errno);
        // The wait for the bell that is in the ring already is rung.
        timeout(BOUND, spawn_blocking(|| ())).await.expect("it is told").expect("it runs");
        let (since, before) = (Instant::now(), metrics()?.cqes);
        sleep(LONG).await;
        for number in 0..5 {
            let answer = timeout(BOUND, spawn_blocking(move || number)).await;
            assert_eq!(answer.expect("it is told").expect("it runs"), number);
        }
        assert!(metrics()?.cqes - before < few(since));
        list.lock().unwrap().clear();
        left.write_all("well").await?;
        assert_eq!(&*receiving.await?.expect("it is there"), b"well");
        Ok(())
    });
}

#[test]
fn a_core_whose_futex_cannot_be_waited_for_looks_now_and_then() {
    for errno in [libc::ENOMEM, libc::EINVAL, libc::EAGAIN] {
        let list = Failing::default();
        is_woken_without_a_bell(failing(&list), Opcode::FUTEX_WAIT, errno, list);
    }
}

#[test]
fn a_core_whose_eventfd_cannot_be_read_looks_now_and_then() {
    for errno in [libc::EIO, libc::EINTR] {
        let list = Failing::default();
        let builder = failing(&list).mask(Mask::none().op(Opcode::FUTEX_WAIT));
        is_woken_without_a_bell(builder, Opcode::READ, errno, list);
    }
}

fn set(errno: &AtomicI32, value: i32) {
    // ORDERING: SeqCst; a switch of a test, no other memory depends on it.
    errno.store(value, Ordering::SeqCst);
}

#[test]
fn a_core_that_may_not_enter_its_ring_for_long_rests_between_its_tries() {
    for errno in [libc::EAGAIN, libc::EBUSY] {
        let calls = Arc::new(Calls::default());
        run_on(Runtime::builder().kernel(counting(&calls)), async {
            let (left, right) = UnixStream::pair()?;
            let mut receiving = Box::pin(right.recv());
            assert!(poll!(&mut receiving).is_pending());
            set(&calls.enter_errno, errno);
            let (since, (before, ..)) = (Instant::now(), calls.now());
            sleep(LONG).await;
            // What comes from another thread is found.
            let answer = timeout(BOUND, spawn_blocking(|| 7)).await;
            assert_eq!(answer.expect("it is told").expect("it runs"), 7);
            assert!(calls.now().0 - before < few(since));
            set(&calls.enter_errno, 0);
            left.write_all("well").await?;
            assert_eq!(&*receiving.await?.expect("it is there"), b"well");
            Ok(())
        });
    }
}

#[test]
fn a_core_that_may_not_enter_its_ring_does_not_sleep_over_its_timers() {
    // Far less than the pauses that it makes.
    let timely = Duration::from_millis(6);
    let calls = Arc::new(Calls::default());
    run_on(Runtime::builder().kernel(counting(&calls)), async {
        set(&calls.enter_errno, libc::EAGAIN);
        // Until the pauses are as long as they become.
        for _ in 0..40 {
            sleep(Duration::from_millis(1)).await;
        }
        // One that is late may have found the machine busy; all of them have not.
        let mut tries = 0..500;
        let is_timely = async || {
            let due = Instant::now() + Duration::from_millis(1);
            sleep(Duration::from_millis(1)).await;
            due.elapsed() < timely
        };
        while !is_timely().await {
            assert!(tries.next().is_some(), "a timer waits for the end of a pause");
        }
        set(&calls.enter_errno, 0);
        Ok(())
    });
}

#[test]
fn a_core_that_may_not_sleep_on_its_word_sleeps_in_its_ring() {
    let calls = Arc::new(Calls::default());
    set(&calls.word_errno, libc::EPERM);
    run_on(Runtime::builder().kernel(counting(&calls)), async {
        let (seen, waits, others) = (calls.clone(), calls.waits().0, calls.now().2);
        // It ends when the core has gone to sleep in the ring, or has tried often to do without.
        let decided = move || {
            while seen.waits().0 == waits && seen.now().2 < others + 1000 {
                std::thread::yield_now();
            }
        };
        // Without a timer, with which it would sleep in the ring anyway.
        spawn_blocking(decided).await.expect("it runs");
        assert!(calls.waits().0 > waits && calls.now().2 < others + 1000);
        Ok(())
    });
}

/// Receives that find no buffer until the heap takes their place, and then are interrupted.
fn starves_and_is_interrupted(faults: &faulty::Faults, opcode: Opcode, errno: i32) {
    for _ in 0..17 {
        faults.plan_for(opcode, 0, Fault::Fails(libc::ENOBUFS));
    }
    for _ in 0..3 {
        faults.plan_for(opcode, 0, Fault::Fails(errno));
    }
}

#[test]
fn want_of_buffers_makes_no_failure_of_what_passes() {
    for errno in [libc::EINTR, libc::EAGAIN, libc::ECANCELED] {
        let faults = faulty::Faults::default();
        run_on(Runtime::builder().kernel(faults.kernel()), async {
            let (left, right) = UnixStream::pair()?;
            starves_and_is_interrupted(&faults, Opcode::RECV, errno);
            left.write_all("well").await?;
            let received = timeout(BOUND, right.recv()).await.expect("it comes")?;
            assert_eq!(received.as_deref(), Some(&b"well"[..]));
            assert!(faults.are_done());

            let socket = UdpSocket::bind("127.0.0.1:0")?;
            starves_and_is_interrupted(&faults, Opcode::RECVMSG, errno);
            let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
            peer.send_to(b"well", socket.local_addr()?)?;
            let datagram = timeout(BOUND, socket.recv()).await.expect("it comes")?;
            assert_eq!(&datagram[..], b"well");
            assert!(faults.are_done());
            Ok(())
        });
    }
}
