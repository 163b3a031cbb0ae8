//! Descriptions of waits, without a kernel.

use super::*;

#[test]
fn a_description_holds_what_it_was_told() {
    let wait = Wait::for_completions(3)
        .within(Duration::from_millis(2))
        .batch(Duration::from_nanos(1_500));
    assert_eq!((wait.want, wait.limit, wait.min_wait_us), (3, Limit::For(2_000_000), 2));
    assert_eq!(wait.until_ns(9).limit, Limit::Until(9), "the later limit counts");
    assert_eq!(Wait::default(), Wait::for_completions(0));
}

#[test]
fn times_that_are_too_long_are_the_longest_there_is() {
    let wait = Wait::for_completions(1).within(Duration::MAX).batch(Duration::MAX);
    assert_eq!((wait.limit, wait.min_wait_us), (Limit::For(i64::MAX as u64), u32::MAX));
}

#[test]
fn a_set_of_signals_becomes_the_word_that_the_kernel_reads() {
    let mut set = core::mem::MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: room for one set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: a set that was just emptied.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR1) };
    // SAFETY: initialised above.
    let set = unsafe { set.assume_init() };
    let wait = Wait::for_completions(1).blocking(&set);
    assert_eq!(wait.mask, Some(1 << (libc::SIGUSR1 - 1)));
}

#[test]
fn what_is_lacking_is_named_with_the_kernel_that_has_it() {
    let error = WaitError::Lacking { what: "a minimum time", since: (6, 12) };
    assert_eq!(error.to_string(), "this ring cannot wait with a minimum time (needs Linux 6.12)");
    assert_eq!(error.errno(), Errno(libc::EOPNOTSUPP));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    let error = WaitError::from(Errno(libc::EINTR));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Interrupted);
}
