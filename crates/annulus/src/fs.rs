//! Files.
//!
//! Reads and writes go to the ring; what cannot block (metadata of an open file) is a plain system
//! call, because the ring would hand it to a worker thread for thirty times the cost. Paths are
//! resolved by the kernel's workers, so that a cold directory does not block the core.
//!
//! | names, directories and trees | go |
//! |---|---|
//! | [`metadata()`], [`rename`], [`remove_file`], [`create_dir`], [`hard_link`], [`symlink`], [`xattr`], … | to the ring, which punts them to a worker of the kernel; to a thread, where the ring may not |
//! | [`read_dir()`], [`walk()`], [`remove_dir_all`], [`copy()`], [`read_link`], [`canonicalize`], [`set_permissions`], … | to a thread of [`spawn_blocking`](crate::task::spawn_blocking): they have no operation, or cost less by the batch |
//! | all of these below a [`Dir`] | the same way, but cannot leave it |
//!
//! Errors of functions that take a path have it in their text: [`PathError`].

mod aside;
mod atomic_file;
mod attributes;
mod coalesce;
mod commit_log;
mod contents;
mod copy;
mod copy_block;
mod cursor;
mod dir;
mod dir_builder;
mod dir_names;
mod direct;
mod file;
mod file_type;
mod file_with;
mod in_place;
mod listing;
mod metadata;
mod named;
mod names;
pub mod notify;
mod open_options;
mod opening_below;
mod path_xattr;
mod read_dir;
mod read_once;
mod read_stream;
mod remove_tree;
mod request;
mod rw_options;
mod synced;
mod temp_dir;
mod temp_file;
mod temporary;
mod walk;
mod whole;

pub use std::fs::{FileTimes, Permissions};

pub use atomic_file::AtomicFile;
pub use attributes::{Space, chown, lchown, set_permissions, set_times, space};
pub use coalesce::{Merge, Ranges};
pub use commit_log::{Append, CommitError, CommitLog, CommitStage};
pub use contents::{read, read_to_string, replace, write};
pub use copy::{copy, copy_with};
pub use dir::Dir;
pub use dir_builder::{DirBuilder, create_dir, create_dir_all};
pub use direct::{Alignment, AtomicWrites, Direct, DirectPolled, DirectWith, Misaligned, Part};
pub use file::{Advice, File, SetXattr, TryLockError, WriteBack};
pub use file_type::FileType;
pub use file_with::FileWith;
pub use metadata::{Metadata, metadata, symlink_metadata};
pub use named::PathError;
pub use names::{
    canonicalize, exists, hard_link, read_link, remove_dir, remove_file, rename, rename_exchange,
    rename_noreplace, symlink, try_exists,
};
pub use open_options::OpenOptions;
pub use path_xattr::{list_xattrs, remove_xattr, set_xattr, xattr};
pub use read_dir::{DirEntry, ReadDir, read_dir};
pub use read_once::read_once;
pub use read_stream::{Chunk, ReadStream};
pub use remove_tree::remove_dir_all;
pub use rw_options::{Level, Priority, RwOptions};
pub use synced::Synced;
pub use temp_dir::TempDir;
pub use temp_file::{PersistError, TempFile};
pub use walk::{Walk, WalkEntry, walk};

pub(crate) use direct::Span;
