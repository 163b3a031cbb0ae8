//! Futexes and children. Mirrors futex and waitid of liburing.

use std::{
    mem,
    process::{Command, Stdio},
    sync::atomic::AtomicU32,
};

use annulus_ring::{
    abi::{Errno, Opcode},
    op::{FutexWait, FutexWaitv, FutexWake, Waitid},
};

use super::{decode, next_two, push, ring, run, supported};

/// `FUTEX2_SIZE_U32 | FUTEX2_PRIVATE`.
const PRIVATE_U32: u32 = 2 | 128;
const ALL: u64 = u32::MAX as u64;

#[test]
fn a_futex_wakes_a_request_that_waits_on_it() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::FUTEX_WAIT, Opcode::FUTEX_WAKE]) {
        return;
    }
    let futex = AtomicU32::new(5);
    let wait = FutexWait { futex: futex.as_ptr(), value: 5, mask: ALL, flags: PRIVATE_U32 };
    push(&mut ring, &wait, 1);
    assert_eq!(ring.cq_ready(), 0);
    let wake = FutexWake { futex: futex.as_ptr(), count: 3, mask: ALL, flags: PRIVATE_U32 };
    push(&mut ring, &wake, 2);
    let [woken, waker] = next_two(&mut ring);
    assert_eq!(decode::<FutexWait>(&woken), Ok(()));
    assert_eq!(decode::<FutexWake>(&waker), Ok(1));
    let stale = FutexWait { value: 6, ..wait };
    assert_eq!(run(&mut ring, &stale), Err(Errno(libc::EAGAIN)));
}

/// `struct futex_waitv`.
#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

#[test]
fn a_wait_on_several_futexes_says_which_was_woken() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::FUTEX_WAITV, Opcode::FUTEX_WAKE]) {
        return;
    }
    let futexes = [const { AtomicU32::new(0) }; 3];
    let waiters = futexes.each_ref().map(|futex| Waiter {
        value: 0,
        address: futex.as_ptr().expose_provenance() as u64,
        flags: PRIVATE_U32,
        reserved: 0,
    });
    let wait = FutexWaitv { waiters: waiters.as_ptr().cast(), count: 3 };
    push(&mut ring, &wait, 1);
    let wake = FutexWake { futex: futexes[2].as_ptr(), count: 1, mask: ALL, flags: PRIVATE_U32 };
    push(&mut ring, &wake, 2);
    let [woken, waker] = next_two(&mut ring);
    assert_eq!(decode::<FutexWaitv>(&woken), Ok(2));
    assert_eq!(decode::<FutexWake>(&waker), Ok(1));
}

#[test]
fn a_child_is_waited_for() {
    let mut ring = ring();
    if !supported(&ring, &[Opcode::WAITID]) {
        return;
    }
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    // SAFETY: integers, for which zero is a value.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    let wait = Waitid {
        id_type: libc::P_PID,
        id: child.id(),
        info: &mut info,
        options: libc::WEXITED | libc::WNOWAIT,
    };
    push(&mut ring, &wait, 1);
    assert_eq!(ring.cq_ready(), 0);
    drop(child.stdin.take());
    assert_eq!(decode::<Waitid>(&super::next(&mut ring)), Ok(()));
    assert_eq!(info.si_code, libc::CLD_EXITED);
    // SAFETY: the kernel filled in the state of a child.
    assert_eq!(unsafe { info.si_pid() }, child.id() as i32);
    assert!(child.wait().unwrap().success());
    assert_eq!(run(&mut ring, &wait), Err(Errno(libc::ECHILD)));
}
