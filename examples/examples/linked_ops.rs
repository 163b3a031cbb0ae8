//! A batch in one call of the kernel, and a chain: a link begins when the one before it succeeded.
//!
//! Four writes are independent, so they run in any order. The chain is ordered: a write, an fsync,
//! a read. The second chain breaks in its first link, and the kernel cancels the rest.
//!
//! ```sh
//! cargo run --example linked_ops
//! ```
//!
//! ```text
//! batch: 4 entries with one call, 4 completions, 16 bytes
//! chain: write 4, fsync 0, read 4
//! broken chain: Bad file descriptor (os error 9), Operation canceled (os error 125)
//! ```

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd as _;

use annulus_ring::abi::{Cqe, FsyncFlags, SqeFlags};
use annulus_ring::op::{Fsync, Read, Write};
use annulus_ring::{Ring, Target};

fn main() -> io::Result<()> {
    let mut ring = Ring::new(8)?;
    let path = std::env::temp_dir().join(format!("annulus-linked-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let target = Target::Fd(file.as_raw_fd());
    let link = SqeFlags::IO_LINK;

    let pieces = [b"one ", b"two ", b"thre", b"four"];
    for (index, piece) in pieces.iter().enumerate() {
        let write = Write { target, addr: piece.as_ptr(), len: 4, offset: index as u64 * 4 };
        // SAFETY: the pieces are constants.
        unsafe { ring.push(&write, index as u64) }?;
    }
    let submitted = ring.submit()?;
    let cqes = completions(&mut ring, 4);
    let bytes: i32 = cqes.iter().map(|cqe| cqe.res).sum();
    println!("batch: {submitted} entries with one call, {} completions, {bytes} bytes", cqes.len());

    let mut buffer = [0; 4];
    let write = Write { target, addr: b"last".as_ptr(), len: 4, offset: 16 };
    let fsync = Fsync { target, flags: FsyncFlags::DATASYNC };
    let read = Read { target, addr: buffer.as_mut_ptr(), len: 4, offset: 16 };
    // SAFETY: a constant.
    unsafe { ring.push_with_flags(&write, 0, link) }?;
    // SAFETY: no memory.
    unsafe { ring.push_with_flags(&fsync, 1, link) }?;
    // SAFETY: the buffer lies still until the completions below. The last link has no flag.
    unsafe { ring.push(&read, 2) }?;
    let chain = completions(&mut ring, 3);
    println!("chain: write {}, fsync {}, read {}", chain[0].res, chain[1].res, chain[2].res);
    assert_eq!(&buffer, b"last");

    let nothing = Read { target: Target::Fd(-1), ..read };
    // SAFETY: the buffer lies still until the completions below.
    unsafe { ring.push_with_flags(&nothing, 0, link) }?;
    // SAFETY: a constant.
    unsafe { ring.push(&write, 1) }?;
    let broken = completions(&mut ring, 2);
    let [read, write] = [0, 1].map(|index| io::Error::from_raw_os_error(-broken[index].res));
    println!("broken chain: {read}, {write}");
    Ok(())
}

/// Submits what is left and waits for `count` completions, in the order of their user data.
fn completions(ring: &mut Ring, count: usize) -> Vec<Cqe> {
    let mut cqes = Vec::new();
    while cqes.len() < count {
        if let Err(errno) = ring.submit_and_wait((count - cqes.len()) as u32, None) {
            // The kernel still has requests, so this cannot be left with `?`.
            assert_eq!(errno.0, libc::EINTR, "the ring is broken");
        }
        ring.reap_into(&mut cqes);
    }
    cqes.sort_by_key(|cqe| cqe.user_data);
    cqes
}
