//! A close that has completed has closed; with a submission thread, soon; and a file on which a
//! worker thread has done something, when the ring is entered again. Mirrors sqpoll-exec of
//! liburing; chains, and slots, are in `ops::chains`.

use std::{
    ffi::CString,
    fs::File,
    io::Write as _,
    mem::ManuallyDrop,
    os::{
        fd::{FromRawFd as _, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use annulus_ring::{
    Op, Ring,
    abi::SqeFlags,
    op::{Close, Openat, Place, Target, Write},
};

use super::{next, small};
use crate::support::wait;

/// Far beyond what a thread of the kernel takes until it runs, on a machine however busy.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Submits it and gives its result.
fn run(ring: &mut Ring, op: &impl Op) -> i32 {
    run_with(ring, op, SqeFlags::EMPTY)
}

fn run_with(ring: &mut Ring, op: &impl Op, flags: SqeFlags) -> i32 {
    // SAFETY: what the operations of this file point at lives until they have completed.
    unsafe { ring.push_with_flags(op, 1, flags) }.unwrap();
    wait(ring, 1, None);
    next(ring).res
}

const PROGRAM: &[u8] = b"#!/bin/sh\nexit 7\n";

/// Writes a program by a call, which leaves nothing behind.
fn by_call(_ring: &mut Ring, fd: RawFd) {
    // SAFETY: the descriptor is open, and is closed by the ring alone.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.write_all(PROGRAM).unwrap();
}

/// Has the ring write it.
fn by_ring(ring: &mut Ring, fd: RawFd) {
    assert_eq!(run(ring, &write(fd)), PROGRAM.len() as i32);
}

/// Has a worker thread of the kernel write it.
fn by_worker(ring: &mut Ring, fd: RawFd) {
    assert_eq!(run_with(ring, &write(fd), SqeFlags::ASYNC), PROGRAM.len() as i32);
}

fn write(fd: RawFd) -> Write {
    let len = PROGRAM.len() as u32;
    Write { target: Target::Fd(fd), addr: PROGRAM.as_ptr(), len, offset: 0 }
}

/// Writes a program, closes it by means of the ring, and executes it. How often it was still open.
fn execute(ring: &mut Ring, path: &Path, write: fn(&mut Ring, RawFd)) -> u32 {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    let open = Openat {
        dir: libc::AT_FDCWD,
        path: name.as_ptr(),
        flags: libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC,
        mode: 0o755,
        place: Place::Fd,
    };
    let fd: RawFd = run(ring, &open);
    assert!(fd >= 0, "{fd}");
    write(ring, fd);
    assert_eq!(run(ring, &Close { fd }), 0);
    let (mut busy, begun) = (0, Instant::now());
    loop {
        match Command::new(path).status() {
            Ok(ended) => {
                assert_eq!(ended.code(), Some(7));
                return busy;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ExecutableFileBusy),
        }
        busy += 1;
        assert!(begun.elapsed() < WATCHDOG, "it is never closed");
        // What is left of a request is given up here.
        wait(ring, 0, None);
        std::thread::yield_now();
    }
}

/// This process has threads that fork, and for a moment their children have the file open, too; so
/// the test runs in a process of its own.
#[test]
fn a_program_that_a_ring_has_closed_can_be_executed() {
    const ALONE: &str = "ANNULUS_TEST_ALONE";
    const NAME: &str = "setup::closing::a_program_that_a_ring_has_closed_can_be_executed";
    if std::env::var_os(ALONE).is_none() {
        let own = std::env::current_exe().unwrap();
        let alone =
            Command::new(own).args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output();
        let alone = alone.unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success() && said.contains("1 passed"), "{alone:?}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut plain = small().build().unwrap();
    let mut thread = small().sqpoll(Duration::from_millis(100)).build().unwrap();
    for round in 0..20 {
        let path = |kind: &str| scratch.path().join(format!("{kind}-{round}"));
        let busy = execute(&mut plain, &path("call"), by_call);
        assert_eq!(busy, 0, "the completion says that it is closed");
        // A worker lets go of a request, and the request of its file, behind its completion.
        execute(&mut plain, &path("ring"), by_ring);
        execute(&mut plain, &path("worker"), by_worker);
        // So does a submission thread.
        execute(&mut thread, &path("thread"), by_ring);
    }
}
