//! A child process has no part in its parent's ring.

use annulus_ring::{Ring, abi::BufRegFlags};

use crate::support::{exercise, next, nop, push};

/// Forks; the child runs `child` and exits with 0. Returns the child's status.
fn in_child(child: impl FnOnce()) -> i32 {
    // SAFETY: the child only drops values and exits.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        child();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: our own child, and a valid pointer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

#[test]
fn a_child_that_exits_leaves_the_parents_ring_intact() {
    let mut ring = Ring::new(8).unwrap();
    push(&mut ring, &nop(1)).unwrap();
    assert_eq!(in_child(|| {}), 0);
    assert_eq!(ring.submit_and_wait(1, None), Ok(1));
    assert_eq!(next(&mut ring).user_data, 1);
    exercise(&mut ring);
}

#[test]
fn a_child_that_drops_the_ring_leaves_the_parents_ring_intact() {
    let mut ring = Some(Ring::new(8).unwrap());
    // SAFETY: kept until it is unregistered.
    let group = unsafe { ring.as_mut().unwrap().register_buf_ring(8, 1, BufRegFlags::EMPTY) };
    let mut group = Some(group.unwrap());
    push(ring.as_mut().unwrap(), &nop(1)).unwrap();
    let status = in_child(|| {
        drop(ring.take());
        drop(group.take());
    });
    assert_eq!(status, 0);
    let mut ring = ring.unwrap();
    assert_eq!(ring.submit_and_wait(1, None), Ok(1));
    assert_eq!(next(&mut ring).user_data, 1);
    ring.unregister_buf_ring(group.unwrap()).unwrap();
    exercise(&mut ring);
}

#[test]
fn a_child_cannot_reach_the_queues() {
    let mut ring = Ring::new(8).unwrap();
    let status = in_child(|| push(&mut ring, &nop(9)).unwrap());
    assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
    assert_eq!(ring.sq_pending(), 0);
    exercise(&mut ring);
}
