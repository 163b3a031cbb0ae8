//! A zero-copy send has its result, and the kernel still reads its memory.
//!
//! *Evidence*: liburing#1462; netty#15599, #17238; a runtime in use gives the buffer back with the
//! result and never looks for the notification.
//!
//! *Answer*: the slot owns the buffer until every notification that was announced has come. The
//! result alone frees the send queue and the descriptor, never the memory; past the deadline of a
//! shutdown it is leaked.
//!
//! *Also proven*: `cancel`, which ends these futures at every poll point; the simulated kernel
//! compares the bytes at the notification with what they were, and AddressSanitizer sees it read.

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream as Peer;
use std::os::fd::AsRawFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use annulus::net::TcpStream;
use annulus::op::{Cancelled, OpExt as _, chain};
use annulus::runtime::{Runtime, metrics};
use annulus_ring::abi::RecvSendFlags;
use annulus_ring::op::{Recv, SendZc, Target, ZeroCopy};

use super::{Drops, Tracked, pattern};
use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::{on_seeds, tiny};
use crate::harness::{made, share_process, skip};
use crate::hostile::is_quiet;
use crate::panicking_buffers::Panicking;

/// More than the peer's socket takes, and less than one's own.
const BYTES: usize = 48 * 1024;

/// A connection whose peer takes some KiB and reads nothing by itself: what is sent is not
/// acknowledged.
fn narrow() -> io::Result<(std::net::TcpStream, Peer)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let bytes: libc::c_int = 2048;
    // SAFETY: the value is an integer of the length that is given.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const bytes).cast(),
            size_of_val(&bytes) as u32,
        )
    };
    assert_eq!(set, 0, "SO_RCVBUF: {}", io::Error::last_os_error());
    let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

fn read_all(mut peer: &Peer, bytes: usize) -> io::Result<Vec<u8>> {
    let mut all = vec![0; bytes];
    peer.read_exact(&mut all)?;
    Ok(all)
}

/// A buffer with a pattern.
fn filled(drops: &Drops, stream: usize) -> Tracked {
    let mut buffer = drops.buffer(BYTES);
    buffer.bytes.copy_from_slice(&pattern(stream, BYTES));
    buffer
}

/// Waits until the kernel has taken so many zero-copy sends. Their results come at once, because
/// one's own socket has room.
async fn taken(sends: u64) -> io::Result<bool> {
    for _ in 0..20 {
        yield_to_kernel().await?;
    }
    let there = metrics()?.zero_copy_sends == sends;
    if !there {
        skip("this kernel sends nothing without copying");
    }
    Ok(there)
}

#[test]
fn a_buffer_is_not_dropped_before_the_peer_has_acknowledged_it() {
    let _shared = share_process();
    made(Runtime::builder()).block_on(async {
        let (client, peer) = narrow().unwrap();
        let (client, drops) = (TcpStream::from_std(client).unwrap(), Drops::default());
        let mut sending = Box::pin(client.write_all_zc(filled(&drops, 1)));
        assert!(futures_util::poll!(&mut sending).is_pending());
        if !taken(1).await.unwrap() {
            return;
        }
        drop(sending);
        for _ in 0..50 {
            yield_to_kernel().await.unwrap();
            assert_eq!(drops.count(), 0, "the kernel still reads it");
        }
        assert!(read_all(&peer, BYTES).unwrap() == pattern(1, BYTES));
        until("the buffer is dropped", || drops.count() == 1).await.unwrap();
    });
}

#[test]
fn what_is_sent_behind_it_does_not_wait_for_the_notification() {
    let _shared = share_process();
    made(Runtime::builder()).block_on(async {
        let (client, peer) = narrow().unwrap();
        let (client, drops) = (TcpStream::from_std(client).unwrap(), Drops::default());
        let mut first = Box::pin(client.write_all_zc(filled(&drops, 1)));
        assert!(futures_util::poll!(&mut first).is_pending());
        if !taken(1).await.unwrap() {
            return;
        }
        // Its result says that it is in the socket, whoever reads it later.
        client.write_all("behind").await.unwrap();
        assert!(futures_util::poll!(&mut first).is_pending(), "it is not acknowledged");
        let all = read_all(&peer, BYTES + 6).unwrap();
        let ((), buffer) = first.await.map_err(io::Error::from).unwrap();
        assert!(all == [&buffer.bytes[..], b"behind"].concat());
    });
}

