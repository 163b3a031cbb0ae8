//! The error of a join; the behaviour of handles is tested in `tests/it`.

use super::*;

#[test]
fn a_panic_shows_its_message_when_it_is_text() {
    let literal = JoinError::panicked(Box::new("boom"));
    assert_eq!(literal.to_string(), "the task panicked: boom");
    assert_eq!(format!("{literal:?}"), "Panic(\"boom\")");
    let formatted = JoinError::panicked(Box::new(String::from("bang")));
    assert_eq!(formatted.to_string(), "the task panicked: bang");
    assert_eq!(JoinError::panicked(Box::new(7)).to_string(), "the task panicked");
}

#[test]
fn an_error_is_either_a_panic_or_an_abort() {
    let panic = JoinError::panicked(Box::new(7));
    assert!(panic.is_panic() && !panic.is_aborted());
    assert_eq!(panic.into_panic().downcast_ref(), Some(&7));
    assert!(JoinError::Aborted.is_aborted() && !JoinError::Aborted.is_panic());
    assert_eq!(JoinError::Aborted.to_string(), "the task was aborted");
}
