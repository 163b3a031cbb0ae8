//! Where io_uring is refused, or locked memory is short: the error that a user gets, and what works
//! all the same.
//!
//! Owns the unsafe code of what a child does to itself between fork and exec: system calls only,
//! over memory that was allocated before. The child is this test binary, told by its environment to
//! play the other part. Mirrors seccomp(2), prctl(2), setrlimit(2).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use annulus::Error;
use annulus::fs;
use annulus::net::UnixStream;
use annulus::runtime::Runtime;
use annulus_ring::Cause;

use crate::harness::{check, own_process, pair, share_process, skip};

/// Set in the children: what they are to do.
const PART: &str = "ANNULUS_TEST_PART";
/// Users from here on; one for each child, because locked memory is counted by user and given back
/// some time after a ring is closed.
const USERS: u32 = 1_000_000;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Runs the test `name` again, in a child that `restrict` has restricted.
fn again(name: &str, part: &str, restrict: impl FnOnce(&mut Command)) -> Output {
    // Through a descriptor, because another user may not be allowed to search the directories.
    let this = std::env::current_exe().and_then(File::open);
    let this = this.expect("a test binary can be read");
    let mut command = Command::new(format!("/proc/self/fd/{}", this.as_raw_fd()));
    command
        .args(["--exact", &format!("refused::{name}"), "--nocapture"])
        .env(PART, part)
        .env("RUST_BACKTRACE", "0")
        .current_dir("/");
    restrict(&mut command);
    command.output().expect("the child starts")
}

fn passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}\n{errors}");
}

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// A filter that answers `calls` with `errno`, and lets everything else pass.
fn filter(calls: &[libc::c_long], errno: i32) -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // The number of the call is the first field of `struct seccomp_data`.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in calls {
        program.push(libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32)
        });
        let verdict = libc::SECCOMP_RET_ERRNO | errno as u32;
        program.push(statement(libc::BPF_RET | libc::BPF_K, verdict));
    }
    let pass = libc::SECCOMP_RET_ALLOW;
    program.push(statement(libc::BPF_RET | libc::BPF_K, pass));
    program
}

