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
fn a_head_that_is_cut_short_counts_and_comes_back() {
    let scratch = Scratch::new();
    let all = contents(LARGE);
    let path = scratch.file("large", &all);
    // A head that no socket has room for, and one that is with the file's first bytes.
    for head in [LARGE, 10] {
        run(async {
            let file = File::open(&path).await?;
            let (client, server) = pair().await?;
            let whole = [vec![9; head], all[5..].to_vec()].concat();
            let mut sending = client.send_file_after(vec![9; head], &file, 5..LARGE as u64);
            assert!(poll!(&mut sending).is_pending());
            turns(3).await;
            let error = sending.cancel().await.expect_err("nobody reads");
            let sent = Cancelled::of(error.error()).expect("it was cancelled").bytes_done();
            assert!(sent > 10 && error.into_buf() == Some(vec![9; head]));
            // The rest goes by another call, as if it had not been cut.
            let reader = annulus::spawn(async move { received(&server).await });
            let (left, from) = (head.saturating_sub(sent), sent.saturating_sub(head) as u64);
            let rest = client.send_file_after(vec![9; left], &file, 5 + from..LARGE as u64).await?;
            assert_eq!(rest.0, (whole.len() - sent) as u64);
            client.shutdown(Shutdown::Write)?;
            let got = reader.await.expect("the reader does not panic")?;
            assert!(got == whole, "{} bytes of {}", got.len(), whole.len());
            Ok(())
        });
    }
}

#[test]
fn a_head_goes_before_any_range_of_a_file() {
    let scratch = Scratch::new();
    let all = contents(3_000_000);
    let path = scratch.file("file", &all);
    run(async {
        let file = File::open(&path).await?;
        let procfs = File::open("/proc/self/comm").await?;
        let (client, server) = pair().await?;
        let reader = annulus::spawn(async move { received(&server).await });
        let mut expected = Vec::new();
        let len = all.len() as u64;
        // Whole, a part, none, past the end; without a head, and after bytes that wait.
        for (head, range) in [
            ("whole", 0..len),
            ("part", 4095..4097),
            ("none", 7..7),
            ("past", len - 3..len + 1000),
            ("beyond", len..len + 5),
            ("", 5..70_000),
            ("", 5..5),
        ] {
            client.send_nowait(b"before")?;
            let (sent, back) = client.send_file_after(head, &file, range.clone()).await?;
            let part = &all[range.start.min(len) as usize..range.end.min(len) as usize];
            assert_eq!((sent, back), ((head.len() + part.len()) as u64, head), "{range:?}");
            expected.extend_from_slice(b"before");
            expected.extend_from_slice(head.as_bytes());
            expected.extend_from_slice(part);
        }
        let name = std::fs::read("/proc/self/comm")?;
        client.send_file_after("comm", &procfs, 0..name.len() as u64).await?;
        expected.extend_from_slice(b"comm");
        expected.extend_from_slice(&name);
        client.shutdown(Shutdown::Write)?;
        let got = reader.await.expect("the reader does not panic")?;
        assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
        Ok(())
    });
}

#[test]
fn a_head_for_a_peer_that_is_gone_is_an_error() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &contents(100));
    run(async {
        let (client, server) = pair().await?;
        let file = File::open(&path).await?;
        client.shutdown(Shutdown::Write)?;
        let error = client.send_file_after("head", &file, 0..100).await.expect_err("it was ended");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(error.into_buf(), Some("head"));
        assert!(received(&server).await?.is_empty());
        Ok(())
    });
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

/// Neither more data nor the end of a wait pushes it: it was sent when the future was ready.
#[test]
fn a_head_whose_file_is_shorter_is_not_held_back() {
    let scratch = Scratch::new();
    let path = scratch.file("short", b"tail");
    run(async {
        let file = File::open(&path).await?;
        // Behind the end of a file that has pages, and of one that has none.
        for (file, from) in [(&file, 0), (&file, 4), (&File::open("/proc/self/comm").await?, 100)] {
            let (client, server) = pair().await?;
            let (sent, _) = client.send_file_after("head", file, from..from + 1000).await?;
            assert_eq!(client.info()?.bytes_unsent, 0, "from {from}");
            server.read_exact(vec![0; sent as usize]).await?;
        }
        Ok(())
    });
}

#[test]
fn a_head_is_not_held_back_when_the_transfer_ends_before_its_file() {
    run(async {
        // These have no pages, so they are read by the ring; the second cannot be.
        let (file, bad) =
            (File::open("/proc/self/comm").await?, File::open("/proc/self/mem").await?);
        for way in ["dropped", "cancelled", "failed"] {
            let (client, server) = pair().await?;
            let from = if way == "failed" { &bad } else { &file };
            let mut sending = client.send_file_after("head", from, 0..1000);
            assert!(poll!(&mut sending).is_pending());
            assert_eq!(client.info()?.bytes_unsent, 4, "it waits for the file");
            match way {
                "dropped" => drop(sending),
                "cancelled" => drop(sending.cancel().await.expect_err("it was cancelled")),
                _ => drop(sending.await.expect_err("nothing is mapped there")),
            }
            assert_eq!(client.info()?.bytes_unsent, 0, "{way}");
            assert_eq!(server.read_exact(vec![0; 4]).await?.1, b"head");
        }
        Ok(())
    });
}

#[test]
fn a_cork_of_the_user_holds_a_head_back() {
    let scratch = Scratch::new();
    let path = scratch.file("empty", b"");
    run(async {
        let file = File::open(&path).await?;
        let (client, server) = pair().await?;
        client.set_cork(true)?;
        assert_eq!(client.send_file_after("head", &file, 0..10).await?.0, 4);
        assert!(client.cork()?);
        client.set_cork(false)?;
        assert_eq!(client.info()?.bytes_unsent, 0);
        assert_eq!(server.read_exact(vec![0; 4]).await?.1, b"head");
        Ok(())
    });
}
