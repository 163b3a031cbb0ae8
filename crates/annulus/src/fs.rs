//! Files.
//!
//! Reads and writes go to the ring; what cannot block (metadata of an open file) is a plain system
//! call, because the ring would hand it to a worker thread for thirty times the cost. Paths are
//! resolved by the kernel's workers, so that a cold directory does not block the core.

mod atomic_file;
mod coalesce;
mod commit_log;
mod contents;
mod copy;
mod copy_block;
mod cursor;
mod dir;
mod direct;
mod file;
mod file_with;
mod in_place;
mod metadata;
mod named;
pub mod notify;
mod open_options;
mod read_once;
mod read_stream;
mod rw_options;
mod synced;
mod temp_dir;
mod temp_file;
mod temporary;
mod whole;

pub use std::fs::{FileTimes, Permissions};

pub use atomic_file::AtomicFile;
pub use coalesce::{Merge, Ranges};
pub use commit_log::{Append, CommitError, CommitLog, CommitStage};
pub use contents::{read, read_to_string, replace, write};
pub use copy::copy;
pub use dir::Dir;
pub use direct::{Alignment, AtomicWrites, Direct, DirectPolled, DirectWith, Misaligned, Part};
pub use file::{Advice, File, SetXattr, TryLockError, WriteBack};
pub use file_with::FileWith;
pub use metadata::{Metadata, metadata, symlink_metadata};
pub use named::PathError;
pub use open_options::OpenOptions;
pub use read_once::read_once;
pub use read_stream::{Chunk, ReadStream};
pub use rw_options::{Level, Priority, RwOptions};
pub use synced::Synced;
pub use temp_dir::TempDir;
pub use temp_file::{PersistError, TempFile};

pub(crate) use direct::Span;
