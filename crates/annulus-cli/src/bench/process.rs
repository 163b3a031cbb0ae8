//! A process that is measured, seen from the one that measures.
//!
//! Owns: starting this program again, and the pipes. Invariant: the process is gone when this is
//! dropped.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::child::Order;
use super::meter::Sample;

pub struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program again, as ordered.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn start(order: Order<'_>) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(order.to_arguments());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("a piped process has no pipes"));
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Says a line.
    ///
    /// # Errors
    /// Those of writing to a pipe.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.stdin, "{line}")
    }

    /// Hears a line that starts with `word`, and gives what follows it.
    ///
    /// # Errors
    /// The process has ended (it has said why on standard error), or says something else.
    pub fn hear(&mut self, word: &str) -> io::Result<String> {
        let line = self.line()?;
        line.strip_prefix(word)
            .map(|rest| rest.trim_start().to_owned())
            .ok_or_else(|| unexpected(&line))
    }

    /// Hears a sample.
    ///
    /// # Errors
    /// As [`hear`](Self::hear).
    pub fn sample(&mut self) -> io::Result<Sample> {
        let line = self.line()?;
        Sample::from_line(&line).ok_or_else(|| unexpected(&line))
    }

    /// Asks a server for its CPU time.
    ///
    /// # Errors
    /// As [`hear`](Self::hear).
    pub fn cpu_ns(&mut self) -> io::Result<u64> {
        self.say("cpu")?;
        let time = self.hear("cpu")?;
        time.parse().map_err(|_| unexpected(&time))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? > 0 {
            return Ok(line.trim_end().to_owned());
        }
        let status = self.child.wait()?;
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("a measured process ended before its time ({status})"),
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(line: &str) -> io::Error {
    io::Error::other(format!("a measured process said {line:?}"))
}

/// What a command prints on standard error, if it succeeds.
///
/// # Errors
/// It cannot be started; it fails, and then the error has all that it printed.
pub fn complaints_of<S: AsRef<OsStr>>(words: &[S]) -> io::Result<String> {
    let output = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(io::Error::other(format!("{}:\n{text}", output.status)))
}
