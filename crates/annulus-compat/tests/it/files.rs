//! Files at a position: reading, writing, seeking, and errors that come late.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use annulus::fs::{File, OpenOptions};
use annulus_compat::FileStream;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use crate::support::{pattern, run};

async fn open(path: &Path) -> io::Result<FileStream> {
    let options = OpenOptions::new().read(true).write(true).create(true).open(path);
    Ok(FileStream::new(options.await?))
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Write(usize, u8),
    Seek(SeekFrom),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![0..10_usize, 10..5_000_usize, 5_000..150_000_usize];
    prop_oneof![
        size().prop_map(Step::Read),
        (size(), any::<u8>()).prop_map(|(size, byte)| Step::Write(size, byte)),
        (0..200_000_u64).prop_map(|to| Step::Seek(SeekFrom::Start(to))),
        (-50_000..50_000_i64).prop_map(|by| Step::Seek(SeekFrom::Current(by))),
        (-50_000..50_000_i64).prop_map(|by| Step::Seek(SeekFrom::End(by))),
        Just(Step::Flush),
    ]
}

/// What `std` makes of the same steps.
fn std_does(file: &mut io::Cursor<Vec<u8>>, step: &Step) -> Result<(u64, Vec<u8>), io::ErrorKind> {
    use std::io::{Read, Seek, Write};
    let mut got = Vec::new();
    match step {
        Step::Read(size) => {
            let mut part = Read::take(&mut *file, *size as u64);
            Read::read_to_end(&mut part, &mut got).map_err(|error| error.kind())?;
        }
        // Past its end a cursor's vector is padded even by nothing; a file is not.
        Step::Write(0, _) => {}
        Step::Write(size, byte) => {
            Write::write_all(file, &vec![*byte; *size]).map_err(|error| error.kind())?;
        }
        Step::Seek(to) => drop(Seek::seek(file, *to).map_err(|error| error.kind())?),
        Step::Flush => {}
    }
    Ok((file.position(), got))
}

async fn we_do(file: &mut FileStream, step: &Step) -> Result<(u64, Vec<u8>), io::ErrorKind> {
    let mut got = Vec::new();
    match step {
        Step::Read(size) => {
            let read = file.take(*size as u64).read_to_end(&mut got).await;
            read.map_err(|error| error.kind())?;
        }
        Step::Write(size, byte) => {
            file.write_all(&vec![*byte; *size]).await.map_err(|error| error.kind())?;
        }
        Step::Seek(to) => drop(file.seek(*to).await.map_err(|error| error.kind())?),
        Step::Flush => file.flush().await.map_err(|error| error.kind())?,
    }
    Ok((file.position(), got))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_steps_do_what_they_do_in_std(
        start in 0_usize..200_000,
        steps in prop::collection::vec(step(), 1..12),
    ) {
        run(async {
            let dir = tempfile::tempdir()?;
            let path = dir.path().join("file");
            std::fs::write(&path, pattern(start))?;
            let (mut ours, mut theirs) = (open(&path).await?, io::Cursor::new(pattern(start)));
            for step in &steps {
                let (we, std) = (we_do(&mut ours, step).await, std_does(&mut theirs, step));
                // A vector is not padded before it is written past its end; nor is a file.
                assert!(we == std, "{step:?} of {steps:?} ended at {:?}, {:?}",
                    we.map(|(at, got)| (at, got.len())), std.map(|(at, got)| (at, got.len())));
            }
            ours.shutdown().await?;
            assert!(std::fs::read(&path)? == theirs.into_inner(), "after {steps:?}");
            Ok(())
        });
    }
}

#[test]
fn a_write_that_fails_after_it_was_taken_is_reported_once() {
    run(async {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        std::fs::write(&path, "text")?;
        // Not open for writing: the kernel refuses.
        let mut file = FileStream::new(File::open(&path).await?);
        assert_eq!(file.write(b"x").await?, 1);
        let error = file.flush().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(9), "{error}");
        file.flush().await
    });
}

#[test]
fn a_read_that_fails_says_so() {
    run(async {
        let dir = tempfile::tempdir()?;
        let mut file = FileStream::new(File::create(dir.path().join("file")).await?);
        let error = file.read(&mut [0; 4]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(9), "not open for reading: {error}");
        Ok(())
    });
}

#[test]
fn a_seek_before_the_beginning_is_refused_in_words() {
    run(async {
        let dir = tempfile::tempdir()?;
        let mut file = open(&dir.path().join("file")).await?;
        file.write_all(b"12").await?;
        let error = file.seek(SeekFrom::Current(-3)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("no position"), "{error}");
        assert_eq!(file.stream_position().await?, 2);
        Ok(())
    });
}

#[test]
fn several_positions_in_one_file_do_not_disturb_each_other() {
    run(async {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        std::fs::write(&path, "0123456789")?;
        let file = Arc::new(File::open(&path).await?);
        let (mut front, mut back) = (FileStream::new(file.clone()), FileStream::at(file, 8));
        let (mut left, mut right) = ([0; 3], Vec::new());
        front.read_exact(&mut left).await?;
        back.read_to_end(&mut right).await?;
        assert_eq!((&left, &right[..]), (b"012", &b"89"[..]));
        assert_eq!((front.position(), back.position()), (3, 10));
        Ok(())
    });
}

#[test]
fn tokio_and_futures_seek_to_the_same_place() {
    run(async {
        let dir = tempfile::tempdir()?;
        let mut file = open(&dir.path().join("file")).await?;
        futures_util::AsyncWriteExt::write_all(&mut file, b"abcdef").await?;
        let there = futures_util::AsyncSeekExt::seek(&mut file, SeekFrom::End(-2)).await?;
        assert_eq!((there, file.seek(SeekFrom::Current(-1)).await?), (4, 3));
        let mut rest = String::new();
        futures_util::AsyncReadExt::read_to_string(&mut file, &mut rest).await?;
        assert_eq!(rest, "def");
        Ok(())
    });
}
