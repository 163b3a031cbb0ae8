//! Rings that share the threads of another. Mirrors the ATTACH_WQ cases of sq-poll-share and
//! across-fork of liburing.

use core::time::Duration;
use std::{fs, os::fd::AsRawFd};

use annulus_ring::{
    Builder, Cause, Ring,
    abi::{Errno, SetupFlags},
};

use super::{goes_round, refusal, small, works};

fn polled() -> Builder {
    small().sqpoll(Duration::from_millis(10))
}

/// How many submission threads the calling thread has started.
fn threads() -> usize {
    // SAFETY: no arguments, and it cannot fail.
    let name = format!("iou-sqp-{}\n", unsafe { libc::gettid() });
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|it| *it == name).count()
}

#[test]
fn rings_share_one_submission_thread() {
    // A thread that has not run yet does not have its name: each is counted when it has worked.
    let mut first = polled().build().unwrap();
    works(&mut first);
    assert_eq!(threads(), 1);
    let mut others: Vec<Ring> =
        (0..4).map(|_| polled().attach_wq(first.fd()).build().unwrap()).collect();
    for ring in others.iter_mut().chain([&mut first]) {
        works(ring);
    }
    assert_eq!(threads(), 1);
    let mut alone = polled().build().unwrap();
    works(&mut alone);
    assert_eq!(threads(), 2);
}

#[test]
fn a_shared_thread_outlives_the_ring_that_started_it() {
    let first = polled().build().unwrap();
    let mut second = polled().attach_wq(first.fd()).build().unwrap();
    drop(first);
    works(&mut second);
    assert_eq!(threads(), 1);
}

#[test]
fn a_ring_without_a_submission_thread_may_name_another_ring() {
    let first = small().build().unwrap();
    let mut second = small().attach_wq(first.fd()).build().unwrap();
    assert!(second.capabilities().setup().contains(SetupFlags::ATTACH_WQ));
    drop(first);
    goes_round(&mut second);
}

#[test]
fn a_submission_thread_cannot_be_shared_with_a_ring_that_has_none() {
    let plain = small().build().unwrap();
    let refusal = refusal(polled().attach_wq(plain.fd()).build());
    assert_eq!((refusal.cause(), refusal.errno()), (Cause::TooOld, Errno(libc::EINVAL)));
    let text = refusal.to_string();
    assert!(text.contains("build the first ring with sqpoll as well"), "{text}");
}

#[test]
fn what_is_no_ring_cannot_be_attached_to_and_is_named() {
    let file = fs::File::open("/dev/null").unwrap();
    for builder in [small(), polled()] {
        let refusal = refusal(builder.attach_wq(file.as_raw_fd()).build());
        assert_eq!(refusal.cause(), Cause::Attach, "{refusal}");
        assert!(refusal.to_string().contains("is /dev/null"), "{refusal}");
    }
}

#[test]
fn a_closed_descriptor_cannot_be_attached_to_and_is_named() {
    for builder in [small(), polled()] {
        let refusal = refusal(builder.attach_wq(i32::MAX).build());
        assert_eq!(refusal.cause(), Cause::Attach, "{refusal}");
        assert!(refusal.to_string().contains("descriptor 2147483647 is closed"), "{refusal}");
    }
}
