//! Ten thousand connections that come and go while others stay: whatever number a descriptor or a
//! record has had before, bytes are those of the connection that they were sent on.

use std::cell::Cell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::Runtime;

use crate::harness::{check, share_process};

/// Connections in all, those at a time, and those that stay.
const ALL: u64 = 10_000;
const AT_ONCE: u64 = 100;
const STAYING: u64 = 50;

/// What a connection says: its own number, again and again, so that no other's passes for it.
fn words(number: u64, len: usize) -> Vec<u8> {
    number.to_ne_bytes().into_iter().cycle().take(len).collect()
}

/// One question and its answer.
async fn ask(stream: &TcpStream, number: u64) -> io::Result<()> {
    let (_, asked) = stream.write_all(words(number, 8 + number as usize % 400)).await?;
    let ((), answered) = stream.read_exact(vec![0; asked.len()]).await?;
    assert!(answered == asked, "connection {number} heard another");
    Ok(())
}

/// A connection from its beginning to one of several ends.
async fn come_and_go(address: std::net::SocketAddr, number: u64) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    match number % 4 {
        // Gone without a word, with a reset.
        0 => stream.set_zero_linger()?,
        // An answer that nobody takes.
        1 => {
            stream.write_all(words(number, 100)).await?;
            stream.set_zero_linger()?;
        }
        // Each direction ends for itself.
        2 => {
            ask(&stream, number).await?;
            stream.shutdown(Shutdown::Write)?;
            assert!(stream.recv().await?.is_none());
        }
        _ => {
            ask(&stream, number).await?;
            stream.set_zero_linger()?;
        }
    }
    Ok(())
}

/// Answers until the peer ends; a peer that is gone is no error of the server.
async fn answer(stream: TcpStream) {
    while let Ok(Some(lease)) = stream.recv().await {
        if stream.write_all(lease).await.is_err() {
            break;
        }
    }
}

#[test]
fn ten_thousand_connections_come_and_go_and_disturb_nobody() {
    let _shared = share_process();
    let last = check(Runtime::builder(), async {
        let listener = TcpListener::bind_with("127.0.0.1:0", ListenOptions::new().backlog(4096))?;
        let address = listener.local_addr()?;
        let served = Rc::new(Cell::new(0));
        let server = {
            let served = served.clone();
            annulus::spawn(async move {
                loop {
                    let Ok((stream, _)) = listener.accept().await else { break };
                    served.set(served.get() + 1);
                    annulus::spawn(answer(stream));
                }
            })
        };
        let mut staying = Vec::new();
        for _ in 0..STAYING {
            staying.push(TcpStream::connect(address).await?);
        }
        for round in 0..ALL / AT_ONCE {
            let come = (0..AT_ONCE).map(|one| come_and_go(address, round * AT_ONCE + one));
            for task in come.map(annulus::spawn).collect::<Vec<_>>() {
                task.await.expect("no connection panics")?;
            }
            ask(&staying[(round % STAYING) as usize], ALL + round).await?;
        }
        // Of those that are reset at once, the ones whose reset came first are left out.
        assert!(served.get() >= ALL / 2 + STAYING, "{} were served", served.get());
        for (number, stream) in staying.into_iter().enumerate() {
            ask(&stream, number as u64).await?;
        }
        server.abort();
        while annulus::runtime::metrics()?.tasks > 0 {
            crate::harness::turns(1).await;
        }
        Ok(())
    });
    assert_eq!((last.descriptors, last.stale_cqes), (0, 0));
}
