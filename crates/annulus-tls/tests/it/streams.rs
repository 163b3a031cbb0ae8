//! Both ends are ours: reading and writing in all ways, in both directions at once.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use annulus::buf::Lease;
use annulus::io::{AsyncBufRead as _, AsyncRead as _, AsyncWrite as _, DuplexStream, duplex};
use annulus::net::{Parsed, UnixStream};
use annulus_compat::{Handle, Readable, Writable};

use crate::support::{all, ends, pair, pattern, run};

#[test]
fn both_directions_flow_at_once_from_two_tasks() {
    run(async {
        let (client, server) = pair().await?;
        let mut tasks = Vec::new();
        for stream in [client, server] {
            let (mut reader, mut writer) = stream.into_split();
            tasks.push(annulus::spawn(async move {
                for piece in pattern(3 << 20).chunks(100_000) {
                    writer.write_all(piece.to_vec()).await?;
                }
                writer.shutdown().await
            }));
            tasks.push(annulus::spawn(async move {
                let (_, got) = reader.read_to_end(Vec::new()).await?;
                assert!(got == pattern(3 << 20), "{} bytes came", got.len());
                io::Result::Ok(())
            }));
        }
        for task in tasks {
            task.await.expect("it does not panic")?;
        }
        Ok(())
    });
}

#[test]
fn a_parser_gets_what_it_left_and_more() {
    run(async {
        let (client, server) = pair().await?;
        for piece in ["he", "llo", ", wor", "ld", "!"] {
            client.write_all(piece).await?;
        }
        client.shutdown().await?;
        let mut seen = Vec::new();
        let n = server
            .with_data(|bytes| match bytes.len() {
                ..5 => Parsed::NeedAtLeast(5),
                _ => {
                    seen.extend_from_slice(&bytes[..5]);
                    Parsed::Consumed(5)
                }
            })
            .await?;
        assert_eq!((n, &seen[..]), (5, &b"hello"[..]));
        let n = server
            .with_data(|bytes| match bytes.ends_with(b"!") {
                false => Parsed::NeedMore,
                true => Parsed::Consumed(bytes.len() - 1),
            })
            .await?;
        assert_eq!(n, ", world".len());
        let error = server.with_data(|_| Parsed::NeedMore).await.expect_err("one byte is left");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(server.with_data(|_| panic!("there is nothing")).await?, 0);
        Ok(())
    });
}

#[test]
fn a_parser_may_write_to_its_own_stream() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("ping").await?;
        let echo = |bytes: &[u8]| {
            server.send_nowait(bytes).expect("there is room");
            Parsed::Consumed(bytes.len())
        };
        assert_eq!(server.with_data(echo).await?, 4);
        let ((), back) = client.read_exact(vec![0; 4]).await?;
        assert_eq!(back, b"ping");
        Ok(())
    });
}

#[test]
fn lines_are_lent() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all("one\ntwo\r\nthr").await?;
        client.write_all("ee").await?;
        client.shutdown().await?;
        let mut lines = server.lines();
        let mut got = Vec::new();
        while let Some(line) = lines.next_line().await? {
            got.push(line);
        }
        assert_eq!(got, ["one", "two", "three"]);
        Ok(())
    });
}

