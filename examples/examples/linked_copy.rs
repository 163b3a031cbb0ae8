//! Copies a file block by block: each block is a read with a write linked behind it, through one
//! buffer, and several blocks are in flight.
//!
//! The kernel starts the write when the read has filled the buffer; the program is told of both
//! when it is over. The last block is narrowed to what is left, because a short read would break
//! the link (it would be copied all the same, with one more request).
//!
//! ```sh
//! cargo run --example linked_copy -- SRC DST
//! ```
//!
//! ```text
//! copied 300001 bytes in 5 blocks, 4 in flight
//! ```

use std::cell::Cell;
use std::ffi::OsString;
use std::io;

use annulus::buf::IoBufMut as _;
use annulus::fs::File;

const BLOCK_BYTES: u64 = 64 * 1024;
const IN_FLIGHT: usize = 4;

#[annulus::main]
async fn main() -> io::Result<()> {
    let paths: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [source, copy] = &paths[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "linked_copy SRC DST"));
    };
    let (from, to) = (File::open(source).await?, File::create(copy).await?);
    let size = from.len()?;
    let (next, blocks) = (Cell::new(0), Cell::new(0));

    // Each of these has a buffer, and takes the next block when its last one is copied.
    let worker = || async {
        let mut buf = Vec::with_capacity(BLOCK_BYTES as usize);
        while next.get() < size {
            let offset = next.get();
            next.set(offset + BLOCK_BYTES);
            let len = BLOCK_BYTES.min(size - offset) as usize;
            let (n, slice) = from.copy_block(offset, &to, offset, buf.slice_mut(..len)).await?;
            if n < len {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source has shrunk"));
            }
            blocks.set(blocks.get() + 1);
            buf = slice.into_inner();
        }
        Ok(())
    };
    annulus::try_join!(worker(), worker(), worker(), worker())?;
    to.close().await?;
    println!("copied {size} bytes in {} blocks, {IN_FLIGHT} in flight", blocks.get());
    Ok(())
}
