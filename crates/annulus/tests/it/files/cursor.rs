//! The position of a file: where it is after everything that can happen, and that no byte is read
//! or written twice, or not at all.

use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::fd::{FromRawFd as _, OwnedFd};

use annulus::OpExt as _;
use annulus::fs::{File, OpenOptions};
use annulus::io::{AsyncRead, AsyncWrite, copy};
use annulus::op::Cancelled;
use annulus_sim::{Fault, Faults};
use futures_util::future::poll_immediate;

use crate::harness::ground::{on_both, on_seeds, tiny};
use crate::harness::{Scratch, run};

/// Bytes that tell where they are.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The ends of a pipe that blocks.
pub fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: made just now, for nobody else.
    let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((reader, writer))
}

async fn both_ways(path: &std::path::Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).open(path).await
}

#[test]
fn reads_and_writes_go_on_where_the_last_one_ended() {
    on_both(20, |ground| async move {
        let path = ground.file("file", b"");
        let mut file = both_ways(&path).await?;
        let bytes = pattern(5000);
        file.write_all(bytes[..2000].to_vec()).await?;
        file.write_all(bytes[2000..].to_vec()).await?;
        assert_eq!(file.stream_position()?, 5000);
        file.rewind()?;
        assert!(file.read_exact(vec![0; 1234]).await?.1 == bytes[..1234]);
        let (n, buf) = file.read(vec![0; 100]).await?;
        assert!(buf[..n] == bytes[1234..1234 + n]);
        assert_eq!(file.stream_position()?, 1234 + n as u64);
        let (rest, buf) = file.read_to_end(b"so far".to_vec()).await?;
        assert_eq!(rest, 5000 - 1234 - n);
        assert!(buf[..6] == *b"so far" && buf[6..] == bytes[1234 + n..]);
        assert_eq!(file.read(vec![0; 10]).await?.0, 0);
        Ok(())
    });
}

#[test]
fn no_byte_is_lost_or_doubled_in_short_steps() {
    let always_short = Faults::none().with(Fault::ShortRead, 1000).with(Fault::ShortWrite, 1000);
    let total = on_seeds(
        60,
        |world| world.set_faults(always_short),
        tiny,
        |ground| async move {
            let bytes = pattern(3000 + ground.seed() as usize);
            let mut file = both_ways(&ground.path("short")).await?;
            for piece in bytes.chunks(700) {
                file.write_all(piece.to_vec()).await?;
            }
            assert!(ground.contents("short") == bytes);
            file.seek(SeekFrom::Start(10))?;
            assert!(file.read_exact(vec![0; 990]).await?.1 == bytes[10..1000]);
            assert!(file.read_to_end(Vec::new()).await?.1 == bytes[1000..]);
            file.seek(SeekFrom::End(-5))?;
            let error = file.read_exact(vec![0; 6]).await.expect_err("5 are left");
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            assert_eq!(file.stream_position()?, bytes.len() as u64, "it has read what there was");
            Ok(())
        },
    );
    assert!(total.count(Fault::ShortRead) > 0 && total.count(Fault::ShortWrite) > 0);
}

#[test]
fn a_future_that_is_dropped_leaves_the_position_where_it_was() {
    on_both(20, |ground| async move {
        let path = ground.file("file", &pattern(4000));
        let mut file = both_ways(&path).await?;
        file.read_exact(vec![0; 1000]).await?;
        for _ in 0..20 {
            drop(file.read(vec![0; 300]));
            assert!(poll_immediate(file.read(vec![0; 300])).await.is_none());
            assert!(poll_immediate(file.read_exact(vec![0; 3000])).await.is_none());
            let mut reading = Box::pin(file.read_to_end(Vec::new()));
            assert!(poll_immediate(&mut reading).await.is_none());
            drop(reading);
            assert_eq!(file.stream_position()?, 1000);
        }
        assert!(file.read_to_end(Vec::new()).await?.1 == pattern(4000)[1000..]);
        Ok(())
    });
}

