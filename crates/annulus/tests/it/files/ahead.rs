//! Streams that read ahead, and ranges that share reads: what comes is what one read after the
//! other would have given.

use std::io::{self, ErrorKind};

use annulus::fs::{File, Merge, OpenOptions};
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;
use annulus_sim::Fault as SimFault;
use futures_util::{StreamExt as _, poll};

use super::faulty::{Fault, Faults};
use crate::harness::ground::{on_both_with, tiny};
use crate::harness::{Scratch, run, run_on};

fn pattern(bytes: usize, salt: u64) -> Vec<u8> {
    (0..bytes).map(|at| (at * 13 + at / 256 + salt as usize) as u8).collect()
}

/// Numbers that follow from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

async fn whole(
    file: &File,
    range: std::ops::Range<u64>,
    shape: (usize, usize),
) -> io::Result<Vec<u8>> {
    let mut stream = file.read_stream(range.clone(), shape.0, shape.1)?;
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        assert_eq!(chunk.offset(), range.start + all.len() as u64);
        assert!(!chunk.is_empty() && chunk.len() <= shape.1);
        all.extend_from_slice(&chunk);
        if chunk.offset() % 3 > 0 {
            stream.reuse(chunk);
        }
    }
    assert!(stream.next().await.is_none(), "the end stays the end");
    Ok(all)
}

#[test]
fn a_stream_has_every_byte_in_order_on_any_kernel() {
    let report = on_both_with(tiny, 150, |ground| async move {
        let mut draw = Draw(ground.seed());
        let contents = pattern(draw.below(5000) as usize, ground.seed());
        let file = File::open(ground.file("file", &contents)).await?;
        for _ in 0..4 {
            let (start, end) = (draw.below(3000), draw.below(6000));
            let shape = (1 + draw.below(40) as usize, 1 + draw.below(600) as usize);
            let got = whole(&file, start..end, shape).await?;
            let end = (end as usize).min(contents.len());
            let start = (start as usize).min(end);
            assert!(got == contents[start..end], "{start}..{end} as {shape:?}");
        }
        Ok(())
    });
    assert!(report.count(SimFault::ShortRead) > 0);
}

#[test]
fn ranges_have_what_reads_of_them_would_have_on_any_kernel() {
    let report = on_both_with(tiny, 100, |ground| async move {
        let mut draw = Draw(ground.seed() + 7);
        let contents = pattern(draw.below(9000) as usize, ground.seed());
        let file = File::open(ground.file("file", &contents)).await?;
        let count = draw.below(150);
        let mut range = || {
            let start = draw.below(10_000);
            start..start + draw.below(300)
        };
        let ranges: Vec<_> = (0..count).map(|_| range()).collect();
        let merge = Merge { gap_bytes: draw.below(200), read_bytes_max: draw.below(2000) as usize };
        let read = file.read_ranges(&ranges, merge).await?;
        assert_eq!((read.len(), read.is_empty()), (ranges.len(), ranges.is_empty()));
        assert!(read.reads() <= ranges.len());
        for (range, bytes) in ranges.iter().zip(read.iter()) {
            let end = (range.end as usize).min(contents.len());
            let start = (range.start as usize).min(end);
            assert!(bytes == &contents[start..end], "{range:?} with {merge:?}");
        }
        assert!(read.get(ranges.len()).is_none());
        Ok(())
    });
    assert!(report.count(SimFault::ShortRead) > 0);
}

#[test]
fn an_error_comes_in_its_place_and_nothing_behind_it() {
    let scratch = Scratch::new();
    let contents = pattern(1000, 1);
    let path = scratch.file("file", &contents);
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let file = File::open(&path).await?;
        faults.forget();
        faults.plan_for(Opcode::READ, 3, Fault::Fails(libc::EIO));
        let stream = file.read_stream(0..u64::MAX, 4, 100)?;
        let items: Vec<_> = stream.collect().await;
        assert_eq!(items.len(), 4);
        assert!(items[..3].iter().all(Result::is_ok));
        assert_eq!(items[3].as_ref().unwrap_err().raw_os_error(), Some(libc::EIO));
        // What had begun behind it has been cancelled by now.
        crate::cancel::yield_to_kernel().await?;
        faults.plan_for(Opcode::READ, 1, Fault::Fails(libc::EIO));
        let merge = Merge { gap_bytes: 0, ..Merge::default() };
        let failed = file.read_ranges(&[0..10, 100..110, 500..501], merge).await.unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(libc::EIO));
        Ok(())
    });
}

#[test]
fn no_more_is_in_flight_than_was_allowed_and_dropping_the_stream_ends_it() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(100_000, 4));
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let file = File::open(&path).await?;
        faults.forget();
        let mut stream = file.read_stream(0..100_000, 5, 1000)?;
        let mut first = Box::pin(stream.next());
        assert!(poll!(&mut first).is_pending());
        crate::cancel::yield_to_kernel().await?;
        assert_eq!(faults.seen(Opcode::READ), 5);
        let chunk = first.await.expect("it has begun")?;
        assert_eq!(chunk.len(), 1000);
        drop(stream);
        drop(file);
        crate::cancel::at_rest().await
    });
}

#[test]
fn a_file_that_shrinks_or_grows_while_it_is_read_ends_where_one_read_ended() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(10_000, 4));
    run_on(Runtime::builder().reads_cached(false), async {
        let file = File::open(&path).await?;
        let mut stream = file.read_stream(0..u64::MAX, 2, 1000)?;
        let mut read = stream.next().await.expect("a chunk")?.len() as u64;
        std::fs::OpenOptions::new().write(true).open(&path)?.set_len(4500)?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            assert_eq!(chunk.offset(), read, "no gap");
            read += chunk.len() as u64;
        }
        assert_eq!(read, 4500);
        let mut stream = file.read_stream(4000..u64::MAX, 3, 1000)?;
        let mut first = Box::pin(stream.next());
        assert!(poll!(&mut first).is_pending());
        crate::cancel::yield_to_kernel().await?;
        std::fs::OpenOptions::new().write(true).open(&path)?.set_len(9000)?;
        let first = first.await.expect("a chunk")?;
        if first.len() == 500 {
            assert!(stream.next().await.is_none(), "behind a short chunk nothing comes");
        }
        Ok(())
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        let file = OpenOptions::new().read(true).open(&path).await?;
        for (range, depth, bytes) in [(0..10, 0, 10), (0..10, 1, 0), (1 << 63..u64::MAX, 1, 1)] {
            let refused = file.read_stream(range, depth, bytes).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        }
        let backwards = std::ops::Range { start: 5, end: 4 };
        assert!(file.read_stream(backwards.clone(), 1, 1)?.next().await.is_none());
        let refused = file.read_ranges(&[backwards], Merge::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}
