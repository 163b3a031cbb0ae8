//! A directory of files for servers of files to serve, and what is in them.
//!
//! Owns: making it, and checking what came of a file. Invariant: the directory is gone when its
//! owner is.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Workload, wrong};

/// Contents repeat after so many bytes, which no page and no buffer is a multiple of.
const PERIOD: usize = 251;
/// How much is compared at once.
const STRIDE: usize = 64 * PERIOD;

/// The directory.
pub struct Site {
    path: PathBuf,
}

impl Site {
    /// Makes the files that these workloads ask for, each named after its length.
    ///
    /// # Errors
    /// Those of making files.
    pub fn make(workloads: &[Workload]) -> io::Result<Self> {
        let name = format!("annulus-bench-{}-site", std::process::id());
        let site = Self { path: std::env::temp_dir().join(name) };
        fs::create_dir(&site.path)?;
        // A server may give up its privileges.
        fs::set_permissions(&site.path, Permissions::from_mode(0o755))?;
        for workload in workloads.iter().filter(|workload| workload.is_site()) {
            let contents: Vec<u8> = (0..workload.bytes).map(byte).collect();
            fs::write(site.path.join(workload.bytes.to_string()), contents)?;
        }
        Ok(site)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn byte(at: usize) -> u8 {
    (at % PERIOD) as u8
}

/// What all files have in them.
#[derive(Debug)]
pub struct Contents(Vec<u8>);

impl Contents {
    /// A piece of them that is long enough to compare with any other.
    pub fn new() -> Self {
        Self((0..STRIDE + PERIOD).map(byte).collect())
    }

    /// Compares bytes that came of a file from `at` on.
    ///
    /// # Errors
    /// Other bytes came.
    pub fn check(&self, mut at: usize, came: &[u8]) -> io::Result<()> {
        for piece in came.chunks(STRIDE) {
            if self.0[at % PERIOD..][..piece.len()] != *piece {
                return Err(wrong("other bytes came of the file"));
            }
            at += piece.len();
        }
        Ok(())
    }
}

impl Default for Contents {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WORKLOADS;

    #[test]
    fn a_site_has_the_files_that_are_asked_for_until_it_goes() {
        let site = Site::make(WORKLOADS).unwrap();
        let path = site.path().to_owned();
        let contents = Contents::new();
        for workload in WORKLOADS.iter().filter(|workload| workload.is_site()) {
            let file = fs::read(path.join(workload.bytes.to_string())).unwrap();
            assert_eq!(file.len(), workload.bytes);
            contents.check(0, &file).unwrap();
            contents.check(1000, &file[1000..]).unwrap();
            contents.check(0, &file[1..]).unwrap_err();
        }
        drop(site);
        assert!(!path.exists());
    }
}
