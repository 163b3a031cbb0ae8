//! Every future of a socket, ended at every point: no byte and no connection is lost.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{Parsed, TcpListener, TcpStream, UnixStream};

use super::{Cut, Points, small};
use crate::harness::pair;

/// What the peer of a reading scenario sends, in two pieces.
const PIECES: [&str; 2] = ["abc", "defg"];

/// Ends `read` of a stream whose peer sends [`PIECES`]. What it took and what is left must be what
/// was sent.
async fn reading<F>(cut: Cut, read: impl FnOnce(&'static TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
{
    let (client, server) = pair().await?;
    // The future borrows it, and may be forgotten.
    let server: &'static TcpStream = Box::leak(Box::new(server));
    let peer = annulus::spawn(async move {
        for piece in PIECES {
            client.write_all(piece).await?;
            super::yield_to_kernel().await?;
        }
        client.shutdown(Shutdown::Write)?;
        io::Result::Ok(client)
    });
    let mut all = cut.end(read(server)).await.transpose()?.unwrap_or_default();
    let client = peer.await.expect("the peer does not panic")?;
    if !cut.forgets() {
        while let Some(lease) = server.recv().await? {
            all.extend_from_slice(&lease);
        }
        assert_eq!(all, PIECES.concat().as_bytes(), "{cut:?}");
        // The other direction never noticed.
        server.write_all("answer").await?;
        let ((), answer) = client.read_exact(vec![0; 6]).await?;
        assert_eq!(answer, b"answer");
    }
    // SAFETY: leaked above; the future that borrowed it is gone, or forgotten and never polled
    // again.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(server).cast_mut()) });
    Ok(())
}

#[test]
fn recv_ended_anywhere_loses_no_byte() {
    Points::of(&["net::recv::Recv"]).run(|cut| {
        reading(cut, |server| async { Ok(server.recv().await?.expect("no end yet").to_vec()) })
    });
}

#[test]
fn read_ended_anywhere_loses_no_byte() {
    Points::of(&["net::tcp_stream::receiving::read"]).run(|cut| {
        reading(cut, |server| async {
            let (n, buf) = server.read(Vec::with_capacity(2)).await?;
            assert_eq!(n, buf.len());
            Ok(buf)
        })
    });
}

#[test]
fn read_exact_ended_anywhere_gives_back_the_part_that_it_had() {
    Points::of(&["net::tcp_stream::receiving::read_exact"]).run(|cut| {
        reading(cut, |server| async {
            let ((), buf) = server.read_exact(vec![0; 6]).await?;
            Ok(buf)
        })
    });
}

#[test]
fn read_exact_behind_a_leased_receive_gives_back_the_part_that_it_had() {
    Points::of(&["net::tcp_stream::receiving::read_exact"]).run(|cut| {
        reading(cut, |server| async {
            // Arms the multishot receive, so that read_exact is served from the queue.
            let mut first = Box::pin(server.recv());
            assert!(futures_util::poll!(&mut first).is_pending());
            drop(first);
            let ((), buf) = server.read_exact(vec![0; 6]).await?;
            Ok(buf)
        })
    });
}

#[test]
fn with_data_ended_anywhere_loses_no_byte() {
    Points::of(&["net::tcp_stream::receiving::with_data"]).run(|cut| {
        reading(cut, |server| async {
            let mut taken = Vec::new();
            server
                .with_data(|bytes| {
                    taken.extend_from_slice(bytes);
                    Parsed::Consumed(bytes.len())
                })
                .await?;
            Ok(taken)
        })
    });
}

#[test]
fn with_data_that_needs_more_gives_back_what_it_held() {
    Points::of(&["net::tcp_stream::receiving::with_data"]).run(|cut| {
        reading(cut, |server| async {
            let mut taken = Vec::new();
            server
                .with_data(|bytes| {
                    if bytes.len() < 5 {
                        return Parsed::NeedMore;
                    }
                    taken.extend_from_slice(&bytes[..5]);
                    Parsed::Consumed(5)
                })
                .await?;
            Ok(taken)
        })
    });
}

#[test]
fn a_reader_ended_anywhere_gives_back_what_it_did_not_consume() {
    Points::of(&["net::reader::fill_buf", "net::reader::fill_more"]).run(|cut| {
        reading(cut, |server| async {
            let mut reader = server.reader();
            let mut had = 0;
            while had < 5 {
                had = reader.fill_more().await?.len();
            }
            let taken = reader.fill_buf().await?[..4].to_vec();
            reader.consume(4);
            Ok(taken)
        })
    });
}

#[test]
fn a_timed_read_ended_anywhere_loses_no_byte_and_no_timer() {
    Points::of(&["time::timeout::Timeout", "net::tcp_stream::receiving::read"]).run(|cut| {
        reading(cut, |server| async {
            let read = server.read(Vec::with_capacity(3));
            let (_, buf) = annulus::time::timeout(Duration::from_secs(1000), read).await??;
            Ok(buf)
        })
    });
}

/// Ends `send` on a stream whose peer reads all the time. Gives what the peer got until the end.
pub(super) async fn sending<F>(
    cut: &Cut,
    send: impl FnOnce(&'static TcpStream) -> F,
) -> io::Result<Vec<u8>>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (client, server) = pair().await?;
    let client: &'static TcpStream = Box::leak(Box::new(client));
    let peer = annulus::spawn(async move {
        let mut all = Vec::new();
        while let Some(lease) = server.recv().await? {
            all.extend_from_slice(&lease);
        }
        io::Result::Ok(all)
    });
    cut.end(send(client)).await.transpose()?;
    client.write_all("end").await?;
    // SAFETY: as in `reading`.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(client).cast_mut()) });
    let all = peer.await.expect("the peer does not panic")?;
    let rest = all.strip_suffix(b"end");
    Ok(rest.expect("what came later comes later").to_vec())
}

static LARGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..3_000_000_u32).map(|i| ((i * 7) >> 4) as u8).collect());

