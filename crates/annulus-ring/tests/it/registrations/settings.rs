//! Busy-polling, worker threads. Mirrors napi-test, iowq and iowq-aff of liburing; the clock is
//! with the waits.

use std::{fs::File, io::Write as _, os::fd::AsRawFd as _};

use annulus_ring::{
    BusyPoll, Kernel as _, Refusal, Ring, Target, Tracking,
    abi::{Napi, RegisterOp, SqeFlags},
    op::{Fsync, Read},
};

use super::{errno, granted};
use crate::ops::{decode, link, next, ring};

/// Registers busy-polling, or says that this kernel was built without it.
fn polling(ring: &mut Ring, how: BusyPoll) -> Option<BusyPoll> {
    match granted(ring.register_napi(how))? {
        Ok(former) => Some(former),
        Err(errno) => {
            assert_eq!(errno.0, libc::EINVAL);
            crate::support::skip("this kernel does not busy-poll");
            None
        }
    }
}

const HOW: BusyPoll = BusyPoll { timeout_us: 30, prefer: true, tracking: Tracking::Dynamic };

// IO_URING_NAPI_REGISTER_OP
#[test]
fn busy_polling_tells_the_settings_that_it_replaces() {
    let mut ring = ring();
    let Some(former) = polling(&mut ring, HOW) else { return };
    assert_eq!((former.timeout_us, former.prefer), (0, false));
    let other = BusyPoll { timeout_us: 50, prefer: false, tracking: Tracking::Dynamic };
    let former = ring.register_napi(other).unwrap();
    assert_eq!((former.timeout_us, former.prefer), (30, true));
    let former = ring.unregister_napi().unwrap();
    assert_eq!((former.timeout_us, former.prefer), (50, false));
    let former = ring.unregister_napi().unwrap();
    assert_eq!((former.timeout_us, former.prefer), (0, false));
}

// IO_URING_NAPI_TRACKING_STATIC
#[test]
fn cards_are_added_and_removed_one_by_one_where_that_was_chosen() {
    let mut ring = ring();
    let fixed = BusyPoll { tracking: Tracking::Static, ..HOW };
    if polling(&mut ring, fixed).is_none() {
        return;
    }
    // Ids of cards lie above those of CPUs; any such number is taken.
    ring.add_napi_id(100_000).unwrap();
    assert_eq!(errno(ring.add_napi_id(100_000)), libc::EEXIST);
    ring.add_napi_id(100_001).unwrap();
    ring.remove_napi_id(100_000).unwrap();
    assert_eq!(errno(ring.remove_napi_id(100_000)), libc::ENOENT);
    assert_eq!(errno(ring.add_napi_id(0)), libc::EINVAL, "the number of no card");
}

// IO_URING_NAPI_TRACKING_DYNAMIC
#[test]
fn cards_that_are_found_by_themselves_cannot_be_added() {
    let mut ring = ring();
    if polling(&mut ring, HOW).is_none() {
        return;
    }
    assert_eq!(errno(ring.add_napi_id(100_000)), libc::EINVAL);
    assert_eq!(errno(ring.remove_napi_id(100_000)), libc::EINVAL);
}

// IO_URING_NAPI_TRACKING_INACTIVE
#[test]
fn a_tracking_that_is_only_reported_cannot_be_asked_for() {
    let mut ring = ring();
    if polling(&mut ring, HOW).is_none() {
        return;
    }
    let inactive = BusyPoll { tracking: Tracking::Inactive, ..HOW };
    assert_eq!(errno(ring.register_napi(inactive)), libc::EINVAL);
    let mut napi = Napi { resv: 1, ..Napi::default() };
    let napi: *mut Napi = &mut napi;
    // SAFETY: one structure, read during the call.
    let reserved = unsafe { ring.kernel().register(RegisterOp::NAPI, napi.cast(), 1) };
    assert_eq!(reserved.map_err(|errno| errno.0), Err(libc::EINVAL));
}

