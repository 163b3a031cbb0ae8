//! Prints a file: a read and a write linked in the kernel, so that data goes from the file to
//! standard output without a stop in this program.
//!
//! The write begins when the read has succeeded. A short read breaks the chain, because a link
//! counts as failed if it moved less than it was asked to; so the size of each chunk is known
//! beforehand.
//!
//! ```sh
//! cargo run --example linked_cat -- FILE       # its own source without a file
//! ```
//!
//! Prints the file as it is:
//!
//! ```text
//! //! Prints a file: a read and a write linked in the kernel, …
//! ```

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use annulus_ring::abi::SqeFlags;
use annulus_ring::op::{Read, Write};
use annulus_ring::{Ring, Target};

const CHUNK: u64 = 64 * 1024;
const READ: u64 = 0;
const WRITE: u64 = 1;

fn main() -> io::Result<()> {
    let own_source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/linked_cat.rs");
    let path = std::env::args_os().nth(1).unwrap_or_else(|| own_source.into());
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let (from, to) = (Target::Fd(file.as_raw_fd()), Target::Fd(io::stdout().as_raw_fd()));
    let mut ring = Ring::new(8)?;
    let mut buffer = vec![0; CHUNK as usize];

    let mut offset = 0;
    while offset < size {
        let len = CHUNK.min(size - offset) as u32;
        let read = Read { target: from, addr: buffer.as_mut_ptr(), len, offset };
        // An offset of -1 is the current position, and all that a pipe has.
        let write = Write { target: to, addr: buffer.as_ptr(), len, offset: u64::MAX };
        // SAFETY: the buffer is left alone until both completions are there.
        unsafe { ring.push_with_flags(&read, READ, SqeFlags::IO_LINK) }?;
        // SAFETY: as above.
        unsafe { ring.push(&write, WRITE) }?;
        let mut results = [None; 2];
        while results.contains(&None) {
            if let Err(errno) = ring.submit_and_wait(1, None) {
                assert_eq!(errno.0, libc::EINTR, "the ring is broken");
            }
            for cqe in ring.completions() {
                results[cqe.user_data as usize] = Some(cqe.result());
            }
        }
        let [read, written] = results.map(|result| result.expect("both are there"));
        // The error of the read comes first: the write is only cancelled.
        read?;
        let written = written?;
        // A pipe may have taken less; the rest is read again.
        offset += u64::from(written);
    }
    Ok(())
}
