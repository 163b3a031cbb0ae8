//! A hundred reads of one file in flight at once, submitted by one system call.
//!
//! Each read belongs to a task. In one turn all tasks fill their submission entries (SQEs); the
//! turn ends with one `io_uring_enter`, which hands all of them to the kernel.
//!
//! ```sh
//! cargo run --example concurrent_downloads -- FILE
//! ```
//!
//! Prints, without an argument of a file that it makes itself (what is in the page cache completes
//! while it is submitted, so one call does both):
//!
//! ```text
//! 100 SQEs, 1 call of io_uring_enter
//! 409600 bytes in 100 parts
//! ```

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use annulus::fs::File;
use annulus::runtime::metrics;
use annulus::task::JoinSet;

const PARTS: u64 = 100;
const PART_BYTES: usize = 4096;

#[annulus::main]
async fn main() -> io::Result<()> {
    let own = tempfile::NamedTempFile::new()?;
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => sample(own.path())?,
    };
    let file = Rc::new(File::open(path).await?);

    let before = metrics()?;
    let mut parts = JoinSet::new();
    for part in 0..PARTS {
        let file = Rc::clone(&file);
        parts.spawn(async move {
            let offset = part * PART_BYTES as u64;
            let (n, _bytes) = file.read_at(Vec::with_capacity(PART_BYTES), offset).await?;
            io::Result::Ok(n)
        });
    }

    // The first result comes after the turn in which all of them were submitted.
    let mut bytes = parts.join_next().await.expect("there are parts").expect("none panics")?;
    let after = metrics()?;
    let (sqes, enters) = (after.sqes - before.sqes, after.enters - before.enters);
    let calls = if enters == 1 { "call" } else { "calls" };
    println!("{sqes} SQEs, {enters} {calls} of io_uring_enter");

    while let Some(part) = parts.join_next().await {
        bytes += part.expect("none panics")?;
    }
    println!("{bytes} bytes in {PARTS} parts");
    Ok(())
}

fn sample(path: &Path) -> io::Result<PathBuf> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(&vec![b'x'; PARTS as usize * PART_BYTES])?;
    Ok(path.to_owned())
}
