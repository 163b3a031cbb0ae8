//! Every implementation keeps the contract, and errors give buffers back.

use std::borrow::Cow;
use std::io::{Error, ErrorKind};
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use super::*;

/// Moves a value to the heap and back, so that its own address changes twice.
fn moved<T>(value: T) -> T {
    let boxed = Box::new(Some(value));
    boxed.expect("it was just put there")
}

/// What the contract of [`IoBuf`] says about any value.
fn check_readable<B: IoBuf>(buf: B, contents: &[u8]) -> B {
    let (address, len) = (buf.bytes_ptr(), buf.bytes_len());
    assert!(!address.is_null());
    assert_eq!(len, contents.len());
    let buf = moved(buf);
    assert_eq!(buf.bytes_ptr(), address, "the bytes moved with the value");
    assert_eq!(buf.bytes_len(), len);
    assert_eq!(buf.as_init(), contents);
    assert_eq!(send_len(&buf) as usize, len);
    buf
}

/// What a read does: fills the whole capacity with a pattern, then says that `n` bytes were read.
fn fill<B: IoBufMut>(buf: &mut B, n: usize) {
    let capacity = buf.bytes_capacity();
    assert!(n <= capacity);
    let start = buf.bytes_mut_ptr();
    for i in 0..capacity {
        // SAFETY: within the capacity.
        let byte = unsafe { start.add(i) };
        // SAFETY: writable by the contract of `IoBufMut`.
        unsafe { byte.write(pattern(i)) };
    }
    // SAFETY: all of the capacity is initialised now.
    unsafe { buf.set_bytes_len(n) };
}

fn pattern(i: usize) -> u8 {
    i as u8 ^ 0x5a
}

/// What the contract of [`IoBufMut`] says about any value, up to its length after a read.
fn check_writable<B: IoBufMut>(mut buf: B) -> B {
    let (address, capacity) = (buf.bytes_mut_ptr(), buf.bytes_capacity());
    assert_eq!(address.cast_const(), buf.bytes_ptr());
    assert!(buf.bytes_len() <= capacity);
    let mut buf = moved(buf);
    assert_eq!(buf.bytes_mut_ptr(), address, "the bytes moved with the value");
    assert_eq!(buf.bytes_capacity(), capacity);
    fill(&mut buf, 3);
    let mut buf = moved(buf);
    assert_eq!(buf.bytes_mut_ptr(), address, "a read moved the bytes");
    assert_eq!(buf.bytes_capacity(), capacity, "a read changed the capacity");
    assert_eq!(receive_len(&buf).unwrap() as usize, capacity);
    for (i, &byte) in buf.as_init().iter().enumerate() {
        assert_eq!(byte, pattern(i));
    }
    buf
}

