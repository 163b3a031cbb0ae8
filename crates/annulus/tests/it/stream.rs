//! Byte streams: receiving in every way, sending, half-close, peers that fail.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use annulus::buf::IoBuf;
use annulus::net::{Parsed, TcpListener, TcpStream, UnixStream};
use annulus::runtime::Runtime;
use annulus::time::timeout;

use crate::harness::{pair, run, run_on};

#[test]
fn what_is_sent_is_received_in_every_way_and_mixture() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("one").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"one");
        client.write_all("two").await?;
        let (n, buf) = server.read(Vec::with_capacity(16)).await?;
        assert_eq!((n, &buf[..]), (3, &b"two"[..]));
        client.write_all("threefour").await?;
        let ((), buf) = server.read_exact(vec![0; 5]).await?;
        assert_eq!(buf, b"three");
        let n = server.with_data(|bytes| Parsed::Consumed(bytes.len())).await?;
        assert_eq!(n, 4);
        client.write_all("five").await?;
        let mut reader = server.reader();
        assert_eq!(reader.fill_buf().await?, b"five");
        reader.consume(2);
        drop(reader);
        assert_eq!(&*server.recv().await?.unwrap(), b"ve", "what a reader leaves comes again");
        Ok(())
    });
}

#[test]
fn a_lease_can_be_sent_straight_back() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all(vec![7u8; 5000]).await?;
        let mut seen = 0;
        while seen < 5000 {
            let lease = server.recv().await?.unwrap();
            seen += lease.len();
            server.write_all(lease).await?;
        }
        let ((), back) = client.read_exact(vec![0; 5000]).await?;
        assert!(back.iter().all(|&byte| byte == 7));
        Ok(())
    });
}

#[test]
fn large_transfers_arrive_whole_and_in_order() {
    run(async {
        let (client, server) = pair().await?;
        let bytes: Vec<u8> = (0..4_000_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
        let expected = bytes.clone();
        let sender = annulus::spawn(async move {
            client.write_all(bytes).await?;
            client.shutdown(Shutdown::Write)?;
            io::Result::Ok(client)
        });
        let mut received = Vec::new();
        while let Some(lease) = server.recv().await? {
            received.extend_from_slice(&lease);
        }
        assert!(received == expected, "4 MB arrived changed");
        sender.await.unwrap()?;
        Ok(())
    });
}

#[test]
fn after_the_peers_end_the_other_direction_still_flows() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("question").await?;
        client.shutdown(Shutdown::Write)?;
        let mut question = Vec::new();
        while let Some(lease) = server.recv().await? {
            question.extend_from_slice(&lease);
        }
        assert_eq!(question, b"question");
        assert!(server.recv().await?.is_none(), "the end stays the end");
        let (n, _) = server.read(vec![0; 8]).await?;
        assert_eq!(n, 0, "a read at the end gives 0");
        server.write_all("answer").await?;
        drop(server);
        let ((), answer) = client.read_exact(vec![0; 6]).await?;
        assert_eq!(answer, b"answer");
        assert!(client.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn a_reset_is_reported_once_and_then_reads_as_the_end() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept().await?;
        server.write_all("unread").await?;
        // Closing with unread data resets the connection.
        crate::foreign::wait_readable(&peer);
        drop(peer);
        let error = server.recv().await.expect_err("the connection was reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(server.recv().await?.is_none());
        let error = server.write_all("more").await.expect_err("nobody is there");
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
        assert_eq!(error.into_buf(), Some("more"), "a failed send gives its buffer back");
        Ok(())
    });
}

#[test]
fn connecting_where_nobody_listens_is_refused() {
    run(async {
        let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let error = TcpStream::connect(closed).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn text_that_is_no_address_is_refused_with_advice() {
    run(async {
        let error = TcpStream::connect("localhost").await.expect_err("it has no port");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("such as localhost:80"), "{error}");
        Ok(())
    });
}

#[test]
fn a_buffer_without_capacity_is_refused_and_given_back() {
    run(async {
        let (_client, server) = pair().await?;
        let error = server.read(Vec::new()).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("capacity"), "{error}");
        assert_eq!(error.into_buf(), Some(Vec::new()));
        assert!(server.read_exact(Vec::new()).await.is_err());
        Ok(())
    });
}

#[test]
fn an_empty_write_ends_at_once() {
    run(async {
        let (client, _server) = pair().await?;
        client.write_all(Vec::new()).await?;
        client.send_nowait(b"")?;
        client.flush().await?;
        Ok(())
    });
}

#[test]
fn a_message_in_pieces_is_parsed_when_it_is_whole() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let parser = annulus::spawn(async move {
            let mut calls = Vec::new();
            let n = server
                .with_data(|bytes| {
                    calls.push(bytes.len());
                    match bytes.len() {
                        0..4 => Parsed::NeedMore,
                        4..10 => Parsed::NeedAtLeast(10),
                        _ => Parsed::Consumed(10),
                    }
                })
                .await?;
            let rest = server.recv().await?.unwrap().to_vec();
            io::Result::Ok((n, calls, rest))
        });
        for piece in ["ab", "cd", "efgh", "ijkl"] {
            client.write_all(piece).await?;
            crate::harness::turns(3).await;
        }
        let (n, calls, rest) = parser.await.unwrap()?;
        assert_eq!(n, 10);
        assert_eq!(calls, [2, 4, 12], "not called before ten bytes were there");
        assert_eq!(rest, b"kl");
        Ok(())
    });
}

