//! What is decided before the first connection.

use super::*;

#[test]
fn only_what_comes_back_is_starvation() {
    let is = |errno| is_starvation(&io::Error::from_raw_os_error(errno));
    assert!(is(libc::EMFILE) && is(libc::ENFILE) && is(libc::ENOBUFS));
    assert!(!is(libc::EBADF) && !is(libc::EINVAL));
}
