//! Every future of the connection, dropped at every point of its life.
//!
//! Owns: [`points`], which enumerates them. The points of a future are its polls: it is polled when
//! it is woken, and dropped after its first, second, … poll, woken or not, until it completes
//! before its end comes. The connection runs in memory through a relay that passes on a few bytes
//! at a time, so there are many.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use annulus::io::{AsyncBufRead as _, AsyncRead as _, AsyncWrite as _, DuplexStream, duplex};
use annulus::net::Parsed;
use annulus::runtime::Runtime;
use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::support::{Dice, ends, nothing_left, pattern};

/// More polls than any scenario needs; one that needs more hangs or spins.
const POLLS_MAX: usize = 2000;

/// A point in a future's life: so many polls, and whether it was woken after the last of them.
#[derive(Clone, Debug)]
struct Cut {
    polls: usize,
    woken: bool,
    completed: Rc<Cell<bool>>,
}

impl Cut {
    /// Polls the future up to this point and drops it. Gives its output if it ended before.
    async fn end<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut polled = 0;
        let output = poll_fn(|cx| {
            if polled == self.polls {
                return Poll::Ready(None); // it was woken
            }
            polled += 1;
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if polled == self.polls && !self.woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        self.completed.set(output.is_some());
        output
    }
}

/// Runs the scenario once for each point, each time on a new runtime.
fn points(scenario: impl AsyncFn(&TlsAcceptor, &TlsConnector, Cut) -> io::Result<()>) {
    let (acceptor, connector) = ends();
    for polls in 0..POLLS_MAX {
        let completed = Rc::new(Cell::new(false));
        for woken in [false, true] {
            let cut = Cut { polls, woken: woken && polls > 0, completed: completed.clone() };
            let told = format!("{cut:?}");
            let runtime = Runtime::builder().entries(32).buffer_count(4).buffer_bytes(4096);
            let runtime = runtime.build().expect("io_uring is there");
            let ended = runtime.block_on(scenario(&acceptor, &connector, cut));
            nothing_left(runtime);
            ended.unwrap_or_else(|error| panic!("{told}: {error}"));
        }
        if completed.get() {
            assert!(polls > 1, "a future that is never pending shows nothing");
            return;
        }
    }
    panic!("the future does not get anywhere");
}

/// Two ends in memory, with somebody between them who passes on so many bytes at a time.
fn dribbling(most: usize) -> (DuplexStream, DuplexStream) {
    let (left, left_far) = duplex(300);
    let (right, right_far) = duplex(300);
    let (left_far, right_far) = (annulus::io::split(left_far), annulus::io::split(right_far));
    drop(annulus::spawn(dribble(left_far.0, right_far.1, most)));
    drop(annulus::spawn(dribble(right_far.0, left_far.1, most)));
    (left, right)
}

async fn dribble(
    mut from: annulus::io::ReadHalf<DuplexStream>,
    mut to: annulus::io::WriteHalf<DuplexStream>,
    most: usize,
) {
    let mut dice = Dice(1);
    while let Ok((n, bytes)) = from.read(Vec::with_capacity(1 + dice.below(most))).await {
        if n == 0 || to.write_all(bytes).await.is_err() {
            break;
        }
        annulus::task::yield_now().await;
    }
    let _ = to.shutdown().await;
}

type Tls = TlsStream<DuplexStream>;

async fn shaken(acceptor: &TlsAcceptor, connector: &TlsConnector) -> io::Result<(Tls, Tls)> {
    let (left, right) = dribbling(400);
    let (client, server) =
        annulus::join!(connector.connect("localhost", left), acceptor.accept(right));
    Ok((client?, server?))
}

/// What is there, to the end.
async fn rest(stream: &Tls) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(lease) = stream.recv().await? {
        bytes.extend_from_slice(&lease);
    }
    Ok(bytes)
}

/// The peer writes in a task of its own while `reading` is cut off; all of it must be there.
fn reader(reading: impl AsyncFn(&mut Tls) -> io::Result<Vec<u8>>) {
    points(async |acceptor, connector, cut| {
        let (client, mut server) = shaken(acceptor, connector).await?;
        let writing = annulus::spawn(async move {
            for piece in pattern(3000).chunks(700) {
                client.write_all(piece.to_vec()).await?;
            }
            client.shutdown().await?;
            rest(&client).await // keeps it open until the other end is done
        });
        let read = cut.end(reading(&mut server)).await.transpose()?;
        let got = [read.unwrap_or_default(), rest(&server).await?].concat();
        assert!(got == pattern(3000), "{} bytes came", got.len());
        server.shutdown().await?;
        assert!(writing.await.expect("it does not panic")?.is_empty());
        Ok(())
    });
}

#[test]
fn a_recv_that_is_dropped_loses_nothing() {
    reader(async |server| Ok(server.recv().await?.expect("there is more").to_vec()));
}

