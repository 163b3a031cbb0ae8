//! When a file is asked for its cached bytes, and when no more.

use annulus_ring::AnyKernel;

use super::*;

#[test]
fn each_read_that_would_have_waited_doubles_the_pause_up_to_a_bound() {
    let mut kernel = AnyKernel::default();
    let mut luck = Luck::GOOD;
    let mut expected = 1;
    for _ in 0..10 {
        assert!(luck.is_with(&mut kernel, -1));
        luck.note(Errno(libc::EAGAIN));
        for _ in 0..expected {
            assert!(!luck.is_with(&mut kernel, -1));
        }
        expected = (2 * expected).min(PAUSE_MAX.into());
    }
}

#[test]
fn files_past_the_page_cache_and_files_without_such_reads_are_not_asked_again() {
    let mut kernel = AnyKernel::default();
    let mut luck = Luck::Unknown;
    assert!(!luck.is_with(&mut kernel, -1), "no descriptor, no flags");
    assert_eq!(luck, Luck::Never);
    let mut luck = Luck::GOOD;
    luck.note(Errno(libc::EIO));
    assert!(luck.is_with(&mut kernel, -1), "an error of the device says nothing of the file");
    luck.note(Errno(libc::EOPNOTSUPP));
    assert!(!luck.is_with(&mut kernel, -1));
    luck.note(Errno(libc::EAGAIN));
    assert_eq!(luck, Luck::Never);
}
