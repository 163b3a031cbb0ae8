//! A handler that several threads put aside at once.

use super::*;

/// Whether this is the handler of a signal, as the system sees it.
fn is_ours(signal: i32) -> bool {
    // SAFETY: every field is an integer, a set of bits or a nullable address; zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only; the place is valid.
    assert_eq!(unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) }, 0);
    action.sa_sigaction == handler as extern "C" fn(_, _, _) as usize
}

#[test]
fn threads_that_put_the_handler_aside_at_once_do_not_lose_it() {
    // By default it is ignored, and nobody else in this crate's tests listens to it.
    let signal = libc::SIGWINCH;
    drop(listen(signal).expect("it can be handled"));
    assert!(is_ours(signal));
    let together = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                for _ in 0..10_000 {
                    end_by_default(signal);
                }
            });
        }
    });
    assert!(is_ours(signal), "it was lost");
    let before = count(signal);
    // SAFETY: no pointers; the handler counts.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
    assert!(count(signal) > before);
}
