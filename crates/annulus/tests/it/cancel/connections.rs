//! Making connections, their halves, and waiting for readiness, ended at every point: no byte and
//! no connection is lost, and no socket is left.

use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::io::{AsyncFd, Events};
use annulus::net::{
    Halved, OwnedReadHalf, OwnedWriteHalf, Parsed, TcpListener, TcpSocket, TcpStream, UnixListener,
    UnixSeqpacket, UnixSeqpacketListener, UnixStream,
};

use super::{Cut, Points};
use crate::harness::pair;

/// What the peer of a reading scenario sends, in two pieces.
const PIECES: [&str; 2] = ["abc", "defg"];

/// Both directions of one end.
type Halves<S> = (OwnedReadHalf<S>, OwnedWriteHalf<S>);

/// Lends a value to a future that may be forgotten.
struct Lent<T>(*mut T);

impl<T: 'static> Lent<T> {
    fn new(value: T) -> (Self, &'static mut T) {
        let lent: *mut T = Box::into_raw(Box::new(value));
        // SAFETY: it was just made; `back` is only called when the borrower is gone.
        (Self(lent), unsafe { &mut *lent })
    }

    /// The value again: its borrower is gone, or forgotten and never polled again.
    fn back(self) -> T {
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

/// Ends `read` of a connection whose peer sends [`PIECES`]. What it took and what is left must be
/// what was sent, and the other direction goes on.
async fn reading<S, F>(
    cut: Cut,
    (near, far): (Halves<S>, Halves<S>),
    read: impl FnOnce(&'static OwnedReadHalf<S>) -> F,
) -> io::Result<()>
where
    S: Halved + Send + Sync + 'static,
    F: Future<Output = io::Result<Vec<u8>>> + Send + 'static,
{
    let (kept, reader) = Lent::new(near.0);
    let peer = annulus::spawn(async move {
        for piece in PIECES {
            far.1.write_all(piece).await?;
            super::yield_to_kernel().await?;
        }
        far.1.shutdown()?;
        io::Result::Ok(far)
    });
    let mut all = cut.end(read(reader)).await.transpose()?.unwrap_or_default();
    let far = peer.await.expect("the peer does not panic")?;
    let reader = kept.back();
    if !cut.forgets() {
        while let Some(lease) = reader.recv().await? {
            all.extend_from_slice(&lease);
        }
        assert_eq!(all, PIECES.concat().as_bytes(), "{cut:?}");
        near.1.write_all("answer").await?;
        let ((), answer) = far.0.read_exact(vec![0; 6]).await?;
        assert_eq!(answer, b"answer");
    }
    Ok(())
}

async fn tcp_halves() -> io::Result<(Halves<TcpStream>, Halves<TcpStream>)> {
    let (left, right) = pair().await?;
    Ok((left.into_split(), right.into_split()))
}

fn unix_halves() -> io::Result<(Halves<UnixStream>, Halves<UnixStream>)> {
    let (left, right) = UnixStream::pair()?;
    Ok((left.into_split(), right.into_split()))
}

#[test]
fn a_peek_ended_anywhere_takes_nothing() {
    Points::of(&["net::tcp_stream::receiving::peek"]).run(|cut| async move {
        reading(cut, tcp_halves().await?, |half| async {
            half.as_ref().peek(Vec::with_capacity(2)).await?;
            Ok(Vec::new())
        })
        .await
    });
    Points::of(&["net::unix_stream::receiving::peek", "net::halves::peek"]).run(|cut| async move {
        reading(cut, unix_halves()?, |half| async {
            half.as_ref().peek(Vec::with_capacity(2)).await?;
            half.peek(Vec::with_capacity(2)).await?;
            Ok(Vec::new())
        })
        .await
    });
}

#[test]
fn a_read_into_several_buffers_ended_anywhere_loses_no_byte() {
    let buffers = || (Vec::with_capacity(1), Vec::with_capacity(3));
    Points::of(&["net::tcp_stream::receiving::read_vectored"]).run(move |cut| async move {
        reading(cut, tcp_halves().await?, move |half| async move {
            let (n, (head, tail)) = half.as_ref().read_vectored(buffers()).await?;
            assert_eq!(n, head.len() + tail.len());
            Ok([head, tail].concat())
        })
        .await
    });
    Points::of(&["net::unix_stream::receiving::read_vectored"]).run(move |cut| async move {
        reading(cut, unix_halves()?, move |half| async move {
            let (_, (head, tail)) = half.as_ref().read_vectored(buffers()).await?;
            Ok([head, tail].concat())
        })
        .await
    });
    Points::of(&["net::halves::read_vectored"]).run(move |cut| async move {
        reading(cut, unix_halves()?, move |half| async move {
            let (_, (head, tail)) = half.read_vectored(buffers()).await?;
            Ok([head, tail].concat())
        })
        .await
    });
}

#[test]
fn reads_of_a_half_ended_anywhere_lose_no_byte() {
    Points::of(&["net::halves::read"]).run(|cut| async move {
        reading(cut, tcp_halves().await?, |half| async {
            Ok(half.read(Vec::with_capacity(2)).await?.1)
        })
        .await
    });
    Points::of(&["net::halves::read_exact"]).run(|cut| async move {
        reading(cut, unix_halves()?, |half| async { Ok(half.read_exact(vec![0; 6]).await?.1) })
            .await
    });
    Points::of(&["net::halves::with_data"]).run(|cut| async move {
        reading(cut, unix_halves()?, |half| async {
            let mut taken = Vec::new();
            let take = |bytes: &[u8]| {
                taken.extend_from_slice(bytes);
                Parsed::Consumed(bytes.len())
            };
            half.with_data(take).await?;
            Ok(taken)
        })
        .await
    });
}

/// Ends `send` on a half whose peer reads all the time. Gives what the peer got until the end,
/// which comes because the half was dropped.
async fn sending<S, F>(
    cut: &Cut,
    (near, far): (Halves<S>, Halves<S>),
    send: impl FnOnce(&'static OwnedWriteHalf<S>) -> F,
) -> io::Result<Vec<u8>>
where
    S: Halved + Send + Sync + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (kept, writer) = Lent::new(near.1);
    let peer = annulus::spawn(async move {
        let mut all = Vec::new();
        while let Some(lease) = far.0.recv().await? {
            all.extend_from_slice(&lease);
        }
        io::Result::Ok(all)
    });
    cut.end(send(writer)).await.transpose()?;
    drop(kept.back());
    let all = peer.await.expect("the peer does not panic")?;
    Ok(all)
}

#[test]
fn writes_of_a_half_ended_anywhere_keep_their_order() {
    Points::of(&["net::halves::write", "net::halves::write_all", "net::halves::flush"]).run(
        |cut| async move {
            let sent = sending(&cut, tcp_halves().await?, |half| async {
                half.write("one").await?;
                half.write_all(vec![b'2'; 100_000]).await?;
                half.send_nowait(b"three")?;
                half.flush().await
            })
            .await?;
            let whole = [b"one".to_vec(), vec![b'2'; 100_000], b"three".to_vec()].concat();
            assert!(whole.starts_with(&sent), "{cut:?}: {} bytes", sent.len());
            let cuts = [0, 3, 100_003, 100_008];
            assert!(cuts.contains(&sent.len()), "{cut:?}: {} bytes", sent.len());
            Ok(())
        },
    );
}

#[test]
fn writes_of_several_buffers_ended_anywhere_send_all_or_nothing() {
    Points::of(&["net::halves::write_vectored", "net::halves::write_all_vectored"])
        .real_only("SENDMSG")
        .run(|cut| async move {
            let sent = sending(&cut, tcp_halves().await?, |half| async {
                half.write_vectored(("on", "e")).await?;
                half.write_all_vectored(("tw", "o")).await.map(drop)?;
                Ok(())
            })
            .await?;
            assert!(matches!(&sent[..], b"" | b"one" | b"onetwo"), "{cut:?}: {sent:?}");
            Ok(())
        });
    Points::of(&[
        "net::tcp_stream::sending::write_vectored",
        "net::unix_stream::sending::write_vectored",
    ])
    .real_only("SENDMSG")
    .run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let sent = sending(&cut, tcp_halves().await?, |half| async move {
            half.as_ref().write_vectored(("on", "e")).await?;
            left.write_vectored(("a", "b")).await.map(drop)?;
            Ok(())
        })
        .await?;
        assert_eq!(sent, if cut.polled() { &b"one"[..] } else { b"" }, "{cut:?}");
        if !cut.forgets() {
            let got = right.recv().await?;
            assert!(got.is_none_or(|lease| *lease == *b"ab"), "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn connect_of_a_socket_ended_anywhere_leaves_no_socket() {
    Points::of(&["net::tcp_socket::connect"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        drop(cut.end(TcpSocket::new_v4()?.connect(address)).await.transpose()?);
        let again = TcpStream::connect(address).await?;
        let mut peer = listener.accept().await?.1;
        while peer != again.local_addr()? {
            peer = listener.accept().await?.1; // the one that was given up came first
        }
        Ok(())
    });
}

#[test]
fn unix_connects_ended_anywhere_leave_no_socket() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Points::of(&[
        "net::unix_stream::connect",
        "net::unix_stream::connect_addr",
        "net::unix_stream::connect_timeout",
    ])
    .run(|cut| async move {
        // ORDERING: it only has to be another number each time.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = cut.file("beside", b"").with_file_name("socket");
        let name = format!("annulus-cancel-{}-{number}", std::process::id());
        let name = SocketAddr::from_abstract_name(name)?;
        let listeners = [UnixListener::bind(&path)?, UnixListener::bind_addr(&name)?];
        let (theirs, other) = (path.clone(), name.clone());
        let connecting = async move {
            drop(UnixStream::connect(&theirs).await?);
            drop(UnixStream::connect_addr(&other).await?);
            drop(UnixStream::connect_timeout(&theirs, Duration::from_secs(1000)).await?);
            io::Result::Ok(())
        };
        cut.end(connecting).await.transpose()?;
        if cut.forgets() {
            return Ok(()); // a connection that is forgotten is open
        }
        let ours = [UnixStream::connect(&path).await?, UnixStream::connect_addr(&name).await?];
        for (listener, ours) in listeners.iter().zip(&ours) {
            ours.write_all("x").await?;
            // Those that were given up came first, and are closed.
            while listener.accept().await?.0.recv().await?.is_none() {}
        }
        Ok(())
    });
}

#[test]
fn listeners_given_to_std_ended_anywhere_are_closed() {
    Points::of(&[
        "net::tcp_listener::into_std",
        "net::unix_listener::into_std",
        "net::unix_seqpacket_listener::into_fd",
    ])
    .real_only("a std socket")
    .run(|cut| async move {
        let path = cut.file("beside", b"").with_file_name("socket");
        let (tcp, unix) = (TcpListener::bind("127.0.0.1:0")?, UnixListener::bind(&path)?);
        let packets_path = path.with_file_name("packets");
        let packets = UnixSeqpacketListener::bind(&packets_path)?;
        let address = tcp.local_addr()?;
        {
            // Arms the accepts, which into_std has to end first.
            let mut accepting = (Box::pin(tcp.accept()), Box::pin(unix.accept()));
            assert!(futures_util::poll!(&mut accepting.0).is_pending());
            assert!(futures_util::poll!(&mut accepting.1).is_pending());
            super::yield_to_kernel().await?;
        }
        let giving = async move {
            drop(tcp.into_std().await?);
            drop(unix.into_std().await?);
            drop(packets.into_fd().await?);
            io::Result::Ok(())
        };
        cut.end(giving).await.transpose()?;
        if !cut.forgets() {
            let open = || annulus::runtime::metrics().expect("a runtime runs").descriptors;
            super::until("they are closed", || open() == 0).await?;
            let refused = |result: io::Result<()>| {
                result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            };
            assert!(refused(TcpStream::connect(address).await.map(drop)), "{cut:?}");
            assert!(refused(UnixStream::connect(&path).await.map(drop)), "{cut:?}");
            let connected = UnixSeqpacket::connect(&packets_path).await;
            assert!(refused(connected.map(drop)), "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn waits_for_readiness_ended_anywhere_lose_none() {
    Points::of(&[
        "io::async_fd::readable",
        "io::async_fd::readable_mut",
        "io::async_fd::writable",
        "io::async_fd::writable_mut",
        "io::async_fd::ready",
        "io::async_fd::ready_mut",
        "io::async_fd::async_io",
    ])
    .real_only("a descriptor of std")
    .run(|cut| async move {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (kept, fd) = Lent::new(AsyncFd::new(ours)?);
        let peer = annulus::spawn(async move {
            super::yield_to_kernel().await?;
            theirs.write_all(b"x")?;
            io::Result::Ok(theirs)
        });
        let waiting = async move {
            drop(fd.writable().await?);
            drop(fd.writable_mut().await?);
            drop(fd.readable().await?);
            drop(fd.readable_mut().await?);
            drop(fd.ready(Events::READABLE).await?);
            drop(fd.ready_mut(Events::READABLE).await?);
            fd.async_io(Events::READABLE, |mut stream| stream.read(&mut [0; 4])).await
        };
        let read = cut.end(waiting).await.transpose()?;
        let _theirs = peer.await.expect("the peer does not panic")?;
        let fd = kept.back();
        if read.is_none() && !cut.forgets() {
            let n = fd.async_io(Events::READABLE, |mut stream| stream.read(&mut [0; 4])).await?;
            assert_eq!(n, 1, "{cut:?}");
        }
        Ok(())
    });
}
