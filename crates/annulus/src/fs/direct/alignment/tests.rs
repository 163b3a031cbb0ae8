//! What is aligned, what is not, and what is said of it.

use std::io::ErrorKind;

use super::{Alignment, AtomicWrites, MASK, Misaligned, Part, STATX_DIO_READ_ALIGN, Span};
use crate::core::path_op::blank_statx;

const ALIGNMENT: Alignment = Alignment { memory: 4, offset: 512, read_offset: 256, is_known: true };

#[test]
fn what_the_file_system_tells_is_taken_and_what_it_does_not_is_guessed() {
    let mut stat = blank_statx();
    let guessed = Alignment::of(&stat).unwrap();
    assert_eq!((guessed.memory, guessed.offset, guessed.is_known), (4096, 4096, false));
    stat.stx_mask = libc::STATX_DIOALIGN;
    let error = Alignment::of(&stat).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    (stat.stx_dio_mem_align, stat.stx_dio_offset_align) = (4, 512);
    let told = Alignment::of(&stat).unwrap();
    assert_eq!((told.read_offset, told.block_bytes(), told.is_known), (512, 512, true));
    stat.stx_mask = MASK;
    stat.stx_dio_read_offset_align = 256;
    assert_eq!(Alignment::of(&stat).unwrap(), ALIGNMENT);
    assert_eq!(MASK & STATX_DIO_READ_ALIGN, STATX_DIO_READ_ALIGN);
    assert_eq!(AtomicWrites::of(&stat), None, "the device writes nothing atomically");
}

#[test]
fn each_part_that_is_not_aligned_is_named_with_what_it_needs() {
    let good = Span { address: 0x1004, len: 1024, offset: 512 };
    assert!(ALIGNMENT.check(good, true).is_none());
    assert!(ALIGNMENT.check(Span { len: 256, offset: 256, ..good }, false).is_none());
    let cases = [
        (Span { address: 0x1002, ..good }, Part::Address, 4, "0x1002"),
        (Span { len: 1000, ..good }, Part::Length, 512, "1000 bytes"),
        (Span { offset: 256, ..good }, Part::Offset, 512, "offset 256"),
    ];
    for (span, part, required, said) in cases {
        let error = ALIGNMENT.check(span, true).expect("it is not aligned");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let odd = Misaligned::of(&error).expect("it says what");
        assert_eq!((odd.part(), odd.required()), (part, required));
        let text = error.to_string();
        assert!(text.contains(said) && text.contains(&format!("multiple of {required}")), "{text}");
    }
    let any = Span { address: 1, len: 3, offset: 5 };
    assert!(Alignment::NONE.check(any, true).is_none());
}

#[test]
fn an_atomic_write_is_a_power_of_two_within_the_limits_at_a_multiple_of_itself() {
    let limits = Some(AtomicWrites { bytes_min: 4096, bytes_max: 16384, segments_max: 1 });
    let span = |len, offset| Span { address: 0, len, offset };
    for (len, offset) in [(4096, 4096), (8192, 0), (16384, 32768)] {
        assert!(AtomicWrites::check(limits, span(len, offset)).is_none(), "{len} at {offset}");
    }
    for (len, offset) in [(2048, 0), (12288, 0), (32768, 0), (8192, 4096), (0, 0)] {
        let error = AtomicWrites::check(limits, span(len, offset)).expect("it does not fit");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("4096 to 16384"), "{error}");
    }
    let error = AtomicWrites::check(None, span(4096, 0)).expect("no device");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
