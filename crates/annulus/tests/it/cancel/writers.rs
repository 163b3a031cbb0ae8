//! Writes of any writer, by the traits, ended at every point: over a socket, over a connection in
//! memory, and through what collects. What arrives is the beginning of what was written, and who
//! does not know how much that is, says so.

use std::future::Future;
use std::io;
use std::ops::Range;

use annulus::io::{AsyncRead, AsyncWrite, BufReader, BufWriter, DuplexStream, duplex, split};
use annulus::net::UnixStream;
use annulus::task::JoinHandle;

use super::streams::Lent;
use super::{Cut, Points};

/// What is written, by every scenario.
const WHOLE: &str = "0123456789abcdef";

/// A part of it, on the heap: a future that holds a slice of it is not seen to be `Send`.
fn part(of: Range<usize>) -> Vec<u8> {
    WHOLE.as_bytes()[of].to_vec()
}

/// Who reads all the time, and gives what came until the end.
type Peer = JoinHandle<io::Result<Vec<u8>>>;

fn collect(mut far: impl AsyncRead + 'static) -> Peer {
    annulus::spawn(async move {
        let mut all = Vec::new();
        while let Some(piece) = far.recv().await? {
            all.extend_from_slice(&piece);
        }
        io::Result::Ok(all)
    })
}

fn socket() -> io::Result<(UnixStream, Peer)> {
    let (near, far) = UnixStream::pair()?;
    Ok((near, collect(far)))
}

/// A connection in memory that takes two bytes at a time.
fn memory() -> (DuplexStream, Peer) {
    let (near, far) = duplex(2);
    (near, collect(far))
}

/// What arrived is the beginning of what was written, and all of it if the writing has ended.
fn assert_in_order(cut: &Cut, ended: bool, arrived: &[u8]) {
    assert!(WHOLE.as_bytes().starts_with(arrived), "{cut:?}: {arrived:?}");
    assert!(!ended || arrived.len() == WHOLE.len(), "{cut:?}: {arrived:?}");
}

/// Ends `write`, and gives what has arrived; none if the future was forgotten, which may keep the
/// stream open.
async fn writing<W, F>(
    cut: &Cut,
    (writer, peer): (W, Peer),
    write: impl FnOnce(&'static mut W) -> F,
) -> io::Result<Option<Vec<u8>>>
where
    W: 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (kept, lent) = Lent::new(writer);
    let ended = cut.end(write(lent)).await.transpose()?;
    drop(kept.back());
    if cut.forgets() {
        peer.abort();
        return Ok(None);
    }
    let arrived = peer.await.expect("the peer does not panic")?;
    assert_in_order(cut, ended.is_some(), &arrived);
    Ok(Some(arrived))
}

/// Writes [`WHOLE`] in every way.
async fn every_way<W: AsyncWrite + 'static>(writer: &'static mut W) -> io::Result<()> {
    let (n, _) = writer.write(part(0..3)).await?;
    writer.write_all(part(n..5)).await?;
    writer.flush().await?;
    writer.write_all_vectored((part(5..7), part(7..12))).await?;
    writer.write_all(part(12..16)).await?;
    writer.shutdown().await
}

#[test]
fn writes_to_memory_ended_anywhere_arrive_in_order() {
    Points::of(&[
        "io::write::write",
        "io::write::write_all",
        "io::write::write_all_vectored",
        "io::write::flush",
        "io::write::shutdown",
    ])
    .run(|cut| async move { writing(&cut, memory(), every_way).await.map(drop) });
    Points::of(&["io::write::write_all_vectored"]).run(|cut| async move {
        let (near, peer) = memory();
        writing(&cut, (BufReader::new(near), peer), every_way).await.map(drop)
    });
    Points::of(&["io::write::write_all_vectored"]).run(|cut| async move {
        let (near, peer) = memory();
        // The stream ends with its later half.
        let writer = split(near).1;
        writing(&cut, (writer, peer), every_way).await.map(drop)
    });
}

#[test]
fn writes_of_a_half_of_a_socket_ended_anywhere_are_whole_or_were_not_begun() {
    Points::of(&["io::write::write", "io::write::write_all_vectored", "io::write::shutdown"])
        .real_only("SENDMSG")
        .run(|cut| async move {
            let (near, peer) = socket()?;
            let writer = split(near).1;
            if let Some(arrived) = writing(&cut, (writer, peer), every_way).await? {
                assert!([0, 3, 5, 12, 16].contains(&arrived.len()), "{cut:?}: {arrived:?}");
            }
            Ok(())
        });
}

/// A writer that collects four bytes, and how many it has taken.
type Collecting<W> = (BufWriter<W>, usize);

/// Writes [`WHOLE`]: pieces that are collected, one that is too large, one that is flushed, one
/// that is there when the stream ends.
async fn collected<W: AsyncWrite + 'static>(
    (writer, taken): &'static mut Collecting<W>,
) -> io::Result<()> {
    for piece in [3, 3, 6, 2, 2] {
        let end = *taken + piece;
        while *taken < end {
            let (n, _) = writer.write(part(*taken..end)).await?;
            *taken += n;
        }
        if end == 14 {
            writer.flush().await?;
        }
    }
    writer.shutdown().await
}

/// Ends `write`. If a flush is well after that, all that was taken must have arrived; else it must
/// say why, and then nothing comes behind the gap.
async fn collecting<W, F>(
    cut: Cut,
    (writer, peer): (W, Peer),
    write: impl FnOnce(&'static mut Collecting<W>) -> F,
) -> io::Result<()>
where
    W: AsyncWrite + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (kept, lent) = Lent::new((BufWriter::with_capacity(4, writer), 0));
    let ended = cut.end(write(lent)).await.transpose()?.is_some();
    let (mut writer, taken) = kept.back();
    if cut.forgets() {
        peer.abort();
        return Ok(());
    }
    let mut whole = ended;
    if !ended {
        match writer.flush().await {
            Ok(()) => whole = true,
            Err(error) => {
                assert!(error.to_string().contains("may be lost"), "{cut:?}: {error}");
                assert!(cut.polled(), "{cut:?}: nothing was begun");
                writer.write("x").await.expect_err("it would be behind the gap");
                writer.shutdown().await.expect_err("it would look whole");
            }
        }
    }
    drop(writer);
    let arrived = peer.await.expect("the peer does not panic")?;
    assert_in_order(&cut, ended, &arrived);
    assert!(!whole || arrived.len() >= taken, "{cut:?}: {taken} were taken, {arrived:?} came");
    Ok(())
}

#[test]
fn a_buffered_writer_ended_anywhere_has_passed_on_all_or_says_that_it_has_not() {
    Points::of(&["io::write::write", "io::write::flush", "io::write::shutdown"])
        .run(|cut| async move { collecting(cut, memory(), collected).await });
    Points::of(&["io::write::write", "io::write::flush", "io::write::shutdown"])
        .run(|cut| async move { collecting(cut, socket()?, collected).await });
}
