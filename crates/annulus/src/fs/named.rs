//! Errors that say which path they are about.
//!
//! Owns: [`PathError`], and which errors get one. Does not own: the errors of handles, which know
//! no path and keep the kernel's number. Invariant: the kind stays what it was.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// What could not be done with which path. It is inside the [`io::Error`] of the functions that
/// take a path.
///
/// The error keeps its kind. The kernel's number is that of the error within:
///
/// ```
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// use annulus::fs::PathError;
///
/// let error = annulus::fs::remove_file("/no/such/file").await.expect_err("there is none");
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert!(error.to_string().contains("/no/such/file"), "{error}");
/// let inside = PathError::of(&error).expect("the path is known");
/// assert_eq!(inside.io_error().raw_os_error(), Some(2)); // ENOENT
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PathError {
    operation: &'static str,
    path: PathBuf,
    other: Option<PathBuf>,
    error: io::Error,
}

impl PathError {
    /// What is inside the error of a function that takes a path; `None` for other errors.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The second path, where something was to be done with two: the new name of a rename, say.
    #[must_use]
    pub fn other_path(&self) -> Option<&Path> {
        self.other.as_deref()
    }

    /// The error itself, with the kernel's number if it is the kernel's.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.error
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, path, other, error } = self;
        write!(f, "cannot {operation} `{}`", path.display())?;
        if let Some(other) = other {
            write!(f, " to `{}`", other.display())?;
        }
        write!(f, ": {error}")
    }
}

impl Error for PathError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// `error`, which says that it came when `operation` was to be done with `path`.
pub(super) fn at(operation: &'static str, path: &Path, error: io::Error) -> io::Error {
    with(operation, path, None, error)
}

/// As [`at`], with two paths.
pub(super) fn between(
    operation: &'static str,
    path: &Path,
    other: &Path,
    error: io::Error,
) -> io::Error {
    with(operation, path, Some(other), error)
}

fn with(operation: &'static str, path: &Path, other: Option<&Path>, error: io::Error) -> io::Error {
    let is_about_path = match error.raw_os_error() {
        // Who asked for the end of an operation gives this one its meaning.
        Some(code) => code != libc::ECANCELED,
        None => error.kind() == io::ErrorKind::InvalidInput && PathError::of(&error).is_none(),
    };
    if !is_about_path {
        return error;
    }
    let (path, other) = (path.to_owned(), other.map(Path::to_owned));
    io::Error::new(error.kind(), PathError { operation, path, other, error })
}

#[cfg(test)]
mod tests;
