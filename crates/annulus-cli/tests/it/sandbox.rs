//! Processes that are refused io_uring: by a seccomp filter, or by a limit.
//!
//! Owns the unsafe code of these tests: what a child does to itself between fork and exec.
//! Invariant: all memory is allocated before the fork; the child makes system calls only.
//!
//! Mirrors seccomp(2), prctl(2), setrlimit(2).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// How a filter answers a call that it refuses.
#[derive(Clone, Copy)]
pub enum Answer {
    Errno(i32),
    Kill,
}

/// The program, not yet restricted.
pub struct Sandbox {
    command: Command,
    /// The program is started through this descriptor, because an unprivileged user may not be
    /// allowed to search the directories above it.
    _program: File,
}

impl Sandbox {
    pub fn new(args: &[&str]) -> Self {
        let program = File::open(env!("CARGO_BIN_EXE_annulus")).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command.args(args).env_remove("NO_COLOR");
        Self { command, _program: program }
    }

    /// Installs a filter that gives `answer` to each of `calls` and lets everything else pass.
    pub fn refuse(mut self, calls: &[libc::c_long], answer: Answer) -> Self {
        let program = filter(calls, answer);
        // SAFETY: the closure only makes two system calls, over memory that was allocated before
        // the fork.
        unsafe { self.command.pre_exec(move || install(&program)) };
        self
    }

    /// Drops to a user without privileges (if this is root) and limits its locked memory.
    pub fn memlock(mut self, uid: u32, bytes: u64) -> Self {
        if is_root() {
            self.command.uid(uid).gid(uid);
        }
        // SAFETY: the closure only makes one system call.
        unsafe { self.command.pre_exec(move || limit_memlock(bytes)) };
        self
    }

    pub fn run(mut self) -> Output {
        self.command.output().unwrap()
    }
}

/// Whether the tests run as root, and so may become anybody.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

fn filter(calls: &[libc::c_long], answer: Answer) -> Vec<libc::sock_filter> {
    let verdict = match answer {
        Answer::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
        Answer::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    };
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // The number of the call is the first field of `struct seccomp_data`.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for call in calls {
        program.push(libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32)
        });
        program.push(statement(libc::BPF_RET | libc::BPF_K, verdict));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    program
}

fn install(program: &[libc::sock_filter]) -> io::Result<()> {
    // SAFETY: this prctl takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let program =
        libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: `program` describes a live array of instructions, which the kernel only reads and
    // copies.
    check(unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    })
}

fn limit_memlock(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: `limit` is a valid `rlimit` for the kernel to read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
