//! Peers that behave badly, or merely slowly, and programs of others.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::process::Command;

use annulus::io::AsyncBufRead as _;
use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::Runtime;
use annulus::task::spawn_blocking;

use crate::cancel::yield_to_kernel;
use crate::harness::{check, own_process, pair, run, run_on, share_process, skip};

/// A connection to a peer of `std`.
async fn with_std() -> io::Result<(TcpStream, std::net::TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let theirs = std::net::TcpStream::connect(listener.local_addr()?)?;
    Ok((listener.accept().await?.0, theirs))
}

/// Bytes that tell where they are.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn both_directions_flow_although_the_peer_reads_slowly() {
    run(async {
        let (ours, theirs) = with_std().await?;
        let whole = pattern(3_000_000);
        let expected = whole.clone();
        let peer = spawn_blocking(move || {
            let (mut from, mut to) = (theirs.try_clone()?, theirs);
            let sending = std::thread::spawn(move || {
                to.write_all(&pattern(3_000_000))?;
                to.shutdown(Shutdown::Write)
            });
            // A little at a time, and others get the CPU between.
            let (mut got, mut buf) = (Vec::new(), [0; 1777]);
            loop {
                match from.read(&mut buf) {
                    Ok(0) => break,
                    Ok(n) => got.extend_from_slice(&buf[..n]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
                std::thread::yield_now();
            }
            sending.join().expect("it does not panic")?;
            io::Result::Ok(got)
        });
        let (reader, writer) = ours.into_split();
        let sending = annulus::spawn(async move { writer.write_all(whole).await.map(drop) });
        let mut got = Vec::new();
        while let Some(lease) = reader.recv().await? {
            got.extend_from_slice(&lease);
        }
        sending.await.expect("it does not panic")?;
        assert!(got == expected, "{} bytes came", got.len());
        assert!(peer.await.expect("it does not panic")? == expected);
        Ok(())
    });
}

#[test]
fn bytes_that_come_one_by_one_are_lines_in_the_end() {
    run(async {
        let (ours, mut theirs) = with_std().await?;
        theirs.set_nodelay(true)?;
        let peer = spawn_blocking(move || {
            for byte in b"one\ntwo\r\nthree\nexactfour\n" {
                theirs.write_all(&[*byte])?;
            }
            io::Result::Ok(theirs)
        });
        let mut line = Vec::new();
        let mut reader = ours.reader();
        assert_eq!(reader.read_until(b'\n', &mut line).await?, 4);
        assert_eq!(line, b"one\n");
        let mut text = String::new();
        reader.read_line(&mut text).await?;
        assert_eq!(text, "two\r\n");
        drop(reader);
        let ((), five) = ours.read_exact(vec![0; 5]).await?;
        assert_eq!(five, b"three");
        let (n, peeked) = ours.peek(vec![0; 1]).await?;
        assert_eq!((n, &peeked[..]), (1, &b"\n"[..]));
        let ((), exact) = ours.read_exact(vec![0; 6]).await?;
        assert_eq!(exact, b"\nexact");
        drop(peer.await.expect("it does not panic")?);
        let (_, rest) = annulus::io::AsyncRead::read_to_end(&mut &ours, Vec::new()).await?;
        assert_eq!(rest, b"four\n");
        Ok(())
    });
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_amount_of_memory() {
    const HIGH: usize = 100_000;
    run_on(Runtime::builder().send_high_bytes(HIGH), async {
        let (ours, theirs) = with_std().await?;
        ours.set_send_buffer_size(50_000)?;
        let (mut taken, mut refused) = (0_usize, 0);
        while refused < 500 {
            match ours.send_nowait(&[1; 10_000]) {
                Ok(()) => (taken, refused) = (taken + 10_000, 0),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    refused += 1;
                }
            }
            yield_to_kernel().await?;
        }
        // The kernel's two buffers have their own bounds; what is ours is known.
        let in_kernel = taken.saturating_sub(HIGH + 10_000);
        assert!(in_kernel < 16 << 20, "{taken} bytes were taken");
        let mut flushing = Box::pin(ours.flush());
        assert!(futures_util::poll!(&mut flushing).is_pending());
        drop(flushing);
        drop(theirs);
        // Its end is an error, not a hang.
        let error = ours.flush().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        Ok(())
    });
}

#[test]
fn a_peer_that_is_never_read_from_costs_a_bounded_share_of_the_pool() {
    run(async {
        let (ours, mut theirs) = with_std().await?;
        theirs.set_nonblocking(true)?;
        // Arms the receive, and leaves.
        let mut reading = Box::pin(ours.recv());
        assert!(futures_util::poll!(&mut reading).is_pending());
        drop(reading);
        let mut refused = 0;
        while refused < 500 {
            match theirs.write(&[1; 10_000]) {
                Ok(_) => refused = 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => refused += 1,
                Err(error) => return Err(error),
            }
            yield_to_kernel().await?;
        }
        let unread = annulus::runtime::metrics()?.leases_out;
        assert!(unread <= 256, "{unread} leases wait");
        Ok(())
    });
}

#[test]
fn a_reset_is_an_error_once_and_then_the_end() {
    run(async {
        let (client, server) = pair().await?;
        server.set_zero_linger()?;
        drop(server);
        let (error, buf) = client.peek(vec![7; 4]).await.unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(buf, Some(vec![7; 4]), "the buffer comes back as it went");
        let error = client.recv().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "peeking did not take it");
        assert!(client.recv().await?.is_none());
        assert_eq!(client.peek(vec![0; 4]).await?.0, 0);
        let (n, _) = client.read_vectored((vec![0; 4], vec![0; 4])).await?;
        assert_eq!(n, 0);
        let error = client.write_all("too late").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
        Ok(())
    });
}

