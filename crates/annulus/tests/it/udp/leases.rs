//! Leased receives: the multishot request, its ends, its buffers, and its substitutes.

use std::collections::BTreeSet;
use std::io;

use annulus::net::UdpSocket;
use annulus::runtime::{Builder, Runtime};
use annulus_ring::abi::{Features, Opcode};
use annulus_ring::{AnyKernel, Mask};
use futures_util::TryStreamExt as _;

use super::{ANY, arm, pattern, std_socket};
use crate::cancel::{until, yield_to_kernel};
use crate::harness::{check, run, run_on, share_process};

fn metrics() -> annulus::runtime::Metrics {
    annulus::runtime::metrics().expect("a runtime runs")
}

/// What kernels without some of the ways would do.
fn older() -> Vec<(&'static str, Builder)> {
    let of_6_1 = Features::RECVSEND_BUNDLE | Features::RW_ATTR | Features::NO_IOWAIT;
    vec![
        ("all", Runtime::builder()),
        ("6.12", Runtime::builder().mask(Mask::none().features(Features::RW_ATTR))),
        (
            "6.1",
            Runtime::builder()
                .mask(Mask::none().features(of_6_1).inc_buffers().op(Opcode::FUTEX_WAIT)),
        ),
        ("no buffer rings", Runtime::builder().mask(Mask::none().buf_rings())),
        ("few buffers", Runtime::builder().buffer_count(2).buffers_published(1)),
    ]
}

#[test]
fn random_datagrams_come_back_byte_for_byte_on_every_kernel() {
    for (name, builder) in older() {
        run_on(builder, async move {
            let server = UdpSocket::bind(ANY)?;
            let client = UdpSocket::bind(ANY)?;
            client.connect(server.local_addr()?).await?;
            let echo = annulus::spawn(async move {
                for _ in 0..200 {
                    let datagram = server.recv().await?;
                    let sender = *datagram.sender();
                    server.send_to(datagram.into_lease(), sender).await?;
                }
                io::Result::Ok(())
            });
            let mut seed = 42_u32;
            for round in 0..200 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let len = (seed >> 16) as usize % [10, 1500, 65508][round % 3];
                let (_, sent) = client.send(pattern(len, round)).await?;
                let got = match round % 4 {
                    0 => client.recv().await?.to_vec(),
                    1 => client.read(Vec::with_capacity(65536)).await?.1,
                    2 => client.recv_from(Vec::with_capacity(len + 1)).await?.1,
                    _ => client.recv_batch(9).await?.concat_one(),
                };
                assert!(got == sent, "{name}, round {round}: {} of {len} bytes", got.len());
            }
            echo.await.expect("the echo does not panic")
        });
    }
}

trait ConcatOne {
    fn concat_one(self) -> Vec<u8>;
}

impl ConcatOne for Vec<annulus::net::Datagram> {
    fn concat_one(self) -> Vec<u8> {
        assert_eq!(self.len(), 1);
        self[0].to_vec()
    }
}

#[test]
fn one_request_serves_any_number_of_datagrams() {
    // One that is cancelled is armed again, so on no hostile kernel.
    run_on(Runtime::builder().kernel(AnyKernel::default), async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        arm(&socket);
        yield_to_kernel().await?;
        let before = metrics().sqes;
        for number in 0..100_u8 {
            peer.send_to(&[number; 64], socket.local_addr()?)?;
            assert_eq!(*socket.recv().await?, [number; 64]);
        }
        assert_eq!(metrics().sqes, before, "nothing was armed again");
        assert_eq!(metrics().heap_receives, 0);
        Ok(())
    });
}

#[test]
fn an_empty_datagram_is_one_and_not_the_end() {
    for (name, builder) in older() {
        run_on(builder, async move {
            let (peer, peer_address) = std_socket()?;
            let socket = UdpSocket::bind(ANY)?;
            arm(&socket);
            for number in 0..6_u8 {
                peer.send_to(&[number; 3][..usize::from(number % 2)], socket.local_addr()?)?;
            }
            for number in 0..6_u8 {
                let datagram = socket.recv().await?;
                assert_eq!(*datagram, [number; 3][..usize::from(number % 2)], "{name}");
                assert_eq!(*datagram.sender(), peer_address);
                assert_eq!(datagram.segments().count(), 1);
            }
            Ok(())
        });
    }
}