#[test]
fn a_read_that_is_dropped_loses_nothing() {
    reader(async |server| Ok(server.read(Vec::with_capacity(13)).await?.1));
}

#[test]
fn a_parser_that_is_dropped_loses_nothing() {
    reader(async |server| {
        let mut seen = Vec::new();
        let parse = |bytes: &[u8]| match bytes.len() {
            ..2000 => Parsed::NeedAtLeast(2000),
            _ => {
                seen.extend_from_slice(&bytes[..1500]);
                Parsed::Consumed(1500)
            }
        };
        server.with_data(parse).await?;
        Ok(seen)
    });
}

#[test]
fn a_fill_that_is_dropped_loses_nothing() {
    reader(async |server| {
        let bytes = server.fill_buf().await?.to_vec();
        server.consume(bytes.len());
        Ok(bytes)
    });
}

/// `writing` is cut off: what comes is a beginning of the pattern, and what is written next comes
/// behind it.
fn writer(len: usize, writing: impl AsyncFn(&Tls) -> io::Result<usize>) {
    points(async |acceptor, connector, cut| {
        let (client, server) = shaken(acceptor, connector).await?;
        let reading = annulus::spawn(async move {
            let got = rest(&server).await?;
            server.shutdown().await?;
            io::Result::Ok(got)
        });
        let wrote = cut.end(writing(&client)).await.transpose()?;
        client.write_all("the mark").await?;
        client.shutdown().await?;
        let got = reading.await.expect("it does not panic")?;
        let written = got.strip_suffix(b"the mark").expect("what came later comes last");
        assert!(pattern(len).starts_with(written), "{} bytes came", written.len());
        if let Some(wrote) = wrote {
            assert_eq!(written.len(), wrote);
        }
        assert!(rest(&client).await?.is_empty());
        Ok(())
    });
}

#[test]
fn a_write_that_is_dropped_leaves_whole_records() {
    writer(2000, async |client| {
        // The queue is full when the second one comes.
        let first = client.write(pattern(2000)[..1000].to_vec()).await?.0;
        Ok(first + client.write(pattern(2000)[1000..].to_vec()).await?.0)
    });
}

#[test]
fn a_write_of_much_that_is_dropped_leaves_whole_records() {
    writer(70_000, async |client| {
        client.write_all(pattern(70_000)).await?;
        Ok(70_000)
    });
}

#[test]
fn a_flush_that_is_dropped_changes_nothing() {
    writer(2000, async |client| {
        client.write_all(pattern(2000)[..1000].to_vec()).await?;
        client.flush().await?;
        client.write_all(pattern(2000)[1000..].to_vec()).await?;
        client.flush().await?;
        Ok(2000)
    });
}

#[test]
fn a_shutdown_that_is_dropped_is_taken_up_by_the_next() {
    points(async |acceptor, connector, cut| {
        let (client, server) = shaken(acceptor, connector).await?;
        client.write_all(pattern(1000)).await?; // so that there is no room
        let reading = annulus::spawn(async move {
            let got = rest(&server).await?;
            server.shutdown().await?;
            io::Result::Ok(got)
        });
        cut.end(client.shutdown()).await.transpose()?;
        client.shutdown().await?;
        assert!(reading.await.expect("it does not panic")? == pattern(1000));
        assert!(rest(&client).await?.is_empty());
        Ok(())
    });
}

#[test]
fn a_handshake_that_is_dropped_ends_the_connection() {
    for of_server in [false, true] {
        points(async |acceptor, connector, cut| {
            let (left, right) = dribbling(100);
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            if of_server {
                let other = annulus::spawn(async move {
                    let client = connector.connect("localhost", left).await?;
                    rest(&client).await
                });
                let accepted = cut.end(acceptor.accept(right)).await.transpose()?;
                let told = other_end(accepted, other).await;
                assert_eq!(told, cut.completed.get());
            } else {
                let other = annulus::spawn(async move {
                    let server = acceptor.accept(right).await?;
                    rest(&server).await
                });
                let connected = cut.end(connector.connect("localhost", left)).await.transpose()?;
                let told = other_end(connected, other).await;
                assert_eq!(told, cut.completed.get());
            }
            Ok(())
        });
    }
}

/// Whether the other end saw the connection come to a clean end.
async fn other_end(
    this: Option<Tls>,
    other: annulus::task::JoinHandle<io::Result<Vec<u8>>>,
) -> bool {
    if let Some(stream) = &this {
        stream.shutdown().await.expect("it is open");
    }
    let seen = other.await.expect("it does not panic");
    drop(this);
    match seen {
        Ok(bytes) => {
            assert!(bytes.is_empty());
            true
        }
        Err(error) => {
            let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];
            assert!(kinds.contains(&error.kind()), "{error:?}");
            false
        }
    }
}
