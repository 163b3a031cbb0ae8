//! Direct files, their alignment, and the pool of registered buffers.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use annulus::buf::{AlignedBuf, DirectPool, IoBuf as _, IoBufMut as _};
use annulus::fs::{Direct, File, Merge, Misaligned, OpenOptions, Part, RwOptions, Synced};
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;
use futures_util::poll;

use super::faulty::{Fault, Faults};
use crate::harness::{made, run, run_on, share_process, skip};

const BLOCK: usize = 4096;

/// A directory whose file system has a device below, if one may write there.
struct Disk(Option<tempfile::TempDir>);

impl Disk {
    fn new() -> Self {
        let _shared = share_process();
        let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self(Some(beside.or_else(|_| tempfile::tempdir()).expect("a temporary directory")))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.as_ref().expect("it is there until dropped").path().join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _shared = share_process();
        self.0.take();
    }
}

/// A direct file for reading and writing; `None`, with a word, where there are none.
async fn direct(path: &Path) -> io::Result<Option<Direct>> {
    let mut options = OpenOptions::new();
    match Direct::open_with(options.read(true).write(true).create(true), path).await {
        Ok(direct) => Ok(Some(direct)),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            skip("this file system has no O_DIRECT");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn pattern(bytes: usize, salt: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / BLOCK * 31 + at * 7 + salt) as u8).collect()
}

#[test]
fn blocks_in_registered_buffers_are_what_std_sees() {
    let disk = Disk::new();
    let path = disk.path("table");
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let pool = DirectPool::new(4, 2 * BLOCK)?;
        assert!(pool.refusal().is_none(), "{:?}", pool.refusal());
        assert_eq!((pool.buffers(), pool.buffer_bytes(), pool.align()), ((4, 4), 2 * BLOCK, BLOCK));
        table.allocate(0, 8 * BLOCK as u64).await?;
        assert_eq!(table.len()?, 8 * BLOCK as u64);
        let mut model = vec![0; 8 * BLOCK];
        for (round, block) in [0, 5, 2, 6, 1, 5].into_iter().enumerate() {
            let mut buf = pool.take().await;
            assert_eq!(buf.as_ptr() as usize % BLOCK, 0);
            buf.copy_from_slice(&pattern(2 * BLOCK, round));
            // Whole buffers, and single blocks of them.
            let (from, len) = if round % 2 == 0 { (0, 2 * BLOCK) } else { (BLOCK, BLOCK) };
            let at = block * BLOCK;
            model[at..at + len].copy_from_slice(&buf[from..from + len]);
            let (n, slice) = table.write_at(buf.slice(from..from + len), at as u64).await?;
            assert_eq!(n, len);
            drop(slice);
        }
        table.sync_data().await?;
        assert!(std::fs::read(&path)? == model);
        for block in 0..8 {
            let buf = pool.take().await;
            let (n, slice) = table.read_at(buf.slice_mut(BLOCK..), (block * BLOCK) as u64).await?;
            assert_eq!(n, BLOCK);
            assert!(slice[..] == model[block * BLOCK..][..BLOCK]);
        }
        assert_eq!(table.read_at(pool.take().await, 8 * BLOCK as u64).await?.0, 0, "the end");
        assert_eq!(pool.buffers(), (4, 4), "all are back");
        assert_eq!((faults.seen(Opcode::READ), faults.seen(Opcode::WRITE)), (0, 0));
        assert_eq!((faults.seen(Opcode::READ_FIXED), faults.seen(Opcode::WRITE_FIXED)), (9, 6));
        Ok(())
    });
}

#[test]
fn where_locked_memory_is_refused_the_pool_works_without_registration() {
    let disk = Disk::new();
    let path = disk.path("table");
    let faults = Faults::default();
    faults.refuse_buffers();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let pool = DirectPool::new(2, BLOCK)?;
        let refusal = pool.refusal().expect("it was refused");
        assert_eq!(refusal.kind(), ErrorKind::OutOfMemory, "{refusal}");
        let mut buf = pool.take().await;
        assert!(!buf.is_registered());
        buf.fill(9);
        let ((), buf) = table.write_all_at(buf, 0).await?;
        let (n, buf) = table.read_at(buf, 0).await?;
        assert_eq!((n, buf[..].iter().all(|&byte| byte == 9)), (BLOCK, true));
        assert_eq!((faults.seen(Opcode::READ), faults.seen(Opcode::READ_FIXED)), (1, 0));
        Ok(())
    });
}

