//! Random operations on one file, each against `std::fs` on another: results, errors, positions and
//! contents are the same all the way.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use annulus::buf::BufResult;
use annulus::fs::{File, OpenOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::FallocateFlags;

use crate::harness::{Scratch, run};

/// Where 32 bits do not reach.
const FAR: u64 = 5 << 30;
/// The most that a file is read whole.
const WHOLE_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    ReadExact(usize),
    ReadVectored(usize, usize),
    ReadToEnd,
    ReadAt(u64, usize),
    Write(Vec<u8>),
    WriteVectored(Vec<u8>, Vec<u8>),
    WriteAt(u64, Vec<u8>),
    Seek(SeekFrom),
    SetLen(u64),
    Allocate(Range<u64>),
    Reserve(Range<u64>),
    PunchHole(Range<u64>),
    ZeroRange(Range<u64>),
    Reopen,
    Clone,
}

/// What a step came to.
#[derive(PartialEq, Debug)]
enum Came {
    Number(u64),
    Bytes(Vec<u8>),
    Failed(ErrorKind),
}

fn number(result: io::Result<u64>) -> Came {
    result.map_or_else(|error| Came::Failed(error.kind()), Came::Number)
}

fn done(result: io::Result<()>) -> Came {
    number(result.map(|()| 0))
}

fn bytes(result: io::Result<Vec<u8>>) -> Came {
    result.map_or_else(|error| Came::Failed(error.kind()), Came::Bytes)
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..20_000u64, 1 => FAR..FAR + 5_000, 1 => Just(0)]
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => (1..9_000usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn range() -> impl Strategy<Value = Range<u64>> {
    (offset(), 0..9_000u64).prop_map(|(start, len)| start..start + len)
}

fn step() -> impl Strategy<Value = Step> {
    let seek = prop_oneof![
        offset().prop_map(SeekFrom::Start),
        (-6_000..6_000i64).prop_map(SeekFrom::Current),
        (-6_000..2_000i64).prop_map(SeekFrom::End),
        Just(SeekFrom::Start(u64::MAX)),
    ];
    prop_oneof![
        3 => (1..5_000usize).prop_map(Step::Read),
        1 => (0..900usize).prop_map(Step::ReadExact),
        1 => (0..300usize, 1..300usize).prop_map(|(a, b)| Step::ReadVectored(a, b)),
        1 => Just(Step::ReadToEnd),
        2 => (offset(), 1..5_000usize).prop_map(|(at, len)| Step::ReadAt(at, len)),
        4 => contents().prop_map(Step::Write),
        1 => (contents(), contents()).prop_map(|(a, b)| Step::WriteVectored(a, b)),
        2 => (offset(), contents()).prop_map(|(at, bytes)| Step::WriteAt(at, bytes)),
        3 => seek.prop_map(Step::Seek),
        1 => offset().prop_map(Step::SetLen),
        1 => range().prop_map(Step::Allocate),
        1 => range().prop_map(Step::Reserve),
        1 => range().prop_map(Step::PunchHole),
        1 => range().prop_map(Step::ZeroRange),
        1 => Just(Step::Reopen),
        1 => Just(Step::Clone),
    ]
}

/// How both files are opened: for reading, writing, appending, in the lower bits.
fn open_std(path: &Path, how: u8) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(how & 1 != 0).write(how & 2 != 0).append(how & 4 != 0).open(path)
}

async fn open_ours(path: &Path, how: u8) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(how & 1 != 0).write(how & 2 != 0).append(how & 4 != 0).open(path).await
}

fn fallocate(file: &std::fs::File, flags: FallocateFlags, range: &Range<u64>) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, flags, range.start, range.end - range.start)?)
}

fn by_std(file: &mut std::fs::File, step: &Step) -> io::Result<Came> {
    let filled = |mut buf: Vec<u8>, read: io::Result<usize>| {
        bytes(read.map(|n| {
            buf.truncate(n);
            buf
        }))
    };
    let wrote = |wrote: io::Result<usize>| number(wrote.map(|n| n as u64));
    Ok(match step {
        Step::Read(len) => {
            let mut buf = vec![0; *len];
            let read = file.read(&mut buf);
            filled(buf, read)
        }
        Step::ReadExact(len) => {
            let mut buf = vec![0; *len];
            let read = file.read_exact(&mut buf);
            bytes(read.map(|()| buf))
        }
        Step::ReadVectored(first, second) => {
            let (mut a, mut b) = (vec![0; *first], vec![0; *second]);
            let read = file.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]);
            filled([a, b].concat(), read)
        }
        Step::ReadToEnd => {
            let mut all = Vec::new();
            let read = file.read_to_end(&mut all);
            bytes(read.map(|_| all))
        }
        Step::ReadAt(at, len) => {
            let mut buf = vec![0; *len];
            let read = file.read_at(&mut buf, *at);
            filled(buf, read)
        }
        Step::Write(contents) => wrote(file.write(contents)),
        Step::WriteVectored(a, b) => {
            wrote(file.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]))
        }
        Step::WriteAt(at, contents) => wrote(file.write_at(contents, *at)),
        Step::Seek(to) => number(file.seek(*to)),
        Step::SetLen(len) => done(file.set_len(*len)),
        Step::Allocate(range) => done(fallocate(file, FallocateFlags::empty(), range)),
        Step::Reserve(range) => done(fallocate(file, FallocateFlags::KEEP_SIZE, range)),
        Step::PunchHole(range) => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            done(fallocate(file, flags, range))
        }
        Step::ZeroRange(range) => done(fallocate(file, FallocateFlags::ZERO_RANGE, range)),
        Step::Reopen | Step::Clone => Came::Number(0),
    })
}

