//! Limits: of the process, and of scale.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::{Runtime, raise_descriptor_limit};

use crate::harness::{check, own_process, skip};

pub fn descriptor_limit() -> (u64, u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the result.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    (limit.rlim_cur, limit.rlim_max)
}

pub fn set_descriptor_limit(soft: u64) {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: descriptor_limit().1 };
    // SAFETY: `limit` is a valid value.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

#[test]
fn ten_thousand_connections_echo_at_once() {
    let _own = own_process();
    raise_descriptor_limit().unwrap();
    let (soft, _) = descriptor_limit();
    // Both ends are in this process.
    let connections = 10_000.min((soft as usize - 100) / 2);
    if connections < 9_000 {
        skip(&format!("the descriptor limit of {soft} leaves room for {connections} connections"));
    }
    let builder = Runtime::builder().buffer_count(256);
    let last = check(builder, async move {
        let listener = TcpListener::bind_with("127.0.0.1:0", ListenOptions::new().backlog(4096))?;
        let address = listener.local_addr()?;
        let accepting = annulus::spawn(async move {
            for _ in 0..connections {
                let (stream, _) = listener.accept().await?;
                annulus::spawn(async move {
                    while let Some(lease) = stream.recv().await? {
                        stream.write_all(lease).await?;
                    }
                    io::Result::Ok(())
                });
            }
            io::Result::Ok(())
        });
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Rc::new(TcpStream::connect(address).await?));
        }
        accepting.await.unwrap()?;
        let done = Rc::new(Cell::new(0));
        for round in 0..3u8 {
            let tasks: Vec<_> = clients
                .iter()
                .map(|client| {
                    let (client, done) = (client.clone(), done.clone());
                    annulus::spawn(async move {
                        client.write_all(vec![round; 64]).await?;
                        let ((), back) = client.read_exact(vec![0; 64]).await?;
                        assert_eq!(back, [round; 64]);
                        done.set(done.get() + 1);
                        io::Result::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap()?;
            }
        }
        assert_eq!(done.get(), 3 * connections);
        clients.clear();
        // The echo tasks see the end of their streams.
        while annulus::runtime::metrics()?.tasks > 0 {
            crate::harness::turns(1).await;
        }
        Ok(())
    });
    assert_eq!(last.descriptors, 0);
}

#[test]
fn raising_the_descriptor_limit_reaches_the_hard_one() {
    let _own = own_process();
    raise_descriptor_limit().unwrap();
    let (soft, hard) = descriptor_limit();
    assert_eq!(soft, hard);
}
