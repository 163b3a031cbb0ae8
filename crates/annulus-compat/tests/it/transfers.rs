//! Every byte, in order, through each wrapper and each trait, in pieces of any size.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;

use annulus::io::{duplex, split};
use annulus::net::UnixStream;
use annulus_compat::{Buffered, Direct};
use proptest::prelude::*;

use crate::support::{pattern, run, tcp_pair};

/// How one side writes, and the other reads.
#[derive(Clone, Debug)]
struct Plan {
    len: usize,
    /// Sizes of the pieces that are written, one after the other, again and again.
    writes: Vec<usize>,
    reads: Vec<usize>,
    vectored: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let sizes = || {
        prop::collection::vec(prop_oneof![1..64_usize, 64..9_000_usize, 9_000..200_000_usize], 1..6)
    };
    let len = prop_oneof![Just(0_usize), 1..100_usize, 100..70_000_usize, 70_000..1_500_000_usize];
    (len, sizes(), sizes(), any::<bool>()).prop_map(|(len, writes, reads, vectored)| {
        // So that a plan has no more than some thousands of pieces.
        let least = len / 2_000 + 1;
        let at_least = |sizes: Vec<usize>| sizes.into_iter().map(|size| size.max(least)).collect();
        Plan { len, writes: at_least(writes), reads: at_least(reads), vectored }
    })
}

fn plans() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

/// The slices of a piece: three of any length, the first one empty at times.
fn slices(piece: &[u8]) -> [IoSlice<'_>; 3] {
    let (first, rest) = piece.split_at(piece.len() / 5);
    let (second, third) = rest.split_at(rest.len() / 2);
    [first, second, third].map(IoSlice::new)
}

async fn send_tokio<W>(mut to: W, plan: &Plan) -> io::Result<()>
where
    W: tokio::io::AsyncWrite + Unpin,
{
    use tokio::io::AsyncWriteExt as _;
    assert!(to.is_write_vectored());
    let (bytes, mut at, mut sizes) = (pattern(plan.len), 0, plan.writes.iter().cycle());
    while at < bytes.len() {
        let size = *sizes.next().expect("it has no end");
        let piece = &bytes[at..bytes.len().min(at + size)];
        at += match plan.vectored {
            true => to.write_vectored(&slices(piece)).await?,
            false => to.write(piece).await?,
        };
    }
    to.flush().await?;
    to.shutdown().await?;
    to.shutdown().await // a second time does no harm
}

async fn receive_tokio<R>(mut from: R, plan: &Plan) -> io::Result<()>
where
    R: tokio::io::AsyncRead + Unpin,
{
    let (mut got, mut sizes) = (Vec::new(), plan.reads.iter().cycle());
    loop {
        // Memory that was never written.
        let mut room = vec![MaybeUninit::uninit(); *sizes.next().expect("it has no end")];
        let mut buf = tokio::io::ReadBuf::uninit(&mut room);
        poll_fn(|cx| Pin::new(&mut from).poll_read(cx, &mut buf)).await?;
        if buf.filled().is_empty() {
            break;
        }
        got.extend_from_slice(buf.filled());
    }
    let mut again = tokio::io::ReadBuf::new(&mut []);
    poll_fn(|cx| Pin::new(&mut from).poll_read(cx, &mut again)).await?;
    assert!(got == pattern(plan.len), "{} bytes arrived of {}", got.len(), plan.len);
    Ok(())
}

async fn send_futures<W>(mut to: W, plan: &Plan) -> io::Result<()>
where
    W: futures_util::AsyncWrite + Unpin,
{
    use futures_util::AsyncWriteExt as _;
    let (bytes, mut at, mut sizes) = (pattern(plan.len), 0, plan.writes.iter().cycle());
    while at < bytes.len() {
        let size = *sizes.next().expect("it has no end");
        let piece = &bytes[at..bytes.len().min(at + size)];
        at += match plan.vectored {
            true => to.write_vectored(&slices(piece)).await?,
            false => to.write(piece).await?,
        };
    }
    to.flush().await?;
    to.close().await
}