#[test]
fn an_end_in_the_middle_of_a_message_is_an_error() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        client.write_all("half").await?;
        drop(client);
        let error = server.with_data(|_| Parsed::NeedMore).await.expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("4 bytes"), "{error}");
        assert_eq!(server.with_data(|_| Parsed::NeedMore).await?, 0);
        Ok(())
    });
}

#[test]
fn a_short_read_exact_gives_what_was_there() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("abc").await?;
        drop(client);
        let error = server.read_exact(Vec::with_capacity(10)).await.expect_err("too few");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(error.into_buf().unwrap(), b"abc");
        Ok(())
    });
}

#[test]
fn queued_bytes_and_awaited_sends_keep_their_order() {
    run(async {
        let (client, server) = pair().await?;
        client.send_nowait(b"1")?;
        client.send_nowait(b"2")?;
        let third = client.write_all("3");
        let both = async {
            third.await?;
            client.send_nowait(b"4")?;
            client.write_all("5").await?;
            io::Result::Ok(())
        };
        both.await?;
        let ((), got) = server.read_exact(vec![0; 5]).await?;
        assert_eq!(got, b"12345");
        Ok(())
    });
}

#[test]
fn dropping_a_handle_sends_what_it_had_accepted() {
    run(async {
        let (client, server) = pair().await?;
        let bytes = vec![5u8; 200_000];
        client.send_nowait(&bytes)?;
        drop(client);
        let mut got = 0;
        while let Some(lease) = server.recv().await? {
            got += lease.len();
        }
        assert_eq!(got, 200_000);
        Ok(())
    });
}

#[test]
fn a_peer_that_never_reads_bounds_what_is_queued_for_it() {
    let builder =
        Runtime::builder().send_high_bytes(64 * 1024).close_flush(Duration::from_millis(20));
    run_on(builder, async {
        let (client, server) = pair().await?;
        let mut taken = 0usize;
        let refused = loop {
            match client.send_nowait(&[0; 4096]) {
                Ok(()) => taken += 4096,
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("flush"), "{refused}");
        assert!(taken <= 64 * 1024 + 4096, "{taken} bytes were taken");
        // Fill the socket for good, then see that awaiting does not buffer either.
        let patience = if crate::hostile::is_quiet() { 200 } else { 2000 };
        let filled = timeout(Duration::from_millis(patience), async {
            loop {
                client.flush().await?;
                client.send_nowait(&[0; 4096])?;
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        });
        assert!(filled.await.is_err(), "a peer that does not read stops the sender");
        // A parser that answers is not called while its answers cannot leave.
        server.write_all("request").await?;
        let waited = timeout(Duration::from_millis(20), async {
            while client.send_nowait(&[0; 4096]).is_ok() {}
            client.with_data(|bytes| Parsed::Consumed(bytes.len())).await
        });
        assert!(waited.await.is_err());
        Ok(())
    });
}

#[test]
fn many_readers_of_one_stream_are_served_in_the_order_they_came() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let server = std::rc::Rc::new(server);
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let server = server.clone();
                annulus::spawn(async move { server.read_exact(vec![0; 1]).await.unwrap().1 })
            })
            .collect();
        crate::harness::turns(2).await;
        client.write_all("abcde").await?;
        let mut got = Vec::new();
        for reader in readers {
            got.extend(reader.await.unwrap());
        }
        assert_eq!(got, b"abcde");
        Ok(())
    });
}

#[test]
fn a_stream_goes_to_std_and_back() {
    run(async {
        let (client, server) = pair().await?;
        client.send_nowait(b"queued")?;
        server.write_all("unread").await?;
        assert_eq!(client.recv().await?.unwrap().as_init(), b"unread");
        let mut std_client = client.into_std().await?;
        let ((), got) = server.read_exact(vec![0; 6]).await?;
        assert_eq!(got, b"queued", "what was queued is sent first");
        std_client.write_all(b"blocking")?;
        assert_eq!(&*server.recv().await?.unwrap(), b"blocking");
        server.write_all("still").await?;
        let mut bytes = [0; 5];
        std_client.read_exact(&mut bytes)?;
        assert_eq!(&bytes, b"still");
        let client = TcpStream::from_std(std_client)?;
        client.write_all("again").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"again");
        Ok(())
    });
}

