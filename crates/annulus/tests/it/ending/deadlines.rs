//! Operations with a time limit, in every order of operation, timer and cancel.

use std::io::{self, ErrorKind};
use std::time::Duration;

use annulus::OpExt as _;
use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::op::Cancelled;
use annulus::time::{Instant, sleep};
use futures_util::poll;

use crate::cancel::{at_rest, yield_to_kernel};
use crate::harness::{pair, run};
use crate::hostile::is_quiet;

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(10_000);

#[test]
fn an_operation_that_ends_first_takes_its_timer_along() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("hello").timeout(NEVER).await?;
        let (n, buf) = server.read(vec![0; 50]).timeout(NEVER).await?;
        assert_eq!(&buf[..n], b"hello");
        let file = File::open("/etc/passwd").timeout(NEVER).await?;
        assert!(file.read_at(vec![0; 10], 0).timeout(NEVER).await?.0 > 0);
        drop((client, server, file));
        at_rest().await // no timer is left
    });
}

#[test]
fn a_timer_that_fires_first_gives_the_buffer_back() {
    run(async {
        let (client, server) = pair().await?;
        let silent = server.read(vec![5; 50]).timeout(SOON).await;
        let (error, buf) = silent.expect_err("nobody writes").into_parts();
        assert_eq!((error.kind(), buf), (ErrorKind::TimedOut, Some(vec![5; 50])));
        assert!(Cancelled::of(&error).is_some());
        let silent = server.recv().timeout(SOON).await.expect_err("nobody writes");
        assert_eq!(silent.kind(), ErrorKind::TimedOut);
        let silent = server.read_exact(vec![5; 50]).timeout(SOON).await;
        assert_eq!(silent.expect_err("nobody writes").kind(), ErrorKind::TimedOut);
        // Nothing of the stream was lost.
        client.write_all("late").await?;
        assert_eq!(&*server.recv().await?.expect("no end yet"), b"late");
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let nobody = listener.accept().timeout(SOON).await.expect_err("nobody connects");
        assert_eq!(nobody.kind(), ErrorKind::TimedOut);
        Ok(())
    });
}

#[test]
fn a_deadline_that_has_passed_still_gives_what_is_there() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("there").await?;
        let mut waiting = server.recv();
        assert!(poll!(&mut waiting).is_pending());
        crate::harness::turns(3).await;
        let past = Instant::now();
        let lease = waiting.deadline(past).await?.expect("no end yet");
        assert_eq!(&*lease, b"there");
        Ok(())
    });
}

#[test]
fn data_that_meets_the_deadline_is_given_or_stays_but_is_never_lost() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let (mut given, mut stayed) = (0, 0);
        for round in 0..300_u64 {
            let writer = async {
                sleep(Duration::from_micros(round % 200)).await;
                client.write_all(vec![round as u8; 8]).await.map(drop)
            };
            let limit = Duration::from_micros(round * 7 % 250);
            let (wrote, read) = futures_util::join!(writer, server.read(vec![0; 8]).timeout(limit));
            wrote?;
            let bytes = match read {
                Ok((n, mut buf)) => {
                    given += 1;
                    buf.truncate(n);
                    buf
                }
                Err(failed) => {
                    assert_eq!(failed.kind(), ErrorKind::TimedOut);
                    assert_eq!(failed.buf().map(Vec::len), Some(8));
                    stayed += 1;
                    server.recv().await?.expect("no end yet").to_vec()
                }
            };
            assert_eq!(bytes, [round as u8; 8], "round {round}");
        }
        assert!(given > 0 && stayed > 0, "both happen: {given} and {stayed}");
        Ok(())
    });
}

#[test]
fn a_connect_with_a_time_limit_ends_when_nobody_answers() {
    run(async {
        let (listener, _filling) = super::full_listener()?;
        let address = listener.local_addr()?;
        let started = Instant::now();
        match TcpStream::connect_timeout(address, SOON).await {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                assert!(started.elapsed() >= SOON);
            }
            Ok(_) => crate::harness::skip("this kernel takes more than the backlog says"),
        }
        drop(listener);
        at_rest().await
    });
}

#[test]
fn what_a_worker_thread_has_begun_is_waited_for_and_timed_out() {
    run(async {
        let pipes = super::empty_pipes();
        let error = loop {
            let ended = super::blocks_a_worker(&pipes).timeout(SOON).await;
            let error = ended.expect_err("it is empty");
            // No worker was there for it.
            if is_quiet() || error.raw_os_error() != Some(libc::ECANCELED) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        at_rest().await
    });
}

#[test]
fn a_write_that_times_out_says_how_far_it_came() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let failed = client.write_all(vec![1; super::LARGE]).timeout(SOON).await;
        let failed = failed.map(drop).expect_err("nobody reads");
        assert_eq!(failed.kind(), ErrorKind::TimedOut);
        let done = Cancelled::of(failed.error()).expect("it was cancelled").bytes_done();
        client.shutdown(std::net::Shutdown::Write)?;
        let mut got = 0;
        while let Some(lease) = server.recv().await? {
            got += lease.len();
        }
        assert_eq!(got, done);
        Ok(())
    });
}

#[test]
fn an_operation_is_bounded_and_cancelled_by_reference() {
    run(async {
        let (client, server) = pair().await?;
        let mut reading = server.read(vec![0; 8]);
        let silent = (&mut reading).timeout(SOON).await;
        assert_eq!(silent.expect_err("nobody writes").kind(), ErrorKind::TimedOut);
        let mut pinned = std::pin::pin!(server.read(vec![0; 8]));
        assert!(poll!(&mut pinned).is_pending());
        yield_to_kernel().await?;
        let bounded = pinned.as_mut().timeout(NEVER).cancel();
        assert_eq!(bounded.await.expect_err("nobody writes").kind(), ErrorKind::Interrupted);
        client.write_all("late").await?;
        assert_eq!(server.read(vec![0; 8]).await?.0, 4);
        Ok(())
    });
}

#[test]
fn a_deadline_can_be_moved() {
    run(async {
        let (_client, server) = pair().await?;
        let mut reading = server.read(vec![0; 8]).timeout(NEVER);
        assert!(poll!(&mut reading).is_pending());
        reading.reset(Instant::now() + SOON);
        let ended: io::Error = reading.await.expect_err("nobody writes").into();
        assert_eq!(ended.kind(), ErrorKind::TimedOut);
        Ok(())
    });
}
