//! Errors keep their number on every way out.

use crate::Errno;

#[test]
fn results_split_into_value_and_error() {
    assert_eq!(Errno::from_result(3), Ok(3));
    assert_eq!(Errno::from_result(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}

#[test]
fn the_lowest_result_does_not_overflow() {
    assert_eq!(Errno::from_result(i32::MIN), Err(Errno(i32::MIN)));
}

#[test]
fn an_io_error_carries_the_number_and_the_kind() {
    let error = std::io::Error::from(Errno(libc::ENOENT));
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn display_is_the_system_text_and_debug_the_number() {
    let shown = Errno(libc::EINVAL).to_string();
    assert!(shown.contains("Invalid argument"), "{shown}");
    assert_eq!(format!("{:?}", Errno(libc::EINVAL)), "Errno(22)");
}
