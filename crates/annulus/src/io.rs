//! Descriptors of any kind: waiting until they are ready.
//!
//! The handles of [`net`](crate::net) and [`fs`](crate::fs) do not need this: their operations
//! complete. It is for descriptors that only another library knows how to read: a netlink socket,
//! an inotify instance, a device, a pipe of a child process.

mod events;
mod readiness;

pub use events::Events;
pub use readiness::Readiness;
