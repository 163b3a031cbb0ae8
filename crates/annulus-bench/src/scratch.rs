//! A file to write to, gone when its owner is.

use std::io;
use std::path::{Path, PathBuf};

use crate::Job;

/// A new file in the job's directory.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it, empty.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn new(job: &Job) -> io::Result<Self> {
        let path = job.directory.join(format!("annulus-bench-{}-scratch", std::process::id()));
        std::fs::File::create_new(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
