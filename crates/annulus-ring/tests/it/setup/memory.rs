//! Rings in memory that the application brings, and memory that is short. Mirrors the NO_MMAP cases
//! of no-mmap-inval and io_uring_setup of liburing.

use core::ptr::NonNull;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use annulus_ring::{
    Cause, Conflict, Pages, PagesError, Ring, Stage,
    abi::{Cqe32, Errno, Params, SetupFlags, Sqe128},
};

use super::{goes_round, refusal, small, works};
use crate::support::{Script, Scripted, skip};

/// Memory that never moves and never goes, and tells when its owner is dropped.
struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        // ORDERING: one thread.
        self.0.store(true, Ordering::Relaxed);
    }
}

#[repr(C, align(65536))]
struct Static([u8; 65536]);

/// 64 KiB of the caller, and whether their owner was dropped.
fn lent() -> (Pages, Arc<AtomicBool>) {
    let memory: &'static mut Static = Box::leak(Box::new(Static([0; 65536])));
    let dropped = Arc::new(AtomicBool::new(false));
    let keep = Arc::new(Watched(dropped.clone()));
    // SAFETY: the memory is leaked, so it is valid for ever, and nobody else has it.
    let pages = unsafe { Pages::from_raw(NonNull::from(memory).cast(), 65536, keep) };
    (pages.unwrap(), dropped)
}

#[test]
fn a_ring_works_in_pages_that_were_mapped_for_it() {
    let mut ring = small().memory(Pages::anonymous(64 << 10).unwrap()).build().unwrap();
    assert!(ring.capabilities().setup().contains(SetupFlags::NO_MMAP));
    assert!(ring.fd() >= 0);
    goes_round(&mut ring);
    ring.register_files_sparse(4).unwrap();
}

#[test]
fn a_ring_works_in_huge_pages() {
    let pages = match Pages::huge(1) {
        Ok(pages) => pages,
        Err(refusal) => {
            assert_eq!(refusal, PagesError::NotMapped(Errno(libc::ENOMEM)));
            assert!(refusal.to_string().contains("vm.nr_hugepages"), "{refusal}");
            return skip("no huge pages are reserved (vm.nr_hugepages)");
        }
    };
    assert_eq!(pages.bytes(), 2 << 20);
    goes_round(&mut Ring::builder().entries(1024).memory(pages).build().unwrap());
}