#[test]
fn leases_that_are_kept_starve_nobody() {
    let builder = Runtime::builder().buffer_count(4).buffers_published(2);
    run_on(builder, async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let mut kept = Vec::new();
        for number in 0..40_u8 {
            peer.send_to(&[number; 100], socket.local_addr()?)?;
            kept.push(socket.recv().await?);
        }
        assert!(metrics().starvations > 0 && metrics().heap_receives > 0, "{:#?}", metrics());
        for (number, datagram) in kept.iter().enumerate() {
            assert_eq!(**datagram, [number as u8; 100], "nothing was written over");
        }
        drop(kept);
        let heap = metrics().heap_receives;
        yield_to_kernel().await?;
        for number in 0..40_u8 {
            peer.send_to(&[number; 100], socket.local_addr()?)?;
            assert_eq!(*socket.recv().await?, [number; 100]);
        }
        assert!(metrics().heap_receives <= heap + 1, "it has recovered");
        Ok(())
    });
}

#[test]
fn leases_dropped_on_another_thread_come_back() {
    let builder = Runtime::builder().buffer_count(2).buffers_published(2);
    run_on(builder, async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        for number in 0..30_u8 {
            peer.send_to(&[number; 100], socket.local_addr()?)?;
            let datagram = socket.recv().await?;
            assert_eq!(*datagram, [number; 100]);
            std::thread::scope(|scope| {
                scope.spawn(move || drop(datagram));
            });
        }
        until("all leases are back", || metrics().leases_out == 0).await
    });
}

#[test]
fn what_nobody_reads_waits_in_the_socket_and_nothing_of_it_is_lost() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        socket.set_recv_buffer_size(4 << 20)?;
        arm(&socket);
        // As many as the kernel says that it keeps: it counts some hundred bytes for each.
        let most = (socket.recv_buffer_size()? / 1024).min(400);
        for number in 0..most {
            peer.send_to(&number.to_ne_bytes(), socket.local_addr()?)?;
        }
        for _ in 0..10 {
            yield_to_kernel().await?;
        }
        assert!(metrics().leases_out <= 192, "{} leases", metrics().leases_out);
        for number in 0..most {
            assert_eq!(*socket.recv().await?, number.to_ne_bytes());
        }
        Ok(())
    });
}

#[test]
fn readers_are_served_in_the_order_in_which_they_came() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let mut first = Box::pin(socket.recv());
        let mut second = Box::pin(socket.read(Vec::with_capacity(8)));
        let mut third = Box::pin(socket.recv_batch(5));
        let mut fourth = Box::pin(socket.peek(Vec::with_capacity(8)));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut third).is_pending());
        assert!(futures_util::poll!(&mut fourth).is_pending());
        for text in ["one", "two", "three"] {
            peer.send_to(text.as_bytes(), socket.local_addr()?)?;
        }
        let (first, second, third) = annulus::join!(first, second, third);
        assert_eq!((&*first?, &second?.1[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(&**third?.first().expect("one is there"), b"three");
        peer.send_to(b"four", socket.local_addr()?)?;
        assert_eq!(fourth.await?.1, b"four");
        Ok(())
    });
}

#[test]
fn many_sockets_share_the_buffers() {
    let builder = Runtime::builder().buffer_count(8).buffers_published(4);
    run_on(builder, async {
        let (peer, _) = std_socket()?;
        let mut tasks = Vec::new();
        let mut addresses = Vec::new();
        for _ in 0..40 {
            let socket = UdpSocket::bind(ANY)?;
            addresses.push(socket.local_addr()?);
            tasks.push(annulus::spawn(async move {
                let mut numbers = BTreeSet::new();
                while numbers.len() < 5 {
                    let datagram = socket.recv().await?;
                    // Kept for a turn, so that the others miss the buffer.
                    annulus::task::yield_now().await;
                    numbers.insert(datagram[0]);
                }
                io::Result::Ok(())
            }));
        }
        yield_to_kernel().await?;
        for number in 0..5_u8 {
            for address in &addresses {
                peer.send_to(&[number; 700], *address)?;
            }
        }
        for task in tasks {
            task.await.expect("the reader does not panic")?;
        }
        Ok(())
    });
}

