//! A measured process, seen from the one that measures.
//!
//! Owns: starting it, and the lines of JSON over its pipes. Invariant: the process is gone when
//! this is dropped.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::Program;
use crate::{Address, Cost, Job, Latency, Sample, sys};

pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    watch: Option<Watch>,
}

/// How long it may take until a process says something.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without any CPU time.
    pub still: Duration,
    /// Since its start.
    pub whole: Duration,
}

/// Looks at a process while another one, or itself, is silent.
struct Watch {
    patience: Patience,
    pid: u32,
    since: Instant,
}

impl Process {
    /// Starts a program with a job.
    pub fn start(program: &Program, job: &Job) -> io::Result<Self> {
        let mut child = Command::new(&program.path)
            .args(&program.before)
            .args(job.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a piped process has no pipes"));
        };
        Ok(Self { child, stdin: Some(stdin), stdout: BufReader::new(stdout), stderr, watch: None })
    }

    /// Gives it up when it has been silent for too long and a process, which may be the one that
    /// it waits for, stands still.
    pub fn within(mut self, patience: Patience, pid: u32) -> Self {
        self.watch = Some(Watch { patience, pid, since: Instant::now() });
        self
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says an empty line.
    pub fn nudge(&mut self) -> io::Result<()> {
        self.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(b"\n"))
    }

    /// Hears a line. If there is none, the error is what the process says on standard error.
    pub fn hear(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if let Some(watch) = self.watch.as_ref().filter(|_| !self.stdout.buffer().contains(&b'\n'))
        {
            watch.wait(self.stdout.get_ref().as_fd())?;
        }
        if self.stdout.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            let mut text = String::new();
            let _ = self.stderr.read_to_string(&mut text);
            return Err(io::Error::other(complaint(&text).unwrap_or_else(|| status.to_string())));
        }
        serde_json::from_str(&line).map_err(|_| io::Error::other(format!("it said {line:?}")))
    }

    /// Hears a line with this field.
    pub fn hear_field(&mut self, field: &str) -> io::Result<Value> {
        let mut said = self.hear()?;
        match said.get_mut(field) {
            Some(value) => Ok(value.take()),
            None => Err(io::Error::other(format!("it said {said}"))),
        }
    }

    /// Hears where a server listens.
    pub fn address(&mut self) -> io::Result<Address> {
        let listening = self.hear_field("listening")?;
        let address = listening.as_str().and_then(|text| text.parse().ok());
        address.ok_or_else(|| io::Error::other(format!("no address: {listening}")))
    }

    /// Ends its input, waits for its end, and gives what it has said on standard error.
    pub fn last_words(&mut self) -> io::Result<String> {
        self.stdin = None;
        let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(watch) = &self.watch {
                watch.wait(self.stderr.as_fd())?;
            }
            match self.stderr.read(&mut chunk)? {
                0 => break,
                bytes => text.extend_from_slice(&chunk[..bytes]),
            }
        }
        self.child.wait()?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Hears a sample.
    pub fn sample(&mut self) -> io::Result<Sample> {
        let said = self.hear()?;
        sample(&said).ok_or_else(|| io::Error::other(format!("it said {said}")))
    }

    /// Asks a server what it has taken.
    pub fn cost(&mut self) -> io::Result<Cost> {
        self.nudge()?;
        let said = self.hear()?;
        let number = |field: &str| said.get(field).and_then(Value::as_u64);
        match (number("cpu_ns"), number("resident_bytes")) {
            (Some(cpu_ns), Some(resident_bytes)) => {
                Ok(Cost { cpu_ns, resident_bytes, imbalance: number("imbalance") })
            }
            _ => Err(io::Error::other(format!("it said {said}"))),
        }
    }
}

impl Watch {
    /// Waits until there is something to read.
    fn wait(&self, from: BorrowedFd<'_>) -> io::Result<()> {
        let Patience { still, whole } = self.patience;
        let too_late = |what, time: Duration| {
            let message = format!("{what} {} seconds under valgrind", time.as_secs_f64());
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        };
        let (mut spent, mut moved) = (sys::cpu_ticks_of(self.pid), Instant::now());
        while !sys::is_readable_within(from, still.min(Duration::from_millis(100)))? {
            let now = sys::cpu_ticks_of(self.pid);
            if now != spent {
                (spent, moved) = (now, Instant::now());
            }
            if self.since.elapsed() > whole {
                return too_late("it has not ended after", whole);
            }
            if moved.elapsed() > still {
                return too_late("it stood still for", still);
            }
        }
        Ok(())
    }
}

/// What a process said first, on one line: of a panic, where and what.
pub fn complaint(text: &str) -> Option<String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?.to_owned();
    match lines.next() {
        Some(second) if first.contains("panicked at") => Some(format!("{first} {second}")),
        _ => Some(first),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what [`Sample::to_json`] writes.
pub fn sample(said: &Value) -> Option<Sample> {
    let number = |field: &str| said.get(field).and_then(Value::as_u64);
    let latency = number("p50_ns").and_then(|p50_ns| {
        Some(Latency { p50_ns, p99_ns: number("p99_ns")?, p999_ns: number("p999_ns")? })
    });
    Some(Sample {
        ops: number("ops")?,
        cpu_ns: number("cpu_ns")?,
        wall_ns: number("wall_ns")?,
        latency,
        resident_bytes: number("resident_bytes"),
        base_bytes: number("base_bytes"),
        imbalance: number("imbalance"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_line() {
        assert_eq!(complaint("\nit fails\nnote: so\n").as_deref(), Some("it fails"));
        let panic = complaint("thread 'main' panicked at a.rs:1:\nno luck\nstack backtrace:\n");
        assert_eq!(panic.as_deref(), Some("thread 'main' panicked at a.rs:1: no luck"));
        assert_eq!(complaint(" \n"), None);
    }

    #[test]
    fn a_sample_survives_the_way_through_a_line() {
        let latency = Latency { p50_ns: 4, p99_ns: 5, p999_ns: 6 };
        let plain = Sample { ops: 1, cpu_ns: 2, wall_ns: 3, ..Sample::default() };
        let whole = Sample {
            latency: Some(latency),
            resident_bytes: Some(7),
            base_bytes: Some(8),
            imbalance: Some(9),
            ..plain
        };
        for one in [plain, whole] {
            let said = serde_json::from_str(&one.to_json()).unwrap();
            assert_eq!(sample(&said), Some(one));
        }
        assert_eq!(sample(&Value::Null), None);
    }
}
