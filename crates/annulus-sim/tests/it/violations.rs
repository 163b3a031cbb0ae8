//! What a program does wrong is found out, with the seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use annulus_ring::abi::{BufRegFlags, Opcode, Sqe};
use annulus_sim::{Fault, Faults, Profile, World};

use crate::bench::{Bench, push_borrowing};

/// The message of the panic that the body ends with.
fn found(faults: Faults, body: impl FnOnce(&mut Bench)) -> String {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let world = World::new(42).with_faults(faults);
        let mut bench = Bench::new(Some(world), Profile::LINUX_6_18, 64);
        body(&mut bench);
    }));
    let payload = caught.expect_err("the simulation finds it");
    payload.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn poisoning() -> Faults {
    Faults::none().with(Fault::Poison, 1000)
}

#[test]
fn a_receive_buffer_that_the_program_writes_to() {
    let message = found(poisoning(), |bench| {
        let [reader, writer] = bench.pipe();
        bench.read(reader, 8, 1);
        bench.submit();
        bench.spoil_buffer(1);
        bench.write(writer, b"12345678", 2);
        bench.next();
        bench.next();
    });
    assert!(message.contains("received into it"), "{message}");
    assert!(message.contains("World::new(42)"), "{message}");
}

#[test]
fn a_send_buffer_that_the_program_changes() {
    let message = found(Faults::none().with(Fault::Delay, 1000), |bench| {
        let [_reader, writer] = bench.pipe();
        bench.write(writer, b"12345678", 1);
        bench.submit();
        bench.spoil_buffer(1);
        bench.next();
    });
    assert!(message.contains("while the kernel sent it"), "{message}");
}

#[test]
fn a_provided_buffer_that_is_given_twice() {
    let message = found(Faults::none(), |bench| {
        let [_left, right] = bench.pair();
        bench.provide(2, 8, BufRegFlags::EMPTY);
        bench.give(1);
        bench.recv_multi(right, 1);
        bench.submit();
    });
    assert!(message.contains("published") || message.contains("given back"), "{message}");
}

#[test]
fn a_provided_buffer_that_the_program_writes_to() {
    let message = found(poisoning(), |bench| {
        let [left, right] = bench.pair();
        bench.provide(1, 8, BufRegFlags::EMPTY);
        bench.recv_multi(right, 1);
        bench.submit();
        bench.spoil(0);
        bench.send(left, b"x", 0, 2);
        bench.next();
        bench.next();
    });
    assert!(message.contains("provided buffer was written to"), "{message}");
}

#[test]
fn a_wait_that_nothing_can_end() {
    let message = found(Faults::none(), |bench| {
        bench.next();
    });
    assert!(message.contains("waits for ever"), "{message}");
}

/// Frees a buffer that the kernel will write to. Only when asked for by the test below.
#[test]
fn planted_use_after_free() {
    if std::env::var_os(PLANT).is_none() {
        return;
    }
    let world = World::new(1).with_faults(Faults::none());
    let mut bench = Bench::new(Some(world), Profile::LINUX_6_18, 64);
    let [left, right] = bench.pair();
    let mut freed = vec![0_u8; 64];
    let sqe = Sqe {
        opcode: Opcode::RECV,
        fd: right,
        addr: freed.as_mut_ptr().expose_provenance() as u64,
        len: 64,
        user_data: 1,
        ..Sqe::default()
    };
    push_borrowing(bench.ring(), &sqe);
    bench.submit();
    drop(freed);
    bench.send(left, b"too late", 0, 2);
    bench.submit();
    bench.ring().submit_and_wait(2, None).unwrap();
}

const PLANT: &str = "ANNULUS_SIM_PLANT";

#[test]
#[ignore = "needs AddressSanitizer: the command is in the README"]
fn a_buffer_that_is_freed_too_early_is_seen_by_address_sanitizer() {
    let test = "violations::planted_use_after_free";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(PLANT, "1")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success());
    assert!(errors.contains("AddressSanitizer: heap-use-after-free"), "{errors}");
}
