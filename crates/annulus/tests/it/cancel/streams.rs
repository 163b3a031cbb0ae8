//! What is made of streams, ended at every point: no byte, line or message is lost.

use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use annulus::buf::{BufResult, IoBuf};
use annulus::io::codec::LinesCodec;
use annulus::io::{AsyncBufRead, AsyncWrite, BufReader, Framed, copy, copy_bidirectional};
use annulus::net::{TcpStream, UnixStream};

use super::{Cut, Points};
use crate::harness::pair;

/// A writer that others can look into.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Shared {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.0.lock().unwrap().extend_from_slice(buf.as_init());
        Ok((buf.bytes_len(), buf))
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends pieces one by one, and then the end of the stream.
async fn feed(stream: UnixStream, pieces: &'static [&'static str]) -> io::Result<UnixStream> {
    for piece in pieces {
        stream.write_all(*piece).await?;
        super::yield_to_kernel().await?;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(stream)
}

/// Everything up to the end.
async fn rest(stream: &UnixStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = stream.recv().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Lends a value to a future that may be forgotten.
pub(super) struct Lent<T>(*mut T);

impl<T: 'static> Lent<T> {
    pub(super) fn new(value: T) -> (Self, &'static mut T) {
        let lent: *mut T = Box::into_raw(Box::new(value));
        // SAFETY: it was just made; `back` is only called when the borrower is gone.
        (Self(lent), unsafe { &mut *lent })
    }

    /// The value again: its borrower is gone, or forgotten and never polled again.
    pub(super) fn back(self) -> T {
        let lent = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: made by `Box::into_raw` above, and not dropped.
        *unsafe { Box::from_raw(lent) }
    }
}

/// The scenario was dropped in the middle, and what it awaited before.
impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` above.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

#[test]
fn a_copy_ended_anywhere_has_copied_what_it_read() {
    Points::of(&["io::copy::copy"]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let peer = annulus::spawn(feed(left, &["abc", "defg"]));
        let (kept, lent) = Lent::new(right);
        let copied = Shared::default();
        let mut writer = copied.clone();
        let ended = cut.end(async move { copy(lent, &mut writer).await }).await.transpose()?;
        let right = kept.back();
        let _left = peer.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            assert!(ended.is_none_or(|n| n == 7), "{cut:?}");
            let mut all = copied.0.lock().unwrap().clone();
            all.extend(rest(&right).await?);
            assert_eq!(all, b"abcdefg", "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn a_joined_connection_ended_anywhere_has_passed_on_what_it_read() {
    Points::of(&["io::copy::copy_bidirectional"]).run(|cut| async move {
        let ((client, here), (there, server)) = (UnixStream::pair()?, UnixStream::pair()?);
        let asking = annulus::spawn(feed(client, &["pi", "ng"]));
        let answering = annulus::spawn(feed(server, &["ans", "wer"]));
        let (kept_here, lent_here) = Lent::new(here);
        let (kept_there, lent_there) = Lent::new(there);
        let joined = async move { copy_bidirectional(&*lent_here, &*lent_there).await };
        let ended = cut.end(joined).await.transpose()?;
        let (here, there) = (kept_here.back(), kept_there.back());
        let client = asking.await.expect("the peer does not panic")?;
        let server = answering.await.expect("the peer does not panic")?;
        if !cut.forgets() {
            assert!(ended.is_none_or(|counts| counts == (4, 6)), "{cut:?}");
            let (unasked, unanswered) = (rest(&here).await?, rest(&there).await?);
            drop((here, there));
            let (asked, answered) = (rest(&server).await?, rest(&client).await?);
            assert_eq!([asked, unasked].concat(), b"ping", "{cut:?}");
            assert_eq!([answered, unanswered].concat(), b"answer", "{cut:?}");
        }
        Ok(())
    });
}

const LINES: &[&str] = &["on", "e\ntwo\r", "\nthree"];

#[test]
fn a_line_ended_anywhere_is_given_later() {
    Points::of(&["io::buf_read::next_line"]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let peer = annulus::spawn(feed(left, LINES));
        let (kept, lent) = Lent::new(BufReader::new(right).lines());
        let first = cut.end(async move { lent.next_line().await }).await.transpose()?;
        let mut lines = kept.back();
        let mut all: Vec<_> = first.flatten().into_iter().collect();
        if !cut.forgets() {
            while let Some(line) = lines.next_line().await? {
                all.push(line);
            }
            assert_eq!(all, ["one", "two", "three"], "{cut:?}");
        }
        let _left = peer.await.expect("the peer does not panic")?;
        Ok(())
    });
}

#[test]
fn a_message_ended_anywhere_is_given_later() {
    Points::of(&["io::codec::next"]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let peer = annulus::spawn(feed(left, LINES));
        let (kept, lent) = Lent::new(Framed::new(right, LinesCodec::new()));
        let first = cut.end(async move { lent.next().await }).await.transpose()?;
        let mut messages = kept.back();
        let mut all: Vec<_> = first.flatten().into_iter().collect();
        if !cut.forgets() {
            while let Some(message) = messages.next().await? {
                all.push(message);
            }
            assert_eq!(all, ["one", "two", "three"], "{cut:?}");
        }
        let _left = peer.await.expect("the peer does not panic")?;
        Ok(())
    });
}

#[test]
fn a_message_whose_sending_is_ended_anywhere_is_sent_whole_or_not_at_all() {
    Points::of(&["io::codec::send", "io::codec::flush"]).run(|cut: Cut| async move {
        let (left, right) = UnixStream::pair()?;
        let receiving = annulus::spawn(async move { rest(&right).await });
        let (kept, lent) = Lent::new(Framed::new(left, LinesCodec::new()));
        let sending = async move {
            lent.send("one").await?;
            lent.feed("two")?;
            lent.flush().await
        };
        cut.end(sending).await.transpose()?;
        drop(kept.back());
        if cut.forgets() {
            receiving.abort();
            return Ok(());
        }
        let got = receiving.await.expect("the peer does not panic")?;
        assert!(matches!(&got[..], b"" | b"one\n" | b"one\ntwo\n"), "{cut:?}: {got:?}");
        Ok(())
    });
}

/// Bytes that tell where they are.
fn pattern(from: usize, to: usize) -> Vec<u8> {
    (from..to).map(|at| (at * 7 + (at >> 9)) as u8).collect()
}

/// Everything up to the end of a connection.
async fn tcp_rest(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = stream.recv().await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

#[test]
fn a_splice_ended_anywhere_has_passed_on_what_came_first_and_the_rest_can_be_read() {
    // So much is there at once that it is spliced, and so much comes while that waits.
    const FIRST: usize = 160_000;
    const ALL: usize = 200_000;
    Points::of(&["io::copy::copy"]).real_only("splice").run(|cut| async move {
        let ((client, near), (far, server)) = (pair().await?, pair().await?);
        client.write_all(pattern(0, FIRST)).await?;
        let arrived = Rc::new(RefCell::new(Vec::new()));
        let arriving = arrived.clone();
        let receiving = annulus::spawn(async move {
            while let Some(piece) = server.recv().await? {
                arriving.borrow_mut().extend_from_slice(&piece);
            }
            io::Result::Ok(server)
        });
        let sending = annulus::spawn(async move {
            super::yield_to_kernel().await?;
            client.write_all(pattern(FIRST, ALL)).await?;
            client.shutdown(Shutdown::Write)?;
            io::Result::Ok(client)
        });
        let ((kept_near, near), (kept_far, far)) = (Lent::new(near), Lent::new(far));
        let copying = async move { copy(&mut &*near, &mut &*far).await };
        let ended = cut.end(copying).await.transpose()?;
        let (near, far) = (kept_near.back(), kept_far.back());
        let sent = pattern(0, ALL);
        if cut.forgets() {
            // It keeps its turns, so nobody else can read or write; what it sends on is right.
            for _ in 0..50 {
                super::yield_to_kernel().await?;
            }
            sending.abort();
            receiving.abort();
            assert!(sent.starts_with(&arrived.borrow()), "{cut:?}");
            return Ok(());
        }
        let left = tcp_rest(&near).await?;
        far.shutdown(Shutdown::Write)?;
        drop(receiving.await.expect("the receiver does not panic")?);
        drop(sending.await.expect("the sender does not panic")?);
        let arrived = arrived.take();
        assert!(sent.starts_with(&arrived), "{cut:?}: {} bytes are others", arrived.len());
        assert!(sent.ends_with(&left), "{cut:?}: {} bytes are not the rest", left.len());
        // What was in a pipe is lost, or the lease that was being written.
        let passed = arrived.len() + left.len();
        assert!(passed <= ALL, "{cut:?}: {passed} bytes are more than were sent");
        assert!(ended.is_none_or(|all| all == ALL as u64 && left.is_empty()), "{cut:?}");
        Ok(())
    });
}
