//! Halves of connections: two tasks at once, ends, reuniting; and half-closing in all orders.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use annulus::io::AsyncRead as _;
use annulus::net::{Halved, OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream, UnixStream};

use crate::harness::{pair, run};

/// Sends and receives megabytes at once, each direction in a task of its own.
async fn full_duplex<S: Halved + 'static>(
    (reader, writer): (OwnedReadHalf<S>, OwnedWriteHalf<S>),
    (far_reader, far_writer): (OwnedReadHalf<S>, OwnedWriteHalf<S>),
) -> io::Result<()> {
    const PIECES: usize = 40;
    let send = |writer: OwnedWriteHalf<S>, byte| async move {
        for _ in 0..PIECES {
            writer.write_all(vec![byte; 70_000]).await?;
        }
        io::Result::Ok(()) // and the direction ends
    };
    let count = |reader: OwnedReadHalf<S>, byte| async move {
        let mut count = 0;
        while let Some(lease) = reader.recv().await? {
            assert!(lease.iter().all(|&got| got == byte));
            count += lease.len();
        }
        io::Result::Ok(count)
    };
    let sending = [annulus::spawn(send(writer, 1)), annulus::spawn(send(far_writer, 2))];
    let counting = [annulus::spawn(count(reader, 2)), annulus::spawn(count(far_reader, 1))];
    for task in sending {
        task.await.expect("it does not panic")?;
    }
    for task in counting {
        assert_eq!(task.await.expect("it does not panic")?, PIECES * 70_000);
    }
    Ok(())
}

#[test]
fn two_tasks_use_both_directions_at_once() {
    run(async {
        let (left, right) = pair().await?;
        full_duplex(left.into_split(), right.into_split()).await?;
        let (left, right) = UnixStream::pair()?;
        full_duplex(left.into_split(), right.into_split()).await
    });
}

#[test]
fn a_dropped_sending_half_ends_its_direction_behind_what_was_accepted() {
    run(async {
        let (left, right) = pair().await?;
        let (reader, writer) = left.into_split();
        // More than the socket takes at once, and nobody reads yet.
        let bytes = vec![5; 8_000_000];
        let mut sending = Box::pin(writer.write_all(bytes));
        assert!(futures_util::poll!(&mut sending).is_pending());
        drop(sending);
        drop(writer);
        let mut count = 0;
        while let Some(lease) = right.recv().await? {
            count += lease.len();
        }
        assert_eq!(count, 8_000_000);
        right.write_all("still there").await?;
        assert_eq!(&*reader.recv().await?.unwrap(), b"still there");
        Ok(())
    });
}

#[test]
fn a_sending_half_dropped_on_another_thread_ends_its_direction() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let (reader, writer) = left.into_split();
        std::thread::spawn(move || drop(writer)).join().unwrap();
        assert!(right.recv().await?.is_none());
        right.write_all("on").await?;
        assert_eq!(&*reader.recv().await?.unwrap(), b"on");
        std::thread::spawn(move || drop(reader)).join().unwrap();
        Ok(())
    });
}

#[test]
fn a_forgotten_sending_half_leaves_its_direction_open() {
    run(async {
        let (left, right) = pair().await?;
        let (reader, writer) = left.into_split();
        writer.forget();
        let mut waiting = Box::pin(right.recv());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        crate::cancel::yield_to_kernel().await?;
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(reader);
        assert!(waiting.await?.is_none(), "the connection is closed now");
        Ok(())
    });
}

#[test]
fn a_dropped_receiving_half_ends_nothing() {
    run(async {
        let (left, right) = pair().await?;
        let (reader, writer) = left.into_split();
        drop(reader);
        right.write_all("unread").await?;
        writer.write_all("sent").await?;
        assert_eq!(&*right.recv().await?.unwrap(), b"sent");
        Ok(())
    });
}

#[test]
fn halves_are_reunited_with_their_own() {
    run(async {
        let ((left, right), (other, _rest)) = (UnixStream::pair()?, UnixStream::pair()?);
        let (reader, writer) = left.into_split();
        let (_other_reader, other_writer) = other.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        assert_eq!(error.to_string(), "the two halves are not of one connection");
        let annulus::net::ReuniteError(reader, other_writer) = error;
        other_writer.forget();
        let left = writer.reunite(reader).unwrap();
        left.write_all("whole").await?;
        assert_eq!(&*right.recv().await?.unwrap(), b"whole", "no direction has ended");
        Ok(())
    });
}

