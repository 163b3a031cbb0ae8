//! Where headers lie.

use super::*;

#[test]
fn places_are_dense_from_page_to_page() {
    assert_eq!(place(0), (0, 0, 256));
    assert_eq!(place(255), (0, 255, 256));
    assert_eq!(place(256), (1, 0, 512));
    assert_eq!(place(767), (1, 511, 512));
    assert_eq!(place(768), (2, 0, 1024));
    let (page, offset, len) = place(INDEX_LIMIT - 1);
    assert!(page < PAGES && offset < len);
}

#[test]
fn a_header_is_found_only_in_a_page_that_was_grown_and_stays_where_it_is() {
    static PAGES: Pages = Pages::new();
    assert!(PAGES.find(1000).is_none());
    let header: *const Header = PAGES.grow(1000);
    assert!(ptr::eq(header, PAGES.find(1000).expect("grown")));
    assert!(ptr::eq(header, PAGES.grow(1000)));
    assert!(PAGES.find(0).is_none());
    assert!(PAGES.find(768).is_some());
}

#[test]
fn a_retired_header_has_a_new_name_until_there_is_none_left() {
    static PAGES: Pages = Pages::new();
    // SAFETY: no other thread knows these pages.
    let own = unsafe { Own::new(PAGES.grow(5)) };
    own.set_index(5);
    let old = own.id(3);
    own.retire();
    assert_ne!(own.id(3), old);
    assert_eq!(own.id(3).index(), 5);
    own.remote().set_generation(GENERATION_MASK - 1);
    assert!(!own.is_spent());
    own.retire();
    assert!(own.is_spent());
}
