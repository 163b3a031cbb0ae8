//! What is run.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::process::complaint;

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
    /// It cannot be started, or fails; then what it says is the reason.
    pub fn asked(mut self) -> io::Result<Self> {
        let mut command = Command::new(&self.path);
        let output = command.args(&self.before).arg("--list").output()?;
        if !output.status.success() {
            let said = complaint(&String::from_utf8_lossy(&output.stderr));
            return Err(io::Error::other(said.unwrap_or_else(|| output.status.to_string())));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let before = vec!["-c".to_owned(), script.to_owned()];
        Program { path: "/bin/sh".into(), before, ..Program::default() }
    }

    #[test]
    fn a_program_says_its_families_or_what_is_the_matter() {
        let program = shell("echo read; echo echo").asked().unwrap();
        assert_eq!(program.families, ["read", "echo"]);
        let error = shell("echo no ring here >&2; exit 1").asked().unwrap_err();
        assert_eq!(error.to_string(), "no ring here");
        assert!(shell("exit 3").asked().unwrap_err().to_string().contains('3'));
        let nowhere = Program { path: "/nonexistent".into(), ..Program::default() };
        assert_eq!(nowhere.asked().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
