//! Reads of any reader, by the traits, ended at every point: over a socket, over a connection in
//! memory, and through what is made of readers. What was taken and what is left is what was sent.

use std::future::Future;
use std::io;

use annulus::io::{
    AsyncBufRead, AsyncRead, AsyncWrite, BufReader, BufWriter, DuplexStream, duplex, empty, split,
};
use annulus::net::UnixStream;

use super::streams::Lent;
use super::{Cut, Points, yield_to_kernel};

/// What the peer sends, in three pieces: two lines and the beginning of a third.
const PIECES: [&str; 3] = ["on", "e\ntwo\r", "\nthree"];

fn sent() -> Vec<u8> {
    PIECES.concat().into_bytes()
}

/// Sends [`PIECES`] and the end of the stream, and is open until the other side has gone.
fn feed(mut near: impl AsyncRead + AsyncWrite + 'static) {
    annulus::spawn(async move {
        for piece in PIECES {
            near.write_all(piece).await?;
            yield_to_kernel().await?;
        }
        near.shutdown().await?;
        near.recv().await.map(drop)
    })
    .detach();
}

fn socket() -> io::Result<UnixStream> {
    let (near, far) = UnixStream::pair()?;
    feed(near);
    Ok(far)
}

/// A connection in memory, with room for everything.
fn memory() -> DuplexStream {
    let (near, far) = duplex(100);
    feed(near);
    far
}

/// Everything up to the end.
async fn rest(reader: &mut impl AsyncRead) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = reader.recv().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// A reader, and what was taken from it.
type Taking<R> = (R, Vec<u8>);

/// Ends `read`, which keeps what it takes beside the reader, and gives both again: none if the
/// future was forgotten, which may still take some.
async fn keeping<R, F>(
    cut: &Cut,
    reader: R,
    read: impl FnOnce(&'static mut Taking<R>) -> F,
) -> io::Result<Option<Taking<R>>>
where
    R: 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (kept, lent) = Lent::new((reader, Vec::new()));
    cut.end(read(lent)).await.transpose()?;
    let taking = kept.back();
    Ok(Some(taking).filter(|_| !cut.forgets()))
}

/// As [`keeping`]; what was taken and what is left must be what was sent.
async fn loses_nothing<R, F>(
    cut: Cut,
    reader: R,
    read: impl FnOnce(&'static mut Taking<R>) -> F,
) -> io::Result<()>
where
    R: AsyncRead + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    if let Some((mut reader, mut taken)) = keeping(&cut, reader, read).await? {
        taken.extend(rest(&mut reader).await?);
        assert_eq!(taken, sent(), "{cut:?}");
    }
    Ok(())
}

/// Ends `read`, which loses what it has taken, `own` bytes at most. What is left must be all behind
/// that; and with what it gave, all that was sent.
async fn loses_its_own<R, F>(
    cut: Cut,
    reader: R,
    own: usize,
    read: impl FnOnce(&'static mut R) -> F,
) -> io::Result<()>
where
    R: AsyncRead + 'static,
    F: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
{
    let (kept, lent) = Lent::new(reader);
    let taken = cut.end(read(lent)).await.transpose()?;
    let mut reader = kept.back();
    if cut.forgets() {
        return Ok(());
    }
    let left = rest(&mut reader).await?;
    assert!(sent().ends_with(&left), "{cut:?}: {left:?}");
    match taken {
        Some(taken) => assert_eq!([taken, left].concat(), sent(), "{cut:?}"),
        None => assert!(left.len() + own >= sent().len(), "{cut:?}: {left:?}"),
    }
    Ok(())
}

/// Reads everything, a small piece and then one as it comes.
async fn pieces<R: AsyncRead + 'static>((reader, taken): &'static mut Taking<R>) -> io::Result<()> {
    loop {
        let (_, piece) = reader.read(Vec::with_capacity(2)).await?;
        taken.extend_from_slice(&piece);
        match reader.recv().await? {
            Some(piece) => taken.extend_from_slice(&piece),
            None => return Ok(()),
        }
    }
}

#[test]
fn reads_of_a_reader_of_any_kind_ended_anywhere_lose_no_byte() {
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, socket()?, pieces).await });
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, memory(), pieces).await });
}

#[test]
fn reads_through_what_is_made_of_a_reader_ended_anywhere_lose_no_byte() {
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, BufReader::new(socket()?), pieces).await });
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, BufReader::new(memory()), pieces).await });
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, BufWriter::new(socket()?), pieces).await });
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, split(socket()?).0, pieces).await });
    Points::of(&["io::read::read", "io::read::recv"])
        .run(|cut| async move { loses_nothing(cut, split(memory()).0, pieces).await });
}

#[test]
fn a_chain_ended_anywhere_loses_no_byte_of_either_reader() {
    Points::of(&["io::read::read", "io::read::recv"]).run(|cut| async move {
        loses_nothing(cut, empty().chain(socket()?).chain(empty()), pieces).await
    });
    Points::of(&["io::read::read", "io::read::recv"]).run(|cut| async move {
        let chain = memory().chain(memory());
        if let Some((mut chain, mut taken)) = keeping(&cut, chain, pieces).await? {
            taken.extend(rest(&mut chain).await?);
            assert_eq!(taken, [sent(), sent()].concat(), "{cut:?}");
        }
        Ok(())
    });
}

/// The bytes of the first two pieces, and one.
const LIMIT: usize = 9;

