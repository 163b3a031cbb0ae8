//! Tests of the Date header.

use super::*;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn the_date_follows_the_time() {
    let clock = Clock::new();
    assert_eq!(&clock.date(at(784_111_777)), b"Sun, 06 Nov 1994 08:49:37 GMT");
    let within = at(784_111_777) + Duration::from_millis(999);
    assert_eq!(&clock.date(within), b"Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(&clock.date(at(784_111_778)), b"Sun, 06 Nov 1994 08:49:38 GMT");
    assert_eq!(&clock.date(at(0)), b"Thu, 01 Jan 1970 00:00:00 GMT");
}

#[test]
fn times_that_http_cannot_write_become_the_nearest_that_it_can() {
    assert_eq!(&format(UNIX_EPOCH - Duration::from_secs(1)), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(&format(at(253_402_300_799)), b"Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(&format(at(253_402_300_800)), b"Fri, 31 Dec 9999 23:59:59 GMT");
}
