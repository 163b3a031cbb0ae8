//! A logger: many tasks hand lines over, one task writes them, as many at a time as have gathered.
//!
//! One request gathers up to 1024 lines where they lie (`WRITEV`): nothing is copied together.
//! While it is under way the next lines gather; so the busier it is, the more lines go with each
//! write. ([`annulus::fs::CommitLog`] does this with a flush behind each write, for who has to know
//! that a record is on the device.)
//!
//! ```sh
//! cargo run --example logger -- LOG        # a temporary file without an argument
//! ```
//!
//! ```text
//! 10000 lines of 100 tasks in 98 writes, 102 lines each
//! ```

use std::io;
use std::path::PathBuf;

use annulus::fs::OpenOptions;
use annulus::sync::mpsc;
use annulus::task::JoinSet;

const TASKS: usize = 100;
const LINES: usize = 100;
/// Buffers of one request at most.
const BATCH_MAX: usize = 1024;

#[annulus::main]
async fn main() -> io::Result<()> {
    let temporary = || std::env::temp_dir().join(format!("annulus-log-{}", std::process::id()));
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let is_temporary = path.is_none();
    let path = path.unwrap_or_else(temporary);
    let log = OpenOptions::new().append(true).create(true).open(&path).await?;

    // A task that logs faster than the disk writes waits for room here.
    let (sender, mut lines) = mpsc::channel::<Vec<u8>>(4 * BATCH_MAX);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let sender = sender.clone();
        tasks.spawn(async move {
            for line in 0..LINES {
                let line = format!("task {task} line {line}\n").into_bytes();
                sender.send(line).await.expect("the log is open");
                annulus::task::yield_now().await;
            }
        });
    }
    drop(sender);

    let (mut written, mut writes) = (0, 0);
    while let Some(first) = lines.recv().await {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(line) = lines.try_recv() else { break };
            batch.push(line);
        }
        written += batch.len();
        while !batch.is_empty() {
            let (mut n, mut rest) = log.write_vectored_at(batch, 0).await?;
            writes += 1;
            // A disk that is full in the middle of a line takes a part: the rest goes behind it.
            rest.retain_mut(|line| {
                let taken = n.min(line.len());
                n -= taken;
                line.drain(..taken);
                !line.is_empty()
            });
            batch = rest;
        }
    }
    while tasks.join_next().await.is_some() {}
    log.close().await?;
    let each = written / writes;
    println!("{written} lines of {TASKS} tasks in {writes} writes, {each} lines each");
    if is_temporary {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
