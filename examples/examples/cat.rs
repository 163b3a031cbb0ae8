//! Reads a file in chunks, at offsets, and writes it to standard output.
//!
//! A file has no position here: each read says where, so any number of them could be in flight. The
//! buffer goes into each read and comes back filled.
//!
//! ```sh
//! cargo run --example cat -- /etc/os-release
//! ```
//!
//! Prints the file; without an argument, prints this source:
//!
//! ```text
//! //! Reads a file in chunks, at offsets, and writes it to standard output.
//! ```

use std::io::Write as _;
use std::path::PathBuf;

use annulus::fs::File;

const CHUNK_BYTES: usize = 64 * 1024;

#[annulus::main]
async fn main() -> std::io::Result<()> {
    let this = || concat!(env!("CARGO_MANIFEST_DIR"), "/examples/cat.rs").into();
    let path = std::env::args_os().nth(1).map_or_else(this, PathBuf::from);

    let file = File::open(path).await?;
    let mut stdout = std::io::stdout().lock();
    let (mut chunk, mut offset) = (Vec::with_capacity(CHUNK_BYTES), 0);
    loop {
        let (n, filled) = file.read_at(chunk, offset).await?;
        if n == 0 {
            break;
        }
        // This blocks the core if nobody reads, which is right only while there is no other task.
        stdout.write_all(&filled)?;
        offset += n as u64;
        chunk = filled;
    }
    stdout.flush()?;
    file.close().await
}
