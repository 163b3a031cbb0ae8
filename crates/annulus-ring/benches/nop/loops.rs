//! The same loop three times: push a batch, submit and wait for it, reap it.
//!
//! Every loop looks at each result and adds up the user data, so that none can leave that out.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use annulus_ring::{Op as _, Ring, op::Nop};

/// A loop of this program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    /// This crate.
    Annulus,
    /// The `io-uring` crate.
    IoUring,
}

impl Contender {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Annulus, Self::IoUring].into_iter().find(|contender| contender.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Annulus => "annulus-ring",
            Self::IoUring => "io-uring",
        }
    }

    pub fn run(self, size: u32, batches: u64) -> io::Result<()> {
        let sum = match self {
            Self::Annulus => annulus(size, batches)?,
            Self::IoUring => io_uring(size, batches)?,
        };
        // Each batch has the user data 0..size.
        let expected = batches * u64::from(size) * (u64::from(size) - 1) / 2;
        if sum == expected { Ok(()) } else { Err(io::Error::other("a completion is missing")) }
    }
}

fn annulus(size: u32, batches: u64) -> io::Result<u64> {
    annulus_loop(&mut Ring::new(64)?, size, batches)
}

// Not inlined, so that the loop has the registers to itself.
#[inline(never)]
fn annulus_loop(ring: &mut Ring, size: u32, batches: u64) -> io::Result<u64> {
    let mut sum = 0;
    for _ in 0..batches {
        for index in 0..size {
            // SAFETY: a NOP borrows no memory.
            unsafe { ring.push(&Nop, index.into()) }?;
        }
        ring.submit_and_wait(size, None)?;
        for cqe in ring.completions() {
            Nop::decode(&cqe)?;
            sum += cqe.user_data;
        }
    }
    Ok(sum)
}

fn io_uring(size: u32, batches: u64) -> io::Result<u64> {
    let mut ring: io_uring::IoUring = io_uring::IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .build(64)?;
    io_uring_loop(&mut ring, size, batches)
}

#[inline(never)]
fn io_uring_loop(ring: &mut io_uring::IoUring, size: u32, batches: u64) -> io::Result<u64> {
    let mut sum = 0;
    for _ in 0..batches {
        let mut sq = ring.submission();
        for index in 0..size {
            let nop = io_uring::opcode::Nop::new().build().user_data(index.into());
            // SAFETY: a NOP borrows no memory.
            unsafe { sq.push(&nop) }.map_err(io::Error::other)?;
        }
        drop(sq);
        ring.submit_and_wait(size as usize)?;
        for cqe in ring.completion() {
            if cqe.result() < 0 {
                return Err(io::Error::from_raw_os_error(-cqe.result()));
            }
            sum += cqe.user_data();
        }
    }
    Ok(sum)
}

const C_LOOP: &str = r#"
#include <liburing.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    unsigned size = (unsigned)atoi(argv[1]);
    unsigned long long batches = strtoull(argv[2], NULL, 10), sum = 0;
    struct io_uring ring;
    if (argc != 3 || io_uring_queue_init(64, &ring, IORING_SETUP_SINGLE_ISSUER
            | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL))
        return 1;
    for (unsigned long long batch = 0; batch < batches; batch++) {
        for (unsigned index = 0; index < size; index++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
            if (!sqe)
                return 2;
            io_uring_prep_nop(sqe);
            io_uring_sqe_set_data64(sqe, index);
        }
        if (io_uring_submit_and_wait(&ring, size) < 0)
            return 3;
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        io_uring_for_each_cqe(&ring, head, cqe) {
            if (cqe->res < 0)
                return 4;
            sum += cqe->user_data;
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
    return sum == batches * size * (size - 1ull) / 2 ? 0 : 5;
}
"#;

/// Compiles the C loop into `directory`.
///
/// # Errors
/// What is missing, in the words of the compiler.
pub fn compile_c(directory: &Path) -> Result<PathBuf, String> {
    let source = directory.join("nop.c");
    std::fs::write(&source, C_LOOP).map_err(|error| error.to_string())?;
    let program = directory.join("nop-c");
    let mut command = Command::new("cc");
    command.args(["-O3", "-o"]).arg(&program).arg(&source).arg("-luring");
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(program)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().next().unwrap_or("the compiler failed").to_owned())
    }
}
