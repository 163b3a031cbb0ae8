//! The runtime on the simulated kernel: hundreds of seeds, all faults, drops at random points, and
//! nothing left at the end. How to run one seed alone, or more of them: `harness::ground`.

mod datagrams;

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus_sim::{Fault, Faults, Profile, Report, World};

use crate::harness::ground::{is_whole_run, run_in, seeds};

/// Runs a body on many seeds, all faults and swarms of them, and on every profile.
pub fn run_seeds<F, B>(count: u64, body: B) -> Report
where
    F: Future<Output = io::Result<()>>,
    B: Fn(u64, World) -> F,
{
    let mut total = Report::default();
    let profiles = [Profile::LINUX_6_1, Profile::LINUX_6_12, Profile::LINUX_6_18];
    for seed in seeds(count) {
        let faults = if seed % 2 == 0 { Faults::all() } else { Faults::swarm(seed) };
        let world = World::new(seed).with_faults(faults);
        let profile = profiles[(seed % 3) as usize];
        total.add(&run_in(&world, profile, body(seed, world.clone())));
    }
    total
}

pub fn pattern(len: usize, salt: u64) -> Vec<u8> {
    (0..len).map(|i| (i as u64 * 31 + salt) as u8).collect()
}

/// Echoes until the peer ends its side.
async fn echo(stream: UnixStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    stream.shutdown(Shutdown::Write)
}

#[test]
fn an_echo_over_a_socket_pair_loses_nothing_under_any_fault() {
    let total = run_seeds(200, |seed, _| async move {
        let (client, server) = UnixStream::pair()?;
        let server = annulus::spawn(echo(server));
        for round in 0..6 {
            let sent = pattern(1 + (seed as usize * 37 + round * 211) % 1500, seed + round as u64);
            let ((), sent) = client.write_all(sent).await?;
            let ((), got) = client.read_exact(vec![0; sent.len()]).await?;
            assert!(got == sent, "seed {seed}, round {round}");
        }
        client.shutdown(Shutdown::Write)?;
        assert!(client.recv().await?.is_none());
        server.await.expect("the echo does not panic")
    });
    if is_whole_run() {
        // A runtime that sends with MSG_WAITALL meets short writes in files alone.
        for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::ShortWrite) {
            assert!(total.count(fault) > 0, "{fault:?} never happened");
        }
        assert!(total.overflowed > 0);
    }
}

#[test]
fn a_tcp_server_serves_every_client_under_any_fault() {
    run_seeds(100, |seed, _| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = annulus::spawn(async move {
            for _ in 0..5 {
                let (stream, _) = listener.accept().await?;
                annulus::spawn(async move {
                    while let Ok(Some(lease)) = stream.recv().await {
                        if stream.write_all(lease).await.is_err() {
                            break;
                        }
                    }
                });
            }
            io::Result::Ok(())
        });
        for round in 0..5 {
            let client = TcpStream::connect(address).await?;
            let ((), sent) = client.write_all(pattern(700, seed + round)).await?;
            let ((), got) = client.read_exact(vec![0; 700]).await?;
            assert!(got == sent);
        }
        server.await.expect("the server does not panic")
    });
}

/// Polls a future at most `polls` times, then drops it.
pub async fn drop_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await
}

