//! More of futexes and children. Mirrors futex and waitid of liburing.

use std::{
    process::{Child, Command, Stdio},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use annulus_ring::{
    Op as _, Ring,
    abi::{CancelFlags, Errno, Opcode},
    op::{Cancel, FutexWait, FutexWaitv, FutexWake, Waitid},
};

use super::{
    decode,
    made::{assert_silence, results, sorted},
    next, push, ring, run, supported,
};

/// `FUTEX2_SIZE_U32 | FUTEX2_PRIVATE`.
const PRIVATE_U32: u32 = 2 | 128;
const ALL: u64 = u32::MAX as u64;
const CANCELED: i32 = -libc::ECANCELED;

fn wait(futex: &AtomicU32) -> FutexWait {
    FutexWait { futex: futex.as_ptr(), value: 0, mask: ALL, flags: PRIVATE_U32 }
}

fn wake(futex: &AtomicU32, count: u32) -> FutexWake {
    FutexWake { futex: futex.as_ptr(), count, mask: ALL, flags: PRIVATE_U32 }
}

fn ring_with_futexes() -> Option<Ring> {
    let ring = ring();
    let ops = [Opcode::FUTEX_WAIT, Opcode::FUTEX_WAKE, Opcode::FUTEX_WAITV];
    supported(&ring, &ops).then_some(ring)
}

#[test]
fn waiters_are_woken_first_come_first_served_and_no_more_than_asked() {
    let Some(mut ring) = ring_with_futexes() else {
        return;
    };
    let futex = AtomicU32::new(0);
    for user_data in 1..=3 {
        push(&mut ring, &wait(&futex), user_data);
    }
    assert_silence(&mut ring);
    push(&mut ring, &wake(&futex, 2), 9);
    assert_eq!(sorted(&mut ring, 3), [(1, 0), (2, 0), (9, 2)]);
    assert_silence(&mut ring);
    push(&mut ring, &wake(&futex, 2), 10);
    assert_eq!(sorted(&mut ring, 2), [(3, 0), (10, 1)]);
    assert_eq!(run(&mut ring, &wake(&futex, 2)), Ok(0));
}

#[test]
fn a_wake_reaches_those_whose_bits_it_shares() {
    let Some(mut ring) = ring_with_futexes() else {
        return;
    };
    let futex = AtomicU32::new(0);
    push(&mut ring, &FutexWait { mask: 1, ..wait(&futex) }, 1);
    push(&mut ring, &FutexWait { mask: 2, ..wait(&futex) }, 2);
    push(&mut ring, &FutexWake { mask: 2, ..wake(&futex, 9) }, 3);
    assert_eq!(sorted(&mut ring, 2), [(2, 0), (3, 1)]);
    assert_silence(&mut ring);
    push(&mut ring, &wake(&futex, 9), 4);
    assert_eq!(sorted(&mut ring, 2), [(1, 0), (4, 1)]);
}

#[test]
fn a_thread_is_woken_by_a_request_and_a_request_by_a_thread() {
    let Some(mut ring) = ring_with_futexes() else {
        return;
    };
    let futex = AtomicU32::new(0);
    thread::scope(|scope| {
        push(&mut ring, &wait(&futex), 1);
        scope.spawn(|| {
            futex.store(1, Ordering::Release);
            let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            // SAFETY: the word outlives the scope.
            unsafe { libc::syscall(libc::SYS_futex, futex.as_ptr(), wake, 1) };
        });
        // If the thread stored before the kernel looked, that is EAGAIN.
        let cqe = next(&mut ring);
        assert!([0, -libc::EAGAIN].contains(&cqe.res), "{cqe:?}");
    });
    assert_eq!(futex.load(Ordering::Acquire), 1);
}

#[test]
fn a_wait_on_a_futex_is_cancelled_and_leaves_no_waiter() {
    let Some(mut ring) = ring_with_futexes() else {
        return;
    };
    let futex = AtomicU32::new(0);
    push(&mut ring, &wait(&futex), 1);
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let ended = sorted(&mut ring, 2);
    assert_eq!(ended[0], (1, CANCELED));
    assert!([0, 1].contains(&ended[1].1), "{ended:?}");
    assert_eq!(run(&mut ring, &wake(&futex, 9)), Ok(0));
}

#[test]
fn bad_futexes_are_errors() {
    let Some(mut ring) = ring_with_futexes() else {
        return;
    };
    let futex = AtomicU32::new(0);
    let invalid = Errno(libc::EINVAL);
    assert_eq!(run(&mut ring, &FutexWait { flags: 0x70, ..wait(&futex) }), Err(invalid));
    let unmasked = FutexWait { mask: 0, ..wait(&futex) };
    assert!(unmasked.check().is_err());
    assert_eq!(run(&mut ring, &unmasked), Err(invalid));
    let nowhere = FutexWait { futex: ptr::without_provenance(0x1000), ..wait(&futex) };
    assert_eq!(run(&mut ring, &nowhere), Err(Errno(libc::EFAULT)));
    let odd = FutexWait { futex: ptr::without_provenance(0x1001), ..wait(&futex) };
    assert_eq!(run(&mut ring, &odd), Err(invalid));
    let none = FutexWaitv { waiters: ptr::null(), count: 0 };
    assert!(none.check().is_err());
    assert_eq!(run(&mut ring, &none), Err(invalid));
}

fn child(program: &str, args: &[&str]) -> Child {
    Command::new(program).args(args).stdin(Stdio::piped()).spawn().unwrap()
}

fn waitid(child: &Child, info: *mut libc::siginfo_t, options: i32) -> Waitid {
    Waitid { id_type: libc::P_PID, id: child.id(), info, options }
}

fn blank() -> libc::siginfo_t {
    // SAFETY: integers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

#[test]
fn the_status_of_a_child_is_read_as_often_as_it_is_left_there() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::WAITID]) {
        return;
    }
    let mut child = child("sh", &["-c", "exit 7"]);
    for _ in 0..2 {
        let mut info = blank();
        let op = waitid(&child, &raw mut info, libc::WEXITED | libc::WNOWAIT);
        assert_eq!(run(&mut ring, &op), Ok(()));
        // SAFETY: the kernel has filled the structure for an ended child.
        let (pid, status) = (unsafe { info.si_pid() }, info.si_code);
        assert_eq!((pid as u32, status), (child.id(), libc::CLD_EXITED));
    }
    assert_eq!(child.wait().unwrap().code(), Some(7));
    let gone = waitid(&child, ptr::null_mut(), libc::WEXITED);
    assert_eq!(run(&mut ring, &gone), Err(Errno(libc::ECHILD)));
}