/// More than a socket takes at once.
pub(super) fn large(cut: &Cut) -> Vec<u8> {
    LARGE[..if cut.is_simulated() { 100_000 } else { LARGE.len() }].to_vec()
}

#[test]
fn write_all_ended_anywhere_sends_all_or_nothing() {
    Points::of(&["net::tcp_stream::sending::write_all"]).run(|cut| async move {
        let bytes = large(&cut);
        let sent = sending(&cut, |client| async {
            client.write_all(bytes).await.map(drop)?;
            Ok(())
        })
        .await?;
        let expected = if cut.polled() { large(&cut) } else { Vec::new() };
        assert!(sent == expected, "{cut:?}: {} bytes", sent.len());
        Ok(())
    });
}

#[test]
fn write_ended_anywhere_sends_all_or_nothing() {
    Points::of(&["net::tcp_stream::sending::write"]).run(|cut| async move {
        let sent = sending(&cut, |client| async {
            client.write("once").await.map(drop)?;
            Ok(())
        })
        .await?;
        let expected = if cut.polled() { "once" } else { "" };
        assert_eq!(sent, expected.as_bytes(), "{cut:?}");
        Ok(())
    });
}

#[test]
fn writes_that_queue_up_ended_anywhere_keep_their_order() {
    Points::of(&["net::tcp_stream::sending::write_all"]).run(|cut| async move {
        let bytes = large(&cut);
        let sent = sending(&cut, |client| async {
            let first = client.write_all(bytes);
            let second = client.write_all("second");
            let (first, second) = futures_util::join!(first, second);
            first?;
            second?;
            Ok(())
        })
        .await?;
        let mut expected = Vec::new();
        if cut.polled() {
            expected = large(&cut);
            expected.extend_from_slice(b"second");
        }
        assert!(sent == expected, "{cut:?}: {} bytes", sent.len());
        Ok(())
    });
}

#[test]
fn flush_ended_anywhere_leaves_the_queue_alone() {
    Points::of(&["net::tcp_stream::sending::flush"]).run(|cut| async move {
        let sent = sending(&cut, |client| {
            for _ in 0..4 {
                client.send_nowait(&[5; 50_000]).expect("below the bound");
            }
            client.flush()
        })
        .await?;
        assert_eq!(sent, [5; 200_000], "{cut:?}");
        Ok(())
    });
}

#[test]
fn send_file_ended_anywhere_has_sent_a_part_in_order() {
    Points::of(&["net::tcp_stream::sending::send_file"]).run(|cut| async move {
        let page = large(&cut);
        let range = 10..page.len() as u64 - 100_000 / 10;
        let inside = range.start as usize..range.end as usize;
        let file = File::open(cut.file("page", &page)).await?;
        let file: &'static File = Box::leak(Box::new(file));
        let len = range.end - range.start;
        let sent = sending(&cut, |client| async move {
            assert_eq!(client.send_file(file, range).await?, len);
            Ok(())
        })
        .await?;
        assert!(page[inside].starts_with(&sent), "{cut:?}");
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(file).cast_mut()) });
        Ok(())
    });
}

