//! Sending without copying: what arrives, what a stream learns, and what a kernel does that has
//! none of it. When the memory is free is in `hazards::zero_copy_notification`.

use std::io;

use annulus::net::{TcpStream, UnixStream};
use annulus::runtime::{Builder, Metrics, Runtime, metrics};
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;

use crate::cancel::until;
use crate::harness::{pair, run, run_on, skip};

/// Sends by `write_all_zc` and compares what arrives.
async fn exchange(client: &TcpStream, server: &TcpStream, bytes: usize) -> io::Result<()> {
    let sent: Vec<u8> = (0..bytes).map(|at| (at * 7 + (at >> 8)) as u8).collect();
    let (sent, read) = annulus::join!(client.write_all_zc(sent), server.read_exact(vec![0; bytes]));
    let (((), sent), ((), read)) = (sent?, read?);
    assert!(sent == read, "other bytes arrived");
    Ok(())
}

fn without_zero_copy() -> Builder {
    Runtime::builder().mask(Mask::none().op(Opcode::SEND_ZC).op(Opcode::SENDMSG_ZC))
}

/// Whether this kernel sent anything without copying.
fn is_there(now: &Metrics) -> bool {
    if now.zero_copy_sends == 0 {
        skip("this kernel sends nothing without copying");
    }
    now.zero_copy_sends > 0
}

#[test]
fn bytes_arrive_and_the_buffer_comes_back() {
    run(async {
        let (client, server) = pair().await?;
        for bytes in [1, 4096, 300_000, 3_000_000] {
            exchange(&client, &server, bytes).await?;
        }
        client.write_all_zc(String::new()).await?;
        let ((), bufs) = client.write_all_vectored_zc(("head ", vec![b'b'; 3], " tail")).await?;
        assert_eq!(bufs.1, b"bbb");
        let ((), got) = server.read_exact(vec![0; 13]).await?;
        assert_eq!(got, b"head bbb tail");
        client.write_all_vectored_zc(("", Vec::new())).await?;
        Ok(())
    });
}

#[test]
fn a_stream_whose_bytes_are_copied_all_the_same_stops_asking() {
    run(async {
        let (client, server) = pair().await?;
        for _ in 0..6 {
            exchange(&client, &server, 20_000).await?;
        }
        let now = metrics()?;
        if is_there(&now) {
            // Loopback copies, and says so.
            assert_eq!((now.zero_copy_sends, now.zero_copy_copies), (3, 3));
            let (other, peer) = pair().await?;
            exchange(&other, &peer, 20_000).await?;
            assert_eq!(metrics()?.zero_copy_sends, 4, "each stream learns for itself");
        }
        Ok(())
    });
}

#[test]
fn large_sends_do_it_by_themselves_where_the_builder_says_so() {
    run_on(Runtime::builder().zero_copy_from(1000), async {
        let (client, server) = pair().await?;
        for (bytes, tries) in [(999, 0), (1000, 1), (1999, 1), (2000, 2), (4000, 3), (100_000, 3)] {
            client.write_all(vec![1; bytes]).await?;
            client.write(vec![2; 10]).await?;
            server.read_exact(vec![0; bytes + 10]).await?;
            let tried = metrics()?.zero_copy_sends;
            if bytes == 1000 && !is_there(&metrics()?) {
                return Ok(());
            }
            assert_eq!(tried, tries, "after {bytes} bytes");
        }
        Ok(())
    });
}

#[test]
fn what_nobody_waits_for_is_copied() {
    run_on(Runtime::builder().zero_copy_from(1000), async {
        let (client, server) = pair().await?;
        client.send_nowait(&[1; 5000])?;
        client.flush().await?;
        server.read_exact(vec![0; 5000]).await?;
        assert_eq!(metrics()?.zero_copy_sends, 0);
        Ok(())
    });
}

#[test]
fn unix_sockets_copy() {
    run_on(Runtime::builder().zero_copy_from(1), async {
        let (left, right) = UnixStream::pair()?;
        left.write_all(vec![7; 5000]).await?;
        assert_eq!(right.read_exact(vec![0; 5000]).await?.1, [7; 5000]);
        assert_eq!(metrics()?.zero_copy_sends, 0);
        Ok(())
    });
}

#[test]
fn a_kernel_without_it_sends_plainly() {
    run_on(without_zero_copy().zero_copy_from(1000), async {
        let (client, server) = pair().await?;
        for bytes in [1, 300_000] {
            exchange(&client, &server, bytes).await?;
        }
        client.write_all(vec![3; 10_000]).await?;
        server.read_exact(vec![0; 10_000]).await?;
        client.write_all_vectored_zc(("a", "bc")).await?;
        assert_eq!(server.read_exact(vec![0; 3]).await?.1, b"abc");
        assert_eq!(metrics()?.zero_copy_sends, 0);
        Ok(())
    });
}

#[test]
fn errors_of_the_connection_bring_the_buffer_back() {
    for builder in [Runtime::builder(), without_zero_copy()] {
        run_on(builder, async {
            let (client, server) = pair().await?;
            client.shutdown(std::net::Shutdown::Write)?;
            let refused = client.write_all_zc(vec![1; 10]).await.expect_err("it is shut");
            assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(refused.into_buf(), Some(vec![1; 10]));
            // Bytes that it will not read: its end resets the connection.
            server.write_all("unread").await?;
            drop(client);
            let mut buffer = vec![2; 5000];
            loop {
                match server.write_all_zc(buffer).await {
                    Ok(((), back)) => buffer = back,
                    Err(error) => {
                        let kind = error.kind();
                        assert!(
                            matches!(
                                kind,
                                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                            ),
                            "{kind:?}"
                        );
                        assert_eq!(error.into_buf(), Some(vec![2; 5000]));
                        break;
                    }
                }
            }
            until("every notification is there", || metrics().unwrap().ops_in_flight == 0).await
        });
    }
}

#[test]
fn a_cancelled_one_that_waits_behind_others_comes_back_at_once() {
    run(async {
        use annulus::op::OpExt as _;
        let (client, server) = pair().await?;
        // More than the socket takes.
        let mut large = Box::pin(client.write_all(vec![1; 8_000_000]));
        assert!(futures_util::poll!(&mut large).is_pending());
        let cancelled = client.write_all_zc(vec![2; 100]).cancel().await.expect_err("cancelled");
        assert_eq!(cancelled.into_buf(), Some(vec![2; 100]));
        let (sent, read) = annulus::join!(large, server.read_exact(vec![0; 8_000_000]));
        sent?;
        assert!(read?.1.iter().all(|&byte| byte == 1));
        Ok(())
    });
}
