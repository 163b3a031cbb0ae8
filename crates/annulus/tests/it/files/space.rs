//! Length, space and pages of a file: what each call changes, and what it refuses.

use std::io::ErrorKind;
use std::ops::{Bound, Range};

use annulus::OpExt as _;
use annulus::fs::{Advice, File, WriteBack};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;

use crate::harness::{Scratch, run, run_on, skip};

const BLOCK: u64 = 4096;

/// Blocks full of their numbers.
async fn numbered(scratch: &Scratch, blocks: u8) -> std::io::Result<File> {
    let bytes: Vec<u8> = (1..=blocks).flat_map(|block| [block; BLOCK as usize]).collect();
    let path = scratch.path().join("blocks");
    std::fs::write(&path, bytes)?;
    File::options().read(true).write(true).open(path).await
}

/// What the blocks of a file are full of.
async fn numbers(file: &File) -> std::io::Result<Vec<u8>> {
    let mut found = Vec::new();
    for block in 0..file.len()?.div_ceil(BLOCK) {
        let (n, buf) = file.read_at(vec![0; BLOCK as usize], block * BLOCK).await?;
        assert!(buf.iter().all(|byte| *byte == buf[0]), "block {block} is of one piece");
        assert_eq!(n as u64, BLOCK.min(file.len()? - block * BLOCK));
        found.push(buf[0]);
    }
    Ok(found)
}

fn blocks(range: Range<u64>) -> Range<u64> {
    range.start * BLOCK..range.end * BLOCK
}

/// Whether a file system can do it; if not, that is said and the rest left out.
fn can(what: &str, result: std::io::Result<()>) -> std::io::Result<bool> {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            skip(&format!("the file system of temporary files cannot {what}"));
            Ok(false)
        }
        result => result.map(|()| true),
    }
}

#[test]
fn a_length_is_set_on_every_kernel() {
    let scratch = Scratch::new();
    for mask in [Mask::none(), Mask::none().op(Opcode::FTRUNCATE)] {
        run_on(Runtime::builder().mask(mask), async {
            let file = numbered(&scratch, 3).await?;
            file.set_len(2 * BLOCK).await?;
            assert_eq!(numbers(&file).await?, [1, 2]);
            file.set_len(4 * BLOCK).await?;
            assert_eq!(numbers(&file).await?, [1, 2, 0, 0]);
            file.set_len(7 << 30).await?;
            assert_eq!(file.len()?, 7 << 30);
            for len in [1 << 63, u64::MAX] {
                let error = file.set_len(len).await.expect_err("too long");
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
            }
            let error = file.set_len(0).cancel().await.expect_err("it did not begin");
            assert!(Cancelled::of(&error).is_some());
            assert_eq!(file.len()?, 7 << 30);
            let reader = File::open(scratch.path().join("blocks")).await?;
            let error = reader.set_len(0).await.expect_err("opened for reading");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            Ok(())
        });
    }
}

#[test]
fn space_is_allocated_and_given_back() {
    let scratch = Scratch::new();
    run(async {
        let file = numbered(&scratch, 4).await?;
        let before = file.metadata()?.blocks();
        if !can("punch holes", file.punch_hole(blocks(1..2)).await)? {
            return Ok(());
        }
        assert_eq!(numbers(&file).await?, [1, 0, 3, 4]);
        assert!(file.metadata()?.blocks() < before, "the space is free");
        file.allocate(blocks(1..6)).await?;
        assert_eq!(numbers(&file).await?, [1, 0, 3, 4, 0, 0]);
        assert!(file.metadata()?.blocks() > before);
        file.reserve(blocks(6..9)).await?;
        assert_eq!(file.len()?, 6 * BLOCK, "it is as long as before");
        if can("zero ranges", file.zero_range(blocks(2..3)).await)? {
            assert_eq!(numbers(&file).await?, [1, 0, 0, 4, 0, 0]);
        }
        Ok(())
    });
}

