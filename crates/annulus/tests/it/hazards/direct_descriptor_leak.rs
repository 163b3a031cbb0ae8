//! A slot of the ring's table of files keeps its file open, or is never used again.
//!
//! *Evidence*: liburing#1192.
//!
//! *Answer*: a record owns its slot beside its descriptor, empties it when nothing is in flight any
//! more, and gives it back before the descriptor is closed. Without a free slot the descriptor
//! itself serves.
//!
//! *Also proven*: `annulus-ring` (`files`); `limits::ten_thousand_connections_echo_at_once`.

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::metrics;

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::ground::{Ground, on_both, on_both_with, tiny};

/// Slots of the table in these tests, on a kernel on which the runtime uses it at all.
const SLOTS: usize = 8;

/// The free slots of a runtime that has no handle.
fn at_first(ground: &Ground) -> usize {
    let slots = free();
    assert!(slots == SLOTS || ground.is_simulated() && slots == 0, "{slots}");
    slots
}

fn free() -> usize {
    metrics().expect("a runtime runs").fixed_files_free
}

/// Handles where `ANNULUS_TEST_STORM` does not say how many.
const HANDLES: usize = 10_000;
/// Handles of one round: two ends, a file, and the receive, which holds its socket's slot.
const HANDLES_A_ROUND: usize = 4;

#[test]
fn ten_thousand_handles_leave_the_table_empty() {
    let wish = std::env::var("ANNULUS_TEST_STORM").ok();
    let handles = wish.map_or(HANDLES, |wish| wish.parse().expect("a number of handles"));
    // The simulated kernel as often as its time allows.
    let rounds = |simulated: bool| if simulated { 100 } else { handles / HANDLES_A_ROUND };
    on_both(10, |ground| async move {
        let slots = at_first(&ground);
        let path = ground.file("churn", b"churn");
        for round in 0..rounds(ground.is_simulated()) {
            let (left, right) = UnixStream::pair()?;
            let mut opening = Box::pin(File::open(&path));
            assert!(futures_util::poll!(&mut opening).is_pending());
            let mut waiting = Box::pin(right.recv());
            assert!(futures_util::poll!(&mut waiting).is_pending());
            match round % 3 {
                0 => drop(opening.await?),
                1 => yield_to_kernel().await?,
                _ => {}
            }
            drop(left);
        }
        at_rest().await?;
        assert_eq!(free(), slots, "a slot was lost");
        Ok(())
    });
}

#[test]
fn without_a_free_slot_the_descriptor_serves() {
    on_both(40, |ground| async move {
        let slots = at_first(&ground);
        let path = ground.file("many", &[9; 30]);
        let mut files = Vec::new();
        for _ in 0..3 * SLOTS {
            files.push(File::open(&path).await?);
        }
        assert_eq!(free(), 0);
        for file in &files {
            assert_eq!(file.read_exact_at(vec![0; 30], 0).await?.1, [9; 30]);
        }
        // Every other one goes; its slot serves the next.
        let mut number = 0;
        files.retain(|_| {
            number += 1;
            number % 2 == 0
        });
        yield_to_kernel().await?;
        let (left, right) = UnixStream::pair()?;
        left.write_all("slots are for everybody").await?;
        assert_eq!(right.read_exact(vec![0; 23]).await?.1, b"slots are for everybody");
        drop((files, left, right));
        at_rest().await?;
        assert_eq!(free(), slots);
        Ok(())
    });
}

#[test]
fn a_slot_is_given_back_although_its_requests_were_cancelled() {
    on_both(40, |ground| async move {
        let slots = at_first(&ground);
        for _ in 0..10 {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let (client, accepted) =
                annulus::try_join!(TcpStream::connect(address), listener.accept())?;
            let mut accepting = Box::pin(listener.accept());
            let mut reading = Box::pin(accepted.0.read(vec![0; 8]));
            let mut waiting = Box::pin(client.recv());
            assert!(futures_util::poll!(&mut accepting).is_pending());
            assert!(futures_util::poll!(&mut reading).is_pending());
            assert!(futures_util::poll!(&mut waiting).is_pending());
            yield_to_kernel().await?;
        }
        at_rest().await?;
        assert_eq!(free(), slots);
        Ok(())
    });
}

#[test]
fn a_runtime_without_a_table_works_and_loses_nothing() {
    on_both_with(
        || tiny().fixed_files(0),
        10,
        |ground| async move {
            assert_eq!(free(), 0);
            let file = File::open(ground.file("plain", &[1; 30])).await?;
            assert_eq!(file.read_exact_at(vec![0; 30], 0).await?.1, [1; 30]);
            file.close().await
        },
    );
}