#[test]
fn what_is_not_aligned_is_refused_before_the_kernel_hears_of_it() {
    let disk = Disk::new();
    let path = disk.path("table");
    run(async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let alignment = table.alignment();
        let mut buf = AlignedBuf::new(4 * BLOCK, BLOCK)?;
        buf.copy_from_slice(&pattern(4 * BLOCK, 1));
        let ((), mut buf) = table.write_all_at(buf, 0).await?;
        let before = annulus::runtime::metrics()?.sqes;
        if alignment.memory > 1 {
            let odd = buf.slice_mut(1..1 + BLOCK);
            let failed = table.read_at(odd, 0).await.unwrap_err();
            let said = Misaligned::of(failed.error()).expect("it says what");
            assert_eq!((said.part(), said.required()), (Part::Address, alignment.memory));
            buf = failed.into_buf().expect("the buffer comes back").into_inner();
        }
        let cases = [
            (BLOCK, u64::from(alignment.offset) / 2, Part::Offset),
            (alignment.offset as usize + 1, 0, Part::Length),
        ];
        for (len, offset, part) in cases {
            let failed = table.write_at(buf.slice(..len), offset).await.unwrap_err();
            assert_eq!(failed.kind(), ErrorKind::InvalidInput);
            let said = Misaligned::of(failed.error()).expect("it says what");
            assert_eq!((said.part(), said.required()), (part, alignment.offset));
            assert!(failed.to_string().contains("direct I/O"), "{failed}");
            buf = failed.into_buf().expect("the buffer comes back").into_inner();
        }
        let failed = table.write_all_at(buf.slice(..100), 0).await.unwrap_err();
        assert!(Misaligned::of(failed.error()).is_some());
        assert_eq!(annulus::runtime::metrics()?.sqes, before, "the kernel heard of none");
        assert!(table.read_stream(1..BLOCK as u64, 2, BLOCK).is_err());
        let empty = table.read_at(Vec::new(), 0).await.unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn an_atomic_write_fits_the_limits_of_the_device_or_is_refused() {
    let disk = Disk::new();
    let path = disk.path("table");
    run(async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let atomic = table.with(RwOptions::new().atomic());
        let buf = AlignedBuf::new(2 * BLOCK, BLOCK)?;
        match table.atomic_writes() {
            None => {
                let failed = atomic.write_at(buf, 0).await.unwrap_err();
                assert_eq!(failed.kind(), ErrorKind::Unsupported, "{failed}");
            }
            Some(limits) => {
                let failed = atomic.write_at(buf, BLOCK as u64).await.unwrap_err();
                assert_eq!(failed.kind(), ErrorKind::InvalidInput, "{failed}");
                let bytes = limits.bytes_min as usize;
                let buf = AlignedBuf::new(bytes, bytes.max(BLOCK))?;
                assert_eq!(atomic.write_at(buf, 0).await?.0, bytes);
            }
        }
        Ok(())
    });
}

#[test]
fn direct_writes_go_on_after_short_ones_and_are_flushed_where_that_is_asked_for() {
    let disk = Disk::new();
    let path = disk.path("table");
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let mut buf = AlignedBuf::new(4 * BLOCK, BLOCK)?;
        buf.copy_from_slice(&pattern(4 * BLOCK, 3));
        faults.plan_for(Opcode::WRITE, 0, Fault::Short(BLOCK as u32));
        let ((), buf) = table.write_all_at(buf, 0).await?;
        assert!(faults.are_done() && std::fs::read(&path)? == pattern(4 * BLOCK, 3));
        faults.plan_for(Opcode::WRITE, 0, Fault::Short(2 * BLOCK as u32));
        let ((), buf) = table.write_synced_at(buf, BLOCK as u64, Synced::Data).await?;
        assert!(faults.are_done());
        assert_eq!(faults.seen(Opcode::FSYNC), 1);
        assert!(std::fs::read(&path)?[BLOCK..] == buf[..]);
        Ok(())
    });
}