#[test]
fn a_stream_with_unread_bytes_is_given_back_instead_of_losing_them() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        client.write_all("first").await?;
        let mut reader = server.reader();
        reader.fill_buf().await?;
        reader.consume(1);
        drop(reader);
        let error = server.into_std().await.expect_err("four bytes are unread");
        assert!(error.to_string().contains("4 bytes"), "{error}");
        let server = error.into_buf().unwrap();
        assert_eq!(&*server.recv().await?.unwrap(), b"irst");
        client.write_all("second").await?;
        assert_eq!(&*server.recv().await?.unwrap(), b"second");
        Ok(())
    });
}

#[test]
fn addresses_and_options_are_those_of_the_socket() {
    run(async {
        let (client, server) = pair().await?;
        assert_eq!(client.local_addr()?, server.peer_addr()?);
        assert_eq!(client.peer_addr()?, server.local_addr()?);
        assert!(!client.nodelay()?);
        client.set_nodelay(true)?;
        assert!(client.nodelay()?);
        Ok(())
    });
}

#[test]
fn without_buffer_rings_receives_go_through_the_heap() {
    let builder = Runtime::builder().mask(annulus_ring::Mask::none().buf_rings());
    run_on(builder, async {
        let (client, server) = pair().await?;
        for round in 0..100u8 {
            client.write_all(vec![round; 100]).await?;
            let lease = server.recv().await?.unwrap();
            assert!(lease.iter().all(|&byte| byte == round));
        }
        drop(client);
        assert!(server.recv().await?.is_none());
        assert!(annulus::runtime::metrics()?.heap_receives >= 100);
        Ok(())
    });
}

#[test]
fn nobody_overtakes_a_parser_that_holds_the_start_of_a_message() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let server = std::rc::Rc::new(server);
        client.write_all("head").await?;
        let parsing = server.clone();
        let parser = annulus::spawn(async move {
            let whole = |bytes: &[u8]| match bytes.len() {
                0..8 => Parsed::NeedMore,
                _ => Parsed::Consumed(8),
            };
            parsing.with_data(whole).await
        });
        crate::harness::turns(3).await;
        let behind = server.clone();
        let other = annulus::spawn(async move {
            io::Result::Ok(behind.recv().await?.map(|lease| lease.to_vec()))
        });
        crate::harness::turns(3).await;
        client.write_all("tail+rest").await?;
        assert_eq!(parser.await??, 8);
        assert_eq!(other.await??.unwrap(), b"+rest");

        client.write_all("1").await?;
        let mut reader = server.reader();
        assert_eq!(reader.fill_buf().await?, b"1");
        let mut recv = Box::pin(server.recv());
        client.write_all("2").await?;
        crate::harness::turns(3).await;
        assert!(futures_util::poll!(&mut recv).is_pending(), "the reader holds what is before");
        drop(reader);
        assert_eq!(&*recv.await?.unwrap(), b"1");
        assert_eq!(&*server.recv().await?.unwrap(), b"2");
        Ok(())
    });
}

/// Sends to many sockets of the standard library and closes them at once, again and again.
fn send_and_close<S: Write + Send + 'static>(sockets: Vec<S>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for mut socket in sockets {
            for _ in 0..3 {
                socket.write_all(b"bytes").expect("somebody reads");
            }
        }
    })
}

/// Everything of a stream, within a time in which nothing is slow enough to fail.
async fn read_to_its_end(mut stream: impl annulus::io::AsyncRead) -> io::Result<usize> {
    let mut bytes = 0;
    while let Some(piece) = timeout(Duration::from_secs(20), stream.recv()).await?? {
        bytes += piece.len();
    }
    Ok(bytes)
}

#[test]
fn the_end_is_seen_however_soon_it_follows_the_last_bytes() {
    const SOCKETS: usize = 24;
    run(async {
        for _ in 0..20 {
            let (mut senders, mut readers) = (Vec::new(), Vec::new());
            for _ in 0..SOCKETS {
                let (sender, reader) = std::os::unix::net::UnixStream::pair()?;
                senders.push(sender);
                readers.push(annulus::spawn(read_to_its_end(UnixStream::from_std(reader)?)));
            }
            annulus::task::yield_now().await; // they wait
            let sending = send_and_close(senders);
            for reader in readers {
                assert_eq!(reader.await.unwrap()?, 15);
            }
            sending.join().unwrap();
        }
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let (mut senders, mut readers) = (Vec::new(), Vec::new());
            for _ in 0..SOCKETS {
                senders.push(std::net::TcpStream::connect(listener.local_addr()?)?);
                readers.push(annulus::spawn(read_to_its_end(listener.accept().await?.0)));
            }
            annulus::task::yield_now().await;
            let sending = send_and_close(senders);
            for reader in readers {
                assert_eq!(reader.await.unwrap()?, 15);
            }
            sending.join().unwrap();
        }
        Ok(())
    });
}
