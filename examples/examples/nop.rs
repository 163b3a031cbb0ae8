//! A bare ring, without a runtime: one NOP, as the kernel is asked and as it answers.
//!
//! A submission entry (SQE) of 64 bytes goes in, a completion entry (CQE) of 16 comes out; what
//! tells them belong together is `user_data`. This is all there is below every future of Annulus.
//!
//! ```sh
//! cargo run --example nop
//! ```
//!
//! Prints both entries, field by field:
//!
//! ```text
//! Sqe {
//!     opcode: NOP(0),
//!     …
//!     user_data: 42,
//!     …
//! }
//! Cqe {
//!     user_data: 42,
//!     res: 0,
//!     flags: CqeFlags(),
//! }
//! ```

use annulus_ring::abi::Sqe;
use annulus_ring::op::Nop;
use annulus_ring::{Op as _, Ring};

fn main() -> std::io::Result<()> {
    let mut ring = Ring::new(8)?;
    let mut sqe = Sqe::default();
    Nop.encode(&mut sqe);
    sqe.user_data = 42;
    println!("{sqe:#?}");

    // SAFETY: a NOP names no memory that would have to stay valid.
    unsafe { ring.push_sqe(&sqe) }?;
    // One system call publishes the entry and waits for one completion, however long it takes.
    ring.submit_and_wait(1, None)?;

    for cqe in ring.completions() {
        println!("{cqe:#?}");
        Nop::decode(&cqe)?;
    }
    Ok(())
}
