//! SQPOLL: a kernel thread looks at the submission queue, so that submitting needs no system call.
//!
//! The thread polls while there is work and for a while after; then it sleeps, and says so in the
//! ring's flags. `submit` looks there and makes the one call that wakes it. It needs no privilege
//! since Linux 5.13, but a CPU to burn.
//!
//! ```sh
//! cargo run --example sqpoll
//! ```
//!
//! Prints how often the kernel was entered; the numbers differ from run to run:
//!
//! ```text
//! 1000 writes, 1000 completions, 8000 bytes
//! the thread slept before 1 of 1000 submissions
//! ```

use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use annulus_ring::op::Write;
use annulus_ring::{Ring, Target};

const WRITES: u64 = 1000;

fn main() -> io::Result<()> {
    // Awake for half a second after the last submission.
    let mut ring = Ring::builder().entries(64).sqpoll(Duration::from_millis(500)).build()?;
    let path = std::env::temp_dir().join(format!("annulus-sqpoll-{}", std::process::id()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    let target = Target::Fd(file.as_raw_fd());

    let (mut slept, mut completions, mut bytes) = (0, 0, 0);
    for index in 0..WRITES {
        if ring.sq_space_left() == 0 {
            // The thread has yet to take the older ones.
            ring.wait_for_sq_space()?;
        }
        let write = Write { target, addr: b"8 bytes\n".as_ptr(), len: 8, offset: index * 8 };
        // SAFETY: the bytes are a constant.
        unsafe { ring.push(&write, index) }?;
        slept += u64::from(ring.sq_thread_sleeps());
        // Publishes the entry for the thread; a system call only if it sleeps.
        ring.submit()?;
        for cqe in ring.completions() {
            completions += 1;
            bytes += cqe.result()?;
        }
    }
    while completions < WRITES {
        ring.submit_and_wait(1, None)?;
        for cqe in ring.completions() {
            completions += 1;
            bytes += cqe.result()?;
        }
    }
    println!("{WRITES} writes, {completions} completions, {bytes} bytes");
    println!("the thread slept before {slept} of {WRITES} submissions");
    Ok(())
}
