//! Several buffers in one request, on sockets and files.

use std::io::{self, ErrorKind};

use annulus::fs::{File, OpenOptions};
use annulus::net::UnixStream;

use crate::harness::{Scratch, pair, run, turns};

#[test]
fn buffers_of_different_types_arrive_as_one_stream() {
    run(async {
        let (client, server) = pair().await?;
        let bufs = ("head ", vec![b'b'; 3], String::new(), Box::<[u8]>::from(*b" tail"));
        let ((), bufs) = client.write_all_vectored(bufs).await?;
        assert_eq!(bufs.1, b"bbb", "the buffers come back");
        let ((), got) = server.read_exact(vec![0; 13]).await?;
        assert_eq!(got, b"head bbb tail");
        client.write_all_vectored(("", Vec::new())).await?;
        Ok(())
    });
}

#[test]
fn a_gathered_send_larger_than_the_socket_arrives_whole_and_in_its_turn() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let parts: Vec<Vec<u8>> =
            (0..40u8).map(|byte| vec![byte; 50_000 + byte as usize]).collect();
        let expected: Vec<u8> = parts.concat();
        let reader = annulus::spawn(async move {
            let mut all = Vec::new();
            while let Some(lease) = right.recv().await? {
                all.extend_from_slice(&lease);
            }
            io::Result::Ok(all)
        });
        left.send_nowait(b"before")?;
        {
            // A future that is dropped does not take its bytes back.
            let mut send = Box::pin(left.write_all_vectored(parts));
            assert!(futures_util::poll!(&mut send).is_pending());
            turns(2).await;
        }
        left.write_all("after").await?;
        drop(left);
        let all = reader.await??;
        assert!(
            all == [&b"before"[..], &expected, b"after"].concat(),
            "bytes are missing or mixed"
        );
        Ok(())
    });
}

#[test]
fn a_gathered_send_to_nobody_gives_its_buffers_back() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        drop(right);
        turns(2).await;
        let error = left.write_all_vectored(["a", "b"]).await.expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(error.into_buf(), Some(["a", "b"]));
        Ok(())
    });
}

#[test]
fn files_are_written_and_read_in_pieces() {
    let scratch = Scratch::new();
    let path = scratch.path().join("pieces");
    run(async move {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).open(&path).await?;
        let (n, _) = file.write_vectored_at(("0123", vec![b'4'; 2], "678"), 0).await?;
        assert_eq!(n, 9);
        let bufs = [Vec::with_capacity(4), Vec::with_capacity(3), Vec::with_capacity(8)];
        let (n, [a, b, c]) = file.read_vectored_at(bufs, 1).await?;
        assert_eq!((n, &a[..], &b[..], &c[..]), (8, &b"1234"[..], &b"467"[..], &b"8"[..]));
        let (n, [end]) = file.read_vectored_at([Vec::with_capacity(4)], 9).await?;
        assert_eq!((n, end.len()), (0, 0));
        Ok(())
    });
}

#[test]
fn pieces_without_room_or_too_many_are_refused_and_given_back() {
    run(async {
        let file = File::open("/dev/zero").await?;
        let error = file.read_vectored_at([Vec::new(), Vec::new()], 0).await.expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.into_buf().is_some());
        let many = vec![vec![1u8]; 1025];
        let error = file.write_vectored_at(many, 0).await.expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("1024"), "{error}");
        let error = file.write_vectored_at(["x"], u64::MAX).await.expect_err("no such offset");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn futures_of_pieces_may_cross_threads() {
    fn send<T: Send>(_: T) {}
    fn all(stream: &UnixStream, file: &File) {
        send(stream.write_all_vectored(("a", vec![1])));
        send(file.write_vectored_at(("a", vec![1]), 0));
        send(file.read_vectored_at([vec![1]], 0));
    }
    let _ = all;
}
