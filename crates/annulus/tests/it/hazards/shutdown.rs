//! A runtime ends while the kernel still writes to its memory.
//!
//! *Evidence*: closing a ring is no barrier: O_DIRECT reads in flight at close(2) wrote their
//! buffers after it had returned in 386 of 400 runs on Linux 6.18; cloud-hypervisor#8408,
//! commonware#3287.
//!
//! *Answer*: stop, cancel everything, reap to zero, then close. Past the deadline, memory that the
//! kernel may still write to is leaked, never freed.
//!
//! *Also proven*: `cancel`, which ends the runtime at every poll point of every future;
//! `annulus-sim` writes once more when a ring is closed.

use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::time::Duration;

use annulus::buf::{IoBuf, IoBufMut};
use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::Runtime;

use super::Drops;
use crate::cancel::yield_to_kernel;
use crate::harness::ground::{Ground, seeds, tiny};
use crate::harness::{
    NOTHING, assert_nothing_left, descriptors, opened_since, own_process, share_process, skip,
};

/// A deadline that is not met by waiting.
const LONG: Duration = Duration::from_secs(600);

fn everywhere(count: u64) -> impl Iterator<Item = Ground> {
    std::iter::once(Ground::real()).chain(seeds(count).map(Ground::simulated))
}

#[test]
fn requests_of_every_kind_are_reaped_before_the_ring_is_closed() {
    let _own = own_process();
    for ground in everywhere(60) {
        let before = descriptors();
        let path = ground.file("there", &[1; 3000]);
        let drops = Drops::default();
        let inside = drops.clone();
        let runtime = ground.under(tiny()).build().unwrap();
        runtime
            .block_on(async move {
                let (left, right) = UnixStream::pair()?;
                let (third, fourth) = UnixStream::pair()?;
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let address = listener.local_addr()?;
                let file = File::open(&path).await?;
                let buffers = [inside.buffer(64), inside.buffer(500), inside.buffer(9000)];
                let [first, second, sent] = buffers;
                annulus::spawn(async move { left.read(first).await.map(drop) });
                annulus::spawn(async move { file.read_at(second, 0).await.map(drop) });
                annulus::spawn(async move { third.write_all(sent).await.map(drop) });
                annulus::spawn(async move { fourth.recv().await.map(drop) });
                annulus::spawn(async move { listener.accept().await.map(drop) });
                annulus::spawn(async move { TcpStream::connect(address).await.map(drop) });
                annulus::spawn(async move { File::open(path).await?.close().await });
                annulus::spawn(annulus::time::sleep(Duration::from_secs(1000)));
                for _ in 0..inside.count() + 1 {
                    yield_to_kernel().await?;
                }
                drop(right);
                io::Result::Ok(())
            })
            .unwrap();
        let last = runtime.shutdown();
        assert_nothing_left(&last);
        assert_eq!(drops.count(), 3, "each buffer is dropped once, and none is leaked");
        ground.assert_nothing_left();
        drop(ground);
        assert_eq!(opened_since(&before), NOTHING);
    }
}

/// Begins a read into a buffer of `drops`, and forgets it, as a task that the deadline did not wait
/// for.
fn forget_a_read(runtime: &Runtime, drops: &Drops) -> (UnixStream, UnixStream) {
    let buffer = drops.buffer(64);
    runtime.block_on(async move {
        let (left, right) = UnixStream::pair().unwrap();
        let mut reading = Box::pin(right.read(buffer));
        assert!(futures_util::poll!(&mut reading).is_pending());
        for _ in 0..3 {
            yield_to_kernel().await.unwrap();
        }
        std::mem::forget(reading);
        (left, right)
    })
}

#[test]
fn past_the_deadline_memory_is_leaked_and_not_freed() {
    let _shared = share_process();
    for ground in everywhere(20) {
        let drops = Drops::default();
        let builder = tiny().shutdown_timeout(Duration::ZERO);
        let runtime = ground.under(builder).build().unwrap();
        let streams = forget_a_read(&runtime, &drops);
        let last = runtime.shutdown();
        if last.ops_in_flight > 0 {
            assert_eq!(drops.count(), 0, "the kernel may still write to it");
        } else {
            assert_eq!(drops.count(), 1);
        }
        assert!(last.ops_in_flight > 0 || ground.is_simulated(), "the deadline was over at once");
        drop(streams);
    }
}

#[test]
fn a_shutdown_with_a_nearer_deadline_than_the_builders_leaks_at_that_one() {
    let _shared = share_process();
    for ground in everywhere(20) {
        let drops = Drops::default();
        let runtime = ground.under(tiny().shutdown_timeout(LONG)).build().unwrap();
        let streams = forget_a_read(&runtime, &drops);
        let last = runtime.shutdown_timeout(Duration::ZERO);
        assert_eq!(drops.count() == 0, last.ops_in_flight > 0, "seed {}", ground.seed());
        assert!(last.ops_in_flight > 0 || ground.is_simulated(), "the deadline was over at once");
        drop(streams);
    }
}

