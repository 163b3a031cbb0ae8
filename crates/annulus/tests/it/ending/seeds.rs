//! The same on the simulated kernel, where seeds decide what is late, cancelled too late, short,
//! overflowed and out of buffers.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use annulus::OpExt as _;
use annulus::buf::BufError;
use annulus::fs::{File, OpenOptions};
use annulus::io::{Events, Readiness};
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::op::{Cancelled, chain};
use annulus::time::sleep;
use annulus_ring::op::{Read, Target, Write};
use annulus_sim::Fault;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::harness::ground::is_whole_run;
use crate::sim::{drop_after, pattern, run_seeds};

/// Numbers that follow from a seed.
struct Draw(u32);

impl Draw {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % bound
    }

    fn time(&mut self) -> Duration {
        Duration::from_nanos(u64::from(self.below(60_000)))
    }
}

fn has_ended_early(error: &io::Error, kind: ErrorKind) -> bool {
    error.kind() == kind && Cancelled::of(error).is_some()
}

/// Reads in a way that may be cut off. `None` at the end.
async fn read_somehow(stream: &UnixStream, draw: &mut Draw) -> io::Result<Option<Vec<u8>>> {
    let some = |(n, buf): (usize, Vec<u8>)| (n > 0).then(|| buf[..n].to_vec());
    match draw.below(5) {
        0 => {
            let read = stream.read(vec![0; 64]).timeout(draw.time()).await;
            Ok(some(read.map_err(|failed| with_buf(failed, ErrorKind::TimedOut))?))
        }
        1 => {
            let mut reading = stream.read(vec![0; 64]);
            let read = match drop_after(draw.below(4), &mut reading).await {
                Some(read) => read,
                None => reading.cancel().await,
            };
            Ok(some(read.map_err(|failed| with_buf(failed, ErrorKind::Interrupted))?))
        }
        2 => {
            let lease = stream.recv().timeout(draw.time()).await?;
            Ok(lease.map(|lease| lease.to_vec()))
        }
        3 => match stream.read_exact(vec![0; 20]).timeout(draw.time()).await {
            Ok(((), buf)) => Ok(Some(buf)),
            // The end came within: the buffer has what came before.
            Err(failed) if failed.kind() == ErrorKind::UnexpectedEof => Ok(failed.into_buf()),
            Err(failed) => Err(with_buf(failed, ErrorKind::TimedOut)),
        },
        _ => {
            let leases = stream.leases().take(1 + draw.below(2) as usize);
            let leases: Vec<_> = leases.map_ok(|lease| lease.to_vec()).try_collect().await?;
            Ok((!leases.is_empty()).then(|| leases.concat()))
        }
    }
}

/// The error of a read that was cut off, which has given the buffer back.
fn with_buf(failed: BufError<Vec<u8>>, kind: ErrorKind) -> io::Error {
    let (error, buf) = failed.into_parts();
    assert!(buf.is_some(), "the buffer comes back");
    assert!(error.kind() == kind, "{error:?}");
    error
}

#[test]
fn reads_with_deadlines_and_cancels_lose_no_byte_in_any_order() {
    let total = run_seeds(300, |seed, _| async move {
        let (left, right) = UnixStream::pair()?;
        let sent = pattern(2000, seed);
        let expected = sent.clone();
        let writer = annulus::spawn(async move {
            let mut draw = Draw(seed as u32 ^ 77);
            for piece in sent.chunks(100) {
                sleep(draw.time()).await;
                left.write_all(piece.to_vec()).await?;
            }
            left.shutdown(Shutdown::Write)?;
            io::Result::Ok(left)
        });
        let mut draw = Draw(seed as u32);
        let mut got = Vec::new();
        loop {
            match read_somehow(&right, &mut draw).await {
                Ok(Some(bytes)) => got.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(error) => {
                    assert!(Cancelled::of(&error).is_some(), "seed {seed}: {error:?}");
                    // Virtual time stands still for whoever never enters the kernel.
                    sleep(Duration::from_micros(5)).await;
                }
            }
        }
        assert!(got == expected, "seed {seed}: {} of {} bytes", got.len(), expected.len());
        drop(writer.await.expect("the writer does not panic")?);
        Ok(())
    });
    if is_whole_run() {
        for fault in [Fault::CancelRace, Fault::Overflow, Fault::NoBuffers, Fault::MultishotEnd] {
            assert!(total.count(fault) > 0, "{fault:?} never happened");
        }
    }
}

