//! Copies standard input to standard output and to files, without copying a byte where it can.
//!
//! If both are pipes, the kernel passes their pages on: to each file by way of a pipe of its own.
//! Else pieces are read once and written to all at the same time.
//!
//! ```sh
//! yes | head -c 100M | cargo run --example tee -- copy1 copy2 | sha256sum
//! ```
//!
//! Prints what it reads.

use std::io;
use std::rc::Rc;

use annulus::fs::File;
use annulus::io::{AsyncRead as _, Stdin, Stdout, stdin, stdout};
use annulus::pipe::{Receiver, Sender, pipe};

/// What one move is at most.
const MOVE_BYTES: usize = 1024 * 1024;

#[annulus::main]
async fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        files.push(File::create(path).await?);
    }
    let (input, output) = (stdin()?, stdout()?);
    match (input.as_pipe(), output.as_pipe()) {
        (Some(input), Some(output)) => fan(input, output, files).await,
        _ => copy(input, output, files).await,
    }
}

/// From pipe to pipes.
async fn fan(input: &Receiver, output: &Sender, files: Vec<File>) -> io::Result<()> {
    let (mut ends, mut savers) = (Vec::new(), Vec::new());
    for file in files {
        let (sender, receiver) = pipe()?;
        ends.push(sender);
        savers.push(annulus::spawn(save(receiver, file)));
    }
    let targets: Vec<&Sender> = ends.iter().chain([output]).collect();
    input.tee_all(&targets).await?;
    drop(ends); // each file's pipe ends here
    for saver in savers {
        saver.await.map_err(io::Error::other)??;
    }
    Ok(())
}

/// From a pipe to a file.
async fn save(from: Receiver, to: File) -> io::Result<()> {
    let mut offset = 0;
    loop {
        match from.splice_to_file(&to, offset, MOVE_BYTES).await? {
            0 => return Ok(()),
            moved => offset += moved as u64,
        }
    }
}

/// From anything to anything: each piece is shared by all writes, and written by them at once.
async fn copy(mut input: Stdin, output: Stdout, files: Vec<File>) -> io::Result<()> {
    let mut offset = 0;
    while let Some(piece) = input.recv().await? {
        let piece: Rc<[u8]> = Rc::from(&*piece);
        let mut writes: Vec<_> =
            files.iter().map(|file| Box::pin(file.write_all_at(piece.clone(), offset))).collect();
        output.write_all(piece.clone()).await?;
        for write in &mut writes {
            write.await?;
        }
        offset += piece.len() as u64;
    }
    Ok(())
}
