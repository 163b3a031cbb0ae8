//! Another program inherits descriptors, or a lock outlives the process that held it.
//!
//! *Evidence*: liburing#1627: a process may be gone while the kernel still ends its requests, and
//! what they hold (a lock of flock(2), a port) is free a moment later.
//!
//! *Answer*: every descriptor is made close-on-exec. Who needs a lock of a process that has ended
//! tries again; no request of a core that was shut down holds anything.

use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Instant;

use annulus::net::UnixStream;
use annulus::runtime::Runtime;

use super::fork::in_child;
use crate::cancel::BOUND;
use crate::harness::{check, made, own_process};

/// What another program finds open when this process starts it: number and kind.
fn inherited() -> Vec<String> {
    let script = "for fd in /proc/$$/fd/*; do echo ${fd##*/} $(readlink $fd); done";
    let output = Command::new("sh").args(["-c", script]).output().expect("there is a shell");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    assert!(text.lines().count() >= 3, "it has the three standard streams: {text}");
    // The pipes of its own output differ from run to run.
    text.lines().map(|line| line.split("pipe:").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_program_that_is_executed_inherits_no_descriptor() {
    let _own = own_process();
    let before = inherited();
    check(Runtime::builder(), async move {
        let listener = annulus::net::TcpListener::bind("127.0.0.1:0")?;
        let client = annulus::net::TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let (left, right) = UnixStream::pair()?;
        let file = annulus::fs::File::open("/proc/self/exe").await?;
        let directory = annulus::fs::Dir::open("/").await?;
        let portable = right.into_portable().await?;
        annulus::task::spawn_blocking(|| ()).await.unwrap();
        assert_eq!(inherited(), before);
        drop((listener, client, server, left, file, directory, portable));
        Ok(())
    });
}

#[test]
fn a_process_that_executes_another_program_in_place_takes_nothing_along() {
    let _own = own_process();
    let runtime = made(Runtime::builder());
    let (left, _right) = runtime.block_on(async { UnixStream::pair().unwrap() });
    let fd = left.as_raw_fd();
    let code = in_child(|| {
        let script = format!("! test -e /proc/self/fd/{fd}");
        let error = Command::new("sh").args(["-c", &script]).exec();
        panic!("exec failed: {error}");
    });
    assert_eq!(code, 0);
    runtime.block_on(async { drop((left, _right)) });
    runtime.shutdown();
}

/// flock(2), exclusively and without waiting.
fn lock(file: &impl AsRawFd) -> bool {
    // SAFETY: the call takes no memory.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

#[test]
fn a_lock_of_a_process_that_ended_amid_its_requests_comes_free() {
    let _own = own_process();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    std::fs::write(&path, vec![1; 1 << 20]).unwrap();
    let code = in_child(|| {
        let runtime = Runtime::builder().reads_cached(false).build().unwrap();
        runtime.block_on(async {
            let file = annulus::fs::File::open(&path).await.unwrap();
            assert!(lock(&file), "nobody has it");
            let mut reads: Vec<_> =
                (0..64).map(|_| Box::pin(file.read_at(vec![0; 1 << 20], 0))).collect();
            for read in &mut reads {
                assert!(futures_util::poll!(read).is_pending());
            }
            crate::cancel::yield_to_kernel().await.unwrap();
            // SAFETY: ends the child at once, with its requests in flight.
            unsafe { libc::_exit(0) };
        });
    });
    assert_eq!(code, 0);
    let file = std::fs::File::open(&path).unwrap();
    // It may take a moment; it must not take for ever.
    let begun = Instant::now();
    while !lock(&file) {
        assert!(begun.elapsed() < BOUND, "the lock outlives its process");
        std::thread::yield_now();
    }
}

#[test]
fn a_lock_is_free_once_the_runtime_that_held_it_has_ended() {
    let _own = own_process();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    std::fs::write(&path, vec![1; 1 << 20]).unwrap();
    for _ in 0..20 {
        let runtime = made(Runtime::builder().reads_cached(false));
        let file = runtime.block_on(async {
            let file = annulus::fs::File::open(&path).await.unwrap();
            assert!(lock(&file), "the runtime before has left nothing");
            let mut reading = Box::pin(file.read_at(vec![0; 1 << 20], 0));
            assert!(futures_util::poll!(&mut reading).is_pending());
            drop(reading);
            file
        });
        runtime.shutdown();
        drop(file);
    }
}
