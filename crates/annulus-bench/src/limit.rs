//! The limit: hand-written loops over the bare ring, without a runtime, as good as they can be.
//!
//! Owns: what a program written for one purpose pays, and the load that servers are measured with.
//! Does not own: any policy of measuring.
//!
//! | module | owns |
//! |---|---|
//! | `nop` | no-ops |
//! | `read` | reads, of a plain file into plain buffers or of a registered one into registered ones |
//! | `direct` | the same past the page cache |
//! | `block` | one block of memory, read and written one request at a time |
//! | `cat`, `copy` | a file from its beginning to its end |
//! | `cross` | a ball between two threads with a ring each |
//! | `echo` | multishot accept, multishot receive, one send in flight per connection |
//! | `udp` | multishot receive, one sendmmsg(2) for what came together |
//! | `load`, `connect`, `storm`, `idle` | the other sides of `echo`, `load` of `udp` as well |
//! | `http`, `tls` | the other side of servers that greet over HTTP, that echo over TLS |
//! | `files`, `kv` | the other sides of servers of files, and of caches |
//! | `pool` | provided buffers |
//!
//! Invariant: these processes end by returning an error or by the end of the process, so memory
//! that the kernel was given is either drained or leaked, never freed early.

#![allow(unsafe_code, reason = "whoever pushes an entry lends memory to the kernel")]

mod block;
mod cat;
mod connect;
mod copy;
mod cross;
mod direct;
mod echo;
mod idle;
mod load;
mod nop;
mod pool;
mod read;
mod storm;
mod udp;

use std::io;

use annulus_ring::abi::{Errno, SqeFlags};
use annulus_ring::{Builder, Op, Ring};

use crate::Run;

/// The workloads that the limit takes part in.
pub const PROGRAMS: &[(&str, Run)] = &[
    ("cross", cross::run),
    ("nop", nop::run),
    ("read", read::run),
    ("direct", direct::run),
    ("cat", cat::run),
    ("copy", copy::run),
    ("echo", echo::run),
    ("unix", echo::run_unix),
    ("udp-echo", udp::run),
];

/// The other side of servers.
pub const LOADS: &[(&str, Run)] = &[
    ("load", load::echoes::run),
    ("http", load::http::run),
    ("connect", connect::run),
    ("requests", connect::run),
    ("storm", storm::run),
    ("crowd", storm::run),
    ("idle", idle::run),
    ("static", load::files::run),
    ("kv", load::kv::run),
];

/// The other side of servers of TLS.
#[cfg(feature = "tls")]
pub const TLS_LOADS: &[(&str, Run)] = &[("tls", load::tls::run)];

/// Whether the loop of this family has this way of doing it: what it does not know it would refuse
/// when it is measured, or not do.
pub fn knows(family: &str, variant: &str) -> bool {
    let runs = PROGRAMS.iter().any(|(known, _)| *known == family);
    runs && match family {
        "echo" | "unix" => echo::Waiting::of(variant).is_ok(),
        "read" | "direct" | "cat" | "copy" => is_registered(variant).is_ok(),
        _ => variant.is_empty(),
    }
}

/// Whether files and buffers are to be registered.
fn is_registered(variant: &str) -> io::Result<bool> {
    match variant {
        "" => Ok(false),
        "registered" => Ok(true),
        _ => crate::no_variant(variant),
    }
}

/// What a ring that is measured is built with: its waits are kept out of the I/O-wait statistics,
/// as those of the runtime are by default.
fn builder() -> Builder {
    Ring::builder().no_iowait(true)
}

/// Submits what is pushed and waits for a completion, at most so long. An interruption is no error.
///
/// A wait that slept has run the task work of that completion alone (since 6.13); what else is
/// there comes by one call more, so that it is answered together.
#[inline]
fn wait(ring: &mut Ring, timeout_ns: Option<u64>) -> io::Result<()> {
    wait_for(ring, 1, timeout_ns)?;
    if ring.task_work_pending() { submit(ring) } else { Ok(()) }
}

/// The same for so many completions.
#[inline]
fn wait_for(ring: &mut Ring, want: u32, timeout_ns: Option<u64>) -> io::Result<()> {
    match ring.submit_and_wait(want, timeout_ns) {
        Ok(_) | Err(Errno(libc::EINTR | libc::EBUSY)) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Pushes an operation; a full queue is submitted first.
///
/// # Safety
/// * As for [`Ring::vacant`].
#[inline]
unsafe fn push<O: Op>(ring: &mut Ring, op: &O, user_data: u64, flags: SqeFlags) -> io::Result<()> {
    loop {
        // SAFETY: the caller's promise is passed on.
        if unsafe { ring.push_with_flags(op, user_data, flags) }.is_ok() {
            return Ok(());
        }
        submit(ring)?;
    }
}

fn submit(ring: &mut Ring) -> io::Result<()> {
    match ring.submit() {
        Ok(_) | Err(Errno(libc::EINTR)) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
