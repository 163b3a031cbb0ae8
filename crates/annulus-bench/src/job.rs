//! What a program is asked for.
//!
//! Owns: the arguments of measured programs, read and written. Written by hand, so that programs
//! depend on nothing that is not measured.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::meter::{BATCH, Meter};
use crate::{Address, sys};

/// What a program is asked for. Every field has a default.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    /// Family of the workload: which function of the program runs.
    pub workload: String,
    /// Tasks, operations in flight, or connections; the workload says which.
    pub tasks: u32,
    /// Bytes of a message or of a block.
    pub bytes: usize,
    /// Requests that a connection has outstanding.
    pub depth: u32,
    /// How long to measure.
    pub window: Duration,
    /// Operations between two looks at the clock.
    pub batch: u64,
    /// So many operations instead, and no clock: for counting instructions.
    pub ops: Option<u64>,
    /// Which of several ways of doing the same; programs say which they know.
    pub variant: String,
    /// The CPU of what is measured.
    pub cpu: Option<usize>,
    /// Another CPU, for workloads of two threads.
    pub other_cpu: Option<usize>,
    /// The file that is read.
    pub file: PathBuf,
    /// A directory in which files may be made.
    pub directory: PathBuf,
    /// The server that a load asks.
    pub address: Address,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            workload: String::new(),
            tasks: 1,
            bytes: 64,
            depth: 1,
            window: Duration::from_secs(1),
            batch: BATCH,
            ops: None,
            variant: String::new(),
            cpu: None,
            other_cpu: None,
            file: PathBuf::from("/dev/null"),
            directory: PathBuf::from("/nonexistent"),
            address: Address::default(),
        }
    }
}

impl Job {
    /// Reads arguments as [`to_arguments`](Self::to_arguments) writes them.
    ///
    /// # Errors
    /// `InvalidInput`, naming the argument.
    pub fn from_arguments<I: IntoIterator<Item = String>>(arguments: I) -> io::Result<Self> {
        let mut job = Self::default();
        for argument in arguments {
            if job.set(&argument).is_none() {
                let message = format!("the argument {argument:?} is not understood");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        Ok(job)
    }

    fn set(&mut self, argument: &str) -> Option<()> {
        let (name, value) = argument.strip_prefix("--")?.split_once('=')?;
        match name {
            "workload" => value.clone_into(&mut self.workload),
            "tasks" => self.tasks = value.parse().ok()?,
            "bytes" => self.bytes = value.parse().ok()?,
            "depth" => self.depth = value.parse().ok()?,
            "seconds" => self.window = Duration::try_from_secs_f64(value.parse().ok()?).ok()?,
            "batch" => self.batch = value.parse().ok()?,
            "ops" => self.ops = Some(value.parse().ok()?),
            "variant" => value.clone_into(&mut self.variant),
            "cpu" => self.cpu = Some(value.parse().ok()?),
            "other-cpu" => self.other_cpu = Some(value.parse().ok()?),
            "file" => self.file = value.into(),
            "directory" => self.directory = value.into(),
            "address" => self.address = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// The arguments that make a program do this job.
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--workload={}", self.workload),
            format!("--tasks={}", self.tasks),
            format!("--bytes={}", self.bytes),
            format!("--depth={}", self.depth),
            format!("--seconds={}", self.window.as_secs_f64()),
            format!("--batch={}", self.batch),
            format!("--variant={}", self.variant),
            format!("--file={}", self.file.display()),
            format!("--directory={}", self.directory.display()),
            format!("--address={}", self.address),
        ];
        arguments.extend(self.ops.map(|ops| format!("--ops={ops}")));
        arguments.extend(self.cpu.map(|cpu| format!("--cpu={cpu}")));
        arguments.extend(self.other_cpu.map(|cpu| format!("--other-cpu={cpu}")));
        arguments
    }

    /// A meter for as long, or for as many operations, as is asked for.
    pub fn meter(&self) -> Meter {
        self.ops.map_or_else(|| Meter::timed(self.window, self.batch), Meter::counted)
    }

    /// Bytes of the buffer of a connection, where a runtime has one for each: a message, but at
    /// least a page and at most 64 KiB, which is what the buffers of Annulus's pool hold.
    pub fn buffer_bytes(&self) -> usize {
        self.bytes.clamp(4096, 65536)
    }

    /// Binds this thread, and those that it starts from now on, to the CPU of what is measured.
    ///
    /// # Errors
    /// Those of sched_setaffinity(2).
    pub fn pin(&self) -> io::Result<()> {
        self.cpu.map_or(Ok(()), sys::pin)
    }

    /// Binds this thread to the other CPU.
    ///
    /// # Errors
    /// Those of sched_setaffinity(2).
    pub fn pin_other(&self) -> io::Result<()> {
        self.other_cpu.map_or(Ok(()), sys::pin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_the_way_through_arguments() {
        let job = Job {
            workload: "read".to_owned(),
            tasks: 32,
            bytes: 4096,
            depth: 16,
            window: Duration::from_millis(1500),
            batch: 16,
            ops: Some(7),
            variant: "registered".to_owned(),
            cpu: Some(1),
            other_cpu: Some(0),
            file: "/proc/1/fd/3".into(),
            directory: "/tmp".into(),
            address: "127.0.0.1:80".parse().unwrap(),
        };
        assert_eq!(Job::from_arguments(job.to_arguments()).unwrap(), job);
        let job = Job::default();
        assert_eq!(Job::from_arguments(job.to_arguments()).unwrap(), job);
    }

    #[test]
    fn a_buffer_holds_a_message_or_a_page() {
        let buffer_bytes = |bytes| Job { bytes, ..Job::default() }.buffer_bytes();
        assert_eq!([64, 4096, 65536, 1 << 20].map(buffer_bytes), [4096, 4096, 65536, 65536]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for argument in ["read", "--tasks=many", "--tasks", "--color=red", "--seconds=-1"] {
            let error = Job::from_arguments([argument.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
    }
}
