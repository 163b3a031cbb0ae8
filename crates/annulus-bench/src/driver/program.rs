//! What is run.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The program that all others are compared with.
pub const OURS: &str = "annulus";

/// A program to be measured, whose `main` is [`crate::main`], or its arguments' tail.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// As tables show it.
    pub name: String,
    /// Of the library that it shows.
    pub version: String,
    /// The file.
    pub path: PathBuf,
    /// What stands before the arguments of a job.
    pub before: Vec<String>,
    /// Which of several ways it does it.
    pub variant: String,
    /// The families of workloads that it takes part in.
    pub families: Vec<String>,
    /// If not empty, the only workloads that it takes part in.
    pub only: Vec<String>,
}

impl Program {
    /// Asks the program which families it takes part in.
    ///
    /// # Errors
    /// It cannot be started, or fails.
    pub fn asked(mut self) -> io::Result<Self> {
        let mut command = Command::new(&self.path);
        let output = command.args(&self.before).arg("--list").stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(output.status.to_string()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        self.families = text.lines().map(str::to_owned).collect();
        Ok(self)
    }

    /// Whether it takes part in a workload.
    pub(super) fn takes_part(&self, workload: &crate::Workload) -> bool {
        let named = |names: &[String], name: &str| names.iter().any(|known| known == name);
        named(&self.families, workload.family)
            && (self.only.is_empty() || named(&self.only, workload.name))
    }
}