async fn by_annulus(file: &mut File, step: &Step) -> io::Result<Came> {
    fn filled(read: BufResult<usize, Vec<u8>>) -> Came {
        bytes(read.map(|(_, buf)| buf).map_err(io::Error::from))
    }
    fn wrote<B>(wrote: BufResult<usize, B>) -> Came {
        number(wrote.map(|(n, _)| n as u64).map_err(io::Error::from))
    }
    Ok(match step {
        Step::Read(len) => filled(file.read(vec![1; *len]).await),
        Step::ReadExact(len) => {
            let read = file.read_exact(vec![1; *len]).await;
            bytes(read.map(|((), buf)| buf).map_err(io::Error::from))
        }
        Step::ReadVectored(first, second) => {
            let read = file.read_vectored((vec![1; *first], vec![1; *second])).await;
            bytes(read.map(|(_, (a, b))| [a, b].concat()).map_err(io::Error::from))
        }
        Step::ReadToEnd => filled(file.read_to_end(Vec::new()).await),
        Step::ReadAt(at, len) => filled(file.read_at(vec![1; *len], *at).await),
        Step::Write(contents) => wrote(file.write(contents.clone()).await),
        Step::WriteVectored(a, b) => wrote(file.write_vectored((a.clone(), b.clone())).await),
        Step::WriteAt(at, contents) => wrote(file.write_at(contents.clone(), *at).await),
        Step::Seek(to) => number(file.seek(*to)),
        Step::SetLen(len) => done(file.set_len(*len).await),
        Step::Allocate(range) => done(file.allocate(range.clone()).await),
        Step::Reserve(range) => done(file.reserve(range.clone()).await),
        Step::PunchHole(range) => done(file.punch_hole(range.clone()).await),
        Step::ZeroRange(range) => done(file.zero_range(range.clone()).await),
        Step::Reopen | Step::Clone => Came::Number(0),
    })
}

/// The data of a file that may be gigabytes of holes.
fn data_of(path: &Path) -> io::Result<(u64, Vec<Vec<u8>>)> {
    let file = std::fs::File::open(path)?;
    let len = file.metadata()?.len();
    let mut parts = Vec::new();
    for start in [0, FAR - 10_000] {
        let mut part = vec![0; 60_000];
        let n = file.read_at(&mut part, start)?;
        part.truncate(n);
        parts.push(part);
    }
    Ok((len, parts))
}

async fn play(paths: &[std::path::PathBuf; 2], how: u8, steps: &[Step]) -> io::Result<()> {
    for path in paths {
        std::fs::write(path, [5; 3000])?;
    }
    let [theirs, our_path] = paths;
    let (std, ours) = (open_std(theirs, how), open_ours(our_path, how).await);
    let (mut std, mut ours) = match (std, ours) {
        (Ok(std), Ok(ours)) => (std, ours),
        (Err(std), Err(ours)) => {
            assert_eq!(std.kind(), ours.kind());
            return Ok(());
        }
        (std, ours) => panic!("opened with {how:03b}: {std:?}, {ours:?}"),
    };
    for (nth, step) in steps.iter().enumerate() {
        let left = std.metadata()?.len().saturating_sub(std.stream_position()?);
        if matches!(step, Step::ReadToEnd) && left > WHOLE_BYTES {
            continue;
        }
        match step {
            Step::Reopen => {
                (std, ours) = (open_std(theirs, how)?, open_ours(our_path, how).await?);
            }
            // The position goes along; whoever goes on with the clone alone sees no difference.
            Step::Clone => (std, ours) = (std.try_clone()?, ours.try_clone()?),
            _ => {}
        }
        let (expected, came) = (by_std(&mut std, step)?, by_annulus(&mut ours, step).await?);
        assert_eq!(came, expected, "step {nth}: {step:?}");
        let positions = (ours.stream_position()?, std.stream_position()?);
        assert_eq!(positions.0, positions.1, "after step {nth}: {step:?}");
        assert_eq!(ours.len()?, std.metadata()?.len(), "after step {nth}: {step:?}");
    }
    assert!(data_of(theirs)? == data_of(our_path)?, "the contents differ");
    // Both ways to std's type leave it where it is.
    assert_eq!(ours.stream_position()?, ours.into_std()?.stream_position()?);
    Ok(())
}

#[test]
fn whatever_is_done_to_a_file_comes_to_what_std_makes_of_it() {
    let scratch = Scratch::new();
    let paths = ["std", "annulus"].map(|name| scratch.path().join(name));
    let mut runner =
        TestRunner::new(Config { cases: 192, failure_persistence: None, ..Config::default() });
    // Mostly for both, sometimes for one alone.
    let how = prop_oneof![6 => Just(3u8), 2 => Just(5u8), 1 => 1..8u8];
    let game = (how, proptest::collection::vec(step(), 1..40));
    let played = runner.run(&game, |(how, steps)| {
        run(play(&paths, how, &steps));
        Ok(())
    });
    played.unwrap();
}