#[test]
fn a_write_that_is_dropped_is_written_again_in_the_same_place() {
    on_both(20, |ground| async move {
        let path = ground.file("file", b"");
        let mut file = both_ways(&path).await?;
        file.write_all("begin ").await?;
        assert!(poll_immediate(file.write_all(vec![b'x'; 500])).await.is_none());
        // The one before may still come, so it is waited for: what is in flight keeps the order.
        crate::cancel::until("the write has ended", || {
            annulus::runtime::metrics().expect("a runtime runs").ops_in_flight == 0
        })
        .await?;
        file.write_all(vec![b'y'; 500]).await?;
        assert_eq!(file.stream_position()?, 506);
        let contents = ground.contents("file");
        assert!(contents[..6] == *b"begin " && contents[6..] == [b'y'; 500]);
        Ok(())
    });
}

#[test]
fn what_is_cancelled_before_it_began_changes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let mut file = both_ways(&path).await?;
        let error = file.read(vec![0; 4]).cancel().await.expect_err("it did not begin");
        assert!(Cancelled::of(error.error()).is_some());
        assert_eq!(error.into_buf(), Some(vec![0; 4]));
        let error = file.write_all("abc").cancel().await.expect_err("it did not begin");
        assert_eq!(error.into_buf(), Some("abc"));
        assert_eq!(file.stream_position()?, 0);
        assert_eq!(std::fs::read(&path)?, b"0123456789");
        Ok(())
    });
}

#[test]
fn seeking_is_what_std_does_and_refuses_what_std_refuses() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let mut ours = both_ways(&path).await?;
        let mut std = std::fs::File::options().read(true).write(true).open(&path)?;
        let far = 5 << 30;
        for to in [
            SeekFrom::Start(4),
            SeekFrom::Current(3),
            SeekFrom::Current(-8),
            SeekFrom::Current(-7),
            SeekFrom::End(-2),
            SeekFrom::End(-11),
            SeekFrom::End(100),
            SeekFrom::Start(far),
            SeekFrom::Current(-1),
            SeekFrom::Current(i64::MAX),
            SeekFrom::Current(i64::MIN),
            SeekFrom::Start(u64::MAX),
            SeekFrom::Start(1 << 63),
            SeekFrom::Start(0),
        ] {
            let (ours_to, std_to) = (ours.seek(to), std.seek(to));
            match (&ours_to, &std_to) {
                (Ok(ours), Ok(std)) => assert_eq!(ours, std, "{to:?}"),
                (Err(ours), Err(std)) => assert_eq!(ours.kind(), std.kind(), "{to:?}"),
                _ => panic!("{to:?}: {ours_to:?}, {std_to:?}"),
            }
            assert_eq!(ours.stream_position()?, std.stream_position()?, "{to:?}");
        }
        ours.seek(SeekFrom::Start(far))?;
        ours.write_all("far").await?;
        assert_eq!(ours.stream_position()?, far + 3);
        ours.seek(SeekFrom::Current(-3))?;
        assert_eq!(ours.read_to_string(String::new()).await?.1, "far");
        assert_eq!(ours.len()?, far + 3);
        Ok(())
    });
}

#[test]
fn the_position_goes_to_std_and_comes_from_there() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let mut file = File::open(&path).await?;
        file.read_exact(vec![0; 3]).await?;
        let mut std = file.into_std()?;
        assert_eq!(std.stream_position()?, 3);
        std.read_exact(&mut [0; 2])?;
        let mut file = File::from_std(std)?;
        assert_eq!(file.read_exact(vec![0; 2]).await?.1, b"56");
        Ok(())
    });
}

#[test]
fn a_clone_reads_the_same_file_from_the_same_place_on_its_own() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let mut file = both_ways(&path).await?;
        file.read_exact(vec![0; 4]).await?;
        let mut clone = file.try_clone()?;
        assert_eq!(file.read_exact(vec![0; 2]).await?.1, b"45");
        assert_eq!(clone.read_exact(vec![0; 2]).await?.1, b"45");
        clone.write_all("X").await?;
        drop(file);
        clone.rewind()?;
        assert_eq!(clone.read_to_string(String::new()).await?.1, "012345X789");
        Ok(())
    });
}

#[test]
fn appends_go_to_the_end_and_take_the_position_there() {
    on_both(10, |ground| async move {
        let path = ground.file("log", b"first ");
        let mut log = OpenOptions::new().read(true).append(true).open(&path).await?;
        assert_eq!(log.read_exact(vec![0; 5]).await?.1, b"first");
        log.write_all("second ").await?;
        log.write_all("third").await?;
        assert_eq!(log.stream_position()?, 18);
        assert_eq!(log.read(vec![0; 5]).await?.0, 0);
        log.rewind()?;
        log.write_all("!").await?;
        log.rewind()?;
        assert_eq!(log.read_to_string(String::new()).await?.1, "first second third!");
        Ok(())
    });
}

