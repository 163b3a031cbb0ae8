//! Wrappers dropped at every point: nothing is lost that was taken, nothing is left behind.

use std::io;
use std::net::Shutdown;
use std::rc::Rc;

use annulus::fs::{File, OpenOptions};
use annulus::net::UnixStream;
use annulus_compat::{Buffered, Direct, FileStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{pattern, run, up_to};

/// More polls than any of these needs.
const POLLS_MAX: usize = 5_000;
/// More than a send queue and a socket take at once.
const MUCH: usize = 700_000;

/// Runs the scenario for each number of polls, until it says that it ended before its end came.
fn at_every_point<F>(scenario: impl Fn(usize) -> F)
where
    F: Future<Output = io::Result<bool>>,
{
    let mut ended = false;
    for polls in 0..POLLS_MAX {
        run(async {
            ended = scenario(polls).await?;
            Ok(())
        });
        if ended {
            return;
        }
    }
    panic!("it does not get anywhere");
}

#[test]
fn a_reader_dropped_anywhere_leaves_the_rest_to_the_next() {
    at_every_point(|polls| async move {
        let (left, right) = UnixStream::pair()?;
        let right = Rc::new(right);
        let writing = annulus::spawn(async move {
            for piece in ["abc", "defg"] {
                left.write_all(piece).await?;
                annulus::task::yield_now().await;
            }
            left.shutdown(Shutdown::Write)
        });
        let mut taken = Vec::new();
        let mut reader = Buffered::new(right.clone());
        let ended = up_to(polls, reader.read_to_end(&mut taken)).await;
        drop(reader); // it holds nothing: all of a lease was asked for
        while let Some(lease) = right.recv().await? {
            taken.extend_from_slice(&lease);
        }
        writing.await.expect("the writer does not panic")?;
        assert_eq!(taken, b"abcdefg");
        Ok(ended.is_some())
    });
}

#[test]
fn what_a_writer_took_arrives_wherever_it_is_dropped() {
    at_every_point(|polls| async move {
        let (left, right) = UnixStream::pair()?;
        let reading = annulus::spawn(async move {
            let mut all = Vec::new();
            Buffered::new(right).read_to_end(&mut all).await.map(|_| all)
        });
        let ended = up_to(polls, async move {
            // The wrapper owns its stream: both are dropped with the future.
            let mut left = Buffered::new(left);
            left.write_all(&pattern(MUCH)).await?;
            left.shutdown().await
        });
        let ended = ended.await.transpose()?.is_some();
        let all = reading.await.expect("the reader does not panic")?;
        assert!(pattern(MUCH).starts_with(&all), "{} bytes arrived", all.len());
        assert!(!ended || all.len() == MUCH, "{} bytes arrived", all.len());
        Ok(ended)
    });
}

#[test]
fn a_direct_stream_dropped_anywhere_leaves_nothing_behind() {
    at_every_point(|polls| async move {
        let (left, right) = std::os::unix::net::UnixStream::pair()?;
        let mut left = Direct::new(left)?;
        let reading = annulus::spawn(async move {
            let mut all = Vec::new();
            Direct::new(right)?.read_to_end(&mut all).await.map(|_| all)
        });
        let ended = up_to(polls, async move {
            left.write_all(&pattern(MUCH)).await?;
            left.shutdown().await
        });
        let ended = ended.await.transpose()?.is_some();
        let all = reading.await.expect("the reader does not panic")?;
        assert!(pattern(MUCH).starts_with(&all), "{} bytes arrived", all.len());
        assert!(!ended || all.len() == MUCH, "{} bytes arrived", all.len());
        Ok(ended)
    });
}

#[test]
fn a_file_dropped_while_it_reads_or_writes_is_sound() {
    at_every_point(|polls| async move {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("file");
        std::fs::write(&path, pattern(200_000))?;
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        let ended = up_to(polls, async move {
            let (mut file, mut all) = (FileStream::new(file), Vec::new());
            file.read_to_end(&mut all).await?;
            assert!(all == pattern(200_000));
            file.write_all(b"more").await?;
            file.flush().await
        });
        let ended = ended.await.transpose()?.is_some();
        let (_, bytes) = File::open(&path).await?.read_at(Vec::with_capacity(1 << 20), 0).await?;
        assert!(bytes.starts_with(&pattern(200_000)), "what was there is still there");
        assert!(!ended || bytes.ends_with(b"more"));
        Ok(ended)
    });
}