#[test]
fn futures_dropped_at_any_point_leave_nothing_and_lose_no_bytes() {
    run_seeds(200, |seed, _| async move {
        let (left, right) = UnixStream::pair()?;
        let sent = pattern(3000, seed);
        let (copy, expected) = (sent.clone(), sent);
        let writer = annulus::spawn(async move {
            for chunk in copy.chunks(100) {
                left.write_all(chunk.to_vec()).await?;
            }
            left.shutdown(Shutdown::Write)?;
            io::Result::Ok(left)
        });
        let mut got = Vec::new();
        let mut turn = seed as u32;
        loop {
            turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let polls = turn >> 29;
            if turn & 1 == 0 {
                match drop_after(polls, right.recv()).await {
                    None => {
                        // Virtual time stands still for whoever never enters the kernel.
                        annulus::time::sleep(Duration::from_micros(u64::from(polls) * 20)).await;
                    }
                    Some(lease) => match lease? {
                        Some(lease) => got.extend_from_slice(&lease),
                        None => break,
                    },
                }
            } else if let Some(read) = drop_after(polls, right.read(vec![0; 64])).await {
                let (n, bytes) = read?;
                got.extend_from_slice(&bytes[..n]);
                if n == 0 {
                    break;
                }
            }
        }
        assert!(got == expected, "seed {seed}: {} of {} bytes", got.len(), expected.len());
        drop(writer.await.expect("the writer does not panic")?);
        Ok(())
    });
}

#[test]
fn tasks_aborted_in_the_middle_of_anything_leave_nothing() {
    run_seeds(100, |seed, _| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut tasks = Vec::new();
        for index in 0..8_u64 {
            tasks.push(annulus::spawn(async move {
                loop {
                    let Ok(stream) = TcpStream::connect(address).await else { break };
                    let sent = stream.write_all(pattern(200, index)).await;
                    if sent.is_err() || stream.recv().await.is_err() {
                        break;
                    }
                }
            }));
        }
        for _ in 0..4 {
            if let Some(accepted) = drop_after((seed % 5) as u32, listener.accept()).await {
                drop(accepted?);
            }
            annulus::time::sleep(Duration::from_micros(seed * 3)).await;
        }
        for task in tasks {
            task.abort();
        }
        Ok(())
    });
}

#[test]
fn files_read_and_write_whole_however_short_each_operation_is() {
    let total = run_seeds(100, |seed, world| async move {
        let contents = pattern(5000, seed);
        world.write_file("/tmp/in", &contents)?;
        let file = File::open("/tmp/in").await?;
        assert_eq!(file.len()?, 5000);
        let mut got = Vec::new();
        loop {
            let (n, bytes) = file.read_at(vec![0; 1000], got.len() as u64).await?;
            if n == 0 {
                break;
            }
            got.extend_from_slice(&bytes[..n]);
        }
        assert!(got == contents);
        let out = File::create("/tmp/out").await?;
        let mut at = 0;
        while at < got.len() {
            let (n, _) = out.write_at(got[at..].to_vec(), at as u64).await?;
            at += n;
        }
        out.sync_all().await?;
        out.close().await?;
        assert!(world.read_file("/tmp/out")? == contents);
        let missing = File::open("/tmp/missing").await.expect_err("there is no such file");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        Ok(())
    });
    if is_whole_run() {
        assert!(total.count(Fault::ShortWrite) > 0 && total.count(Fault::ShortRead) > 0);
    }
}

#[test]
fn an_hour_of_sleep_takes_no_time() {
    let world = World::new(3);
    let started = world.now_ns();
    run_in(&world, Profile::LINUX_6_18, async {
        let slept = annulus::time::timeout(
            Duration::from_secs(3600),
            annulus::time::sleep(Duration::from_secs(7200)),
        );
        assert!(slept.await.is_err());
        Ok(())
    });
    assert!(world.now_ns() >= started + 3_600_000_000_000);
}

#[test]
fn the_same_seed_gives_the_same_run_of_the_runtime() {
    let trace = |seed| {
        let world = World::new(seed);
        run_in(&world, Profile::LINUX_6_18, async {
            let (client, server) = UnixStream::pair()?;
            let server = annulus::spawn(echo(server));
            client.write_all(pattern(500, 1)).await?;
            client.read_exact(vec![0; 500]).await?;
            drop(client);
            let _ = server.await;
            Ok(())
        });
        world.trace_hash()
    };
    assert_eq!(trace(11), trace(11));
    assert_ne!(trace(11), trace(12));
}