/// The result of the first has the second written, whose buffer panics.
#[test]
fn what_is_sent_behind_it_may_panic_and_it_ends_once() {
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let (client, peer) = narrow().unwrap();
    let (drops, panicking) = (Drops::default(), Rc::new(Cell::new(0)));
    let (buffer, bad) = (filled(&drops, 1), Panicking::new(&panicking));
    let began = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let client = Rc::new(TcpStream::from_std(client).unwrap());
            let behind = client.clone();
            annulus::spawn(async move { client.write_all_zc(buffer).await.is_ok() }).detach();
            annulus::spawn(async move { behind.write_all(bad).await.is_ok() }).detach();
            taken(1).await.unwrap()
        })
    }));
    if let Ok(are_taken) = began {
        assert!(!are_taken, "the buffer panics where it is written");
        return;
    }
    runtime.block_on(async {
        assert!(read_all(&peer, BYTES).unwrap() == pattern(1, BYTES));
        until("both are dropped", || drops.count() == 1 && panicking.get() == 1).await.unwrap();
        at_rest().await.unwrap();
    });
}

#[test]
fn a_descriptor_closes_although_a_notification_is_missing() {
    let _shared = share_process();
    made(Runtime::builder()).block_on(async {
        let (client, peer) = narrow().unwrap();
        let (client, drops) = (TcpStream::from_std(client).unwrap(), Drops::default());
        let mut sending = Box::pin(client.write_all_zc(filled(&drops, 2)));
        assert!(futures_util::poll!(&mut sending).is_pending());
        if !taken(1).await.unwrap() {
            return;
        }
        drop(sending);
        drop(client);
        until("the descriptor is closed", || metrics().unwrap().descriptors == 0).await.unwrap();
        assert_eq!((drops.count(), metrics().unwrap().orphans_in_flight), (0, 1));
        // Everything arrives, and the end behind it.
        let mut all = Vec::new();
        (&peer).read_to_end(&mut all).unwrap();
        assert!(all == pattern(2, BYTES));
        until("the buffer is dropped", || drops.count() == 1).await.unwrap();
        at_rest().await.unwrap();
    });
}

#[test]
fn a_runtime_that_ends_with_a_notification_missing_leaks_the_buffer() {
    let _shared = share_process();
    let drops = Drops::default();
    let (client, peer) = narrow().unwrap();
    let runtime = Runtime::builder().shutdown_timeout(Duration::from_millis(20)).build().unwrap();
    let inside = drops.clone();
    let is_pending = runtime.block_on(async move {
        let client = TcpStream::from_std(client).unwrap();
        let mut sending = Box::pin(client.write_all_zc(filled(&inside, 3)));
        assert!(futures_util::poll!(&mut sending).is_pending());
        taken(1).await.unwrap()
    });
    let last = runtime.shutdown();
    if !is_pending {
        return;
    }
    assert_eq!((last.descriptors, last.ops_in_flight), (0, 1), "what the peer has not read");
    assert_eq!(drops.count(), 0, "the kernel still reads it");
    assert!(read_all(&peer, BYTES).unwrap() == pattern(3, BYTES), "the memory was used again");
}

