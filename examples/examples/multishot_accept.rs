//! Multishot accept: one entry, and a completion for each connection, until it is cancelled.
//!
//! Each completion with `MORE` says that the request stays armed. The last one has none, whatever
//! its result says: here it is the cancel's doing.
//!
//! ```sh
//! cargo run --example multishot_accept
//! ```
//!
//! ```text
//! one accept is armed
//! connection 1: more to come
//! connection 2: more to come
//! connection 3: more to come
//! the end: Operation canceled (os error 125)
//! 3 connections with 1 accept
//! ```

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use annulus_ring::abi::{AcceptFlags, CancelFlags};
use annulus_ring::op::{AcceptMulti, Cancel, Place};
use annulus_ring::{Op as _, Ring, Target};

const ACCEPT: u64 = 1;
const CANCEL: u64 = 2;

fn main() -> io::Result<()> {
    let mut ring = Ring::new(8)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (target, flags) = (Target::Fd(listener.as_raw_fd()), libc::SOCK_CLOEXEC);
    let accept = AcceptMulti { target, flags, ioprio: AcceptFlags::EMPTY, place: Place::Fd };
    // SAFETY: this operation names no memory.
    unsafe { ring.push(&accept, ACCEPT) }?;
    ring.submit()?;
    println!("one accept is armed");

    let address = listener.local_addr()?;
    let _clients: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(address)).collect::<io::Result<_>>()?;
    let mut connections = Vec::new();
    loop {
        ring.submit_and_wait(1, None)?;
        for cqe in ring.completions() {
            if cqe.user_data == CANCEL {
                continue;
            }
            match AcceptMulti::decode(&cqe) {
                Ok(fd) => {
                    // SAFETY: the kernel gave this descriptor to nobody else.
                    connections.push(unsafe { OwnedFd::from_raw_fd(fd) });
                    let more = if cqe.more() { "more to come" } else { "the last one" };
                    println!("connection {}: {more}", connections.len());
                }
                Err(error) => println!("the end: {error}"),
            }
            if !cqe.more() {
                println!("{} connections with 1 accept", connections.len());
                return Ok(());
            }
        }
        if connections.len() == 3 {
            let cancel = Cancel { user_data: ACCEPT, flags: CancelFlags::EMPTY };
            // SAFETY: this operation names no memory.
            unsafe { ring.push(&cancel, CANCEL) }?;
        }
    }
}
