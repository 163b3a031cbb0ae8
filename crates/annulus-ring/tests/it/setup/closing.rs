//! A close that has completed has closed; with a submission thread, soon. Mirrors sqpoll-exec of
//! liburing; chains, and slots, are in `ops::chains`.

use std::{
    ffi::CString,
    os::{fd::RawFd, unix::ffi::OsStrExt as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use annulus_ring::{
    Op, Ring,
    op::{Close, Openat, Place, Target, Write},
};

use super::{next, small};
use crate::support::wait;

/// Far beyond what a thread of the kernel takes until it runs, on a machine however busy.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Submits it and gives its result.
fn run(ring: &mut Ring, op: &impl Op) -> i32 {
    // SAFETY: what the operations of this file point at lives until they have completed.
    unsafe { ring.push(op, 1) }.unwrap();
    wait(ring, 1, None);
    next(ring).res
}

/// Writes a program by means of the ring, closes it, and executes it. How often it was still open.
fn write_and_execute(ring: &mut Ring, path: &Path) -> u32 {
    const PROGRAM: &[u8] = b"#!/bin/sh\nexit 7\n";
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
    let len = PROGRAM.len() as u32;
    let write = Write { target: Target::Fd(fd), addr: PROGRAM.as_ptr(), len, offset: 0 };
    assert_eq!(run(ring, &write), len as i32);
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
        let path = scratch.path().join(format!("plain-{round}"));
        assert_eq!(
            write_and_execute(&mut plain, &path),
            0,
            "the completion says that it is closed"
        );
        // A submission thread lets go of the file a moment after the completion.
        write_and_execute(&mut thread, &scratch.path().join(format!("thread-{round}")));
    }
}
