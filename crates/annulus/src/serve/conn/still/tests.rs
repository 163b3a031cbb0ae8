//! Connections that are looked at with a clock of the test, and peers that read when it says so.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use super::*;
use crate::runtime::Runtime;
use crate::serve::Conn;
use crate::task::yield_now;

const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks: a quarter of the limit.
const QUARTER_NS: u64 = 15_000_000_000;
const LONG: usize = 64 << 20;

/// A connection, and its peer, which reads when the test does.
fn tcp() -> (Conn, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = TcpStream::from_std(listener.accept().unwrap().0).unwrap();
    (Conn::of_tcp(stream).unwrap(), peer)
}

fn unix() -> (Conn, std::os::unix::net::UnixStream) {
    let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    // As accepted ones are.
    ours.set_nonblocking(true).unwrap();
    let stream = crate::net::UnixStream::from_std(ours).unwrap();
    (Conn::of_unix(stream).unwrap(), peer)
}

/// Looks again and again, a quarter of the limit apart.
struct Looks(u64);

impl Looks {
    fn quarter(&mut self, conn: &Conn) -> bool {
        self.0 += QUARTER_NS;
        conn.inner.sweep(self.0)
    }

    /// Looks for as long as it may be still, and a little longer.
    fn five(&mut self, conn: &Conn) -> bool {
        (0..5).any(|_| self.quarter(conn))
    }
}

/// Lets the core go on until something has got somewhere.
async fn moved(conn: &Conn, since: u64) {
    while conn.inner.progress() == since {
        // The kernel has work of its own to do.
        crate::time::sleep(Duration::from_micros(100)).await;
    }
}

/// Lets the core go on until nothing gets anywhere any more.
async fn settled(conn: &Conn) {
    let (mut progress, mut looks) = (conn.inner.progress(), 0);
    while looks < 20 {
        crate::time::sleep(Duration::from_millis(1)).await;
        let now = conn.inner.progress();
        looks = if now == progress { looks + 1 } else { 0 };
        progress = now;
    }
}

/// A send of `LONG` bytes to a peer that reads a little each quarter of the limit, and then no
/// more.
async fn long_send(conn: Conn, mut peer: impl std::io::Read) {
    conn.inner.still.set_limit(Some(LIMIT));
    let sender = conn.clone();
    let sending = crate::spawn(async move { sender.send(vec![7; LONG]).await.map(drop) });
    let (mut looks, mut piece) = (Looks(1), vec![0; 256 * 1024]);
    settled(&conn).await;
    // Twice as long as it may be still.
    for _ in 0..8 {
        assert!(!looks.quarter(&conn), "it goes on");
        let before = conn.inner.progress();
        while conn.inner.progress() == before {
            // Nothing is there: what was sent is on its way.
            let _would_block = peer.read(&mut piece);
            crate::time::sleep(Duration::from_micros(100)).await;
        }
        settled(&conn).await;
    }
    assert!(!sending.is_finished() && conn.is_open());
    assert!(!looks.quarter(&conn), "it has been still for no time");
    assert!(looks.five(&conn), "nothing gets anywhere any more");
    assert_eq!(conn.inner.ended_here(), Some(super::super::Ended::Idle));
    assert!(sending.await.unwrap().is_err());
}

#[test]
fn a_long_send_that_progresses_is_not_still_and_one_that_does_not_is() {
    Runtime::new().unwrap().block_on(async {
        let (conn, peer) = tcp();
        peer.set_nonblocking(true).unwrap();
        long_send(conn, peer).await;
    });
}

#[test]
fn a_send_under_way_to_a_unix_peer_is_no_stillness_and_silence_after_it_is() {
    Runtime::new().unwrap().block_on(async {
        let (conn, mut peer) = unix();
        conn.inner.still.set_limit(Some(LIMIT));
        let sender = conn.clone();
        let sending = crate::spawn(async move { sender.send(vec![7; LONG]).await.map(drop) });
        yield_now().await;
        let mut looks = Looks(1);
        assert!(!looks.five(&conn) && !looks.five(&conn));
        let reading =
            std::thread::spawn(move || peer.read_exact(&mut vec![0; LONG]).map(|()| peer));
        sending.await.unwrap().unwrap();
        let _peer = reading.join().unwrap().unwrap();
        assert!(!looks.quarter(&conn), "it has just been active");
        assert!(looks.five(&conn));
    });
}

#[test]
fn what_a_dead_peer_is_sent_in_small_pieces_is_no_progress() {
    Runtime::new().unwrap().block_on(async {
        let (conn, _peer) = tcp();
        conn.inner.still.set_limit(Some(LIMIT));
        // Fill everything between the two, so that nothing more can be acknowledged.
        while conn.send_nowait(&[0; 4096]).is_ok() {
            yield_now().await;
        }
        settled(&conn).await;
        let mut looks = Looks(1);
        assert!(!looks.quarter(&conn));
        let mut late = false;
        for _ in 0..5 {
            // It goes on trying.
            let _full = conn.send_nowait(b"are you there?");
            late |= looks.quarter(&conn);
        }
        assert!(late && !conn.is_open());
    });
}

#[test]
fn bytes_that_come_are_progress_and_a_connection_may_be_still_for_its_time() {
    Runtime::new().unwrap().block_on(async {
        let (conn, mut peer) = tcp();
        conn.inner.still.set_limit(Some(LIMIT));
        let mut looks = Looks(1);
        assert!(!looks.quarter(&conn));
        for _ in 0..6 {
            // Three quarters of its time, and then a byte that no handler reads.
            assert!((0..3).all(|_| !looks.quarter(&conn)));
            let before = conn.inner.progress();
            peer.write_all(b"x").unwrap();
            moved(&conn, before).await;
        }
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(!looks.quarter(&conn));
        // Looks in between cost nothing, and decide nothing.
        let between = looks.0;
        assert!((1..1000).all(|n| !conn.inner.sweep(between + n)));
        assert!(looks.five(&conn));
    });
}

#[test]
fn a_connection_without_a_limit_is_left_alone() {
    Runtime::new().unwrap().block_on(async {
        let (conn, _peer) = tcp();
        assert!(!Looks(1).five(&conn) && !Looks(u64::MAX / 2).five(&conn));
    });
}
