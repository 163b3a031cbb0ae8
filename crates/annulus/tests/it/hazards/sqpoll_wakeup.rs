//! The submission thread falls asleep while an entry is published, and nobody wakes it.
//!
//! *Evidence*: liburing#541, libevpl#165.
//!
//! *Answer*: the tail is published, then a full fence, then the flags are read; a sleeping thread
//! is woken by an enter. A core does not sleep over entries that found no room.
//!
//! *Also proven*: `annulus-ring` (`sqpoll`, and the loom model of the queue).

use std::future::Future;
use std::io::{self, Write as _};
use std::sync::mpsc;
use std::time::Duration;

use annulus::Error;
use annulus::net::UnixStream;
use annulus::runtime::{Builder, Runtime};
use annulus::time::{sleep, timeout};
use annulus_ring::Cause;
use annulus_ring::abi::Errno;

use crate::harness::{assert_nothing_left, check, made, share_process, skip};

/// Longer than anything here takes, so that only a hang meets it.
const FOREVER: Duration = Duration::from_secs(30);

/// A runtime whose submission thread sleeps after a millisecond; `None` where this process may not
/// have one. Any other refusal is a failure.
fn sleepy(entries: u32) -> Option<Builder> {
    let builder = || Runtime::builder().entries(entries).sqpoll(Duration::from_millis(1));
    match builder().build() {
        Ok(runtime) => assert_nothing_left(&runtime.shutdown()),
        Err(Error::Ring(refusal)) if is_forbidden(refusal.cause()) => {
            skip(&format!("no submission thread here: {refusal}"));
            return None;
        }
        Err(error) => panic!("a submission thread is refused, and not for want of leave: {error}"),
    }
    Some(builder())
}

fn is_forbidden(cause: Cause) -> bool {
    matches!(cause, Cause::Seccomp | Cause::Lsm | Cause::Other(Errno(libc::EPERM | libc::EACCES)))
}

/// Fails where a lost wake would hang: the core itself wakes up for its timers.
async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(FOREVER, work).await.expect("a request was never submitted")
}

#[test]
fn a_request_that_found_no_room_is_not_slept_over() {
    let _shared = share_process();
    let Some(builder) = sleepy(4) else { return };
    let runtime = made(builder);
    let pairs: Vec<_> = (0..64).map(|_| std::os::unix::net::UnixStream::pair().unwrap()).collect();
    let (mut peers, ours): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // The last one only: nothing else ends the core's sleep.
        peers.last_mut().unwrap().write_all(b"x").unwrap();
        let told = is_done.recv_timeout(FOREVER);
        for peer in &mut peers {
            let _ = peer.write_all(b"x");
        }
        told.is_ok()
    });
    runtime.block_on(async {
        let mut streams: Vec<_> =
            ours.into_iter().map(|stream| UnixStream::from_std(stream).unwrap()).collect();
        let last = streams.pop().unwrap();
        for stream in streams {
            annulus::spawn(async move { stream.recv().await.map(drop) });
        }
        annulus::spawn(async move { last.recv().await.map(drop) }).await.unwrap().unwrap();
    });
    done.send(()).unwrap();
    assert!(thread.join().unwrap(), "the last request was never submitted");
    runtime.shutdown();
}

#[test]
fn a_thread_that_has_fallen_asleep_is_woken_for_the_next_request() {
    let _shared = share_process();
    let Some(builder) = sleepy(8) else { return };
    let body = async {
        let (left, right) = UnixStream::pair()?;
        for pause in 0..40_u64 {
            left.write_all(vec![pause as u8; 10]).await?;
            assert_eq!(right.read_exact(vec![0; 10]).await?.1, [pause as u8; 10]);
            // Around the moment at which the thread goes to sleep, before and after.
            sleep(Duration::from_micros(900 + pause * 10)).await;
        }
        Ok(())
    };
    check(builder, within(body));
}

#[test]
fn a_crowd_of_requests_gets_through_a_small_queue_of_a_sleepy_thread() {
    let _shared = share_process();
    let Some(builder) = sleepy(2) else { return };
    let body = async {
        let mut tasks = Vec::new();
        for n in 0..30_u8 {
            let (left, right) = UnixStream::pair()?;
            tasks.push(annulus::spawn(async move {
                for round in 0..20_u8 {
                    left.write_all(vec![n ^ round; 20]).await?;
                    assert_eq!(right.read_exact(vec![0; 20]).await?.1, [n ^ round; 20]);
                    if round % 7 == 0 {
                        sleep(Duration::from_millis(2)).await;
                    }
                }
                io::Result::Ok(())
            }));
        }
        for task in tasks {
            task.await.expect("no panic")?;
        }
        Ok(())
    };
    check(builder, within(body));
}