#[test]
fn readable_buffers_show_their_bytes_at_a_stable_address() {
    let bytes = b"annulus".as_slice();
    check_readable(bytes.to_vec(), bytes);
    check_readable(Box::<[u8]>::from(bytes), bytes);
    check_readable(Box::new(*b"annulus"), bytes);
    check_readable(Rc::<[u8]>::from(bytes), bytes);
    check_readable(Arc::<[u8]>::from(bytes), bytes);
    check_readable(Rc::new(bytes.to_vec()), bytes);
    check_readable(Arc::new(bytes.to_vec()), bytes);
    check_readable(bytes, bytes);
    check_readable(Box::leak(Box::<[u8]>::from(bytes)), bytes);
    check_readable(Cow::Borrowed(bytes), bytes);
    check_readable(Cow::<'static, [u8]>::Owned(bytes.to_vec()), bytes);
    check_readable(String::from("annulus"), bytes);
    check_readable(Box::<str>::from("annulus"), bytes);
    check_readable(Rc::<str>::from("annulus"), bytes);
    check_readable(Arc::<str>::from("annulus"), bytes);
    check_readable("annulus", bytes);
    check_readable(Cow::Borrowed("annulus"), bytes);
    check_readable(Cow::<'static, str>::Owned("annulus".to_owned()), bytes);
}

#[test]
fn empty_buffers_are_readable_and_have_nothing_to_send() {
    check_readable(Vec::new(), b"");
    check_readable(Box::<[u8]>::default(), b"");
    check_readable(Box::new([0_u8; 0]), b"");
    check_readable(String::new(), b"");
    check_readable("", b"");
    check_readable(Rc::<[u8]>::default(), b"");
}

#[test]
fn a_vec_offers_its_capacity_and_takes_the_length_of_the_read() {
    let buf = check_writable(Vec::with_capacity(16));
    assert_eq!(buf.len(), 3);
    assert!(buf.capacity() >= 16);
    // A buffer that is used again does not keep the tail of the previous contents.
    let buf = check_writable(vec![0xff; 100]);
    assert_eq!(buf, [pattern(0), pattern(1), pattern(2)]);
}

#[test]
fn buffers_of_fixed_length_keep_it() {
    assert_eq!(check_writable(vec![0; 5].into_boxed_slice()).len(), 5);
    assert_eq!(check_writable(Box::new([0; 6])).len(), 6);
    let leaked: &'static mut [u8] = Box::leak(vec![0; 7].into_boxed_slice());
    assert_eq!(check_writable(leaked).len(), 7);
}

#[test]
fn uninitialised_memory_can_be_filled_but_shows_nothing() {
    let buf = check_writable(Box::<[u8]>::new_uninit_slice(9));
    assert_eq!(buf.bytes_len(), 0);
    assert_eq!(buf.len(), 9);
    // SAFETY: `check_writable` has filled the whole capacity.
    let buf: Box<[u8]> = unsafe { buf.assume_init() };
    assert_eq!(buf[8], pattern(8));
}

#[test]
fn a_slice_of_uninitialised_memory_shows_what_was_read() {
    let mut slice = Box::<[u8]>::new_uninit_slice(9).slice_mut(..4);
    fill(&mut slice, 2);
    assert_eq!(*slice, [pattern(0), pattern(1)]);
    slice.advance(2);
    fill(&mut slice, 2);
    assert_eq!(*slice, [pattern(0), pattern(1)]);
    slice.advance(2);
    assert_eq!((slice.begin(), slice.end(), slice.bytes_capacity()), (4, 4, 0));
    let whole: Box<[MaybeUninit<u8>]> = slice.into_inner();
    assert_eq!(whole.len(), 9);
}

#[cfg(feature = "bytes")]
#[test]
fn the_types_of_bytes_are_buffers() {
    use ::bytes::{Bytes, BytesMut};

    check_readable(Bytes::from_static(b"annulus"), b"annulus");
    check_readable(Bytes::from(b"annulus".to_vec()).split_off(3), b"ulus");
    check_readable(BytesMut::from(b"annulus".as_slice()), b"annulus");
    check_readable(Bytes::new(), b"");

    assert_eq!(check_writable(BytesMut::with_capacity(16)).len(), 3);
    assert_eq!(check_writable(BytesMut::from(b"annulus".as_slice())).len(), 3);
}

#[cfg(feature = "bytes")]
#[test]
fn a_part_of_a_bytes_mut_does_not_reach_into_its_neighbour() {
    use ::bytes::BytesMut;

    let mut left = BytesMut::from(b"leftright".as_slice());
    let right = left.split_off(4);
    assert_eq!(left.bytes_capacity(), 4);
    let left = check_writable(left);
    assert_eq!(left.len(), 3);
    assert_eq!(right, b"right".as_slice());
}

#[cfg(feature = "bytes")]
#[test]
fn asking_a_bytes_mut_for_its_address_keeps_its_contents() {
    let mut buf = ::bytes::BytesMut::from(b"annulus".as_slice());
    let address = buf.bytes_mut_ptr();
    assert_eq!(address.cast_const(), buf.as_ptr());
    assert_eq!(buf, b"annulus".as_slice());
}

#[test]
fn a_buffer_without_capacity_is_refused() {
    let error = receive_len(&Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("capacity"), "{error}");
    assert_eq!(receive_len(&vec![1].slice(1..)).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn lengths_of_one_transfer_are_cut_to_what_the_kernel_transfers() {
    assert_eq!(clamp_transfer(0), 0);
    assert_eq!(clamp_transfer(4096), 4096);
    assert_eq!(clamp_transfer(TRANSFER_BYTES_MAX), 0x7fff_f000);
    assert_eq!(clamp_transfer(TRANSFER_BYTES_MAX + 1), 0x7fff_f000);
    assert_eq!(clamp_transfer(usize::MAX), 0x7fff_f000);
}

#[test]
fn an_error_gives_its_buffer_back() {
    let failed = BufError::new(ErrorKind::BrokenPipe.into(), vec![1, 2]);
    assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
    assert_eq!(failed.error().kind(), ErrorKind::BrokenPipe);
    assert_eq!(failed.buf(), Some(&vec![1, 2]));
    let (error, buf) = failed.map_buf(|buf| buf.len()).into_parts();
    assert_eq!((error.kind(), buf), (ErrorKind::BrokenPipe, Some(2)));

    let failed = BufError::<Vec<u8>>::without_buf(ErrorKind::BrokenPipe.into());
    assert_eq!(failed.buf(), None);
    assert_eq!(failed.into_buf(), None);
}

#[test]
fn an_error_becomes_that_of_io_with_its_number() {
    fn fails() -> io::Result<()> {
        Err(BufError::new(Error::from_raw_os_error(libc::ECONNRESET), [0_u8; 4]))?;
        Ok(())
    }
    assert_eq!(fails().unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
}

#[test]
fn an_error_prints_its_cause_and_not_its_buffer() {
    /// Not `Debug`, and nothing that should be in a log.
    struct Secret;

    let failed = BufError::new(Error::other("the cause"), Secret);
    assert_eq!(failed.to_string(), "the cause");
    let text = format!("{failed:?}");
    assert!(text.contains("the cause") && text.contains("buf: returned"), "{text}");
    let boxed: Box<dyn std::error::Error> = failed.into();
    assert_eq!(boxed.to_string(), "the cause");
    let failed = BufError::<Secret>::without_buf(Error::other("the cause"));
    assert!(format!("{failed:?}").contains("buf: not returned"));
}

#[test]
fn an_error_is_no_larger_than_its_parts() {
    assert_eq!(size_of::<BufError<Vec<u8>>>(), size_of::<(Vec<u8>, Error)>());
    assert_eq!(size_of::<BufError<Box<[u8]>>>(), size_of::<(Box<[u8]>, Error)>());
}

#[test]
fn slices_and_errors_are_send_and_sync_if_the_buffer_is() {
    const fn send_and_sync<T: Send + Sync>() {}
    const {
        send_and_sync::<Slice<Vec<u8>>>();
        send_and_sync::<Slice<Arc<[u8]>>>();
        send_and_sync::<BufError<Vec<u8>>>();
        send_and_sync::<BufResult<usize, Box<[u8]>>>();
    }
}