#[test]
fn a_shutdown_with_a_later_deadline_than_the_builders_waits_for_the_kernel() {
    let _shared = share_process();
    for ground in everywhere(20) {
        let drops = Drops::default();
        let builder = tiny().shutdown_timeout(Duration::ZERO);
        let runtime = ground.under(builder).build().unwrap();
        let streams = forget_a_read(&runtime, &drops);
        let last = runtime.shutdown_timeout(LONG);
        assert_nothing_left(&last);
        assert_eq!(drops.count(), 1, "seed {}", ground.seed());
        drop(streams);
    }
}

/// Aligned as O_DIRECT demands, a part of an arena that outlives every runtime.
struct Direct {
    arena: *mut u8,
    bytes: usize,
}

// SAFETY: the arena is used by its test alone, which gives each part to one owner.
unsafe impl Send for Direct {}

// SAFETY: the arena is never freed, and its parts do not overlap.
unsafe impl IoBuf for Direct {
    fn bytes_ptr(&self) -> *const u8 {
        self.arena
    }

    fn bytes_len(&self) -> usize {
        self.bytes
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Direct {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.arena
    }

    fn bytes_capacity(&self) -> usize {
        self.bytes
    }

    unsafe fn set_bytes_len(&mut self, _len: usize) {}
}

#[test]
fn no_direct_read_writes_its_buffer_after_the_runtime_has_ended() {
    const READS: usize = 16;
    const BYTES: usize = 1 << 20;
    let _own = own_process();
    // Beside the sources, if one may write there: a temporary directory is often in memory, where
    // nothing is direct.
    let beside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let directory = beside.or_else(|_| tempfile::tempdir()).unwrap();
    let path = directory.path().join("direct");
    std::fs::write(&path, vec![1; READS * BYTES]).unwrap();
    let direct = || std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path);
    let Ok(barrier) = direct() else {
        skip("this file system has no O_DIRECT");
        return;
    };
    barrier.sync_all().unwrap();
    let layout = std::alloc::Layout::from_size_align(READS * BYTES, 4096).unwrap();
    for round in 0..10 {
        // SAFETY: the layout is not empty; the memory is leaked, whatever this test finds.
        let arena = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!arena.is_null());
        let runtime = Runtime::new().unwrap();
        let futures = runtime.block_on(async {
            let file = File::from_std(direct().unwrap()).unwrap();
            let file: &'static File = Box::leak(Box::new(file));
            let mut futures = Vec::new();
            for part in 0..READS {
                // SAFETY: inside of the arena.
                let arena = unsafe { arena.add(part * BYTES) };
                let buf = Direct { arena, bytes: BYTES };
                let mut reading = Box::pin(file.read_at(buf, (part * BYTES) as u64));
                assert!(futures_util::poll!(&mut reading).is_pending());
                futures.push(reading);
            }
            if round % 2 == 0 {
                yield_to_kernel().await.unwrap();
            }
            futures
        });
        let last = runtime.shutdown();
        // All were reaped within the deadline.
        assert_nothing_left(&last);
        // The owners are gone: the memory is the user's again.
        // SAFETY: the whole arena, to which no request refers any more.
        unsafe { arena.write_bytes(0x77, READS * BYTES) };
        // What the device still had to do would be done before this.
        let mut page = AlignedPage([0; 4096]);
        for part in 0..READS {
            barrier.read_exact_at(&mut page.0, (part * BYTES) as u64).unwrap();
        }
        // SAFETY: initialised above, and nobody else writes.
        let bytes = unsafe { std::slice::from_raw_parts(arena, READS * BYTES) };
        assert!(bytes.iter().all(|&byte| byte == 0x77), "the kernel wrote after the shutdown");
        drop(futures);
    }
}

#[repr(align(4096))]
struct AlignedPage([u8; 4096]);

#[test]
fn a_runtime_that_ends_while_its_deadline_runs_gives_up_what_is_stuck() {
    let _shared = share_process();
    for ground in everywhere(20) {
        // A peer that never reads keeps a flush waiting; the bound of the flush ends it.
        let builder = tiny().close_flush(Duration::from_millis(20));
        let runtime = ground.under(builder).build().unwrap();
        runtime.block_on(async {
            let (left, right) = UnixStream::pair().unwrap();
            annulus::spawn(async move {
                let _ = left.write_all(vec![1; 1 << 20]).await;
            });
            yield_to_kernel().await.unwrap();
            annulus::spawn(async move {
                std::future::pending::<()>().await;
                drop(right);
            });
            yield_to_kernel().await.unwrap();
        });
        let last = runtime.shutdown();
        assert_nothing_left(&last);
        ground.assert_nothing_left();
    }
}