#[test]
fn writing_to_who_is_gone_is_an_error_and_no_signal() {
    let _own = own_process();
    // Rust ignores the signal; a program that loads this crate as a library may not.
    // SAFETY: nobody else runs, and a default disposition is always valid.
    let before = unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    check(Runtime::builder(), async {
        let (left, right) = annulus::net::UnixStream::pair()?;
        drop(right);
        let broken = |kind| assert_eq!(kind, ErrorKind::BrokenPipe);
        // The close comes with a turn.
        while left.write("x").await.is_ok() {
            yield_to_kernel().await?;
        }
        broken(left.write("x").await.unwrap_err().kind());
        broken(left.write_all("x").await.unwrap_err().kind());
        broken(left.write_vectored(("x", "y")).await.unwrap_err().kind());
        broken(left.write_all_vectored(("x", "y")).await.unwrap_err().kind());
        left.send_nowait(b"x")?;
        broken(left.flush().await.unwrap_err().kind());
        Ok(())
    });
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGPIPE, before) };
}

#[test]
fn peeking_shows_what_is_there_and_takes_nothing() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("hello").await?;
        for room in [1, 3, 5] {
            let (n, seen) = server.peek(Vec::with_capacity(room)).await?;
            assert_eq!((n, &seen[..]), (room.min(5), &b"hello"[..room.min(5)]));
        }
        let (n, (a, b)) = server.read_vectored((vec![0; 2], Vec::with_capacity(2))).await?;
        assert_eq!((n, &a[..], &b[..]), (4, &b"he"[..], &b"ll"[..]));
        let (n, seen) = server.peek(vec![0; 9]).await?;
        assert_eq!((n, &seen[..n]), (1, &b"o"[..]));
        let (error, _) = server.peek(Vec::new()).await.unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(&*server.recv().await?.unwrap(), b"o");
        drop(client);
        assert_eq!(server.peek(vec![0; 1]).await?.0, 0);
        Ok(())
    });
}

#[test]
fn curl_fetches_megabytes_byte_by_byte_as_they_were_sent() {
    let _shared = share_process();
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl is not installed");
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let fetching = spawn_blocking(move || {
            let url = format!("http://{address}/");
            Command::new("curl")
                .args(["--silent", "--show-error", "--max-time", "60", &url])
                .output()
        });
        let (stream, _) = listener.accept().await?;
        let mut reader = stream.reader();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).await? > 0, "curl hung up");
        }
        drop(reader);
        let body = pattern(3_000_001);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all_vectored((head, body.clone())).await?;
        let fetched = fetching.await.expect("it does not panic")?;
        assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
        assert!(fetched.stdout == body, "{} bytes came", fetched.stdout.len());
        Ok(())
    });
}
