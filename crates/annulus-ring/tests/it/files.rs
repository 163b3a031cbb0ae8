//! The fixed-file table. Mirrors file-register of liburing.

use std::{io::Write, os::fd::AsRawFd};

use annulus_ring::{
    EMPTY_SLOT, Ring, SAME_SLOT,
    abi::{Errno, RegisterOp, SqeFlags},
};

use crate::support::{Script, Scripted, complete, pair, read};

fn read_slot(ring: &mut Ring, slot: i32) -> Result<u8, Errno> {
    let mut byte = [0];
    let mut sqe = read(slot, &mut byte);
    sqe.flags = SqeFlags::FIXED_FILE;
    Errno::from_result(complete(ring, &sqe).res).map(|_| byte[0])
}

#[test]
fn a_slot_holds_its_file_until_it_is_emptied() {
    let mut ring = Ring::new(8).unwrap();
    let (reader, mut writer) = pair();
    ring.register_files_sparse(4).unwrap();
    assert_eq!(read_slot(&mut ring, 2), Err(Errno(libc::EBADF)));
    assert_eq!(ring.update_files(2, &[reader.as_raw_fd()]), Ok(1));
    drop(reader);
    writer.write_all(b"ab").unwrap();
    assert_eq!(read_slot(&mut ring, 2), Ok(b'a'));
    assert_eq!(ring.update_files(1, &[EMPTY_SLOT, SAME_SLOT]), Ok(2));
    assert_eq!(read_slot(&mut ring, 2), Ok(b'b'));
    assert_eq!(ring.update_files(2, &[EMPTY_SLOT]), Ok(1));
    assert_eq!(read_slot(&mut ring, 2), Err(Errno(libc::EBADF)));
    assert!(writer.write_all(b"c").is_err(), "nobody holds the other end");
}

#[test]
fn misuse_of_the_table_is_an_error() {
    let mut ring = Ring::new(8).unwrap();
    assert_eq!(ring.unregister_files(), Err(Errno(libc::ENXIO)));
    assert_eq!(ring.update_files(0, &[0]), Err(Errno(libc::ENXIO)));
    ring.register_files_sparse(2).unwrap();
    assert_eq!(ring.register_files_sparse(2), Err(Errno(libc::EBUSY)));
    assert_eq!(ring.update_files(2, &[0]), Err(Errno(libc::EINVAL)));
    assert_eq!(ring.update_files(0, &[i32::MAX]), Err(Errno(libc::EBADF)));
    assert_eq!(ring.unregister_files(), Ok(()));
    assert_eq!(ring.unregister_files(), Err(Errno(libc::ENXIO)));
}

#[test]
fn a_kernel_without_sparse_tables_gets_an_array() {
    let script = Script {
        refuse_register: Some((RegisterOp::FILES2, Errno(libc::EINVAL))),
        ..Script::default()
    };
    let (kernel, _script) = Scripted::boxed(script);
    let mut ring = Ring::builder().kernel(kernel).build().unwrap();
    ring.register_files_sparse(3).unwrap();
    let (reader, mut writer) = pair();
    assert_eq!(ring.update_files(2, &[reader.as_raw_fd()]), Ok(1));
    writer.write_all(b"x").unwrap();
    assert_eq!(read_slot(&mut ring, 2), Ok(b'x'));
}
