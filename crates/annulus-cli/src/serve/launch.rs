//! What is served: a directory, checked before the first connection.

use std::io;
use std::path::{Path, PathBuf};

/// The directory to serve, as an absolute path without symbolic links.
///
/// # Errors
/// The kernel's, in words for people, if it does not exist or is not a directory.
pub fn root(directory: &Path) -> io::Result<PathBuf> {
    let cannot = |error: io::Error| {
        io::Error::new(error.kind(), format!("cannot serve {}: {error}", directory.display()))
    };
    let root = directory.canonicalize().map_err(cannot)?;
    if !root.is_dir() {
        return Err(cannot(io::Error::new(io::ErrorKind::NotADirectory, "it is not a directory")));
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_are_served() {
        let directory = tempfile::tempdir().unwrap();
        assert!(root(directory.path()).unwrap().is_absolute());
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(root(&file).unwrap_err().to_string().contains("not a directory"));
        assert!(root(&directory.path().join("nothing")).is_err());
    }
}