#[test]
fn a_socket_closed_with_datagrams_unread_and_a_receive_in_flight_leaves_nothing() {
    for (_, builder) in older() {
        let _shared = share_process();
        check(builder, async {
            let (peer, _) = std_socket()?;
            for _ in 0..20 {
                let socket = UdpSocket::bind(ANY)?;
                arm(&socket);
                peer.send_to(b"never read", socket.local_addr()?)?;
                yield_to_kernel().await?;
                let lease = socket.try_recv()?;
                peer.send_to(b"never read", socket.local_addr()?)?;
                drop(socket);
                if let Some(lease) = lease {
                    assert_eq!(&*lease, b"never read");
                }
            }
            until("the sockets are closed", || metrics().descriptors == 0).await
        });
    }
}

#[test]
fn a_receive_into_the_heap_can_be_given_up_and_the_socket_goes_to_std() {
    run_on(Runtime::builder().mask(Mask::none().buf_rings()), async {
        let socket = UdpSocket::bind(ANY)?;
        let mut receiving = Box::pin(socket.recv());
        assert!(futures_util::poll!(&mut receiving).is_pending());
        yield_to_kernel().await?;
        drop(receiving);
        socket.into_std().await?;
        Ok(())
    });
}

#[test]
fn a_stream_goes_on_over_every_end_of_its_request() {
    for (name, builder) in older() {
        run_on(builder, async move {
            let server = UdpSocket::bind(ANY)?;
            let client = UdpSocket::bind(ANY)?;
            client.connect(server.local_addr()?).await?;
            let mut datagrams = server.datagrams();
            for round in 0..300 {
                client.send(pattern(round % 40, round)).await?;
                // Kept across the next one: with few buffers the request ends for want of them.
                let first = datagrams.try_next().await?.expect("there is no end");
                assert_eq!(*first, pattern(round % 40, round), "{name}");
                client.send(pattern(3, round)).await?;
                let second = match round % 3 {
                    0 => server.recv().await?,
                    _ => datagrams.try_next().await?.expect("there is no end"),
                };
                assert_eq!(*second, pattern(3, round), "{name}");
            }
            assert!(name != "few buffers" || metrics().starvations > 0, "{:#?}", metrics());
            Ok(())
        });
    }
}

#[test]
fn a_stream_whose_next_item_was_given_up_keeps_its_place_until_it_is_dropped() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        let mut datagrams = socket.datagrams();
        assert!(futures_util::poll!(datagrams.try_next()).is_pending());
        let mut receiving = Box::pin(socket.recv());
        peer.send_to(b"the first", socket.local_addr()?)?;
        for _ in 0..3 {
            assert!(futures_util::poll!(&mut receiving).is_pending(), "the stream is first");
            yield_to_kernel().await?;
        }
        drop(datagrams);
        assert_eq!(*receiving.await?, *b"the first");
        Ok(())
    });
}

#[test]
fn an_error_is_an_item_and_the_stream_goes_on() {
    run(async {
        let socket = UdpSocket::bind(ANY)?;
        let (peer, address) = std_socket()?;
        socket.connect(address).await?;
        drop(peer);
        let mut datagrams = socket.datagrams();
        socket.send("to nobody").await?;
        let error = datagrams.try_next().await.expect_err("nobody is there");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let peer = std::net::UdpSocket::bind(address)?;
        peer.send_to(b"back", socket.local_addr()?)?;
        assert_eq!(*datagrams.try_next().await?.expect("there is no end"), *b"back");
        Ok(())
    });
}
