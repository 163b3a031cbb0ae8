//! Finds a text in all files below a directory, as `grep -rFI` does: many directories are read and
//! many files are open at once, on every core.
//!
//! One core walks through the tree and hands the files around; each core has several tasks that
//! take some, read them whole, and look.
//!
//! ```sh
//! cargo run --release --example search -- EPOLLIN /usr/include
//! ```
//!
//! `--count` adds how much was found and searched, `-j N` has so many files in flight on each core.
//! Prints, and succeeds if it found any:
//!
//! ```text
//! /usr/include/linux/eventpoll.h:#define EPOLLIN         (__force __poll_t)0x00000001
//! ```

mod args;
mod hand;
mod look;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use annulus::runtime::{Cores, launch};

use args::Args;
use hand::Seats;
use look::{Found, search_all};

fn main() -> io::Result<ExitCode> {
    let args = Arc::new(Args::parse()?);
    let cores = std::thread::available_parallelism()?.get();
    let (seats, asked) = (Seats::new(cores), args.clone());
    let launched = launch(Cores::Count(cores), move |_core| {
        let (walk, files) = seats.take(&asked);
        let args = asked.clone();
        async move {
            // The first core hands the files out while it searches some of them.
            let handing_out = walk.map(annulus::spawn);
            let found = search_all(files, args).await;
            drop(handing_out);
            found
        }
    })?;
    let mut all = Found::default();
    for found in launched.join() {
        all.add(found.map_err(io::Error::other)?);
    }
    if args.count {
        println!("{} lines in {} files of {}", all.lines, all.matching, all.files);
    }
    Ok(if all.lines > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
