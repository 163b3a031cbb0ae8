//! Files.
//!
//! Reads and writes go to the ring; what cannot block (metadata of an open file) is a plain system
//! call, because the ring would hand it to a worker thread for thirty times the cost. Paths are
//! resolved by the kernel's workers, so that a cold directory does not block the core.

mod atomic_file;
mod contents;
mod copy;
mod cursor;
mod dir;
mod file;
mod in_place;
mod metadata;
mod named;
pub mod notify;
mod open_options;
mod temp_dir;
mod temp_file;
mod temporary;
mod whole;

pub use std::fs::{FileTimes, Permissions};

pub use atomic_file::AtomicFile;
pub use contents::{read, read_to_string, replace, write};
pub use copy::copy;
pub use dir::Dir;
pub use file::{Advice, File, SetXattr, TryLockError, WriteBack};
pub use metadata::{Metadata, metadata, symlink_metadata};
pub use named::PathError;
pub use open_options::OpenOptions;
pub use temp_dir::TempDir;
pub use temp_file::{PersistError, TempFile};
