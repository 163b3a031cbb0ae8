//! The life of a file on a bare ring: open, write, fsync, read, close, unlink.
//!
//! Each step is one entry, pushed with a typed operation, and one completion, which `decode` turns
//! into a result: a descriptor, a count of bytes, or an `io::Error`.
//!
//! ```sh
//! cargo run --example basic_io
//! ```
//!
//! ```text
//! wrote 17 bytes
//! synced
//! read 17 bytes: "Hello from a ring"
//! closed and unlinked
//! ```

use std::ffi::CString;
use std::io;

use annulus_ring::abi::FsyncFlags;
use annulus_ring::op::{Close, Fsync, Openat, Place, Read, Unlinkat, Write};
use annulus_ring::{Op, Ring, Target};

fn main() -> io::Result<()> {
    let mut ring = Ring::new(8)?;
    let path = std::env::temp_dir().join(format!("annulus-basic-io-{}", std::process::id()));
    let path = CString::new(path.into_os_string().into_encoded_bytes())?;

    let (dir, flags) = (libc::AT_FDCWD, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL);
    let open = Openat { dir, path: path.as_ptr(), flags, mode: 0o600, place: Place::Fd };
    let fd = run(&mut ring, &open)?;
    let target = Target::Fd(fd);

    let text = b"Hello from a ring";
    let write = Write { target, addr: text.as_ptr(), len: text.len() as u32, offset: 0 };
    println!("wrote {} bytes", run(&mut ring, &write)?);
    run(&mut ring, &Fsync { target, flags: FsyncFlags::EMPTY })?;
    println!("synced");

    let mut buffer = [0; 64];
    let read = Read { target, addr: buffer.as_mut_ptr(), len: 64, offset: 0 };
    let count = run(&mut ring, &read)?;
    let bytes = &buffer[..count as usize];
    println!("read {count} bytes: \"{}\"", bytes.escape_ascii());

    run(&mut ring, &Close { fd })?;
    run(&mut ring, &Unlinkat { dir, path: path.as_ptr(), flags: 0 })?;
    println!("closed and unlinked");
    Ok(())
}

/// Submits one operation, waits for it, and gives what its completion says.
fn run<O: Op>(ring: &mut Ring, op: &O) -> io::Result<O::Output> {
    // SAFETY: the caller owns the memory that `op` points at, and gets no further than this call
    // before the completion.
    unsafe { ring.push(op, 0) }?;
    loop {
        if let Err(errno) = ring.submit_and_wait(1, None) {
            // The kernel still has the request, so this cannot be left with `?`.
            assert_eq!(errno.0, libc::EINTR, "the ring is broken");
        }
        if let Some(cqe) = ring.completions().next() {
            return O::decode(&cqe);
        }
    }
}