#[test]
fn streams_have_no_position_and_are_read_and_written_all_the_same() {
    run(async {
        let (reader, writer) = pipe()?;
        let from = |end: OwnedFd| File::from_std(std::fs::File::from(end));
        let (mut reader, mut writer) = (from(reader)?, from(writer)?);
        let writing = annulus::spawn(async move {
            for piece in pattern(200_000).chunks(70_000) {
                writer.write_all(piece.to_vec()).await?;
            }
            let error = writer.stream_position().expect_err("a pipe");
            assert_eq!(error.kind(), ErrorKind::NotSeekable);
            let error = writer.seek(SeekFrom::Start(1)).expect_err("a pipe");
            assert_eq!(error.kind(), ErrorKind::NotSeekable);
            std::io::Result::Ok(())
        });
        let (_, head) = reader.read_exact(vec![0; 1000]).await?;
        let (n, rest) = reader.read_to_end(Vec::new()).await?;
        assert_eq!(n, 199_000);
        assert!(head == pattern(200_000)[..1000] && rest == pattern(200_000)[1000..]);
        writing.await.expect("no panic")
    });
}

#[test]
fn several_buffers_are_one_after_the_other_at_the_position() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"");
    run(async {
        let mut file = both_ways(&path).await?;
        let (n, _) = file.write_vectored(("one ", vec![b'2', b' '])).await?;
        assert_eq!(n, 6);
        let (n, _) = file.write_vectored(vec!["three", " ", "four"]).await?;
        assert_eq!((n, file.stream_position()?), (10, 16));
        file.rewind()?;
        let (n, (first, second)) = file.read_vectored((vec![0; 4], vec![0; 6])).await?;
        assert_eq!((n, &first[..], &second[..]), (10, &b"one "[..], &b"2 thre"[..]));
        assert_eq!(file.stream_position()?, 10);
        let error = file.read_vectored((Vec::new(), Vec::new())).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = file.read(Vec::new()).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.stream_position()?, 10);
        Ok(())
    });
}

#[test]
fn text_that_is_none_is_refused_and_the_string_comes_back() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text \xff");
    run(async {
        let mut file = File::open(&path).await?;
        let error = file.read_to_string("before ".into()).await.expect_err("no UTF-8");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.into_buf().as_deref(), Some("before "));
        let error = annulus::fs::read_to_string(&path).await.expect_err("no UTF-8");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        Ok(())
    });
}

#[test]
fn files_are_streams_like_others() {
    async fn moved(mut from: impl AsyncRead, mut to: impl AsyncWrite) -> std::io::Result<u64> {
        let copied = copy(&mut from, &mut to).await?;
        to.flush().await?;
        to.shutdown().await?;
        Ok(copied)
    }
    let scratch = Scratch::new();
    let from = scratch.file("from", &pattern(300_000));
    let to = scratch.path().join("to");
    run(async {
        let (mut source, mut target) = (File::open(&from).await?, File::create(&to).await?);
        source.seek(SeekFrom::Start(100))?;
        target.write_all("head").await?;
        assert_eq!(moved((&mut source).take(250_000), &mut target).await?, 250_000);
        assert_eq!((source.stream_position()?, target.stream_position()?), (250_100, 250_004));
        let mut second = Vec::new();
        assert_eq!(moved(&mut source, &mut second).await?, 49_900);
        assert!(second == pattern(300_000)[250_100..]);
        let written = std::fs::read(&to)?;
        assert!(written[..4] == *b"head" && written[4..] == pattern(300_000)[100..250_100]);
        Ok(())
    });
}

#[test]
fn a_file_that_cannot_be_written_says_so_and_stays_where_it_is() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let mut file = File::open(&path).await?;
        file.read_exact(vec![0; 2]).await?;
        let error = file.write_all("x").await.expect_err("opened for reading");
        assert_eq!(error.error().raw_os_error(), Some(libc::EBADF));
        assert_eq!(file.stream_position()?, 2);
        let mut full = File::create("/dev/full").await?;
        let error = full.write_all("text").await.expect_err("it is full");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(error.into_buf(), Some("text"));
        let mut directory = File::open(scratch.path()).await?;
        let error = directory.read_to_end(Vec::new()).await.expect_err("a directory");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        Ok(())
    });
}