#[test]
fn halves_are_streams_of_any_kind() {
    run(async {
        let (left, right) = pair().await?;
        let ((mut reader, mut writer), far) = (left.into_split(), right);
        assert_eq!(writer.as_ref().local_addr()?, reader.as_ref().local_addr()?);
        annulus::io::AsyncWrite::write_all(&mut writer, "question").await?;
        writer.flush().await?;
        annulus::io::AsyncWrite::shutdown(&mut writer).await?;
        let refused = writer.write_all("too late").await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
        let (_, question) = (&far).read_to_string(String::new()).await?;
        assert_eq!(question, "question");
        far.write_all("answer").await?;
        drop(far);
        let (_, answer) = reader.read_to_string(String::new()).await?;
        assert_eq!(answer, "answer");
        Ok(())
    });
}

/// A step of one end.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    WeEnd,
    TheyEnd,
    WeDrop,
    TheyDrop,
}
use Step::{TheyDrop, TheyEnd, WeDrop, WeEnd};

/// Every order in which the two directions of a connection can end.
const ORDERS: [&[Step]; 10] = [
    &[WeEnd, TheyEnd],
    &[TheyEnd, WeEnd],
    &[WeEnd, TheyDrop],
    &[TheyEnd, WeDrop],
    &[WeDrop],
    &[TheyDrop],
    &[WeEnd, WeDrop],
    &[TheyEnd, TheyDrop],
    &[WeEnd, TheyEnd, WeDrop],
    &[TheyEnd, WeEnd, TheyDrop],
];

/// A blocking end of `std`, of either kind.
trait Peer: Read + Write {
    fn end(&self) -> io::Result<()>;
}

impl Peer for std::net::TcpStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Peer for std::os::unix::net::UnixStream {
    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Plays one order. Before each step, who is able to says a word, which the other must get; an end
/// must be seen by the other as one, and not before.
async fn play<S: Halved + 'static>(
    order: &[Step],
    (reader, writer): (OwnedReadHalf<S>, OwnedWriteHalf<S>),
    peer: impl Peer,
) -> io::Result<()> {
    let (mut ours, mut theirs) = (Some((reader, writer)), Some(peer));
    let (mut we_speak, mut they_speak) = (true, true);
    for &step in order {
        if let (Some((reader, writer)), Some(peer)) = (&ours, &mut theirs) {
            if we_speak {
                writer.write_all("word").await?;
                let mut word = [0; 4];
                peer.read_exact(&mut word)?;
                assert_eq!(&word, b"word", "{order:?}");
            }
            if they_speak {
                peer.write_all(b"reply")?;
                let ((), reply) = reader.read_exact(vec![0; 5]).await?;
                assert_eq!(reply, b"reply", "{order:?}");
            }
        }
        match step {
            WeEnd => ours.as_ref().unwrap().1.shutdown()?,
            TheyEnd => theirs.as_ref().unwrap().end()?,
            WeDrop => ours = None,
            TheyDrop => theirs = None,
        }
        we_speak &= matches!(step, TheyEnd | TheyDrop);
        they_speak &= matches!(step, WeEnd | WeDrop);
        if let (false, Some(peer)) = (we_speak, &mut theirs) {
            assert_eq!(peer.read_to_end(&mut Vec::new())?, 0, "{order:?}: they see our end");
        }
        if let (false, Some((reader, _))) = (they_speak, &ours) {
            assert!(reader.recv().await?.is_none(), "{order:?}: we see their end");
        }
    }
    Ok(())
}

#[test]
fn directions_end_in_any_order() {
    run(async {
        for order in ORDERS {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
            play(order, listener.accept().await?.0.into_split(), peer).await?;

            let peer = std::net::TcpListener::bind("127.0.0.1:0")?;
            let ours = TcpStream::connect(peer.local_addr()?).await?;
            play(order, ours.into_split(), peer.accept()?.0).await?;

            let (ours, peer) = std::os::unix::net::UnixStream::pair()?;
            play(order, UnixStream::from_std(ours)?.into_split(), peer).await?;
        }
        Ok(())
    });
}