#[test]
fn a_child_that_goes_on_is_waited_for_until_it_ends() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::WAITID]) {
        return;
    }
    let mut child = child("cat", &[]);
    let mut info = blank();
    push(&mut ring, &waitid(&child, &raw mut info, libc::WEXITED | libc::WNOWAIT), 1);
    assert_silence(&mut ring);
    drop(child.stdin.take());
    assert_eq!(results(&mut ring, 1), [(1, 0)]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wait_for_a_child_is_cancelled_and_the_child_stays() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::WAITID]) {
        return;
    }
    let mut child = child("cat", &[]);
    let mut info = blank();
    push(&mut ring, &waitid(&child, &raw mut info, libc::WEXITED), 1);
    push(&mut ring, &Cancel { user_data: 1, flags: CancelFlags::EMPTY }, 2);
    let ended = sorted(&mut ring, 2);
    assert_eq!(ended[0], (1, CANCELED));
    assert!([0, 1].contains(&ended[1].1), "{ended:?}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wait_for_nothing_in_particular_is_refused() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::WAITID]) {
        return;
    }
    let mut child = child("true", &[]);
    let op = waitid(&child, ptr::null_mut(), 0);
    push(&mut ring, &op, 1);
    let cqe = next(&mut ring);
    assert_eq!(decode::<Waitid>(&cqe), Err(Errno(libc::EINVAL)));
    assert!(child.wait().unwrap().success());
}