#[test]
fn a_head_and_a_file_ended_anywhere_have_sent_a_part_in_order() {
    Points::of(&["net::tcp_stream::sending::send_file_after"]).run(|cut| async move {
        let page = large(&cut);
        let file = File::open(cut.file("page", &page)).await?;
        let file: &'static File = Box::leak(Box::new(file));
        let (range, whole) = (10..page.len() as u64, [b"head".as_slice(), &page[10..]].concat());
        let sent = sending(&cut, |client| async move {
            let (sent, head) =
                client.send_file_after(b"head".to_vec(), file, range.clone()).await?;
            assert_eq!((sent, &head[..]), (4 + range.end - range.start, b"head".as_slice()));
            Ok(())
        })
        .await?;
        assert!(whole.starts_with(&sent), "{cut:?}");
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(file).cast_mut()) });
        Ok(())
    });
}

#[test]
fn pieces_ended_anywhere_are_sent_all_or_not_at_all() {
    Points::of(&[
        "net::tcp_stream::sending::write_all_vectored",
        "net::unix_stream::sending::write_all_vectored",
    ])
    .real_only("SENDMSG")
    .run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let bytes = large(&cut);
        let sent = sending(&cut, |client| async move {
            client.write_all_vectored((bytes, "tail")).await.map(drop)?;
            left.write_all_vectored(("a", "b")).await.map(drop)?;
            Ok(())
        })
        .await?;
        let mut expected = Vec::new();
        if cut.polled() {
            expected = large(&cut);
            expected.extend_from_slice(b"tail");
        }
        assert!(sent == expected, "{cut:?}: {} bytes", sent.len());
        if !cut.forgets() {
            let got = right.recv().await?;
            assert!(got.is_none_or(|lease| *lease == *b"ab"), "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn connect_ended_anywhere_leaves_no_socket() {
    Points::of(&["net::tcp_stream::connect"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        drop(cut.end(TcpStream::connect(address)).await.transpose()?);
        let again = TcpStream::connect(address).await?;
        let mut peer = listener.accept().await?.1;
        while peer != again.local_addr()? {
            peer = listener.accept().await?.1; // the one that was given up came first
        }
        Ok(())
    });
}

#[test]
fn connect_to_one_of_several_ended_anywhere_leaves_no_socket() {
    Points::of(&["net::tcp_stream::connect"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let address = listener.local_addr()?;
        drop(cut.end(TcpStream::connect([nobody, address])).await.transpose()?);
        let again = TcpStream::connect(address).await?;
        let mut peer = listener.accept().await?.1;
        while peer != again.local_addr()? {
            peer = listener.accept().await?.1; // the one that was given up came first
        }
        Ok(())
    });
}

#[test]
fn a_lookup_ended_anywhere_leaves_nothing() {
    Points::of(&["net::names::lookup_host"]).real_only("a resolver").run(|cut| async move {
        // What is remembered would be found at once.
        annulus::net::keep_names(Duration::ZERO);
        let found = cut.end(annulus::net::lookup_host("localhost:1")).await.transpose()?;
        assert!(found.is_none_or(|mut found| found.all(|address| address.port() == 1)));
        Ok(())
    });
    // As it was.
    annulus::net::keep_names(Duration::from_secs(5));
}

#[test]
fn accept_ended_anywhere_loses_no_connection() {
    Points::of(&["net::accept::Accept"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let listener: &'static TcpListener = Box::leak(Box::new(listener));
        let connecting = annulus::spawn(TcpStream::connect(address));
        let accepted = cut.end(listener.accept()).await.transpose()?;
        let client = connecting.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            let (_, peer) = match accepted {
                Some(accepted) => accepted,
                None => listener.accept().await?,
            };
            assert_eq!(peer, client.local_addr()?);
        }
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(listener).cast_mut()) });
        Ok(())
    });
}

