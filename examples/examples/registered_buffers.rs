//! Registered buffers: the kernel pins the pages once, and each request names a buffer by its
//! index.
//!
//! A request on ordinary memory has its pages looked up and pinned, each time; on a registered
//! buffer that is done beforehand. It matters for direct I/O and zero-copy sends; a read from the
//! page cache copies either way. The pages count against RLIMIT_MEMLOCK.
//!
//! ```sh
//! cargo run --example registered_buffers
//! ```
//!
//! ```text
//! registered 2 buffers of 4096 bytes
//! wrote 4096 bytes from buffer 0, read 4096 bytes into buffer 1
//! the buffers are equal
//! a read past the end of buffer 1: Bad address (os error 14)
//! ```

use std::io;
use std::os::fd::AsRawFd as _;

use annulus_ring::op::{ReadFixed, WriteFixed};
use annulus_ring::{Op, Ring, Target};

const BYTES: usize = 4096;

fn main() -> io::Result<()> {
    let mut ring = Ring::new(8)?;
    let mut buffers = [vec![7_u8; BYTES], vec![0; BYTES]];
    let pieces = buffers
        .each_mut()
        .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: BYTES });
    ring.register_buffers(&pieces, &[])?;
    println!("registered 2 buffers of {BYTES} bytes");

    let path = std::env::temp_dir().join(format!("annulus-registered-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let (target, len, offset) = (Target::Fd(file.as_raw_fd()), BYTES as u32, 0);

    // The address says where in the buffer, which may be anywhere inside it.
    let addr = buffers[0].as_ptr();
    let written = run(&mut ring, &WriteFixed { target, buf_index: 0, addr, len, offset })?;
    let addr = buffers[1].as_mut_ptr();
    let read = ReadFixed { target, buf_index: 1, addr, len, offset };
    let count = run(&mut ring, &read)?;
    println!("wrote {written} bytes from buffer 0, read {count} bytes into buffer 1");
    println!("the buffers are {}", if buffers[0] == buffers[1] { "equal" } else { "different" });

    let past = ReadFixed { addr: addr.wrapping_add(1), ..read };
    let error = run(&mut ring, &past).expect_err("its last byte is outside");
    println!("a read past the end of buffer 1: {error}");

    ring.unregister_buffers()?;
    Ok(())
}

/// Submits one operation, waits for it, and gives what its completion says.
fn run<O: Op>(ring: &mut Ring, op: &O) -> io::Result<O::Output> {
    // SAFETY: the caller's buffers outlive this call, which returns after the completion.
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
