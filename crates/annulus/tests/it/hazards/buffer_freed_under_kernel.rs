//! The future of a read is gone, and the kernel still writes to its buffer.
//!
//! *Evidence*: rio#11 (RUSTSEC-2020-0021), foyer#1286; interfaces that take `&mut [u8]` and wait in
//! a destructor are unsound as soon as somebody forgets the future.
//!
//! *Answer*: a slot of the core owns the buffer, the path, the address and the message header from
//! the first poll to the final completion; the future only names the slot. No interface borrows.
//!
//! *Also proven*: `cancel`, which ends every future at every poll point; `hazards::shutdown`; the
//! simulated kernel writes late and checks its memory, and AddressSanitizer sees it write.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::metrics;
use annulus_sim::{Fault, Faults};

use super::Drops;
use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::Ground;
use crate::harness::ground::{on_both, on_seeds, seeds, tiny};
use crate::harness::{assert_nothing_left, share_process};

#[test]
fn a_dropped_read_leaves_its_buffer_to_the_kernel_until_the_last_completion() {
    on_both(40, |_| async {
        let drops = Drops::default();
        let (left, right) = UnixStream::pair()?;
        for round in 1..=8 {
            let mut reading = Box::pin(right.read(drops.buffer(64)));
            assert!(futures_util::poll!(&mut reading).is_pending());
            if round % 2 == 0 {
                yield_to_kernel().await?;
            }
            drop(reading);
            assert_eq!(drops.count(), round - 1, "the kernel may still write to it");
            until("the buffer is dropped", || drops.count() == round).await?;
        }
        left.write_all("nothing lost").await?;
        assert_eq!(right.read_exact(vec![0; 12]).await?.1, b"nothing lost");
        Ok(())
    });
}

#[test]
fn a_forgotten_read_keeps_its_buffer_until_the_runtime_has_ended_it() {
    let _shared = share_process();
    let grounds = std::iter::once(Ground::real()).chain(seeds(20).map(Ground::simulated));
    for ground in grounds {
        let drops = Drops::default();
        let inside = drops.clone();
        let runtime = ground.under(tiny()).build().unwrap();
        let streams = runtime.block_on(async move {
            let (left, right) = UnixStream::pair().unwrap();
            let mut reading = Box::pin(right.read(inside.buffer(64)));
            assert!(futures_util::poll!(&mut reading).is_pending());
            std::mem::forget(reading);
            left.send_nowait(&[7; 10]).unwrap();
            for _ in 0..5 {
                yield_to_kernel().await.unwrap();
            }
            assert_eq!(inside.count(), 0, "nobody has said that the buffer is free");
            (left, right)
        });
        let last = runtime.shutdown();
        assert_nothing_left(&last);
        assert_eq!(drops.count(), 1);
        drop(streams);
        ground.assert_nothing_left();
    }
}

#[test]
fn paths_and_addresses_outlive_the_futures_that_named_them() {
    on_both(40, |ground| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        for round in 0..12 {
            let path = ground.file("a-name-that-does-not-fit-into-a-small-slot", b"there");
            let mut opening = Box::pin(File::open(path));
            let mut looking = Box::pin(annulus::fs::metadata(ground.path("another-name")));
            let mut connecting = Box::pin(TcpStream::connect(address));
            assert!(futures_util::poll!(&mut opening).is_pending());
            assert!(futures_util::poll!(&mut looking).is_pending());
            assert!(futures_util::poll!(&mut connecting).is_pending());
            if round % 3 == 0 {
                yield_to_kernel().await?;
            }
            drop((opening, looking, connecting));
            // The heap is used again at once.
            let scribble: Vec<_> = (16..200).map(|bytes| vec![0xff_u8; bytes]).collect();
            yield_to_kernel().await?;
            drop(scribble);
        }
        drop(listener);
        at_rest().await
    });
}

#[test]
fn a_kernel_that_touches_buffers_at_odd_moments_finds_its_own_memory() {
    let late = Faults::all().with(Fault::LateTouch, 1000).with(Fault::Delay, 900);
    let (orphans, runs) = (Cell::new(0), Cell::new(0));
    let total = on_seeds(
        60,
        |world| world.set_faults(late),
        tiny,
        |ground: Ground| {
            let (orphans, runs) = (&orphans, &runs);
            async move {
                let drops = Drops::default();
                let contents = super::pattern(1, 4000);
                let file = File::open(ground.file("late", &contents)).await?;
                for round in 0..20 {
                    let offset = round * 100;
                    let mut reading = Box::pin(file.read_at(drops.buffer(100), offset));
                    assert!(futures_util::poll!(&mut reading).is_pending());
                    let bound = Duration::from_micros(round * 7);
                    match annulus::time::timeout(bound, &mut reading).await {
                        Ok(read) => {
                            let (n, buf) = read.map_err(io::Error::from)?;
                            assert_eq!(buf.bytes[..n], contents[offset as usize..][..n]);
                            assert!(
                                buf.bytes[n..].iter().all(|&byte| byte == 0xa5),
                                "only {n} bytes"
                            );
                        }
                        Err(_late) => drop(reading),
                    }
                }
                until("all buffers are dropped", || drops.count() == 20).await?;
                orphans.set(orphans.get() + metrics()?.orphans);
                runs.set(runs.get() + 1);
                Ok(())
            }
        },
    );
    let (orphans, runs) = (orphans.get(), runs.get());
    assert!(orphans >= 5 * runs, "only {orphans} buffers outlived their futures in {runs} runs");
    assert!(total.count(Fault::LateTouch) > orphans);
}
