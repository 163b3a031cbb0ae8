//! A completion meets whoever has its slot now; an error of `enter` meets requests that the kernel
//! has accepted.
//!
//! *Evidence*: tokio#8112 (latent), tokio#8185.
//!
//! *Answer*: `user_data` is kind, index and generation; a slot is free only after its final
//! completion; what the kernel has consumed is read from the ring, never from the result of
//! `enter`. A completion that belongs to nothing is counted, and every test here ends with that
//! count at zero.
//!
//! *Also proven*: the packing in `core::key`, the queues in `annulus-ring` (`faults`).

use std::io;

use annulus::fs::File;
use annulus::net::UnixStream;
use annulus_sim::{Fault, Faults};
use futures_util::future::join_all;

use super::pattern;
use crate::cancel::yield_to_kernel;
use crate::harness::ground::{Ground, on_both, on_seeds, tiny};

#[test]
fn a_slot_that_is_taken_again_at_once_gets_its_own_result() {
    on_both(60, |ground| async move {
        let file = File::open(ground.file("mine", &pattern(3, 640))).await?;
        let (left, right) = UnixStream::pair()?;
        for round in 0..30usize {
            // Two requests that are cancelled, in an order of the kernel's choice.
            let mut first = Box::pin(right.read(vec![0; 9]));
            let mut second = Box::pin(left.read(vec![0; 9]));
            assert!(futures_util::poll!(&mut first).is_pending());
            assert!(futures_util::poll!(&mut second).is_pending());
            if round % 3 > 0 {
                yield_to_kernel().await?;
            }
            drop(first);
            drop(second);
            // And two that follow them into the table.
            let at = round % 10 * 64;
            let mine = file.read_exact_at(vec![0; 64], at as u64);
            let (mine, _) = annulus::join!(mine, file.sync_data());
            assert_eq!(mine?.1, pattern(3, 640)[at..at + 64], "round {round}");
        }
        Ok(())
    });
}

/// Many reads at once, each of which must get the bytes of its own place.
async fn many_reads(ground: Ground) -> io::Result<()> {
    let contents: Vec<u8> = (0..100u8).flat_map(|block| [block; 32]).collect();
    let file = File::open(ground.file("blocks", &contents)).await?;
    let reads = (0..100u8).map(|block| {
        let read = file.read_exact_at(vec![0xee; 32], u64::from(block) * 32);
        async move { assert_eq!(read.await.unwrap().1, [block; 32]) }
    });
    join_all(reads).await;
    Ok(())
}

#[test]
fn answers_in_any_order_find_their_futures() {
    let faults = Faults::none().with(Fault::Delay, 700).with(Fault::Reorder, 1000);
    let total = on_seeds(60, |world| world.set_faults(faults), tiny, many_reads);
    assert!(total.count(Fault::Reorder) > 0);
    on_both(1, many_reads);
}

#[test]
fn an_enter_that_fails_after_it_took_requests_neither_loses_nor_repeats_one() {
    let faults = Faults::none()
        .with(Fault::LateError, 300)
        .with(Fault::PartialSubmit, 300)
        .with(Fault::Eagain, 100)
        .with(Fault::Ebusy, 100);
    let total = on_seeds(60, |world| world.set_faults(faults), tiny, many_reads);
    assert!(total.count(Fault::LateError) > 0 && total.count(Fault::PartialSubmit) > 0);
}

#[test]
fn cancels_that_come_too_late_change_nothing_for_who_follows() {
    let faults = Faults::all().with(Fault::CancelRace, 1000).with(Fault::Reorder, 1000);
    let total = on_seeds(
        60,
        |world| world.set_faults(faults),
        tiny,
        |ground| async move {
            let file = File::open(ground.file("race", &pattern(5, 300))).await?;
            for round in 0..30 {
                let mut given_up = Box::pin(file.read_at(vec![0; 200], 100));
                assert!(futures_util::poll!(&mut given_up).is_pending());
                if round % 2 == 0 {
                    yield_to_kernel().await?;
                }
                drop(given_up);
                let ((), got) = file.read_exact_at(vec![0; 50], 0).await?;
                assert_eq!(got, pattern(5, 50));
            }
            Ok(())
        },
    );
    assert!(total.count(Fault::CancelRace) > 0);
}
