//! A registered buffer goes away, or its place is given to another, while a request works on it.
//!
//! *Evidence*: liburing#56, #835; closing a ring is no barrier (`shutdown`).
//!
//! *Answer*: a slot owns the buffer until the final completion, and a buffer keeps the memory of
//! its pool and the pool's place in the table of the ring, whatever becomes of the handles. So a
//! place is emptied, and given to another pool, only when no request can name it. Past the deadline
//! of a shutdown the memory is leaked.
//!
//! *Also proven*: `annulus-ring` (`hazards::registered_buffer_lifetime`), for what the kernel
//! promises; `files::past_the_cache`; `cancel::engine`, at every poll point.

use std::io::{self, ErrorKind, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use annulus::buf::{DirectBuf, DirectPool, IoBuf, IoBufMut, Registered};
use annulus::fs::File;
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;
use futures_util::poll;

use super::Drops;
use crate::cancel::{until, yield_to_kernel};
use crate::counting::FreeWatch;
use crate::files::cursor::pipe;
use crate::files::faulty::Faults;
use crate::harness::ground::tiny;
use crate::harness::{run, run_on, share_process, skip};

const BLOCK: usize = 4096;

/// Pools that a core registers at once.
const PLACES: u32 = 64;

/// A registered buffer that counts when it is dropped.
struct Watched {
    buf: DirectBuf,
    drops: Drops,
}

fn watch(buf: DirectBuf, drops: &Drops) -> Watched {
    Watched { buf, drops: drops.clone() }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Ordering::SeqCst);
    }
}

// SAFETY: the buffer inside keeps the contract.
unsafe impl IoBuf for Watched {
    fn bytes_ptr(&self) -> *const u8 {
        self.buf.bytes_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.buf.bytes_len()
    }

    fn registered(&self) -> Option<Registered> {
        self.buf.registered()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Watched {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.buf.bytes_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.buf.bytes_capacity()
    }

    unsafe fn set_bytes_len(&mut self, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.buf.set_bytes_len(len) };
    }
}

/// A pool of one buffer that is registered; `None`, with a word, where no memory can be.
fn registered() -> io::Result<Option<DirectPool>> {
    let pool = DirectPool::new(1, BLOCK)?;
    match pool.refusal() {
        None => Ok(Some(pool)),
        Some(why) if matches!(why.kind(), ErrorKind::OutOfMemory | ErrorKind::Unsupported) => {
            skip("no memory can be registered here");
            Ok(None)
        }
        Some(why) => Err(why),
    }
}

/// Both ends of a pipe: whose reads wait, in the kernel, until something is written.
fn ends() -> io::Result<(File, std::fs::File)> {
    let (reader, writer) = pipe()?;
    Ok((File::from_std(reader.into())?, writer.into()))
}

/// A request that names the place of this pool works on the pool's memory.
async fn assert_reads_into(pool: &DirectPool) -> io::Result<()> {
    let (mut reader, mut writer) = ends()?;
    writer.write_all(b"into this one")?;
    let (n, buf) = reader.read(pool.take().await).await?;
    assert_eq!(&buf[..n], b"into this one");
    Ok(())
}

#[test]
fn a_buffer_in_flight_outlives_the_last_handle_of_its_pool() {
    run(async {
        let drops = Drops::default();
        // More than there are places: each comes back with the buffer.
        for round in 0..PLACES + 16 {
            let (mut reader, mut writer) = ends()?;
            let Some(pool) = registered()? else { return Ok(()) };
            let buf = pool.take().await;
            let memory = FreeWatch::new(buf.as_ptr().addr());
            let mut reading = Box::pin(reader.read(watch(buf, &drops)));
            assert!(poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
            drop(pool);
            assert!(!memory.is_freed(), "the kernel may still write to it");
            if round % 2 == 0 {
                writer.write_all(b"still the same memory")?;
                let (n, watched) = reading.await?;
                assert_eq!(&watched.buf[..n], b"still the same memory");
                assert!(!memory.is_freed(), "the buffer is in use");
            } else {
                drop(reading);
                assert_eq!(drops.count(), round, "the kernel may still write to it");
                assert!(!memory.is_freed(), "the kernel may still write to it");
                until("the buffer is dropped", || drops.count() == round + 1).await?;
            }
            assert_eq!(drops.count(), round + 1);
            assert!(memory.is_freed(), "nobody has the pool or the buffer any more");
        }
        Ok(())
    });
}

#[test]
fn the_place_of_an_orphan_is_given_to_no_new_pool_before_its_end() {
    const ROUNDS: u32 = 10;
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let drops = Drops::default();
        // All places but two.
        let mut others = Vec::new();
        for _ in 2..PLACES {
            let Some(other) = registered()? else { return Ok(()) };
            others.push(other);
        }
        let Some(mut old) = registered()? else { return Ok(()) };
        for round in 0..ROUNDS {
            let (mut reader, mut writer) = ends()?;
            let mut reading = Box::pin(reader.read(watch(old.take().await, &drops)));
            assert!(poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
            drop(old);
            if round % 2 == 0 {
                writer.write_all(b"for the old one")?;
            }
            drop(reading);
            // One place is free, and it is not the orphan's.
            let Some(anew) = registered()? else { return Ok(()) };
            let mut buf = anew.try_take().expect("nobody has it");
            buf.fill(0x77);
            let refusal = DirectPool::new(1, BLOCK)?.refusal().expect("no place is free");
            assert!(refusal.to_string().contains("64 registered pools"), "{refusal}");
            assert_eq!(drops.count(), round, "the orphan is pending all the while");
            until("the orphan has ended", || drops.count() == round + 1).await?;
            assert!(buf.iter().all(|&byte| byte == 0x77), "the kernel wrote to another pool");
            drop(buf);
            assert_reads_into(&anew).await?;
            // The only place that is free is the one that the orphan had.
            let Some(successor) = registered()? else { return Ok(()) };
            assert_reads_into(&successor).await?;
            old = successor;
        }
        let read = faults.seen(Opcode::READ_FIXED);
        assert!(read >= 3 * ROUNDS as usize, "only {read} requests named a place");
        Ok(())
    });
}

#[test]
fn past_the_deadline_a_registered_buffer_is_leaked_and_not_freed() {
    let _shared = share_process();
    let drops = Drops::default();
    let inside = drops.clone();
    let runtime = tiny().shutdown_timeout(Duration::ZERO).build().unwrap();
    let kept = runtime.block_on(async move {
        let (mut reader, writer) = ends()?;
        let Some(pool) = registered()? else { return Ok(None) };
        let buf = pool.take().await;
        let memory = FreeWatch::new(buf.as_ptr().addr());
        let mut reading = Box::pin(reader.read(watch(buf, &inside)));
        assert!(poll!(&mut reading).is_pending());
        for _ in 0..3 {
            yield_to_kernel().await?;
        }
        std::mem::forget(reading); // as a task that the deadline did not wait for
        io::Result::Ok(Some((reader, writer, pool, memory)))
    });
    let last = runtime.shutdown();
    let Some((reader, writer, pool, memory)) = kept.unwrap() else { return };
    assert!(last.ops_in_flight > 0, "the deadline was over at once");
    assert_eq!(drops.count(), 0, "the kernel may still write to it");
    assert_eq!(pool.buffers(), (1, 0), "the buffer does not come back");
    drop((reader, writer, pool));
    assert!(!memory.is_freed(), "the kernel may still write to it");
    assert_eq!(drops.count(), 0);
}
