//! Files.
//!
//! Reads and writes go to the ring; what cannot block (metadata of an open file) is a plain system
//! call, because the ring would hand it to a worker thread for thirty times the cost. Paths are
//! resolved by the kernel's workers, so that a cold directory does not block the core.

mod copy;
mod dir;
mod file;
mod metadata;
pub mod notify;
mod open_options;
mod whole;

pub use copy::copy;
pub use dir::Dir;
pub use file::File;
pub use metadata::{Metadata, metadata, symlink_metadata};
pub use open_options::OpenOptions;
