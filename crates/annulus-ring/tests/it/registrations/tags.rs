//! Tags: a completion when a resource is no longer used. Mirrors rsrc_tags of liburing.

use std::{fs::File, io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    Ring, SAME_SLOT, Target,
    abi::{Cqe, CqeFlags, Features},
    op::{Nop, Read, ReadFixed},
};

use super::{NOTHING, errno, iovecs, settled};
use crate::{
    ops::{decode, next, next_two, pipe, push, ring, run},
    support::skip,
};

/// A ring whose kernel lets each resource go by itself (before about 6.14 only after every older
/// request), or none, said aloud.
fn tagging() -> Option<Ring> {
    let ring = ring();
    if !ring.capabilities().has(Features::RSRC_TAGS | Features::RW_ATTR) {
        skip("this kernel posts tags late or never");
        return None;
    }
    Some(ring)
}

fn tag(user_data: u64) -> Cqe {
    Cqe { user_data, res: 0, flags: CqeFlags::EMPTY }
}

#[test]
fn a_replaced_file_posts_its_tag() {
    let Some(mut ring) = tagging() else { return };
    let null = File::open("/dev/null").unwrap();
    let fd = null.as_raw_fd();
    ring.register_files(&[fd, fd], &[11, 12]).unwrap();
    assert_eq!(settled(&mut ring), 0);
    assert_eq!(ring.update_files_tagged(1, &[fd], &[13]), Ok(1));
    assert_eq!(next(&mut ring), tag(12));
    assert_eq!(ring.update_files(1, &[-1]), Ok(1));
    assert_eq!(next(&mut ring), tag(13));
    assert_eq!(settled(&mut ring), 0, "the other file is still there");
}

#[test]
fn a_slot_that_is_left_as_it_is_posts_nothing() {
    let Some(mut ring) = tagging() else { return };
    let null = File::open("/dev/null").unwrap();
    ring.register_files(&[null.as_raw_fd()], &[5]).unwrap();
    assert_eq!(ring.update_files_tagged(0, &[SAME_SLOT], &[0]), Ok(1));
    assert_eq!(settled(&mut ring), 0);
    ring.unregister_files().unwrap();
    assert_eq!(next(&mut ring), tag(5));
}

#[test]
fn a_resource_without_a_tag_posts_nothing() {
    let Some(mut ring) = tagging() else { return };
    let null = File::open("/dev/null").unwrap();
    ring.register_files(&[null.as_raw_fd(); 2], &[0, 9]).unwrap();
    assert_eq!(ring.update_files(0, &[-1, -1]), Ok(2));
    assert_eq!(next(&mut ring), tag(9));
    assert_eq!(settled(&mut ring), 0);
}

#[test]
fn the_end_of_the_table_posts_every_tag() {
    let Some(mut ring) = tagging() else { return };
    let null = File::open("/dev/null").unwrap();
    ring.register_files(&[null.as_raw_fd(); 2], &[21, 22]).unwrap();
    ring.unregister_files().unwrap();
    assert_eq!(next_two(&mut ring), [tag(21), tag(22)]);
}

#[test]
fn the_tag_of_a_file_waits_for_its_last_request() {
    let Some(mut ring) = tagging() else { return };
    let (reader, mut writer) = pipe();
    ring.register_files(&[reader.as_raw_fd()], &[31]).unwrap();
    let mut bytes = [0; 8];
    let addr = bytes.as_mut_ptr();
    let read = Read { target: Target::Fixed(0), addr, len: 8, offset: u64::MAX };
    push(&mut ring, &read, 1);
    assert_eq!(ring.update_files(0, &[-1]), Ok(1));
    assert_eq!(run(&mut ring, &Nop), Ok(()), "nothing came before it");
    writer.write_all(b"done").unwrap();
    let [done, last] = next_two(&mut ring);
    assert_eq!((done.user_data, decode::<Read>(&done)), (1, Ok(4)));
    assert_eq!(last, tag(31));
}

#[test]
fn the_tag_of_a_buffer_waits_for_its_last_request() {
    let Some(mut ring) = tagging() else { return };
    let (reader, mut writer) = pipe();
    let mut memory = vec![0; 4096];
    let addr = memory.as_mut_ptr();
    ring.register_buffers(&iovecs([&mut memory]), &[41]).unwrap();
    let target = Target::Fd(reader.as_raw_fd());
    let read = ReadFixed { target, buf_index: 0, addr, len: 64, offset: u64::MAX };
    push(&mut ring, &read, 1);
    assert_eq!(ring.update_buffers(0, &[NOTHING], &[]), Ok(1));
    assert_eq!(run(&mut ring, &Nop), Ok(()), "nothing came before it");
    writer.write_all(b"done").unwrap();
    let [done, last] = next_two(&mut ring);
    assert_eq!((done.user_data, decode::<ReadFixed>(&done)), (1, Ok(4)));
    assert_eq!(last, tag(41));
    assert_eq!(&memory[..4], b"done");
}

#[test]
fn a_replaced_buffer_posts_its_tag_and_its_successor_has_its_own() {
    let Some(mut ring) = tagging() else { return };
    let (mut first, mut second) = (vec![0; 4096], vec![0; 4096]);
    ring.register_buffers(&iovecs([&mut first]), &[51]).unwrap();
    assert_eq!(ring.update_buffers(0, &iovecs([&mut second]), &[52]), Ok(1));
    assert_eq!(next(&mut ring), tag(51));
    ring.unregister_buffers().unwrap();
    assert_eq!(next(&mut ring), tag(52));
}

#[test]
fn an_empty_slot_can_have_no_tag() {
    let Some(mut ring) = tagging() else { return };
    ring.register_files_sparse(1).unwrap();
    assert_eq!(errno(ring.update_files_tagged(0, &[-1], &[7])), libc::EINVAL);
    ring.register_buffers_sparse(1).unwrap();
    assert_eq!(errno(ring.update_buffers(0, &[NOTHING], &[7])), libc::EINVAL);
    assert_eq!(settled(&mut ring), 0);
}

#[test]
fn a_table_that_was_refused_posts_no_tags() {
    let Some(mut ring) = tagging() else { return };
    let null = File::open("/dev/null").unwrap();
    let refused = ring.register_files(&[null.as_raw_fd(), i32::MAX], &[61, 62]);
    assert_eq!(errno(refused), libc::EBADF);
    assert_eq!(settled(&mut ring), 0, "who never had a tag does not lose it");
}
