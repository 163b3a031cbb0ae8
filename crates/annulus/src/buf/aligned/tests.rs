//! Where it lies, what is in it, and what is refused.

use super::*;

#[test]
fn it_lies_at_a_multiple_of_its_alignment_and_is_zero() {
    for align in [1, 512, 4096, 1 << 20] {
        let mut buf = AlignedBuf::new(6000, align).unwrap();
        assert_eq!(buf.as_ptr().align_offset(align), 0);
        assert_eq!((buf.align(), buf.len()), (align, 6000));
        assert!(buf.iter().all(|&byte| byte == 0));
        buf[5999] = 7;
        let moved = Box::new(buf);
        assert_eq!((moved.bytes_ptr(), moved.bytes_len()), (moved.as_ptr(), 6000));
        assert_eq!(moved.as_init()[5999], 7);
    }
}

#[test]
fn its_length_stays_whatever_was_read() {
    let mut buf = AlignedBuf::new(16, 16).unwrap();
    assert_eq!(buf.bytes_mut_ptr().cast_const(), buf.bytes_ptr());
    // SAFETY: all 16 bytes are initialised.
    unsafe { buf.set_bytes_len(3) };
    assert_eq!((buf.bytes_len(), buf.bytes_capacity()), (16, 16));
    let part = buf.slice_mut(4..8);
    assert_eq!((part.bytes_capacity(), part.into_inner().len()), (4, 16));
}

#[test]
fn what_cannot_be_is_refused() {
    for (bytes, align) in [(0, 512), (512, 0), (512, 3), (usize::MAX, 4096)] {
        let error = AlignedBuf::new(bytes, align).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{bytes} {align}");
    }
}

#[test]
fn it_says_its_size_and_not_its_bytes() {
    let text = format!("{:?}", AlignedBuf::new(4096, 512).unwrap());
    assert_eq!(text, "AlignedBuf { bytes: 4096, align: 512 }");
}