#[test]
fn memory_of_the_caller_is_kept_as_long_as_the_ring_and_no_longer() {
    let (pages, dropped) = lent();
    let mut ring = small().memory(pages).build().unwrap();
    goes_round(&mut ring);
    // ORDERING: one thread.
    assert!(!dropped.load(Ordering::Relaxed));
    drop(ring);
    // ORDERING: one thread.
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn memory_of_a_ring_that_was_not_made_is_given_back() {
    let (pages, dropped) = lent();
    assert_eq!(refusal(small().entries(0).memory(pages).build()).cause(), Cause::Size);
    // ORDERING: one thread.
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn wide_entries_and_an_index_array_have_room_in_exactly_what_they_need() {
    for flags in [SetupFlags::EMPTY, SetupFlags::NO_SQARRAY] {
        let flags = flags | SetupFlags::SQE128 | SetupFlags::CQE32 | SetupFlags::CQSIZE;
        let params = Params { cq_entries: 128, flags, ..Params::default() };
        let bytes = Pages::needed_bytes(64, &params);
        let builder = Ring::builder().entries(64).with_params(&params);
        let builder = builder.memory(Pages::anonymous(bytes).unwrap());
        let mut ring: Ring<Sqe128, Cqe32> = builder.build_as().unwrap();
        goes_round(&mut ring);
    }
}

#[test]
fn memory_that_is_too_small_is_refused_with_what_is_needed() {
    let builder = Ring::builder().entries(4096).memory(Pages::anonymous(4096).unwrap());
    let refusal = refusal(builder.build());
    let Cause::Pages(PagesError::TooSmall { given_bytes: 4096, needed_bytes }) = refusal.cause()
    else {
        panic!("{refusal}");
    };
    let text = refusal.to_string();
    assert!(text.contains(&needed_bytes.to_string()) && text.contains("not asked"), "{text}");
    let pages = Pages::anonymous(needed_bytes).unwrap();
    works(&mut Ring::builder().entries(4096).memory(pages).build().unwrap());
}

#[test]
fn a_kernel_that_brings_its_own_memory_takes_none() {
    let (kernel, script) = Scripted::boxed(Script::default());
    let pages = Pages::anonymous(64 << 10).unwrap();
    let refusal = refusal(small().memory(pages).kernel(kernel).build());
    let not_offered = Conflict::NotOffered(SetupFlags::NO_MMAP);
    assert_eq!(refusal.cause(), Cause::Conflict(not_offered));
    assert!(script.borrow().setups.is_empty());
}

#[test]
fn two_rings_next_to_each_other_do_not_disturb_one_another() {
    let memory: &'static mut [Static; 2] =
        Box::leak(Box::new([Static([0; 65536]), Static([0; 65536])]));
    let mut rings = memory.each_mut().map(|half| {
        // SAFETY: the memory is leaked, so it is valid for ever, and this half is one ring's.
        let pages = unsafe { Pages::from_raw(NonNull::from(half).cast(), 65536, Arc::new(())) };
        small().memory(pages.unwrap()).build().unwrap()
    });
    for _ in 0..3 {
        rings.iter_mut().for_each(goes_round);
    }
}

#[test]
fn want_of_memory_is_an_error_with_a_remedy_where_the_ring_must_not_shrink() {
    let refuse = |entries, _: &Params| (entries > 64).then_some(Errno(libc::ENOMEM));
    let script = Script { refuse_setup: Some(refuse), ..Script::default() };
    let (kernel, script) = Scripted::boxed(script);
    let builder = Ring::builder().entries(256).shrink(false).kernel(kernel);
    let refusal = refusal(builder.build());
    assert_eq!((refusal.stage(), refusal.errno()), (Stage::Setup, Errno(libc::ENOMEM)));
    assert_eq!(script.borrow().setups.len(), 1, "asked once");
    assert!(!refusal.remedy().is_empty());
}

/// Runs `child` in a process without privilege that may lock so many bytes.
fn with_memlock(bytes: u64, child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child sets limits of its own, makes rings and exits.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: a valid limit.
        let limited = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) } == 0;
        // A user that has no other rings, because locked memory is counted by user.
        // SAFETY: no memory is involved; only this process changes.
        let plain = unsafe { libc::setresuid(54_321, 54_321, 54_321) } == 0;
        let good = limited && plain && child();
        // SAFETY: ends the child without running the parent's destructors.
        unsafe { libc::_exit(i32::from(!good)) };
    }
    let mut status = -1;
    // SAFETY: our own child, and a valid pointer.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status == 0
}

#[test]
fn a_small_memlock_limit_shrinks_the_ring_or_refuses_it_as_was_asked() {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        return skip("only root can become a user without rings");
    }
    let shrunk = || {
        let ring = Ring::builder().entries(4096).build();
        ring.is_ok_and(|ring| ring.capabilities().shrunk())
    };
    assert!(with_memlock(128 << 10, shrunk), "halved until it fits");
    let refused = || {
        let ring = Ring::builder().entries(4096).shrink(false).build();
        ring.is_err_and(|it| it.cause() == Cause::Memlock && it.to_string().contains("ulimit -l"))
    };
    assert!(with_memlock(128 << 10, refused), "refused with its remedy");
    let none = || Ring::builder().build().is_err_and(|it| it.cause() == Cause::Memlock);
    assert!(with_memlock(0, none), "no ring is small enough");
}
