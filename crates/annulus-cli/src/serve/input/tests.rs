//! Tests of the input of a connection.

use std::rc::Rc;

use proptest::prelude::*;

use super::*;

/// A lease that is counted, so that a test sees it come back.
struct Lease(Vec<u8>, #[expect(dead_code, reason = "counted")] Rc<()>);

impl Deref for Lease {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[test]
fn what_fits_one_lease_is_not_copied() {
    let count = Rc::new(());
    let mut input = Input::new();
    input.feed(Lease(b"abcdef".to_vec(), count.clone()));
    let leased = input.bytes().as_ptr();
    input.consume(2);
    assert_eq!(input.bytes(), b"cdef");
    assert_eq!(input.bytes().as_ptr(), leased.wrapping_add(2));
    assert_eq!(Rc::strong_count(&count), 2);
}

#[test]
fn a_lease_goes_back_when_it_is_used_up_carried_over_or_parked() {
    let count = Rc::new(());
    let lease = |text: &str| Lease(text.as_bytes().to_vec(), count.clone());
    let mut input = Input::new();
    input.feed(lease("ab"));
    input.consume(2);
    assert_eq!(Rc::strong_count(&count), 1, "used up");
    input.feed(lease("ab"));
    input.feed(lease("cd"));
    assert_eq!(Rc::strong_count(&count), 1, "carried over");
    assert_eq!(input.bytes(), b"abcd");
    input.consume(4);
    input.feed(lease("xyz"));
    input.consume(1);
    input.park();
    assert_eq!(Rc::strong_count(&count), 1, "parked");
    assert_eq!(input.bytes(), b"yz");
}

#[test]
fn line_ends_before_a_request_are_skipped() {
    let mut input = Input::new();
    input.feed(b"\r\n\n\r\r\nGET\r\n".to_vec());
    input.skip_line_ends();
    assert_eq!(input.bytes(), b"GET\r\n");
    input.skip_line_ends();
    assert_eq!(input.bytes(), b"GET\r\n");
}

#[test]
fn bytes_are_parsed_at_first_and_then_once_a_line() {
    let mut input = Input::new();
    assert!(!input.worth_parsing(8), "nothing there");
    input.feed(b"G".to_vec());
    assert!(input.worth_parsing(8), "the first bytes");
    input.feed(b"E".to_vec());
    assert!(!input.worth_parsing(8), "the same line");
    input.feed(b"T\r\n".to_vec());
    assert!(input.worth_parsing(8), "a line's end");
    assert!(!input.worth_parsing(8), "nothing new");
    input.consume(2);
    assert!(input.worth_parsing(8), "a new beginning");
    input.feed(b"abcdef".to_vec());
    assert!(input.worth_parsing(8), "the limit is reached");
}

proptest! {
    #[test]
    fn bytes_come_out_as_they_went_in(
        steps in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..9), 0usize..12, any::<bool>()), 0..20,
        ),
    ) {
        let mut input = Input::new();
        let mut model: Vec<u8> = Vec::new();
        for (bytes, used, park) in steps {
            model.extend_from_slice(&bytes);
            input.feed(bytes);
            prop_assert_eq!(input.bytes(), &model[..]);
            let used = used.min(model.len());
            model.drain(..used);
            input.consume(used);
            if park {
                input.park();
            }
            prop_assert_eq!(input.bytes(), &model[..]);
            prop_assert_eq!(input.is_empty(), model.is_empty());
        }
    }
}