#[test]
fn send_nowait_says_when_the_peer_does_not_read() {
    run(async {
        let (client, server) = pair().await?;
        let piece = pattern(100_000);
        let mut sent = Vec::new();
        let refused = loop {
            match client.send_nowait(&piece) {
                Ok(()) => sent.extend_from_slice(&piece),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let reading = annulus::spawn(async move { all(&server).await });
        client.flush().await?;
        client.send_nowait(b"the last")?;
        client.shutdown().await?;
        sent.extend_from_slice(b"the last");
        assert!(reading.await.expect("it does not panic")? == sent, "what was taken arrives");
        Ok(())
    });
}

#[test]
fn a_read_takes_no_more_than_its_buffer() {
    run(async {
        let (client, server) = pair().await?;
        client.write_all(pattern(40_000)).await?;
        client.shutdown().await?;
        let mut got = Vec::new();
        for room in [1, 2, 3, 1000, 20_000].into_iter().cycle() {
            let (n, buf) = server.read(vec![0; room].into_boxed_slice()).await?;
            if n == 0 {
                break;
            }
            got.extend_from_slice(&buf[..n]);
        }
        assert!(got == pattern(40_000));
        let error = server.read(Vec::new()).await.expect_err("it has no room");
        assert_eq!(error.into_error().kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_read_that_waits_sees_what_another_reader_leaves() {
    run(async {
        let (client, server) = pair().await?;
        let (first, second, write) = annulus::join!(
            server.read(Vec::with_capacity(3)),
            server.read(Vec::with_capacity(3)),
            client.write_all("abcdef"),
        );
        let _sent = write?;
        let mut got = [first?.1, second?.1].concat();
        got.sort_unstable(); // which of the two is first is not promised
        assert_eq!(got, b"abcdef");
        Ok(())
    });
}

#[test]
fn any_stream_may_lie_below() {
    run(async {
        let (acceptor, connector) = ends();
        let (left, right) = UnixStream::pair()?;
        let (client, server) =
            annulus::join!(connector.connect("localhost", left), acceptor.accept(right));
        let (client, server) = (client?, server?);
        client.write_all("over a Unix socket").await?;
        assert_eq!(&*server.recv().await?.expect("bytes"), b"over a Unix socket");

        // TLS within TLS, within memory.
        let (left, right) = duplex(100);
        let (outer_client, outer_server) =
            annulus::join!(connector.connect("localhost", left), acceptor.accept(right));
        let (client, server) = annulus::join!(
            connector.connect("localhost", outer_client?),
            acceptor.accept(outer_server?),
        );
        let (client, server) = (client?, server?);
        let write = async {
            client.write_all(pattern(200_000)).await?;
            client.shutdown().await
        };
        let read = async {
            let mut got = Vec::new();
            while let Some(bytes) = server.recv().await? {
                got.extend_from_slice(&bytes);
            }
            io::Result::Ok(got)
        };
        let (wrote, got) = annulus::join!(write, read);
        wrote?;
        assert!(got? == pattern(200_000));
        Ok(())
    });
}

/// A stream that says there is room, and every third time has none.
#[derive(Debug)]
struct Fickle {
    below: DuplexStream,
    queued: Cell<u32>,
}

impl Handle for Fickle {
    type Places = ();

    fn places(&self) {}

    fn poll_recv(&self, (): &mut (), cx: &mut Context<'_>) -> Poll<io::Result<Option<Lease>>> {
        Handle::poll_recv(&self.below, &mut (), cx)
    }

    fn poll_write(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Handle::poll_write(&self.below, &mut (), cx, bufs)
    }

    fn poll_room(&self, (): &mut (), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Handle::poll_room(&self.below, &mut (), cx)
    }

    fn has_room(&self) -> bool {
        true
    }

    fn queue(&self, bytes: &[u8]) -> io::Result<()> {
        self.queued.set(self.queued.get() + 1);
        match self.queued.get() % 3 {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => self.below.queue(bytes),
        }
    }

    fn poll_flush(&self, (): &mut (), cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Handle::poll_flush(&self.below, &mut (), cx)
    }

    fn check(&self) -> io::Result<()> {
        self.below.check()
    }

    fn end(&self) -> io::Result<()> {
        Handle::end(&self.below)
    }
}

impl Readable for Fickle {}
impl Writable for Fickle {}

#[test]
fn a_stream_that_takes_no_record_when_it_said_so_gets_it_later() {
    run(async {
        let (acceptor, connector) = ends();
        let (left, right) = duplex(1000);
        let fickle = |below| Fickle { below, queued: Cell::new(0) };
        let (client, server) = annulus::join!(
            connector.connect("localhost", fickle(left)),
            acceptor.accept(fickle(right)),
        );
        let (client, server) = (client?, server?);
        let write = async {
            for piece in pattern(30_000).chunks(1000) {
                client.write_all(piece.to_vec()).await?;
            }
            client.flush().await?;
            client.shutdown().await
        };
        let read = async {
            let mut got = Vec::new();
            while let Some(bytes) = server.recv().await? {
                got.extend_from_slice(&bytes);
            }
            io::Result::Ok(got)
        };
        let (wrote, got) = annulus::join!(write, read);
        wrote?;
        assert!(got? == pattern(30_000));
        Ok(())
    });
}
