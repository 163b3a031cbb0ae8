//! Several pools of provided buffers: who receives into which, and that one starves alone.

use std::io;

use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::{Builder, Runtime, metrics};
use annulus_ring::Mask;

use crate::cancel::until;
use crate::harness::ground::on_both_with;
use crate::harness::{run_on, skip};

/// The default pool has buffers of 256 bytes, pool 1 two of 4096.
fn two_pools() -> Builder {
    Runtime::builder()
        .entries(16)
        .cq_entries(64)
        .buffer_bytes(256)
        .buffer_count(8)
        .buffers_published(4)
        .receive_pool(4096, 2)
}

/// Sends so many bytes and gives the longest of the leases in which they arrive.
async fn longest(from: &UnixStream, to: &UnixStream, bytes: usize) -> io::Result<usize> {
    let sent: Vec<u8> = (0..bytes).map(|at| (at * 13) as u8).collect();
    let copy = sent.clone();
    let receive = async {
        let (mut all, mut longest) = (Vec::new(), 0);
        while all.len() < bytes {
            let lease = to.recv().await?.expect("no end yet");
            longest = longest.max(lease.len());
            all.extend_from_slice(&lease);
        }
        assert!(all == copy, "other bytes arrived");
        io::Result::Ok(longest)
    };
    let (sent, longest) = annulus::join!(from.write_all(sent), receive);
    sent?;
    longest
}

#[test]
fn a_stream_receives_into_the_pool_that_it_is_put_on() {
    run_on(two_pools().buffers_incremental(false), async {
        let (left, right) = UnixStream::pair()?;
        assert_eq!(metrics()?.buffers, 10, "those of both");
        assert!(longest(&left, &right, 3000).await? <= 256);
        right.set_receive_pool(1)?;
        assert_eq!(longest(&left, &right, 3000).await?, 3000);
        right.set_receive_pool(0)?;
        assert!(longest(&left, &right, 3000).await? <= 256);
        Ok(())
    });
}

#[test]
fn accepted_streams_receive_into_the_pool_of_their_listener() {
    run_on(two_pools().buffers_incremental(false), async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_receive_pool(1)?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        client.write_all(vec![5; 2000]).await?;
        let lease = server.recv().await?.expect("no end yet");
        assert!(lease.len() > 256, "{} bytes are of the default pool", lease.len());
        Ok(())
    });
}

#[test]
fn a_pool_that_there_is_not_is_refused_in_words() {
    run_on(two_pools(), async {
        let (left, _right) = UnixStream::pair()?;
        let refused = left.set_receive_pool(2).expect_err("there is 0 and 1");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("Builder::receive_pool"), "{refused}");
        let listener = TcpListener::bind("127.0.0.1:0")?;
        assert_eq!(
            listener.set_receive_pool(9).expect_err("there is 0 and 1").kind(),
            io::ErrorKind::InvalidInput
        );
        Ok(())
    });
}

#[test]
fn without_buffer_rings_every_pool_is_the_heap() {
    run_on(two_pools().mask(Mask::none().buf_rings()), async {
        let (left, right) = UnixStream::pair()?;
        right.set_receive_pool(1)?;
        longest(&left, &right, 3000).await?;
        assert!(metrics()?.heap_receives > 0);
        Ok(())
    });
}

#[test]
fn streams_of_one_pool_do_not_notice_that_another_is_on_lease() {
    run_on(two_pools(), async {
        let (left, right) = UnixStream::pair()?;
        let (near, far) = UnixStream::pair()?;
        right.set_receive_pool(1)?;
        // Both buffers of pool 1, kept.
        let mut kept = Vec::new();
        while metrics()?.heap_receives == 0 {
            left.write_all(vec![1; 4096]).await?;
            let mut bytes = 0;
            while bytes < 4096 {
                let lease = right.recv().await?.expect("no end yet");
                bytes += lease.len();
                kept.push(lease);
            }
            if kept.len() > 100 {
                skip("this kernel has no buffer rings");
                return Ok(());
            }
        }
        let before = metrics()?;
        for _ in 0..20 {
            longest(&near, &far, 100).await?;
        }
        let since = metrics()?.since(&before);
        assert_eq!((since.heap_receives, since.starvations), (0, 0));
        assert!(since.leases >= 20);
        // And pool 1 recovers.
        kept.clear();
        let before = metrics()?;
        longest(&left, &right, 100).await?;
        longest(&left, &right, 100).await?;
        assert!(metrics()?.since(&before).leases > 0);
        Ok(())
    });
}

#[test]
fn changing_pools_while_bytes_come_loses_none() {
    on_both_with(two_pools, 60, |ground| async move {
        let (left, right) = UnixStream::pair()?;
        let sent: Vec<u8> = (0..20_000_usize).map(|at| (at * 31 + (at >> 8)) as u8).collect();
        let copy = sent.clone();
        let writer = annulus::spawn(async move {
            for piece in sent.chunks(700) {
                left.write_all(piece.to_vec()).await?;
            }
            io::Result::Ok(())
        });
        let (mut all, mut kept) = (Vec::new(), Vec::new());
        let mut turn = ground.seed();
        while let Some(lease) = right.recv().await? {
            all.extend_from_slice(&lease);
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            right.set_receive_pool((turn >> 63) as usize)?;
            if turn >> 60 & 3 == 0 {
                kept.push(lease);
            }
            if kept.len() > 5 {
                kept.clear();
            }
        }
        writer.await.expect("it does not panic")?;
        assert!(all == copy, "{} bytes of {}", all.len(), copy.len());
        drop(kept);
        until("all leases are back", || metrics().expect("a runtime runs").leases_out == 0).await
    });
}

#[test]
fn what_a_buffer_cuts_in_two_is_one_lease_again() {
    let builder = Runtime::builder().buffer_bytes(256).buffer_count(8).buffers_published(4);
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        for round in 0..20_u8 {
            // The second of two of these does not fit into what the first has left of a buffer.
            let sent = vec![round; 200];
            left.write_all(sent.clone()).await?;
            let lease = right.recv().await?.expect("no end yet");
            assert_eq!(*lease, *sent, "round {round}");
        }
        Ok(())
    });
}
