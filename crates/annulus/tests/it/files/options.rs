//! `OpenOptions` against those of `std`: every combination, on a file that is there and one that is
//! not.

use std::io;
use std::path::Path;

use annulus::fs::OpenOptions;

use crate::harness::{Scratch, run};

/// What an open came to, and what is there afterwards.
#[derive(PartialEq, Debug)]
struct Outcome {
    error: Option<io::ErrorKind>,
    contents: Option<Vec<u8>>,
}

/// The six options, as bits.
const OPTIONS: u32 = 6;

fn bit(combination: u32, n: u32) -> bool {
    combination >> n & 1 == 1
}

fn by_std(path: &Path, combination: u32) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options
        .read(bit(combination, 0))
        .write(bit(combination, 1))
        .append(bit(combination, 2))
        .truncate(bit(combination, 3))
        .create(bit(combination, 4))
        .create_new(bit(combination, 5));
    let file = options.open(path)?;
    if bit(combination, 1) || bit(combination, 2) {
        std::os::unix::fs::FileExt::write_at(&file, b"new", 0)?;
    }
    Ok(())
}

async fn by_annulus(path: &Path, combination: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .read(bit(combination, 0))
        .write(bit(combination, 1))
        .append(bit(combination, 2))
        .truncate(bit(combination, 3))
        .create(bit(combination, 4))
        .create_new(bit(combination, 5));
    let file = options.open(path).await?;
    if bit(combination, 1) || bit(combination, 2) {
        file.write_at("new", 0).await?;
    }
    Ok(())
}

#[test]
fn every_combination_does_what_std_does() {
    let scratch = Scratch::new();
    let path = scratch.path().join("file");
    run(async {
        for combination in 0..1 << OPTIONS {
            for exists in [false, true] {
                let prepare = || {
                    let _ = std::fs::remove_file(&path);
                    if exists {
                        std::fs::write(&path, b"longer").expect("it can be made");
                    }
                };
                let outcome = |result: io::Result<()>| Outcome {
                    error: result.err().map(|error| error.kind()),
                    contents: std::fs::read(&path).ok(),
                };
                prepare();
                let expected = outcome(by_std(&path, combination));
                prepare();
                let got = outcome(by_annulus(&path, combination).await);
                assert_eq!(got, expected, "{combination:06b}, exists: {exists}");
            }
        }
        Ok(())
    });
}

#[test]
fn the_mode_and_further_flags_reach_the_kernel() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let path = scratch.path().join("file");
    run(async {
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o400);
        options.open(&path).await?;
        let mode = std::fs::metadata(&path)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o400);
        let mut options = OpenOptions::new();
        let directory = options.read(true).custom_flags(libc::O_DIRECTORY);
        let error = directory.open(&path).await.expect_err("a file");
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        // The access mode comes from the options alone.
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(libc::O_RDWR);
        let file = file.open(&path).await?;
        assert!(file.write_at("x", 0).await.is_err());
        Ok(())
    });
}

#[test]
fn appends_go_to_the_end_whatever_the_offset() {
    let scratch = Scratch::new();
    let path = scratch.file("log", b"first ");
    run(async {
        let mut options = OpenOptions::new();
        let file = options.append(true).open(&path).await?;
        file.write_all_at("second ", 0).await?;
        file.write_all_at("third", 1 << 33).await?;
        assert_eq!(std::fs::read(&path)?, b"first second third");
        Ok(())
    });
}
