//! What takes several requests and holds no buffer of the user: asked to end, it says how far it
//! came.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::fs::{Dir, File};
use annulus::net::TcpStream;
use annulus::op::Cancelled;
use futures_util::poll;

use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::{Scratch, descriptors, pair, run, turns};

/// More than the buffers of a connection hold.
const LARGE: usize = 16_000_000;

fn contents(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + (at >> 9)) as u8).collect()
}

/// Everything that comes until the peer has ended its direction.
async fn received(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(lease) = stream.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(all)
}

#[test]
fn a_file_that_is_cut_short_on_its_way_says_how_much_was_sent() {
    let scratch = Scratch::new();
    let all = contents(LARGE);
    let path = scratch.file("large", &all);
    // Files of procfs have no pages to send, so they are read and sent.
    for source in [path.to_str().expect("a path of letters"), "/proc/self/maps"] {
        run(async {
            let file = File::open(source).await?;
            for timed in [false, true] {
                let (client, server) = pair().await?;
                let mut sending = client.send_file(&file, 100..LARGE as u64);
                assert!(poll!(&mut sending).is_pending());
                turns(3).await;
                let ended = match timed {
                    false => sending.cancel().await,
                    true => sending.timeout(Duration::from_millis(1)).await,
                };
                let sent = match ended {
                    Ok(sent) => {
                        assert_ne!(source, path.to_str().unwrap(), "nobody reads");
                        sent as usize
                    }
                    Err(error) => {
                        let kind = [ErrorKind::Interrupted, ErrorKind::TimedOut];
                        assert_eq!(error.kind(), kind[usize::from(timed)], "{error}");
                        Cancelled::of(&error).expect("it was cancelled").bytes_done()
                    }
                };
                client.shutdown(Shutdown::Write)?;
                let got = received(&server).await?;
                assert_eq!(got.len(), sent);
                if source == path.to_str().unwrap() {
                    assert!(sent > 0 && got == all[100..100 + sent]);
                }
            }
            drop(file);
            at_rest().await
        });
    }
}

#[test]
fn a_file_behind_other_bytes_can_be_taken_back_whole() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &contents(100));
    run(async {
        let (client, server) = pair().await?;
        let file = File::open(&path).await?;
        let before = client.write_all(vec![1; LARGE]);
        let mut before = std::pin::pin!(before);
        assert!(poll!(&mut before).is_pending());
        let mut sending = client.send_file(&file, 0..100);
        assert!(poll!(&mut sending).is_pending());
        let mut flushing = client.flush();
        assert!(poll!(&mut flushing).is_pending());
        for error in [sending.cancel().await.map(drop), flushing.cancel().await] {
            let error = error.expect_err("there are others before it");
            assert_eq!(Cancelled::of(&error).map(Cancelled::bytes_done), Some(0));
        }
        let reader = annulus::spawn(async move { received(&server).await });
        before.await?;
        // Both work as before.
        client.flush().timeout(Duration::from_secs(60)).await?;
        assert_eq!(client.send_file(&file, 50..100).await?, 50);
        client.shutdown(Shutdown::Write)?;
        let got = reader.await.expect("the reader does not panic")?;
        assert_eq!(got.len(), LARGE + 50);
        assert_eq!(got[LARGE..], contents(100)[50..]);
        Ok(())
    });
}

#[test]
fn what_was_not_polled_sends_and_opens_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &contents(100));
    run(async {
        let (client, server) = pair().await?;
        let file = File::open(&path).await?;
        let sending = client.send_file(&file, 0..100);
        let error = sending.cancel().await.expect_err("it was not polled");
        assert_eq!(Cancelled::of(&error).map(Cancelled::bytes_done), Some(0));
        let error = Dir::open(scratch.path()).cancel().await.expect_err("it was not polled");
        assert!(Cancelled::of(&error).is_some());
        client.flush().cancel().await.expect_err("it was not polled");
        client.shutdown(Shutdown::Write)?;
        assert!(received(&server).await?.is_empty());
        Ok(())
    });
}

#[test]
fn a_late_directory_is_given_or_closed() {
    let scratch = Scratch::new();
    scratch.file("file", b"inside");
    run(async {
        let mut opened = 0;
        for round in 0..300 {
            let mut opening = Dir::open(scratch.path());
            assert!(poll!(&mut opening).is_pending());
            if round % 2 == 0 {
                yield_to_kernel().await?;
            }
            match opening.cancel().await {
                Ok(dir) => {
                    opened += 1;
                    assert_eq!(dir.open_file("file").await?.len()?, 6);
                }
                Err(error) => assert!(Cancelled::of(&error).is_some(), "{error:?}"),
            }
        }
        assert!(opened > 0, "a late success is not lost");
        let none = || annulus::runtime::metrics().expect("a runtime runs").descriptors == 0;
        until("all are closed", none).await?;
        at_rest().await
    });
}

#[test]
fn a_close_that_nobody_awaits_any_more_goes_on() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        for polled in [false, true] {
            let file = File::open(&path).await?;
            let mut closing = Box::pin(file.close());
            if polled {
                assert!(poll!(&mut closing).is_pending());
            }
            drop(closing);
            let is_open = |link: &String| *link == path.to_string_lossy();
            until("it is closed", || !descriptors().iter().any(is_open)).await?;
        }
        Ok(())
    });
}
