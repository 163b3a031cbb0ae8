//! Profiles: what each kernel grants, as the ladder finds it out.

use annulus_ring::abi::{Errno, Features, Opcode, SetupFlags};
use annulus_ring::{AnyKernel, Kernel, Mask, Ring, TaskWork};
use annulus_sim::{Fault, Faults, Profile, World};

use crate::bench::{Bench, close};

fn ring(profile: Profile) -> Ring {
    let world = World::new(0).with_faults(Faults::none());
    Ring::builder().kernel(world.any_kernel(profile)).build().unwrap()
}

#[test]
fn the_ladder_descends_to_what_a_profile_has() {
    for (profile, sqarray, defer, inc) in [
        (Profile::new(5, 6), true, false, false),
        (Profile::new(5, 19), true, false, false),
        (Profile::LINUX_6_1, true, true, false),
        (Profile::LINUX_6_12, false, true, true),
        (Profile::LINUX_6_18, false, true, true),
    ] {
        let ring = ring(profile);
        let capabilities = ring.capabilities();
        assert_eq!(!capabilities.setup().contains(SetupFlags::NO_SQARRAY), sqarray, "{profile:?}");
        assert_eq!(capabilities.defers_task_work(), defer, "{profile:?}");
        assert_eq!(capabilities.inc_buffers(), inc, "{profile:?}");
        assert_eq!(capabilities.ext_arg(), profile.version() >= (5, 11));
        assert_eq!(capabilities.supports(Opcode::BIND), profile.version() >= (6, 11));
        assert_eq!(capabilities.has(Features::NO_IOWAIT), profile.version() >= (6, 15));
        assert!(!capabilities.supports(Opcode::SPLICE), "what is not modelled is not there");
    }
}

#[test]
fn without_deferred_task_work_completions_come_by_themselves() {
    for task_work in [TaskWork::Coop, TaskWork::Interrupt] {
        let world = World::new(0).with_faults(Faults::none());
        let kernel = world.any_kernel(Profile::LINUX_6_18);
        let mut ring = Ring::builder().kernel(kernel).task_work(task_work).build().unwrap();
        assert!(!ring.capabilities().defers_task_work());
        let spec = annulus_ring::abi::Timespec::from_nanos(1000);
        let mut sqe = annulus_ring::abi::Sqe { user_data: 1, ..Default::default() };
        let flags = annulus_ring::abi::TimeoutFlags::EMPTY;
        annulus_ring::Op::encode(
            &annulus_ring::op::Timeout { spec: &spec, count: 0, flags },
            &mut sqe,
        );
        crate::bench::push_borrowing(&mut ring, &sqe);
        ring.submit().unwrap();
        for _ in 0..200 {
            ring.kernel().now();
        }
        if task_work == TaskWork::Coop {
            assert!(ring.task_work_pending());
            ring.submit().unwrap();
        }
        assert_eq!(ring.completions().next().map(|cqe| cqe.res), Some(-libc::ETIME));
    }
}

#[test]
fn deferred_task_work_waits_for_an_enter_that_asks_for_events() {
    let world = World::new(0).with_faults(Faults::none());
    let mut bench = Bench::new(Some(world), Profile::LINUX_6_18, 64);
    let [left, right] = bench.pair();
    bench.recv(right, 8, 0, 1);
    bench.submit();
    assert!(!bench.ring().task_work_pending());
    bench.kernel().shutdown(left, libc::SHUT_WR).unwrap();
    assert!(bench.ring().task_work_pending());
    assert_eq!(bench.ring().cq_ready(), 0);
    bench.ring().submit().unwrap();
    assert!(!bench.ring().task_work_pending());
    assert_eq!(bench.end_of(1).res, 0);
}

/// How many completions are ready after a wait for one of thirty that come together, and after each
/// call behind it.
fn ready_after_each_call(profile: Profile, seed: u64) -> Vec<u32> {
    // All waits are woken late, by so much that more has happened.
    let world = World::new(seed).with_faults(Faults::none().with(Fault::Reorder, 1000));
    let mut bench = Bench::new(Some(world), profile, 64);
    for user_data in 1..=30 {
        bench.timeout(1_000_000, 0, user_data);
        bench.submit();
    }
    bench.ring().submit_and_wait(1, None).unwrap();
    let mut ready = vec![bench.ring().cq_ready()];
    while bench.ring().task_work_pending() {
        bench.ring().submit().unwrap();
        ready.push(bench.ring().cq_ready());
    }
    let ended = bench.results(&(1..=30).collect::<Vec<_>>());
    assert_eq!(ended, [-libc::ETIME; 30]);
    ready
}

#[test]
fn a_wait_that_slept_runs_the_task_work_of_what_it_waited_for_since_6_13() {
    let seen = |profile| (0..20).map(move |seed| ready_after_each_call(profile, seed));
    assert!(seen(Profile::LINUX_6_18).all(|ready| ready[0] == 1));
    assert!(seen(Profile::LINUX_6_18).any(|ready| ready == [1, 21, 30]));
    assert!(seen(Profile::LINUX_6_12).any(|ready| ready == [30]));
}

#[test]
fn masks_work_on_a_simulated_kernel_too() {
    let world = World::new(0).with_faults(Faults::none());
    let kernel: AnyKernel = world.any_kernel(Profile::LINUX_6_18);
    let mask = Mask::none().setup(SetupFlags::DEFER_TASKRUN).buf_rings();
    let ring = Ring::builder().kernel(kernel).mask(mask).build().unwrap();
    assert!(!ring.capabilities().defers_task_work() && !ring.capabilities().buf_rings());
}

#[test]
fn rings_of_one_world_share_its_descriptors_and_its_clock() {
    let world = World::new(0).with_faults(Faults::none());
    let build = || Ring::builder().kernel(world.any_kernel(Profile::LINUX_6_18)).build().unwrap();
    let (mut one, mut other) = (build(), build());
    let [left, right] = one.kernel().socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap();
    let before = one.kernel().now();
    assert!(other.kernel().now() > before);
    close(other.kernel(), left).unwrap();
    assert_eq!(close(one.kernel(), left), Err(Errno(libc::EBADF)));
    assert_eq!(world.open_descriptors(), 1);
    close(one.kernel(), right).unwrap();
    drop((one, other));
    assert_eq!(world.open_descriptors(), 0);
}

#[test]
fn a_ring_opens_under_every_fault() {
    for seed in 0..100 {
        let world = World::new(seed);
        let ring = Ring::builder().kernel(world.any_kernel(Profile::LINUX_6_18)).build();
        assert!(ring.is_ok(), "seed {seed}: {:?}", ring.err());
    }
}