async fn receive_futures<R>(mut from: R, plan: &Plan) -> io::Result<()>
where
    R: futures_util::AsyncRead + Unpin,
{
    use futures_util::AsyncReadExt as _;
    let (mut got, mut sizes) = (Vec::new(), plan.reads.iter().cycle());
    loop {
        let mut room = vec![0xAA; *sizes.next().expect("it has no end")];
        let n = from.read(&mut room).await?;
        if n == 0 {
            break;
        }
        got.extend_from_slice(&room[..n]);
    }
    assert!(got == pattern(plan.len), "{} bytes arrived of {}", got.len(), plan.len);
    Ok(())
}

/// Reads by what is lent.
async fn receive_lent<R>(mut from: R, plan: &Plan) -> io::Result<()>
where
    R: tokio::io::AsyncBufRead + Unpin,
{
    use tokio::io::AsyncBufReadExt as _;
    let (mut got, mut sizes) = (Vec::new(), plan.reads.iter().cycle());
    loop {
        let bytes = from.fill_buf().await?;
        let n = bytes.len().min(*sizes.next().expect("it has no end"));
        if n == 0 {
            break;
        }
        got.extend_from_slice(&bytes[..n]);
        from.consume(n);
    }
    assert!(got == pattern(plan.len), "{} bytes arrived of {}", got.len(), plan.len);
    Ok(())
}

/// Both directions of a connection at once, by the traits of one crate each.
async fn both_ways<A, B>(left: A, right: B, plan: &Plan) -> io::Result<()>
where
    A: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    B: futures_util::AsyncRead + futures_util::AsyncWrite + Unpin,
{
    let (left_reads, left_writes) = tokio::io::split(left);
    let (right_reads, right_writes) = futures_util::AsyncReadExt::split(right);
    annulus::try_join!(
        send_tokio(left_writes, plan),
        receive_futures(right_reads, plan),
        send_futures(right_writes, plan),
        receive_tokio(left_reads, plan),
    )?;
    Ok(())
}

proptest! {
    #![proptest_config(plans())]

    #[test]
    fn tcp_carries_every_byte_both_ways(plan in plan()) {
        run(async {
            let (client, server) = tcp_pair().await?;
            both_ways(Buffered::new(client), Buffered::new(server), &plan).await
        });
    }

    #[test]
    fn unix_sockets_carry_every_byte_both_ways(plan in plan()) {
        run(async {
            let (left, right) = UnixStream::pair()?;
            both_ways(Buffered::new(&left), Buffered::new(right), &plan).await
        });
    }

    #[test]
    fn memory_carries_every_byte_both_ways(plan in plan()) {
        run(async {
            let (left, right) = duplex(1 + plan.writes[0]);
            both_ways(Buffered::new(left), Buffered::new(right), &plan).await
        });
    }

    #[test]
    fn direct_calls_carry_every_byte_both_ways(plan in plan()) {
        run(async {
            let (left, right) = std::os::unix::net::UnixStream::pair()?;
            both_ways(Direct::new(left)?, Direct::new(right)?, &plan).await
        });
    }

    #[test]
    fn direct_calls_and_leases_meet(plan in plan()) {
        run(async {
            let (client, server) = tcp_pair().await?;
            let client = client.into_std().await.map_err(io::Error::from)?;
            both_ways(Direct::new(client)?, Buffered::new(server), &plan).await
        });
    }

    #[test]
    fn lent_bytes_are_the_same_bytes(plan in plan()) {
        run(async {
            let (client, server) = tcp_pair().await?;
            let (server_reads, _server_writes) = split(server);
            let (_client_reads, client_writes) = split(client);
            let sending = send_futures(Buffered::new(client_writes), &plan);
            let receiving = receive_lent(Buffered::new(server_reads), &plan);
            annulus::try_join!(sending, receiving)?;
            Ok(())
        });
    }
}
