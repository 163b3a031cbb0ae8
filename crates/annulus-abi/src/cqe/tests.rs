//! What a completion says of itself.

use crate::{Cqe, CqeFlags, Errno};

fn with(flags: CqeFlags) -> Cqe {
    Cqe { flags, ..Cqe::default() }
}

#[test]
fn a_buffer_id_is_there_only_if_the_flag_says_so() {
    assert_eq!(with(CqeFlags(0xabcd_0000)).buffer_id(), None);
    assert_eq!(with(CqeFlags(0xabcd_0001)).buffer_id(), Some(0xabcd));
    assert_eq!(with(CqeFlags::BUFFER).buffer_id(), Some(0));
}

#[test]
fn more_is_read_from_its_own_bit_alone() {
    assert!(with(CqeFlags::MORE).more());
    assert!(!with(CqeFlags(!CqeFlags::MORE.0)).more());
}

#[test]
fn results_split_at_zero() {
    let result = |res| Cqe { res, ..Cqe::default() }.result();
    assert_eq!(result(0), Ok(0));
    assert_eq!(result(i32::MAX), Ok(i32::MAX as u32));
    assert_eq!(result(-1), Err(Errno(1)));
}

#[test]
fn results_have_the_same_number_as_errors_of_the_standard_library() {
    let result = |res| Cqe { res, ..Cqe::default() }.io_result();
    assert_eq!(result(7).unwrap(), 7);
    assert_eq!(result(-libc::ECONNRESET).unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn a_wide_completion_takes_two_slots() {
    assert_eq!(with(CqeFlags::SKIP).slots(), 1);
    assert_eq!(with(CqeFlags::F_32).slots(), 2);
}