#[test]
fn ranges_are_taken_out_and_put_in() {
    let scratch = Scratch::new();
    run(async {
        let file = numbered(&scratch, 5).await?;
        if !can("collapse ranges", file.collapse_range(blocks(1..3)).await)? {
            return Ok(());
        }
        assert_eq!(numbers(&file).await?, [1, 4, 5]);
        if can("insert ranges", file.insert_range(blocks(1..2)).await)? {
            assert_eq!(numbers(&file).await?, [1, 0, 4, 5]);
        }
        let error = file.collapse_range(1..BLOCK).await.expect_err("no whole block");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        can("unshare ranges", file.unshare_range(blocks(0..1)).await)?;
        Ok(())
    });
}

#[test]
fn ranges_that_are_none_are_refused_with_a_reason() {
    let scratch = Scratch::new();
    run(async {
        let file = numbered(&scratch, 1).await?;
        for (range, why) in [
            (5..5, "empty"),
            (Range { start: 6, end: 5 }, "empty"),
            (0..u64::MAX, "2^63"),
            (0..1 << 63, "2^63"),
        ] {
            let refused = [
                file.allocate(range.clone()).await,
                file.punch_hole(range.clone()).await,
                file.advise(range.clone(), Advice::Random).await,
                file.sync_range(range.clone(), WriteBack::Start).await,
            ];
            for refused in refused {
                let error = refused.expect_err("no range");
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains(why), "{range:?}: {error}");
            }
        }
        for from in [1 << 63, u64::MAX] {
            let error = file.seek_data(from).await.expect_err("no offset");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(numbers(&file).await?, [1]);
        Ok(())
    });
}

#[test]
fn advice_is_taken_for_every_range() {
    let scratch = Scratch::new();
    run(async {
        let file = numbered(&scratch, 4).await?;
        for advice in [
            Advice::Normal,
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::NoReuse,
        ] {
            file.advise(.., advice).await?;
            file.advise(BLOCK..=2 * BLOCK, advice).await?;
            file.advise(BLOCK.., advice).await?;
            file.advise((Bound::Excluded(7), Bound::Unbounded), advice).await?;
            file.advise(1..10 << 30, advice).await?;
        }
        let (reader, _writer) = super::cursor::pipe()?;
        let pipe = File::from_std(std::fs::File::from(reader))?;
        let error = pipe.advise(.., Advice::Random).await.expect_err("a pipe");
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        assert_eq!(numbers(&file).await?, [1, 2, 3, 4]);
        Ok(())
    });
}

#[test]
fn dirty_pages_are_written_by_range() {
    let scratch = Scratch::new();
    run(async {
        let file = numbered(&scratch, 4).await?;
        file.write_all_at(vec![9; BLOCK as usize], BLOCK).await?;
        file.sync_range(.., WriteBack::Start).await?;
        file.sync_range(BLOCK..2 * BLOCK, WriteBack::Finish).await?;
        file.sync_range(0..9 << 30, WriteBack::Finish).await?;
        assert_eq!(numbers(&file).await?, [1, 9, 3, 4]);
        Ok(())
    });
}

#[test]
fn data_and_holes_are_found_and_the_position_stays() {
    let scratch = Scratch::new();
    run(async {
        let mut file = File::create_new(scratch.path().join("sparse")).await?;
        let far = 6 << 30;
        file.write_all_at(vec![1; BLOCK as usize], far).await?;
        file.set_len(far + 10 * BLOCK).await?;
        file.seek(std::io::SeekFrom::Start(3))?;
        if file.seek_hole(0).await? != Some(0) {
            skip("the file system of temporary files does not tell of holes");
            return Ok(());
        }
        assert_eq!(file.seek_data(0).await?, Some(far));
        assert_eq!(file.seek_data(far + 7).await?, Some(far + 7));
        let hole = file.seek_hole(far).await?.expect("there is one");
        assert!((far + BLOCK..=far + 10 * BLOCK).contains(&hole), "{hole}");
        assert_eq!(file.seek_data(far + 9 * BLOCK).await?, None);
        assert_eq!(file.seek_hole(far + 10 * BLOCK).await?, None, "the end");
        assert_eq!(file.stream_position()?, 3);
        Ok(())
    });
}
