//! How streams end: half-close, errors that come late, peers that are gone.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::Poll;

use annulus::net::UnixStream;
use annulus_compat::{Buffered, Direct};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{pattern, run, tcp_pair};

#[test]
fn each_direction_ends_by_itself() {
    run(async {
        let (client, server) = tcp_pair().await?;
        let (mut client, mut server) = (Buffered::new(client), Buffered::new(server));
        client.write_all(b"question").await?;
        client.shutdown().await?;
        let mut question = String::new();
        server.read_to_string(&mut question).await?;
        assert_eq!(question, "question");
        // The other direction never noticed.
        server.write_all(b"answer").await?;
        server.shutdown().await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        assert_eq!(answer, "answer");
        Ok(())
    });
}

#[test]
fn a_direct_stream_ends_its_directions_one_by_one() {
    run(async {
        let (left, right) = std::os::unix::net::UnixStream::pair()?;
        let (mut left, mut right) = (Direct::new(left)?, Direct::new(right)?);
        left.shutdown().await?;
        assert_eq!(right.read(&mut [0; 8]).await?, 0);
        right.write_all(b"answer").await?;
        drop(right);
        let mut answer = String::new();
        left.read_to_string(&mut answer).await?;
        assert_eq!(answer, "answer");
        Ok(())
    });
}

#[test]
fn nothing_can_be_written_after_a_shutdown() {
    run(async {
        let (left, _right) = UnixStream::pair()?;
        let mut left = Buffered::new(left);
        left.shutdown().await?;
        assert_eq!(left.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        left.shutdown().await
    });
}

#[test]
fn an_error_of_a_write_that_was_taken_is_reported_by_the_flush() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        drop(right);
        let mut left = Buffered::new(left);
        left.write_all(b"into the void").await?; // taken: nobody knows yet
        assert_eq!(left.flush().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn an_error_of_a_write_that_was_taken_is_reported_by_the_shutdown() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        drop(right);
        let mut left = Buffered::new(left);
        left.write_all(b"into the void").await?;
        assert_eq!(left.shutdown().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn an_error_of_a_write_that_was_taken_is_reported_by_a_later_write() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        drop(right);
        let mut left = Buffered::new(left);
        // Each turn sends what the one before has taken.
        for _ in 0..1_000_000 {
            if let Err(error) = left.write_all(b"into the void").await {
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                return Ok(());
            }
            annulus::task::yield_now().await;
        }
        panic!("nobody was told");
    });
}

#[test]
fn a_reset_is_an_error_once_and_then_the_end() {
    run(async {
        let (client, server) = tcp_pair().await?;
        // Closing with bytes unread resets the connection.
        server.write_all("not read").await?;
        let ((), _) = client.read_exact(vec![0; 1]).await.map_err(io::Error::from)?;
        let mut server = Buffered::new(server);
        drop(client);
        let first = server.read(&mut [0; 8]).await;
        assert!(first.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        assert_eq!(server.read(&mut [0; 8]).await?, 0);
        Ok(())
    });
}

#[test]
fn a_buffer_without_room_reads_nothing_and_waits_for_nothing() {
    run(async {
        let (left, _right) = UnixStream::pair()?;
        let mut left = Buffered::new(left);
        assert_eq!(left.read(&mut []).await?, 0);
        assert_eq!(left.write(&[]).await?, 0);
        assert_eq!(futures_util::AsyncReadExt::read(&mut left, &mut []).await?, 0);
        Ok(())
    });
}

#[test]
fn a_peer_that_does_not_read_makes_writes_wait() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut left = Buffered::new(left);
        let piece = pattern(64 * 1024);
        let mut taken = 0;
        // Until the kernel's socket and the queue are full: that is bounded.
        loop {
            let slices = [IoSlice::new(&piece)];
            let wrote = poll_fn(|cx| Poll::Ready(left.poll_write_slices(cx, &slices))).await;
            match wrote {
                Poll::Ready(n) => taken += n?,
                Poll::Pending => break,
            }
            assert!(taken < 64 << 20, "what a peer does not read is bounded");
            annulus::task::yield_now().await;
        }
        // It reads after all, and everything is there.
        let reading = annulus::spawn(async move {
            let (mut total, mut reader) = (0, Buffered::new(right));
            let mut buf = vec![0; 64 * 1024];
            loop {
                match reader.read(&mut buf).await? {
                    0 => return io::Result::Ok(total),
                    n => total += n,
                }
            }
        });
        left.shutdown().await?;
        assert_eq!(reading.await.expect("the reader does not panic")?, taken);
        Ok(())
    });
}

#[test]
fn what_is_not_used_up_comes_back_with_the_stream() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        left.write_all("headbody").await?;
        let mut right = Buffered::new(right);
        let mut head = [0; 4];
        right.read_exact(&mut head).await?;
        assert_eq!((&head, right.buffer()), (b"head", &b"body"[..]));
        let (right, rest) = right.into_parts();
        assert_eq!(rest.as_deref(), Some(&b"body"[..]));
        right.write_all("thanks").await?;
        let ((), thanks) = left.read_exact(vec![0; 6]).await?;
        assert_eq!(thanks, b"thanks");
        Ok(())
    });
}

#[test]
fn more_can_be_had_before_anything_is_used_up() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let mut right = Buffered::new(right);
        left.write_all("abc").await?;
        assert_eq!(poll_fn(|cx| right.poll_fill(cx).map_ok(<[u8]>::to_vec)).await?, b"abc");
        left.write_all("def").await?;
        assert_eq!(poll_fn(|cx| right.poll_fill_more(cx).map_ok(<[u8]>::to_vec)).await?, b"abcdef");
        right.consume(5);
        left.shutdown(Shutdown::Write)?;
        assert_eq!(poll_fn(|cx| right.poll_fill_more(cx).map_ok(<[u8]>::to_vec)).await?, b"f");
        Ok(())
    });
}

#[test]
fn a_stream_of_another_core_is_refused_in_words() {
    let (tell, told) = std::sync::mpsc::channel();
    let home = std::thread::spawn(move || {
        run(async move {
            let (left, right) = UnixStream::pair()?;
            tell.send(Buffered::new(left)).expect("the test waits for it");
            // Ends when the other side is dropped elsewhere.
            assert!(right.recv().await?.is_none());
            Ok(())
        });
    });
    run(async move {
        let mut stranger = told.recv().expect("the other core sends it");
        let error = poll_fn(|cx| {
            let mut buf = tokio::io::ReadBuf::new(&mut []);
            let _ = tokio::io::AsyncRead::poll_read(Pin::new(&mut stranger), cx, &mut buf);
            stranger.poll_fill(cx).map_ok(<[u8]>::to_vec)
        });
        let error = error.await.unwrap_err().to_string();
        assert!(error.contains("core"), "{error}");
        Ok(())
    });
    home.join().expect("the other core has nothing left");
}
