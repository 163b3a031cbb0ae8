//! Child processes.
//!
//! [`Command`] is that of `std`, and [`Child`] is awaited; its pipes are those of
//! [`pipe`](crate::pipe).
//!
//! ```
//! # #[annulus::main]
//! # async fn main() -> std::io::Result<()> {
//! use annulus::process::Command;
//!
//! let output = Command::new("sh").args(["-c", "echo hello; exit 3"]).output().await?;
//! assert_eq!(output.stdout, b"hello\n");
//! assert_eq!(output.status.code(), Some(3));
//! # Ok(())
//! # }
//! ```
//!
//! # How it waits
//!
//! Each child has a pidfd, which becomes readable when the child ends; the ring polls it, and then
//! waitid(2), which does not wait any more, gives the status. There is no handler of SIGCHLD, no
//! thread, and no wait for anybody else's children. (`WAITID`, 6.7, reaps as it completes: one that
//! completed late, for a future that is gone, would have taken the status with it.) A process that
//! ignores SIGCHLD, or waits for any child (`waitpid(-1)`), takes the status away from here: ECHILD
//! is the error then.
//!
//! # What becomes of a child that nobody waits for
//!
//! It goes on, unless [`kill_on_drop`](Command::kill_on_drop) says otherwise, and when it ends it
//! is reaped: by a thread of the process (`annulus-reaper`) that sleeps until one of those children
//! ends, and that there is only while there are some. So no zombie is left, whether the handle was
//! dropped on its core, elsewhere, or after its runtime.
//!
//! # What it costs to start one
//!
//! Starting is a call that waits until the child has called execve(2): with the options that
//! posix_spawn(3) has, the memory of the process is lent and not copied, and it takes about 0.2 ms
//! (`true`, Linux 6.18), in which the core does nothing else. To hand that to another thread and
//! back would be cheap beside it, but a child inherits properties of the thread that starts it
//! (its CPUs, and when it is told of its parent's death), and those should be the core's. With
//! [`pre_exec`](Command::pre_exec), `uid`, `gid` and the like `std` forks, which copies the page
//! tables of the process. A core that must not pause makes its children in
//! [`spawn_blocking`](crate::task::spawn_blocking) with `std`'s command, and takes them over by
//! [`Child::from_std`].
//!
//! A child inherits the CPUs of the thread that starts it: that of a core that was
//! [launched](crate::runtime::launch) on one CPU stays on that one CPU.

mod child;
mod command;
mod reaper;

pub use child::{Child, ChildStderr, ChildStdin, ChildStdout};
pub use command::Command;
pub use std::process::{ExitStatus, Output, Stdio};