#[test]
fn ranges_and_streams_of_a_direct_file_need_not_end_with_a_block() {
    let disk = Disk::new();
    let path = disk.path("odd");
    let contents = pattern(10 * BLOCK + 777, 6);
    let _shared = share_process();
    std::fs::write(&path, &contents).unwrap();
    run(async {
        let Some(table) = direct(&path).await? else { return Ok(()) };
        let ranges = [3..100, 5000..5001, 40_000..60_000, 0..0, BLOCK as u64..2 * BLOCK as u64];
        let read = table.read_ranges(&ranges, Merge::default()).await?;
        for (range, bytes) in ranges.iter().zip(read.iter()) {
            let end = (range.end as usize).min(contents.len());
            assert!(bytes == &contents[range.start as usize..end], "{range:?}");
        }
        for end in [0, 100, 3 * BLOCK as u64, 3 * BLOCK as u64 + 9, u64::MAX] {
            let mut stream = table.read_stream(0..end, 3, 2 * BLOCK)?;
            let mut all = Vec::new();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                assert_eq!(chunk.offset(), all.len() as u64);
                all.extend_from_slice(&chunk);
                stream.reuse(chunk);
            }
            let end = usize::try_from(end).unwrap_or(usize::MAX).min(contents.len());
            assert!(all == contents[..end], "{end}: {} bytes", all.len());
        }
        Ok(())
    });
}

#[test]
fn a_buffered_file_takes_registered_buffers_too_and_another_cores_are_plain_memory() {
    let disk = Disk::new();
    let path = disk.path("plain");
    let _shared = share_process();
    let home = made(Runtime::builder());
    let pool = home.block_on(async { DirectPool::new(1, BLOCK).unwrap() });
    let again = pool.clone();
    home.block_on(async {
        let file = File::create(&path).await.unwrap();
        file.write_all_at(again.take().await, 0).await.unwrap();
    });
    let abroad = made(Runtime::builder());
    let buf = abroad.block_on(async {
        let file = File::open(&path).await.unwrap();
        let (n, buf) = file.read_at(pool.take().await, 0).await.unwrap();
        assert_eq!((n, buf[0]), (BLOCK, 0));
        buf
    });
    drop((again, home));
    // The pool outlives its core, and its buffer the pool.
    assert_eq!(pool.buffers(), (1, 0));
    drop(pool);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(buf));
    });
}

#[test]
fn who_waits_for_a_buffer_is_served_in_order_and_a_place_that_is_left_goes_to_the_next() {
    run(async {
        let pool = DirectPool::new(2, BLOCK)?;
        let (first, second) = (pool.take().await, pool.take().await);
        assert!(pool.try_take().is_none());
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(pool.take())).collect();
        for place in &mut waiting {
            assert!(poll!(place).is_pending());
        }
        drop(first);
        assert!(pool.try_take().is_none(), "nobody overtakes");
        assert!(poll!(&mut waiting[1]).is_pending());
        drop(waiting.remove(0));
        let std::task::Poll::Ready(third) = poll!(&mut waiting[0]) else { panic!("its turn") };
        assert!(poll!(&mut waiting[1]).is_pending());
        drop((second, third));
        let woken = annulus::spawn({
            let pool = pool.clone();
            async move { pool.take().await.len() }
        });
        assert!(poll!(&mut waiting[2]).is_ready(), "there are two, and it is the second");
        assert!(poll!(&mut waiting[1]).is_ready());
        drop(waiting);
        assert_eq!(woken.await.expect("no panic"), BLOCK);
        Ok(())
    });
}

#[test]
fn a_pool_of_nothing_or_of_what_cannot_be_aligned_is_refused() {
    run(async {
        for (buffers, bytes, align) in [(0, BLOCK, 512), (1, 0, 512), (1, 100, 512), (1, 600, 600)]
        {
            let refused = DirectPool::with_align(buffers, bytes, align).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{buffers} × {bytes} at {align}");
        }
        let huge = DirectPool::new(u32::MAX, usize::MAX / 4096 * 4096).unwrap_err();
        assert_eq!(huge.kind(), ErrorKind::OutOfMemory);
        Ok(())
    });
    assert!(DirectPool::new(1, BLOCK).is_err(), "no runtime runs here");
}

#[test]
fn places_in_the_rings_table_come_back_with_the_pools() {
    run(async {
        let pools: Vec<_> = (0..64).map(|_| DirectPool::new(1, BLOCK)).collect::<Result<_, _>>()?;
        assert!(pools.iter().all(|pool| pool.refusal().is_none()));
        let more = DirectPool::new(1, BLOCK)?;
        assert!(more.refusal().is_some_and(|why| why.to_string().contains("64 registered pools")));
        assert_eq!(more.take().await.len(), BLOCK, "it works all the same");
        drop(pools);
        for _ in 0..200 {
            let pool = DirectPool::new(2, BLOCK)?;
            assert!(pool.refusal().is_none(), "{:?}", pool.refusal());
        }
        Ok(())
    });
}
