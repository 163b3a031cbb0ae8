//! What a handler awaits of its connection, ended at every point: no byte is lost, and the
//! connection goes on.

use std::future::Future;
use std::io;
use std::time::Duration;

use annulus::buf::Gather;
use annulus::net::{TcpListener, UnixListener};
use annulus::serve::{Conn, Parsed};

use super::{Cut, Points, yield_to_kernel};
use crate::harness::pair;

/// What the peer sends, in two pieces.
const PIECES: [&str; 2] = ["abc", "defg"];

async fn conns() -> io::Result<(Conn, Conn)> {
    let (near, far) = pair().await?;
    Ok((Conn::of_tcp(near)?, Conn::of_tcp(far)?))
}

async fn all_of(conn: &Conn) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(lease) = conn.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(all)
}

/// Ends `read` of a connection whose peer sends [`PIECES`]. What it took and what is left must be
/// what was sent, and the other direction goes on.
async fn reading<F>(cut: Cut, read: impl FnOnce(Conn) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
{
    let (near, far) = conns().await?;
    let peer = annulus::spawn(async move {
        for piece in PIECES {
            far.send(piece).await?;
            yield_to_kernel().await?;
        }
        far.finish().await?;
        io::Result::Ok(far)
    });
    let taken = cut.end(read(near.clone())).await.transpose()?.unwrap_or_default();
    let far = peer.await.expect("the peer does not panic")?;
    if !cut.forgets() {
        let all = [taken, all_of(&near).await?].concat();
        assert_eq!(all, PIECES.concat().as_bytes(), "{cut:?}");
        near.send("answer").await?;
        near.finish().await?;
        assert_eq!(all_of(&far).await?, b"answer");
    }
    Ok(())
}

#[test]
fn a_parse_ended_anywhere_loses_no_byte() {
    Points::of(&["serve::conn::reading::with_data"]).run(|cut| async move {
        reading(cut, |conn| async move {
            let mut got = Vec::new();
            let n = conn.with_data(|bytes| {
                if bytes.len() < 2 {
                    return Parsed::NeedMore;
                }
                got.extend_from_slice(&bytes[..2]);
                Parsed::Consumed(2)
            });
            assert_eq!(n.await, 2);
            Ok(got)
        })
        .await
    });
    Points::of(&["serve::conn::reading::parse"]).run(|cut| async move {
        reading(cut, |conn| async move {
            conn.set_read_timeout(Duration::from_secs(3600));
            let mut got = Vec::new();
            let n = conn.parse(|bytes| match bytes.len() {
                0..6 => Parsed::NeedAtLeast(6),
                n => {
                    got.extend_from_slice(bytes);
                    Parsed::Consumed(n)
                }
            });
            n.await?;
            Ok(got)
        })
        .await
    });
}

#[test]
fn a_receive_ended_anywhere_loses_no_byte() {
    Points::of(&["serve::conn::reading::recv"]).run(|cut| async move {
        reading(cut, |conn| async move {
            Ok(conn.recv().await?.map_or_else(Vec::new, |lease| lease.to_vec()))
        })
        .await
    });
}

/// Ends `send`, which sends "0123456789" or nothing, and sends a tail behind it.
async fn sending<F>(cut: Cut, send: impl FnOnce(Conn) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (near, far) = conns().await?;
    cut.end(send(near.clone())).await.transpose()?;
    near.send("tail").await?;
    near.finish().await?;
    let all = all_of(&far).await?;
    assert!(all == b"0123456789tail" || all == b"tail", "{cut:?}: {all:?}");
    Ok(())
}

#[test]
fn a_send_ended_anywhere_is_whole_or_was_not_begun() {
    Points::of(&["serve::conn::sending::send"]).run(|cut| async move {
        sending(cut, |conn| async move { Ok(conn.send("0123456789").await.map(drop)?) }).await
    });
    Points::of(&["serve::conn::sending::send_vectored"]).real_only("sendmsg(2)").run(
        |cut| async move {
            sending(cut, |conn| async move {
                let gathered = Gather::new().copy(b"01234").guard(b"56789".to_vec());
                Ok(conn.send_vectored(gathered).await.map(drop)?)
            })
            .await
        },
    );
}

#[test]
fn a_wait_for_room_ended_anywhere_loses_nothing_that_was_queued() {
    Points::of(&["serve::conn::sending::room", "serve::conn::sending::flush"]).run(
        |cut| async move {
            sending(cut, |conn| {
                conn.set_watermarks(4, 0);
                let queued = conn.send_nowait(b"0123456789");
                async move {
                    queued?;
                    conn.room().await?;
                    conn.flush().await
                }
            })
            .await
        },
    );
}

#[test]
fn the_end_of_a_direction_that_is_ended_anywhere_may_be_asked_for_again() {
    Points::of(&["serve::conn::sending::finish"]).run(|cut| async move {
        let (near, far) = conns().await?;
        let ending = near.clone();
        cut.end(async move { ending.finish().await }).await.transpose()?;
        near.finish().await?;
        assert!(far.recv().await?.is_none());
        far.send("still").await?;
        far.finish().await?;
        assert_eq!(all_of(&near).await?, b"still");
        Ok(())
    });
    Points::of(&["serve::conn::sending::linger"]).run(|cut| async move {
        let (near, far) = conns().await?;
        let lingering = near.clone();
        far.send("unread").await?;
        far.finish().await?;
        cut.end(async move { lingering.linger(Duration::from_secs(3600)).await }).await;
        near.close();
        assert!(!near.is_open() && far.recv().await.is_ok_and(|end| end.is_none()));
        Ok(())
    });
}

#[test]
fn forwarding_that_is_ended_anywhere_has_sent_a_beginning() {
    Points::of(&["serve::conn::sending::forward_to"]).run(|cut| async move {
        let (near, far) = conns().await?;
        let (other_near, other_far) = conns().await?;
        far.send("0123456789").await?;
        far.finish().await?;
        let target = other_near.clone();
        cut.end(async move { near.forward_to(&target).await }).await.transpose()?;
        other_near.finish().await?;
        let all = all_of(&other_far).await?;
        assert!(b"0123456789".starts_with(&all), "{cut:?}: {all:?}");
        Ok(())
    });
}

#[test]
fn a_connection_that_is_being_made_may_be_given_up_anywhere() {
    Points::of(&["serve::conn::outbound::connect", "serve::conn::outbound::connect_timeout"]).run(
        |cut| async move {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let made = cut.end(async move {
                let first = Conn::connect(address).await?;
                let second = Conn::connect_timeout(address, Duration::from_secs(3600)).await?;
                io::Result::Ok((first, second))
            });
            if let Some((first, second)) = made.await.transpose()? {
                let (server, _) = listener.accept().await?;
                first.send("x").await?;
                assert_eq!(&*server.recv().await?.expect("a byte"), b"x");
                drop((first, second));
            }
            Ok(())
        },
    );
    Points::of(&["serve::conn::outbound::connect_unix"]).real_only("a path").run(
        |cut| async move {
            let path = cut.file("socket", b"");
            std::fs::remove_file(&path)?;
            let listener = UnixListener::bind(&path)?;
            let made = cut.end(async move { Conn::connect_unix(path).await }).await.transpose()?;
            if let Some(conn) = made {
                let (server, _) = listener.accept().await?;
                conn.send("x").await?;
                assert_eq!(&*server.recv().await?.expect("a byte"), b"x");
            }
            Ok(())
        },
    );
}