#[test]
fn into_std_ended_anywhere_closes_the_stream() {
    Points::of(&["net::tcp_stream::into_std"]).real_only("a std socket").run(|cut| async move {
        let (client, server) = pair().await?;
        // Arms the receive, which into_std has to end first.
        let mut reading = Box::pin(server.recv());
        assert!(futures_util::poll!(&mut reading).is_pending());
        drop(reading);
        super::yield_to_kernel().await?;
        let given = cut.end(server.into_std()).await;
        drop(given);
        if !cut.forgets() {
            assert!(client.recv().await?.is_none(), "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn futures_of_unix_streams_ended_anywhere_lose_no_byte() {
    Points::of(&[
        "net::unix_stream::receiving::read_exact",
        "net::unix_stream::sending::write_all",
    ])
    .run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let right: &'static UnixStream = Box::leak(Box::new(right));
        let peer = annulus::spawn(async move {
            for piece in PIECES {
                left.write_all(piece).await?;
                super::yield_to_kernel().await?;
            }
            io::Result::Ok(left)
        });
        let exchange = async {
            let ((), buf) = right.read_exact(vec![0; 5]).await?;
            right.write_all("ok").await?;
            io::Result::Ok(buf)
        };
        let mut all = cut.end(exchange).await.transpose()?.unwrap_or_default();
        let left = peer.await.expect("the peer does not panic")?;
        if cut.forgets() {
            return Ok(());
        }
        // Once its read was over, the exchange had taken five bytes for good.
        left.shutdown(Shutdown::Write)?;
        while let Some(lease) = right.recv().await? {
            all.extend_from_slice(&lease);
        }
        let sent = PIECES.concat();
        assert!(sent.as_bytes().ends_with(&all), "{cut:?}: {all:?}");
        assert!(all.len() == 7 || all.len() == 2, "{cut:?}: {all:?}");
        // SAFETY: leaked above; the future that borrowed it is gone.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(right).cast_mut()) });
        Ok(())
    });
}

#[test]
fn the_other_futures_of_unix_streams_ended_anywhere_lose_no_byte() {
    Points::of(&[
        "net::unix_stream::receiving::read",
        "net::unix_stream::receiving::with_data",
        "net::unix_stream::sending::write",
        "net::unix_stream::sending::flush",
    ])
    .run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let right: &'static UnixStream = Box::leak(Box::new(right));
        let peer = annulus::spawn(async move {
            for piece in PIECES {
                left.write_all(piece).await?;
                super::yield_to_kernel().await?;
            }
            io::Result::Ok(left)
        });
        let exchange = async {
            let (n, read) = right.read(Vec::with_capacity(2)).await?;
            right.write("ok").await?;
            right.send_nowait(b"!")?;
            right.flush().await?;
            let mut parsed = Vec::new();
            let taking = |bytes: &[u8]| {
                parsed.push(bytes[0]);
                Parsed::Consumed(1)
            };
            right.with_data(taking).await?;
            io::Result::Ok([&read[..n], &parsed].concat())
        };
        let taken = cut.end(exchange).await.transpose()?;
        let left = peer.await.expect("the peer does not panic")?;
        if cut.forgets() {
            return Ok(());
        }
        left.shutdown(Shutdown::Write)?;
        let ended = taken.is_some();
        let mut all = taken.unwrap_or_default();
        while let Some(lease) = right.recv().await? {
            all.extend_from_slice(&lease);
        }
        let sent = PIECES.concat();
        assert!(sent.as_bytes().ends_with(&all), "{cut:?}: {all:?}");
        assert!(all.len() >= 5 && (!ended || all.len() == 7), "{cut:?}: {all:?}");
        // SAFETY: leaked above; the future that borrowed it is gone.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(right).cast_mut()) });
        Ok(())
    });
}

#[test]
fn a_connection_given_up_while_it_receives_on_the_heap_is_closed() {
    let mask = annulus_ring::Mask::none().buf_rings();
    crate::harness::run_on(small().mask(mask), async {
        let (client, server) = pair().await?;
        let mut reading = Box::pin(server.recv());
        assert!(futures_util::poll!(&mut reading).is_pending());
        super::yield_to_kernel().await?;
        drop(reading);
        drop(server);
        assert!(client.recv().await?.is_none(), "the peer hears of it");
        Ok(())
    });
}

#[test]
fn a_stream_that_receives_on_the_heap_goes_to_std() {
    let mask = annulus_ring::Mask::none().buf_rings();
    crate::harness::run_on(small().mask(mask), async {
        let (client, server) = pair().await?;
        let mut reading = Box::pin(server.recv());
        assert!(futures_util::poll!(&mut reading).is_pending());
        super::yield_to_kernel().await?;
        drop(reading);
        let server = server.into_std().await?;
        drop(server);
        assert!(client.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn a_dropped_stream_gives_up_what_its_peer_never_reads() {
    let builder = small().close_flush(Duration::from_millis(5));
    crate::harness::run_on(builder, async {
        let (client, server) = pair().await?;
        let mut sending = Box::pin(server.write_all(vec![1; 20_000_000]));
        assert!(futures_util::poll!(&mut sending).is_pending());
        super::yield_to_kernel().await?;
        drop(sending);
        drop(server);
        let closed = || annulus::runtime::metrics().expect("a runtime runs").descriptors == 1;
        super::until("the stream is closed", closed).await?;
        drop(client);
        Ok(())
    });
}