#[test]
fn the_tracking_that_was_replaced_is_told() {
    let mut ring = ring();
    let fixed = BusyPoll { tracking: Tracking::Static, ..HOW };
    let Some(former) = polling(&mut ring, fixed) else { return };
    assert_eq!(former.tracking, Tracking::Inactive);
    assert_eq!(ring.register_napi(HOW).unwrap().tracking, Tracking::Static);
    assert_eq!(ring.register_napi(HOW).unwrap().tracking, Tracking::Dynamic);
    ring.unregister_napi().unwrap();
    assert_eq!(ring.register_napi(HOW).unwrap().tracking, Tracking::Inactive);
}

#[test]
fn the_bounds_of_the_workers_tell_the_former_ones_and_zero_leaves_them() {
    let mut ring = ring();
    let first = ring.set_iowq_max_workers([3, 5]).unwrap();
    assert!(first[0] > 0 && first[1] > 0, "{first:?}");
    assert_eq!(ring.set_iowq_max_workers([0, 0]), Ok([3, 5]));
    assert_eq!(ring.set_iowq_max_workers([2, 0]), Ok([3, 5]));
    assert_eq!(ring.set_iowq_max_workers([0, 0]), Ok([2, 5]));
}

#[test]
fn one_worker_of_each_kind_serves_all_requests() {
    let mut ring = ring();
    ring.set_iowq_max_workers([1, 1]).unwrap();
    let file = tempfile::tempfile().unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let flags = annulus_ring::abi::FsyncFlags::EMPTY;
    for user_data in 0..16 {
        let fsync = Fsync { target, flags };
        link(&mut ring, &fsync, user_data, SqeFlags::ASYNC);
    }
    let mut seen: Vec<_> = (0..16).map(|_| next(&mut ring)).collect();
    assert!(seen.iter().all(|cqe| decode::<Fsync>(cqe) == Ok(())));
    seen.sort_by_key(|cqe| cqe.user_data);
    assert!(seen.iter().map(|cqe| cqe.user_data).eq(0..16));
}

#[test]
fn an_unbounded_worker_that_blocks_holds_up_no_bounded_one() {
    let mut ring = ring();
    ring.set_iowq_max_workers([1, 1]).unwrap();
    let (reader, mut writer) = crate::ops::pipe();
    let mut byte = [0];
    let target = Target::Fd(reader.as_raw_fd());
    let read = Read { target, addr: byte.as_mut_ptr(), len: 1, offset: u64::MAX };
    link(&mut ring, &read, 1, SqeFlags::ASYNC);
    let mut content = [0; 4];
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"file").unwrap();
    let target = Target::Fd(file.as_raw_fd());
    let bounded = Read { target, addr: content.as_mut_ptr(), len: 4, offset: 0 };
    link(&mut ring, &bounded, 2, SqeFlags::ASYNC);
    assert_eq!(next(&mut ring).user_data, 2);
    writer.write_all(b"x").unwrap();
    assert_eq!(next(&mut ring).user_data, 1);
}

#[test]
fn workers_are_bound_to_cpus_and_set_free_again() {
    let mut ring = ring();
    ring.set_iowq_affinity(&[0]).unwrap();
    let file = File::open("/proc/self/status").unwrap();
    let mut bytes = [0; 64];
    let target = Target::Fd(file.as_raw_fd());
    let read = Read { target, addr: bytes.as_mut_ptr(), len: 64, offset: 0 };
    link(&mut ring, &read, 1, SqeFlags::ASYNC);
    assert_eq!(decode::<Read>(&next(&mut ring)), Ok(64));
    ring.reset_iowq_affinity().unwrap();
}

#[test]
fn workers_cannot_be_bound_to_no_cpu_at_all() {
    let mut ring = ring();
    let refused = ring.set_iowq_affinity(&[]).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::NoCpu);
    assert!(refused.to_string().contains("no CPU was named"), "{refused}");
}