#[test]
fn a_limited_reader_ended_anywhere_counts_what_it_gave() {
    Points::of(&["io::read::read", "io::read::recv"]).run(|cut| async move {
        let limited = socket()?.take(LIMIT as u64);
        if let Some((mut limited, mut taken)) = keeping(&cut, limited, pieces).await? {
            assert_eq!(limited.limit(), (LIMIT - taken.len()) as u64, "{cut:?}");
            taken.extend(rest(&mut limited).await?);
            assert_eq!(taken.len(), LIMIT, "{cut:?}");
            taken.extend(rest(&mut limited.into_inner()).await?);
            assert_eq!(taken, sent(), "{cut:?}");
        }
        Ok(())
    });
}

async fn five<R: AsyncRead + 'static>(reader: &'static mut R) -> io::Result<Vec<u8>> {
    Ok(reader.read_exact(vec![0; 5]).await?.1)
}

#[test]
fn read_exact_of_any_reader_ended_anywhere_loses_at_most_its_part() {
    Points::of(&["io::read::read_exact"])
        .run(|cut| async move { loses_its_own(cut, memory(), 5, five).await });
    Points::of(&["io::read::read_exact"])
        .run(|cut| async move { loses_its_own(cut, BufReader::new(memory()), 5, five).await });
    // A socket says otherwise, and so does a half of one.
    Points::of(&["io::read::read_exact"])
        .run(|cut| async move { loses_its_own(cut, split(socket()?).0, 0, five).await });
}

async fn to_end<R: AsyncRead + 'static>(reader: &'static mut R) -> io::Result<Vec<u8>> {
    Ok(reader.read_to_end(Vec::new()).await?.1)
}

async fn to_string<R: AsyncRead + 'static>(reader: &'static mut R) -> io::Result<Vec<u8>> {
    Ok(reader.read_to_string(String::new()).await?.1.into_bytes())
}

#[test]
fn a_read_to_the_end_ended_anywhere_leaves_what_it_had_not_taken() {
    Points::of(&["io::read::read_to_end"])
        .run(|cut| async move { loses_its_own(cut, socket()?, sent().len(), to_end).await });
    Points::of(&["io::read::read_to_end"])
        .run(|cut| async move { loses_its_own(cut, memory(), sent().len(), to_end).await });
    Points::of(&["io::read::read_to_string"])
        .run(|cut| async move { loses_its_own(cut, socket()?, sent().len(), to_string).await });
    Points::of(&["io::read::read_to_string"])
        .run(|cut| async move { loses_its_own(cut, memory(), sent().len(), to_string).await });
}

/// Looks at everything and uses up two bytes at a time.
async fn looks<R: AsyncBufRead + 'static>(
    (reader, taken): &'static mut Taking<R>,
) -> io::Result<()> {
    loop {
        let there = reader.fill_buf().await?;
        let used = there.len().min(2);
        if used == 0 {
            return Ok(());
        }
        taken.extend_from_slice(&there[..used]);
        reader.consume(used);
    }
}

#[test]
fn a_wait_for_bytes_that_are_lent_ended_anywhere_loses_none() {
    Points::of(&["io::buf_read::fill_buf"])
        .run(|cut| async move { loses_nothing(cut, BufReader::new(socket()?), looks).await });
    Points::of(&["io::buf_read::fill_buf"])
        .run(|cut| async move { loses_nothing(cut, BufReader::new(memory()), looks).await });
    Points::of(&["io::buf_read::fill_buf"]).run(|cut| async move {
        loses_nothing(cut, BufWriter::new(BufReader::new(memory())), looks).await
    });
}

/// What [`line`] reads.
const LINE: &[u8] = b"one\n";

async fn line<R: AsyncBufRead + 'static>(
    (reader, taken): &'static mut Taking<R>,
) -> io::Result<()> {
    let read = reader.read_until(b'\n', taken).await?;
    assert_eq!((read, &taken[..]), (LINE.len(), LINE));
    Ok(())
}

/// Ends the reading of a line, and goes on with it.
async fn goes_on<R, F>(
    cut: Cut,
    reader: R,
    read: impl FnOnce(&'static mut Taking<R>) -> F,
) -> io::Result<()>
where
    R: AsyncBufRead + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let Some((mut reader, mut taken)) = keeping(&cut, reader, read).await? else { return Ok(()) };
    assert!(LINE.starts_with(&taken), "{cut:?}: {taken:?}");
    if taken != LINE {
        let had = taken.len();
        let read = reader.read_until(b'\n', &mut taken).await?;
        assert_eq!((had + read, &taken[..]), (LINE.len(), LINE), "{cut:?}");
    }
    taken.extend(rest(&mut reader).await?);
    assert_eq!(taken, sent(), "{cut:?}");
    Ok(())
}

#[test]
fn a_read_up_to_a_delimiter_ended_anywhere_goes_on_where_it_was() {
    Points::of(&["io::buf_read::read_until"])
        .run(|cut| async move { goes_on(cut, BufReader::new(socket()?), line).await });
    Points::of(&["io::buf_read::read_until"])
        .run(|cut| async move { goes_on(cut, BufReader::new(memory()), line).await });
}

async fn text<R: AsyncBufRead + 'static>(reader: &'static mut R) -> io::Result<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    assert_eq!(line.as_bytes(), LINE);
    Ok(line.into_bytes())
}

#[test]
fn a_line_ended_anywhere_loses_at_most_its_part() {
    let own = LINE.len();
    Points::of(&["io::buf_read::read_line"]).run(move |cut| async move {
        loses_its_own(cut, BufReader::new(socket()?), own, text).await
    });
    Points::of(&["io::buf_read::read_line"]).run(move |cut| async move {
        loses_its_own(cut, BufReader::new(memory()), own, text).await
    });
}