#[test]
fn a_send_that_is_cut_short_can_be_taken_up_where_it_ended() {
    run_seeds(200, |seed, _| async move {
        let (left, right) = UnixStream::pair()?;
        let sent = pattern(6000, seed);
        let expected = sent.clone();
        let reader = annulus::spawn(async move {
            let mut all = Vec::new();
            let mut draw = Draw(seed as u32 ^ 99);
            while let Some(lease) = right.leases().try_next().await? {
                all.extend_from_slice(&lease);
                sleep(draw.time()).await;
            }
            io::Result::Ok(all)
        });
        let mut draw = Draw(seed as u32);
        let mut at = 0;
        while at < sent.len() {
            let piece = sent[at..].to_vec();
            let wrote = match draw.below(3) {
                0 => left.write_all(piece).timeout(draw.time()).await.map(|((), buf)| buf.len()),
                1 => left.write(piece).timeout(draw.time()).await.map(|(n, _)| n),
                _ => {
                    let mut writing = left.write_all(piece);
                    let ended = drop_after(draw.below(3), &mut writing).await;
                    let ended = match ended {
                        Some(ended) => ended,
                        None => writing.cancel().await,
                    };
                    ended.map(|((), buf)| buf.len())
                }
            };
            at += match wrote {
                Ok(n) => n,
                Err(failed) => {
                    let reason = Cancelled::of(failed.error());
                    let reason = *reason.unwrap_or_else(|| panic!("seed {seed}: {failed:?}"));
                    assert!(failed.buf().is_some());
                    sleep(Duration::from_micros(20)).await;
                    reason.bytes_done()
                }
            };
        }
        left.shutdown(Shutdown::Write)?;
        let all = reader.await.expect("the reader does not panic")?;
        assert!(all == expected, "seed {seed}: {} of {} bytes", all.len(), expected.len());
        drop(left);
        Ok(())
    });
}

#[test]
fn connections_are_accepted_once_however_often_the_acceptor_changes_its_mind() {
    run_seeds(150, |seed, _| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let clients = annulus::spawn(async move {
            let mut clients = Vec::new();
            for _ in 0..6 {
                clients.push(TcpStream::connect(address).await?);
            }
            io::Result::Ok(clients)
        });
        let mut draw = Draw(seed as u32);
        let mut peers = Vec::new();
        while peers.len() < 6 {
            let accepted = match draw.below(3) {
                0 => listener.accept().timeout(draw.time()).await.map(|(_, peer)| peer),
                1 => {
                    let mut accepting = listener.accept();
                    match drop_after(draw.below(3), &mut accepting).await {
                        Some(accepted) => accepted.map(|(_, peer)| peer),
                        None => accepting.cancel().await.map(|(_, peer)| peer),
                    }
                }
                _ => match listener.incoming().try_next().await? {
                    Some((_, peer)) => Ok(peer),
                    None => panic!("it has no end"),
                },
            };
            match accepted {
                Ok(peer) => peers.push(peer),
                Err(error) => {
                    assert!(Cancelled::of(&error).is_some(), "seed {seed}: {error:?}");
                    sleep(Duration::from_micros(10)).await;
                }
            }
        }
        let clients = clients.await.expect("the clients do not panic")?;
        for client in &clients {
            let address = client.local_addr()?;
            assert_eq!(peers.iter().filter(|peer| **peer == address).count(), 1, "seed {seed}");
        }
        Ok(())
    });
}

#[test]
fn late_descriptors_of_cancelled_opens_and_connects_are_given_or_closed() {
    let total = run_seeds(200, |seed, world| async move {
        world.write_file("/tmp/file", b"hello")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut draw = Draw(seed as u32);
        for _ in 0..10 {
            let opened = File::open("/tmp/file").timeout(draw.time()).await;
            if let Err(error) = &opened {
                assert!(has_ended_early(error, ErrorKind::TimedOut), "seed {seed}: {error:?}");
            }
            let mut opening = File::open("/tmp/file");
            if drop_after(draw.below(3), &mut opening).await.is_none() && draw.below(2) == 0 {
                drop(opening.cancel().await);
            }
            let connected = TcpStream::connect_timeout(address, draw.time()).await;
            if let Err(error) = &connected {
                assert!(has_ended_early(error, ErrorKind::TimedOut), "seed {seed}: {error:?}");
            }
            let mut connecting = TcpStream::connect(address);
            if drop_after(draw.below(3), &mut connecting).await.is_none() && draw.below(2) == 0 {
                drop(connecting.cancel().await);
            }
        }
        Ok(()) // nothing is open in this world any more, as the end of the run checks
    });
    assert!(!is_whole_run() || total.count(Fault::CancelRace) > 0);
}

