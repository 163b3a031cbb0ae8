//! What memory is accepted, and where things go in it.

use super::*;

fn params(flags: SetupFlags) -> Params {
    Params { cq_entries: 64, flags: flags | SetupFlags::CQSIZE, ..Params::default() }
}

#[test]
fn memory_that_does_not_start_at_a_page_is_refused_by_name() {
    let pages = Pages::anonymous(8192).unwrap();
    // SAFETY: 64 is within the mapping.
    let inside = unsafe { pages.start.add(64) };
    // SAFETY: nothing is made of it.
    let refusal = unsafe { Pages::from_raw(inside, 4096, Arc::new(())) }.unwrap_err();
    let address = inside.addr().get();
    assert_eq!(refusal, PagesError::Misaligned { address, page_bytes: page_bytes() });
    assert!(refusal.to_string().contains(&format!("{address:#x}")), "{refusal}");
    assert_eq!(io::Error::from(refusal).kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn memory_that_is_a_byte_too_small_is_refused_before_the_kernel_hears_of_it() {
    let mut asked = params(SetupFlags::EMPTY);
    let needed_bytes = Pages::needed_bytes(16, &asked);
    let mut pages = Pages::anonymous(needed_bytes).unwrap();
    pages.bytes = needed_bytes - 1;
    let refusal = pages.place(16, &mut asked).unwrap_err();
    assert_eq!(refusal, PagesError::TooSmall { given_bytes: needed_bytes - 1, needed_bytes });
    assert_eq!(asked.cq_off.user_addr, 0);
    pages.bytes = needed_bytes;
    assert_eq!(pages.place(16, &mut asked), Ok(()));
}

#[test]
fn both_parts_start_at_a_page_and_do_not_overlap() {
    let pages = Pages::anonymous(1 << 20).unwrap();
    for flags in [SetupFlags::EMPTY, SetupFlags::SQE128 | SetupFlags::CQE32] {
        let mut asked = params(flags);
        pages.place(256, &mut asked).unwrap();
        let (rings, sqes) = (asked.cq_off.user_addr as usize, asked.sq_off.user_addr as usize);
        assert_eq!((rings % page_bytes(), sqes % page_bytes()), (0, 0));
        assert!(sqes - rings >= 64 * 16 + 256 * 4, "{flags:?}");
    }
}

#[test]
fn larger_entries_need_more_memory_and_an_index_array_does() {
    let plain = Pages::needed_bytes(1024, &params(SetupFlags::EMPTY));
    let entries = Pages::needed_bytes(1024, &params(SetupFlags::SQE128));
    assert_eq!(entries - plain, 1024 * 64);
    let no_array = Pages::needed_bytes(1024, &params(SetupFlags::NO_SQARRAY));
    assert_eq!(plain - no_array, 4096);
    let twice = Params { flags: SetupFlags::EMPTY, ..Params::default() };
    let asked = Params { cq_entries: 2048, flags: SetupFlags::CQSIZE, ..Params::default() };
    assert_eq!(Pages::needed_bytes(1000, &twice), Pages::needed_bytes(1024, &asked));
}
