//! The program as a process that runs beside the test: started, talked to, ended by a signal.
//!
//! Owns the process: it is killed if the test ends first.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

pub struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

impl Program {
    pub fn start<S: AsRef<OsStr>>(args: &[S]) -> Self {
        Self::spawn(command(args))
    }

    /// As `start`, with further variables.
    pub fn start_with_env<S: AsRef<OsStr>>(args: &[S], variables: &[(&str, &str)]) -> Self {
        let mut command = command(args);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// As `start`, with at most so many descriptors.
    pub fn start_with_descriptors(args: &[&str], descriptors: u64) -> Self {
        let mut command = command(args);
        // SAFETY: the closure makes one system call.
        unsafe { command.pre_exec(move || limit_descriptors(descriptors)) };
        Self::spawn(command)
    }

    /// As `start`, with a socket as a service manager passes one: descriptor 3.
    pub fn start_with_listener<S: AsRef<OsStr>>(args: &[S], socket: impl Into<OwnedFd>) -> Self {
        let socket = socket.into();
        // What the variables say is of the process that reads them, so a shell says it.
        let mut shell = Command::new("sh");
        shell.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_annulus")]);
        shell.args(args).env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "web");
        let fd = socket.as_raw_fd();
        // SAFETY: the closure makes one system call.
        unsafe { shell.pre_exec(move || become_third(fd)) };
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output, without its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "no line came: {}", self.complaint());
        line.trim_end().to_owned()
    }

    /// Reads standard output to its end on a thread, and counts its lines.
    pub fn lines(&mut self) -> JoinHandle<usize> {
        let (_, nothing) = std::os::unix::net::UnixStream::pair().unwrap();
        let nothing = ChildStdout::from(OwnedFd::from(nothing));
        let output = std::mem::replace(&mut self.stdout, BufReader::new(nothing));
        std::thread::spawn(move || output.lines().map(Result::unwrap).count())
    }

    /// The next line of standard error.
    pub fn complaint(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    /// Nobody listens to standard error any more: writing to it fails.
    pub fn hang_up(&mut self) {
        let (_, nothing) = std::os::unix::net::UnixStream::pair().unwrap();
        self.stderr = BufReader::new(ChildStderr::from(OwnedFd::from(nothing)));
    }

    /// Sends a signal.
    pub fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: a signal to a process that is ours and was not waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Sends a signal, then as `wait`.
    pub fn end(self, signal: libc::c_int) -> (ExitStatus, String) {
        self.signal(signal);
        self.wait()
    }

    /// Ends its input, waits for the end, and gives how it ended and what is left of standard
    /// error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annulus"));
    command.args(args).env_remove("SSLKEYLOGFILE");
    command
}

/// Has the descriptor as number 3, kept across exec(2).
fn become_third(fd: RawFd) -> std::io::Result<()> {
    let made = if fd == 3 {
        // SAFETY: clears a flag of a descriptor that is open.
        unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }
    } else {
        // SAFETY: the process is about to execute another program, and nothing else has number 3.
        unsafe { libc::dup2(fd, 3) }
    };
    if made < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn limit_descriptors(descriptors: u64) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: descriptors, rlim_max: descriptors };
    // SAFETY: `limit` is a valid `rlimit` for the kernel to read.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Says what is not tested, where the harness shows it.
pub fn skip(why: &str) {
    // Not `eprintln!`, which the harness swallows.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Whether the runtime can run here; if not, says so.
pub fn ready() -> bool {
    let ready = command(&["doctor"]).output().unwrap().status.success();
    if !ready {
        skip("io_uring is not usable here");
    }
    ready
}