#[test]
fn chains_break_at_the_first_step_that_fails_and_at_no_other() {
    run_seeds(200, |seed, world| async move {
        world.write_file("/tmp/file", &[7; 400])?;
        let file = OpenOptions::new().read(true).write(true).open("/tmp/file").await?;
        let mut draw = Draw(seed as u32);
        for round in 0..8_u8 {
            let steps = (
                file.write_at(vec![round; 100], 0),
                file.sync_data(),
                file.read_at(vec![0; 100], 0),
                file.write_at(vec![round + 1; 50], 200),
            );
            let running = chain(steps);
            let (wrote, synced, read, last) = match draw.below(4) {
                0 => running.timeout(draw.time()).await,
                1 => {
                    let mut running = running;
                    match drop_after(draw.below(4), &mut running).await {
                        Some(ended) => ended,
                        None => running.cancel().await,
                    }
                }
                2 => {
                    let mut running = running;
                    drop_after(draw.below(4), &mut running).await;
                    continue;
                }
                _ => running.await,
            };
            let complete = [
                wrote.as_ref().is_ok_and(|(n, _)| *n == 100),
                synced.is_ok(),
                read.as_ref().is_ok_and(|(n, _)| *n == 100),
                last.is_ok(),
            ];
            let ran = [wrote.is_ok(), synced.is_ok(), read.is_ok(), last.is_ok()];
            for step in 1..4 {
                assert!(complete[step - 1] || !ran[step], "seed {seed}, {round}: {ran:?}");
            }
            for buf in [wrote.err(), read.err(), last.err()].into_iter().flatten() {
                assert!(Cancelled::of(buf.error()).is_some(), "seed {seed}: {buf:?}");
                assert!(buf.into_buf().is_some(), "seed {seed}: the buffer comes back");
            }
        }
        file.sync_all().await
    });
}

#[test]
fn readiness_misses_no_change_however_often_its_poll_ends() {
    let total = run_seeds(150, |seed, world| async move {
        // A change is reported once: each read below has to take all that is there.
        world.set_faults(world.faults().without(Fault::ShortRead));
        let [reader, writer] = world.pipe()?;
        // SAFETY: the pipe is new and nobody else's; the number is one of the simulation, and is
        // given to the runtime, which closes it there.
        let owned = unsafe { OwnedFd::from_raw_fd(reader) };
        let mut readiness = Readiness::new(owned, Events::READABLE)?;
        let writing = annulus::spawn(async move {
            let mut draw = Draw(seed as u32);
            for _ in 0..20 {
                sleep(draw.time()).await;
                static BYTE: [u8; 1] = [1];
                let (target, addr) = (Target::Fd(writer), BYTE.as_ptr());
                // SAFETY: the byte is static, and the pipe stays open until it is closed below.
                while unsafe { annulus::submit(Write { target, addr, len: 1, offset: u64::MAX }) }
                    .await?
                    == 0
                {}
            }
            // SAFETY: a close points to nothing.
            unsafe { annulus::submit(annulus_ring::op::Close { fd: writer }) }.await.map(drop)
        });
        let mut got = 0;
        loop {
            let events = readiness.try_next().await?.expect("it has no end");
            if events.contains(Events::READABLE) {
                let memory = Box::leak(Box::new([0_u8; 64]));
                let addr = memory.as_mut_ptr();
                let op = Read { target: Target::Fd(reader), addr, len: 64, offset: u64::MAX };
                // SAFETY: the memory is leaked, the descriptor is open as long as `readiness`.
                got += unsafe { annulus::submit(op) }.await?;
            }
            if got == 20 {
                break;
            }
        }
        writing.await.expect("the writer does not panic")?;
        Ok(())
    });
    assert!(!is_whole_run() || total.count(Fault::MultishotEnd) > 0);
}
