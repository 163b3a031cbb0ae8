//! Datagrams on the simulated kernel: hundreds of seeds, all faults, drops at random points, and a
//! network that loses, repeats and reorders.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use annulus::net::{Datagram, UdpSocket, UnixDatagram};
use annulus_sim::{Fault, Faults, Profile, Report, World};

use super::{drop_after, pattern, run_seeds};
use crate::harness::ground::{is_whole_run, run_in, seeds};

const ANY: &str = "127.0.0.1:0";

/// A datagram that tells its number.
fn numbered(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = number.to_ne_bytes().to_vec();
    bytes.extend(pattern(len, number.into()));
    bytes
}

/// The number of a datagram, which must be whole.
fn number_of(bytes: &[u8]) -> u32 {
    let (number, rest) = bytes.split_first_chunk().expect("no datagram is cut");
    let number = u32::from_ne_bytes(*number);
    assert!(rest == pattern(rest.len(), number.into()), "other bytes in datagram {number}");
    number
}

#[test]
fn an_echo_of_datagrams_loses_nothing_under_any_fault() {
    let total = run_seeds(200, |seed, _| async move {
        let server = UdpSocket::bind(ANY)?;
        let address = server.local_addr()?;
        let echo = annulus::spawn(async move {
            let mut left = 40;
            while left > 0 {
                let batch = server.recv_batch(1 + seed as usize % 9).await?;
                left -= batch.len();
                let answers = batch.into_iter().map(|datagram| {
                    let sender = *datagram.sender();
                    (datagram.into_lease(), sender)
                });
                for sent in server.send_batch(answers).await {
                    sent?;
                }
            }
            io::Result::Ok(())
        });
        let clients = (0..8_u32).map(|client| {
            annulus::spawn(async move {
                let socket = UdpSocket::bind(ANY)?;
                socket.connect(address).await?;
                for round in 0..5_u32 {
                    let sent = numbered(client << 8 | round, (seed as usize * 31) % 900);
                    let (_, sent) = socket.send(sent).await?;
                    let (n, got) = socket.read(Vec::with_capacity(1000)).await?;
                    assert!(got[..n] == sent, "seed {seed}, client {client}, round {round}");
                }
                io::Result::Ok(())
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("a client does not panic")?;
        }
        echo.await.expect("the echo does not panic")
    });
    if is_whole_run() {
        for fault in [Fault::NoBuffers, Fault::MultishotEnd, Fault::CancelRace, Fault::LateTouch] {
            assert!(total.count(fault) > 0, "{fault:?} never happened");
        }
    }
}

/// Receives in one of all ways, and gives up after so many polls.
async fn some(socket: &UdpSocket, way: u32, polls: u32) -> io::Result<Vec<u32>> {
    let leased = |datagram: &Datagram| number_of(datagram);
    Ok(match way {
        0 => drop_after(polls, socket.recv()).await.transpose()?.iter().map(leased).collect(),
        1 => {
            let batch = drop_after(polls, socket.recv_batch(7)).await.transpose()?;
            batch.unwrap_or_default().iter().map(leased).collect()
        }
        2 => {
            let received = drop_after(polls, socket.recv_from(Vec::with_capacity(2000))).await;
            received.transpose()?.iter().map(|(_, bytes)| number_of(bytes)).collect()
        }
        // What is peeked at is not taken.
        _ => {
            let peeked = drop_after(polls, socket.peek(Vec::with_capacity(2000))).await;
            if let Some((_, bytes)) = peeked.transpose()? {
                assert!(number_of(&bytes) < 50);
            }
            Vec::new()
        }
    })
}

#[test]
fn receives_dropped_at_any_point_lose_no_datagram() {
    run_seeds(200, |seed, _| async move {
        let (receiver, sender) = (UdpSocket::bind(ANY)?, UdpSocket::bind(ANY)?);
        sender.connect(receiver.local_addr()?).await?;
        let sending = annulus::spawn(async move {
            for number in 0..50 {
                sender.send(numbered(number, 40)).await?;
            }
            io::Result::Ok(())
        });
        let (mut got, mut turn) = (BTreeSet::new(), seed as u32);
        while got.len() < 50 {
            turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for number in some(&receiver, turn >> 8 & 3, turn >> 29).await? {
                assert!(got.insert(number), "seed {seed}: {number} came twice");
            }
            // Virtual time stands still for whoever never enters the kernel.
            annulus::time::sleep(Duration::from_micros(u64::from(turn >> 27))).await;
        }
        sending.await.expect("the sender does not panic")
    });
}

/// Asks until it is answered.
async fn ask(socket: &UdpSocket, question: u32) -> io::Result<u32> {
    loop {
        socket.send(numbered(question, 20)).await?;
        // What is answered may be an earlier question.
        let patience = Duration::from_millis(5);
        while let Ok(answer) = annulus::time::timeout(patience, socket.recv()).await {
            if number_of(&answer?) == question {
                return Ok(question);
            }
        }
    }
}

#[test]
fn who_asks_again_is_answered_by_a_network_that_loses_repeats_and_reorders() {
    let mut total = Report::default();
    for seed in seeds(100) {
        let faults = if seed % 2 == 0 { Faults::all() } else { Faults::swarm(seed) };
        let world = World::new(seed).with_faults(faults.with(Fault::Datagram, 300));
        total.add(&run_in(&world, Profile::LINUX_6_18, async {
            let server = UdpSocket::bind(ANY)?;
            let client = UdpSocket::bind(ANY)?;
            client.connect(server.local_addr()?).await?;
            let echo = annulus::spawn(async move {
                loop {
                    let question = server.recv().await?;
                    let sender = *question.sender();
                    server.send_to(question.into_lease(), sender).await?;
                }
                #[allow(unreachable_code, reason = "it says what the loop gives")]
                io::Result::Ok(())
            });
            for question in 0..10 {
                assert_eq!(ask(&client, question).await?, question);
            }
            echo.abort();
            Ok(())
        }));
    }
    if is_whole_run() {
        assert!(total.count(Fault::Datagram) > 0);
    }
}

#[test]
fn nobody_at_the_other_end_is_an_error_of_a_connected_socket_under_any_fault() {
    run_seeds(60, |_, _| async move {
        let gone = UdpSocket::bind(ANY)?;
        let address = gone.local_addr()?;
        drop(gone);
        annulus::time::sleep(Duration::from_millis(5)).await;
        let socket = UdpSocket::bind(ANY)?;
        socket.send_to("nobody hears it", address).await?;
        socket.connect(address).await?;
        socket.send("nobody hears it").await?;
        let error = socket.recv().await.expect_err("nobody answers");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn unix_datagrams_wait_for_room_and_keep_their_order_under_any_fault() {
    run_seeds(100, |seed, _| async move {
        let (left, right) = UnixDatagram::pair()?;
        // More than the receiver has room for.
        let sending = annulus::spawn(async move {
            for number in 0..150 {
                left.send(numbered(number, 10)).await?;
            }
            io::Result::Ok(left)
        });
        for expected in 0..150 {
            if expected % 50 == 0 {
                annulus::time::sleep(Duration::from_micros(seed)).await;
            }
            assert_eq!(number_of(&right.recv().await?), expected, "seed {seed}");
        }
        drop(sending.await.expect("the sender does not panic")?);
        Ok(())
    });
}
