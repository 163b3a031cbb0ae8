//! Random data through every combination of writing and reading, chopped arbitrarily, arrives as
//! it was sent.

use std::io;

use annulus::net::{Halved, OwnedReadHalf, OwnedWriteHalf, Parsed, UnixStream};
use proptest::prelude::*;

use crate::harness::{pair, run};

/// A way of sending a piece.
#[derive(Clone, Copy, Debug)]
enum Write {
    Once,
    All,
    Vectored,
    AllVectored,
    Nowait,
}

/// A way of reading a piece of at most so many bytes.
#[derive(Clone, Copy, Debug)]
enum Read {
    Lease,
    Into,
    Exact,
    Vectored,
    Peek,
    Parse,
    Lend,
}

const WRITES: [Write; 5] =
    [Write::Once, Write::All, Write::Vectored, Write::AllVectored, Write::Nowait];
const READS: [Read; 7] =
    [Read::Lease, Read::Into, Read::Exact, Read::Vectored, Read::Peek, Read::Parse, Read::Lend];

/// One transfer.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    total: usize,
    /// Pieces, used again and again until everything is sent, or read.
    writes: Vec<(Write, usize)>,
    reads: Vec<(Read, usize)>,
}

/// The byte at a place of the stream.
fn byte(seed: u64, at: usize) -> u8 {
    let mixed = (seed ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

async fn send<S: Halved>(plan: &Plan, to: OwnedWriteHalf<S>) -> io::Result<()> {
    let whole: Vec<u8> = (0..plan.total).map(|at| byte(plan.seed, at)).collect();
    let mut rest = &whole[..];
    for &(how, most) in plan.writes.iter().cycle() {
        if rest.is_empty() {
            return Ok(()); // and the direction ends
        }
        let (piece, behind) = rest.split_at(most.min(rest.len()));
        rest = behind;
        let (head, tail) = piece.split_at(piece.len() / 3);
        let parts = (head.to_vec(), tail.to_vec());
        match how {
            Write::Once => assert_eq!(to.write(piece.to_vec()).await?.0, piece.len()),
            Write::All => to.write_all(piece.to_vec()).await.map(drop)?,
            Write::Vectored => assert_eq!(to.write_vectored(parts).await?.0, piece.len()),
            Write::AllVectored => to.write_all_vectored(parts).await.map(drop)?,
            Write::Nowait => {
                for part in piece.chunks(60_000) {
                    while let Err(error) = to.send_nowait(part) {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        to.flush().await?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Reads one piece. Nothing is the end, but for `Peek`, which takes nothing.
async fn take<S: Halved>(
    from: &OwnedReadHalf<S>,
    (how, most): (Read, usize),
    left: usize,
) -> io::Result<Vec<u8>> {
    Ok(match how {
        Read::Lease => from.recv().await?.map_or_else(Vec::new, |lease| lease.to_vec()),
        Read::Into => from.read(Vec::with_capacity(most)).await?.1,
        Read::Exact if left == 0 => from.read(vec![0; 1]).await?.1,
        Read::Exact => from.read_exact(vec![0; most.min(left)]).await?.1,
        Read::Vectored => {
            let bufs = [Vec::with_capacity(most / 4 + 1), Vec::with_capacity(most)];
            from.read_vectored(bufs).await?.1.concat()
        }
        Read::Peek => {
            let (_, peeked) = from.peek(Vec::with_capacity(most)).await?;
            let ((), read) = match peeked.len() {
                0 => return Ok(Vec::new()),
                n => from.read_exact(vec![0; n]).await?,
            };
            assert!(peeked == read, "what was peeked at comes next");
            read
        }
        Read::Parse => {
            let mut taken = Vec::new();
            let mut asked = false;
            let parse = |bytes: &[u8]| {
                // Asks for more once, if there is more to come.
                if !asked && bytes.len() < left {
                    asked = true;
                    return Parsed::NeedAtLeast((bytes.len() + 1).min(left));
                }
                taken.extend_from_slice(&bytes[..bytes.len().min(most)]);
                Parsed::Consumed(taken.len())
            };
            from.with_data(parse).await?;
            taken
        }
        Read::Lend => {
            let mut reader = from.reader();
            let lent = reader.fill_buf().await?;
            let taken = lent[..lent.len().min(most)].to_vec();
            reader.consume(taken.len());
            taken
        }
    })
}

async fn receive<S: Halved>(plan: &Plan, from: OwnedReadHalf<S>) -> io::Result<()> {
    let mut at = 0;
    for &piece in plan.reads.iter().cycle() {
        let got = take(&from, piece, plan.total - at).await?;
        let wrong = got.iter().enumerate().find(|(n, got)| **got != byte(plan.seed, at + n));
        assert_eq!(wrong, None, "{piece:?} at {at} of {}", plan.total);
        at += got.len();
        if got.is_empty() {
            break;
        }
    }
    assert_eq!(at, plan.total, "the stream ended there");
    Ok(())
}

/// Both ways at once.
async fn exchange<S: Halved + 'static>(
    plan: &Plan,
    near: (OwnedReadHalf<S>, OwnedWriteHalf<S>),
    far: (OwnedReadHalf<S>, OwnedWriteHalf<S>),
) -> io::Result<()> {
    let back = Plan { seed: !plan.seed, total: plan.total / 2, ..plan.clone() };
    let (sent, got, answered, heard) = annulus::join!(
        send(plan, near.1),
        receive(plan, far.0),
        send(&back, far.1),
        receive(&back, near.0),
    );
    sent.and(got).and(answered).and(heard)
}

fn total() -> impl Strategy<Value = usize> {
    prop_oneof![
        1 => Just(0),
        2 => 1..10_usize,
        6 => 10..200_000_usize,
        1 => 200_000..(10 << 20) + 1_usize,
    ]
}

fn piece() -> impl Strategy<Value = usize> {
    prop_oneof![
        1 => 1..20_usize,
        3 => 20..5_000_usize,
        3 => 5_000..300_000_usize,
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let writes = prop::collection::vec((prop::sample::select(&WRITES[..]), piece()), 1..12);
    let reads = prop::collection::vec((prop::sample::select(&READS[..]), piece()), 1..12);
    (any::<u64>(), total(), writes, reads).prop_map(|(seed, total, mut writes, mut reads)| {
        // Megabytes byte by byte say nothing more than kilobytes do.
        writes.push((Write::All, total / 64 + 1));
        reads.push((Read::Into, total / 64 + 1));
        Plan { seed, total, writes, reads }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives_whatever_the_pieces(plan in plan()) {
        run(async {
            let (left, right) = pair().await?;
            exchange(&plan, left.into_split(), right.into_split()).await?;
            let (left, right) = UnixStream::pair()?;
            exchange(&plan, left.into_split(), right.into_split()).await
        });
    }
}

#[test]
fn every_way_of_writing_meets_every_way_of_reading() {
    run(async {
        for how in WRITES {
            for read in READS {
                let (writes, reads) = (vec![(how, 7_777)], vec![(read, 3_333)]);
                let plan = Plan { seed: 7, total: 123_457, writes, reads };
                let (left, right) = pair().await?;
                exchange(&plan, left.into_split(), right.into_split()).await?;
                let (left, right) = UnixStream::pair()?;
                exchange(&plan, left.into_split(), right.into_split()).await?;
            }
        }
        Ok(())
    });
}