#[test]
fn asking_to_end_does_not_take_back_what_was_sent() {
    let _shared = share_process();
    made(Runtime::builder()).block_on(async {
        let (client, peer) = narrow().unwrap();
        let (client, drops) = (TcpStream::from_std(client).unwrap(), Drops::default());
        let mut sending = Box::pin(client.write_all_zc(filled(&drops, 4)).timeout(Duration::ZERO));
        assert!(futures_util::poll!(&mut sending).is_pending());
        if !taken(1).await.unwrap() {
            return;
        }
        let cancels = metrics().unwrap().cancels;
        if let Poll::Ready(ended) = futures_util::poll!(&mut sending) {
            // There was no worker for it, so it was not sent, and nobody wants it any more.
            assert!(!is_quiet() && ended.is_err(), "its buffer is not free");
            return;
        }
        assert_eq!(metrics().unwrap().cancels - cancels, 0, "nobody is asked again and again");
        let all = read_all(&peer, BYTES).unwrap();
        if let Ok(((), buffer)) = sending.await {
            assert!(all == *buffer.bytes);
        }
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn late_notifications_find_the_bytes_as_they_were() {
    on_seeds(
        120,
        |_| {},
        tiny,
        |ground| async move {
            let (client, server) = crate::harness::pair().await?;
            let drops = Drops::default();
            let reader = annulus::spawn(async move {
                let mut all = Vec::new();
                while let Some(lease) = server.recv().await? {
                    all.extend_from_slice(&lease);
                }
                io::Result::Ok(all)
            });
            let mut expected = Vec::new();
            for round in 0..12 {
                let bytes = pattern(round, 1 + (ground.seed() as usize * 97 + round * 301) % 2000);
                let mut buffer = drops.buffer(bytes.len());
                buffer.bytes.copy_from_slice(&bytes);
                expected.extend_from_slice(&bytes);
                let mut sending = Box::pin(client.write_all_zc(buffer));
                assert!(futures_util::poll!(&mut sending).is_pending());
                match round % 3 {
                    0 => drop(sending),
                    1 => {
                        yield_to_kernel().await?;
                        drop(sending);
                    }
                    _ => {
                        let ((), mut buffer) = sending.await?;
                        // Ours again: nobody looks at it any more.
                        buffer.bytes.fill(0);
                    }
                }
                client.write_all(vec![round as u8; 3]).await?;
                expected.extend_from_slice(&[round as u8; 3]);
            }
            client.shutdown(std::net::Shutdown::Write)?;
            assert!(reader.await.expect("it does not panic")? == expected);
            until("all buffers are dropped", || drops.count() == 12).await
        },
    );
}

#[test]
fn what_is_linked_to_a_send_without_copying_can_be_ended() {
    let _shared = share_process();
    made(Runtime::builder()).block_on(async {
        let (client, mut peer) = narrow().unwrap();
        let fd = Target::Fd(client.as_raw_fd());
        let bytes = b"hello".repeat(100);
        let send = SendZc {
            target: fd,
            addr: bytes.as_ptr(),
            len: bytes.len() as u32,
            flags: libc::MSG_NOSIGNAL,
            ioprio: RecvSendFlags::EMPTY,
            buf_index: 0,
            dest: std::ptr::null(),
            dest_len: 0,
        };
        let mut room = vec![0; 8];
        let (addr, len) = (room.as_mut_ptr(), room.len() as u32);
        let recv = Recv { target: fd, addr, len, flags: 0, ioprio: RecvSendFlags::EMPTY };
        // SAFETY: socket and bytes outlive the operation: nothing is dropped before all have ended,
        // which `at_rest` waits for.
        let send = unsafe { annulus::submit(send) };
        // SAFETY: as above, and the room is touched by nobody else.
        let recv = unsafe { annulus::submit(recv) };
        let mut running = chain((send, recv));
        assert!(futures_util::poll!(&mut running).is_pending());
        yield_to_kernel().await.unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let there = read_all(&peer, bytes.len());
        assert!(there.is_err() || there.unwrap() == bytes);
        // The notification comes when the peer has acknowledged, which it has.
        for _ in 0..20 {
            yield_to_kernel().await.unwrap();
        }
        let (sent, received) = running.cancel().await;
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                skip("this kernel sends nothing without copying");
            }
            sent => {
                let all = bytes.len() as u32;
                assert!(matches!(sent.unwrap(), ZeroCopy::Sent { bytes } if bytes == all));
                let error = received.expect_err("nothing was received");
                assert!(Cancelled::of(&error).is_some(), "{error}");
            }
        }
        at_rest().await.unwrap();
        peer.write_all(b"unread").unwrap();
        drop(room);
    });
}
