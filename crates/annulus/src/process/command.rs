//! What is to be started.
//!
//! Owns: [`Command`], which is `std`'s with the few things that it keeps to itself. Does not own:
//! starting (`std`), the child.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use super::Child;

/// A program with what it is started with: `std::process::Command`, under the same names.
pub struct Command {
    pub(crate) inner: std::process::Command,
    kill_on_drop: bool,
    /// Which of the standard streams were set: input, output, error.
    set: [bool; 3],
}

impl Command {
    /// A program, found in `PATH` if it has no slash.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Self {
        Self::from(std::process::Command::new(program))
    }

    /// `std`'s command inside.
    pub fn as_std(&self) -> &std::process::Command {
        &self.inner
    }

    /// `std`'s command inside, for what is only there. Set standard streams here, not there.
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.inner
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// What the program believes to be called, if not by its name.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.inner.arg0(arg);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, value: V) -> &mut Self {
        self.inner.env(key, value);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(variables);
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Self {
        self.inner.env_remove(key);
        self
    }

    /// Begins with an empty environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.inner.env_clear();
        self
    }

    /// The directory that it starts in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Self {
        self.inner.current_dir(dir);
        self
    }

    /// The user that it runs as.
    pub fn uid(&mut self, id: u32) -> &mut Self {
        self.inner.uid(id);
        self
    }

    /// The group that it runs as.
    pub fn gid(&mut self, id: u32) -> &mut Self {
        self.inner.gid(id);
        self
    }

    /// The process group that it is put into; 0 for one of its own, whose leader it is. A terminal
    /// sends its signals to the group in the foreground.
    #[doc(alias = "setpgid")]
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.inner.process_group(group);
        self
    }

    /// Its standard input: [`Stdio::piped`], [`Stdio::null`], a file, a descriptor, or the
    /// [`Receiver`](crate::pipe::Receiver) of a pipe by `try_into`. Inherited by default; nothing
    /// for [`output`](Self::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, stream: T) -> &mut Self {
        self.inner.stdin(stream);
        self.set[0] = true;
        self
    }

    /// Its standard output, as [`stdin`](Self::stdin). Inherited by default; piped for
    /// [`output`](Self::output).
    pub fn stdout<T: Into<Stdio>>(&mut self, stream: T) -> &mut Self {
        self.inner.stdout(stream);
        self.set[1] = true;
        self
    }

    /// Its standard error, as [`stdout`](Self::stdout).
    pub fn stderr<T: Into<Stdio>>(&mut self, stream: T) -> &mut Self {
        self.inner.stderr(stream);
        self.set[2] = true;
        self
    }

    /// Whether dropping the [`Child`] kills it (SIGKILL). It goes on by default. Futures that own a
    /// child drop it: those of [`status`](Self::status), [`output`](Self::output) and
    /// [`wait_with_output`](Child::wait_with_output).
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts it.
    ///
    /// This call waits until the program runs or could not be started; see the
    /// [module](super) for what that costs.
    ///
    /// # Errors
    /// Those of fork(2), execve(2) and pidfd_open(2): `NotFound`, `PermissionDenied`, …; if no
    /// runtime runs on this thread, and then nothing is started.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::io::AsyncRead as _;
    /// use annulus::process::{Command, Stdio};
    ///
    /// let mut child =
    ///     Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let (stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    /// stdin.write_all("there and back").await?;
    /// drop(stdin); // the end of its input, after which it ends
    /// assert_eq!(stdout.read_to_end(Vec::new()).await?.1, b"there and back");
    /// assert!(child.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        crate::core::with_any(|_| ())?;
        let mut child = Child::from_std(self.inner.spawn()?)?;
        child.kill_on_drop = self.kill_on_drop;
        Ok(child)
    }

    /// Starts it and waits until it has ended.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    /// It starts at the first poll. Dropping the future drops the [`Child`]: it goes on, or is
    /// killed, as [`kill_on_drop`](Self::kill_on_drop) says, and is reaped.
    ///
    /// # Kernel
    /// fork(2) and execve(2), for which the first poll waits; then as [`Child::wait`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::process::Command;
    /// assert!(Command::new("true").status().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait().await
    }

    /// Starts it, and waits until it has ended and all that it has printed was read.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancel safety
    /// As [`status`](Self::status); what was read is lost.
    ///
    /// # Kernel
    /// fork(2) and execve(2), for which the first poll waits; then as [`Child::wait_with_output`].
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use annulus::process::Command;
    /// let output = Command::new("echo").arg("hello").output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn output(&mut self) -> io::Result<Output> {
        let [stdin, stdout, stderr] = self.set;
        if !stdin {
            self.inner.stdin(Stdio::null());
        }
        if !stdout {
            self.inner.stdout(Stdio::piped());
        }
        if !stderr {
            self.inner.stderr(Stdio::piped());
        }
        let child = self.spawn();
        if !stdin {
            self.inner.stdin(Stdio::inherit());
        }
        if !stdout {
            self.inner.stdout(Stdio::inherit());
        }
        if !stderr {
            self.inner.stderr(Stdio::inherit());
        }
        child?.wait_with_output().await
    }
}

/// Its standard streams, as far as they were set there, count as not set.
impl From<std::process::Command> for Command {
    fn from(inner: std::process::Command) -> Self {
        Self { inner, kill_on_drop: false, set: [false; 3] }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