fn install(program: &[libc::sock_filter]) -> io::Result<()> {
    // SAFETY: this prctl takes integers only.
    succeeded(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let program =
        libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let (option, mode) = (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER);
    // SAFETY: `program` describes a live array of instructions, which the kernel only reads.
    succeeded(unsafe { libc::prctl(option, mode, &raw const program) })
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn refuse(command: &mut Command, calls: &[libc::c_long], errno: i32) {
    let program = filter(calls, errno);
    // SAFETY: the closure makes two system calls, over memory that was allocated before the fork.
    unsafe { command.pre_exec(move || install(&program)) };
}

/// Another user, with so much locked memory.
fn limit_memlock(command: &mut Command, bytes: u64) {
    static CHILDREN: AtomicU32 = AtomicU32::new(0);
    // ORDERING: Relaxed; only a number of its own for each.
    let child = CHILDREN.fetch_add(1, Ordering::Relaxed);
    let user = USERS + std::process::id() % 1_000_000 * 100 + child;
    command.uid(user).gid(user);
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let set = move || {
        // SAFETY: `limit` is a valid `rlimit` for the kernel to read.
        succeeded(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })
    };
    // SAFETY: the closure makes one system call.
    unsafe { command.pre_exec(set) };
}

fn refusal() -> annulus_ring::SetupError {
    match Runtime::new() {
        Err(Error::Ring(refusal)) => refusal,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the ring was not refused"),
    }
}

#[test]
fn a_seccomp_filter_is_named_with_its_remedy() {
    if part().is_some() {
        let refusal = refusal();
        assert_eq!(refusal.cause(), Cause::Seccomp);
        assert_eq!(refusal.errno().0, libc::EPERM);
        assert!(!refusal.remedy().is_empty());
        let text = Error::from(refusal).to_string();
        for word in ["io_uring_setup(2)", "seccomp", "Seccomp"] {
            assert!(text.contains(word), "no {word} in:\n{text}");
        }
        let error = io::Error::from(Runtime::new().expect_err("refused again"));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        return;
    }
    let _own = own_process();
    let name = "a_seccomp_filter_is_named_with_its_remedy";
    passed(&again(name, "seccomp", |command| {
        refuse(command, &[libc::SYS_io_uring_setup], libc::EPERM);
    }));
}

#[test]
fn a_filter_that_refuses_one_of_the_three_calls_is_told_apart() {
    if part().is_some() {
        let refusal = refusal();
        assert_eq!(refusal.cause(), Cause::PartialFilter, "{refusal}");
        assert!(!refusal.remedy().is_empty());
        return;
    }
    let _own = own_process();
    let name = "a_filter_that_refuses_one_of_the_three_calls_is_told_apart";
    for call in [libc::SYS_io_uring_enter, libc::SYS_io_uring_register] {
        passed(&again(name, "partial", |command| {
            refuse(command, &[call], libc::EPERM);
        }));
    }
}

#[test]
fn a_kernel_without_io_uring_is_named() {
    if part().is_some() {
        let refusal = refusal();
        assert!(matches!(refusal.cause(), Cause::NotBuilt | Cause::Seccomp), "{refusal}");
        assert!(!refusal.remedy().is_empty());
        return;
    }
    let _own = own_process();
    passed(&again("a_kernel_without_io_uring_is_named", "none", |command| {
        let all = [libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];
        refuse(command, &all, libc::ENOSYS);
    }));
}

/// Echoes over TCP and Unix sockets, and reads a file.
async fn everything_works() -> io::Result<()> {
    let (client, server) = pair().await?;
    let echo = annulus::spawn(async move {
        while let Some(lease) = server.recv().await? {
            server.write_all(lease).await?;
        }
        io::Result::Ok(())
    });
    for size in [1, 1000, 100_000] {
        let sent = client.write_all(vec![7; size]);
        let received = client.read_exact(vec![0; size]);
        let (sent, received) = futures_util::join!(sent, received);
        sent?;
        assert_eq!(received?.1, vec![7; size]);
    }
    let pairs: Vec<_> = (0..100).map(|_| UnixStream::pair()).collect::<io::Result<_>>()?;
    for (left, _) in &pairs {
        left.send_nowait(b"hello")?;
    }
    for (_, right) in &pairs {
        assert_eq!(&*right.recv().await?.expect("no end yet"), b"hello");
    }
    drop(client);
    echo.await.expect("no panic")?;
    let file = fs::File::open("/etc/passwd").await?;
    assert!(file.read_at(vec![0; 64], 0).await?.0 > 0);
    Ok(())
}

#[test]
fn with_little_locked_memory_a_plain_user_has_a_smaller_runtime_that_works() {
    if let Some(entries) = part() {
        let _shared = share_process();
        let entries = entries.parse().expect("a number");
        let last = check(Runtime::builder().entries(entries), everything_works());
        eprintln!("{} buffers are published", last.buffers_published);
        return;
    }
    if !is_root() {
        return skip("only root can become another user with another limit");
    }
    let _own = own_process();
    let name = "with_little_locked_memory_a_plain_user_has_a_smaller_runtime_that_works";
    // 64 entries fill 16 KiB to the last page: there is no room for a ring of buffers then.
    for (kilobytes, entries) in [(64, "256"), (64, "64"), (32, "256"), (16, "64"), (16, "256")] {
        passed(&again(name, entries, |command| {
            limit_memlock(command, kilobytes * 1024);
        }));
    }
}

#[test]
fn without_any_locked_memory_the_error_says_so() {
    if part().is_some() {
        match Runtime::new() {
            Ok(runtime) => runtime.block_on(everything_works()).unwrap(), // before 6.14
            Err(Error::Ring(refusal)) => {
                assert_eq!(refusal.cause(), Cause::Memlock, "{refusal}");
                assert!(refusal.to_string().contains("RLIMIT_MEMLOCK"), "{refusal}");
            }
            Err(other) => panic!("another error: {other}"),
        }
        return;
    }
    if !is_root() {
        return skip("only root can become another user with another limit");
    }
    let _own = own_process();
    let name = "without_any_locked_memory_the_error_says_so";
    passed(&again(name, "memlock", |command| limit_memlock(command, 0)));
}
