//! Many buffers written as one: every byte, in order, in as many requests as it takes.

use std::io::{self, ErrorKind};

use annulus::fs::File;
use annulus::io::AsyncWrite;
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;

use super::faulty::{Fault, Faults};
use crate::harness::{Scratch, run, run_on};

/// Pieces of 0 to 6 bytes, and what they are together.
fn pieces(count: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let pieces: Vec<Vec<u8>> = (0..count).map(|at| vec![at as u8; at % 7]).collect();
    let whole = pieces.concat();
    (pieces, whole)
}

#[test]
fn more_buffers_than_one_request_takes_are_written_in_order() {
    let scratch = Scratch::new();
    run(async {
        let mut file = File::create_new(scratch.path().join("many")).await?;
        let (many, whole) = pieces(3000);
        // One request refuses so many, and gives them back.
        let refused = file.write_vectored(many).await.expect_err("they are too many");
        assert_eq!(refused.error().kind(), ErrorKind::InvalidInput);
        let many = refused.into_buf().expect("it has them");
        let ((), many) = file.write_all_vectored(many).await?;
        assert_eq!(many.concat(), whole);
        assert_eq!(file.stream_position()?, whole.len() as u64);
        let ((), many) = file.write_all_vectored_at(many, 7).await?;
        assert_eq!(file.stream_position()?, whole.len() as u64, "this one leaves it");
        // And through the trait, behind what is there.
        AsyncWrite::write_all_vectored(&mut file, many).await?;
        let read = std::fs::read(scratch.path().join("many"))?;
        assert!(read[7..whole.len()] == whole[..whole.len() - 7]);
        assert!(read[whole.len()..] == whole);
        Ok(())
    });
}

#[test]
fn no_buffers_and_empty_ones_make_no_request() {
    let scratch = Scratch::new();
    run(async {
        let mut file = File::create_new(scratch.path().join("empty")).await?;
        let none: Vec<Vec<u8>> = Vec::new();
        file.write_all_vectored(none).await?;
        file.write_all_vectored_at(("", Vec::new()), 100).await?;
        assert_eq!((file.len()?, file.stream_position()?), (0, 0));
        Ok(())
    });
}

#[test]
fn a_request_that_writes_some_of_the_buffers_is_followed_by_one_for_the_rest() {
    let scratch = Scratch::new();
    let faults = Faults::default();
    // Of WRITEV the length is the number of pieces.
    faults.plan_for(Opcode::WRITEV, 0, Fault::Short(3));
    faults.plan_for(Opcode::WRITEV, 0, Fault::Short(1));
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let file = File::create_new(scratch.path().join("short")).await?;
        let (some, whole) = pieces(20);
        file.write_all_vectored_at(some, 0).await?;
        assert_eq!(std::fs::read(scratch.path().join("short"))?, whole);
        Ok(())
    });
    assert!(faults.are_done());
    assert_eq!(faults.seen(Opcode::WRITEV), 3);
}

#[test]
fn an_error_gives_the_buffers_back_behind_what_was_written() {
    let scratch = Scratch::new();
    let faults = Faults::default();
    faults.plan_for(Opcode::WRITEV, 0, Fault::Short(5));
    faults.plan_for(Opcode::WRITEV, 0, Fault::Fails(libc::ENOSPC));
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let file = File::create_new(scratch.path().join("full")).await?;
        let (some, whole) = pieces(20);
        let failed = file.write_all_vectored_at(some, 0).await.expect_err("nothing is left");
        assert_eq!(failed.error().kind(), ErrorKind::StorageFull);
        assert_eq!(failed.into_buf().expect("it has them").concat(), whole);
        assert_eq!(std::fs::read(scratch.path().join("full"))?, whole[..15]);
        io::Result::Ok(())
    });
    assert!(faults.are_done());
}
