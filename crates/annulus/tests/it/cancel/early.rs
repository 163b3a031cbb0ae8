//! Cancels, deadlines, chains and streams, themselves ended at every point.

use std::io;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::fs::{File, OpenOptions};
use annulus::io::{Events, Readiness};
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::op::chain;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::cancel::Points;
use crate::harness::pair;

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn unleak<T>(leaked: &'static T) {
    // SAFETY: leaked with `leak`; the future that borrowed it is gone, or is never polled again.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(leaked).cast_mut()) });
}

#[test]
fn a_cancel_ended_anywhere_loses_no_byte() {
    Points::of(&["op::cancel::Cancel"]).run(|cut| async move {
        let (client, server) = pair().await?;
        let server = leak(server);
        let reading = async {
            let mut reading = server.read_exact(vec![0; 6]);
            let _ = futures_util::poll!(&mut reading);
            reading.cancel().await
        };
        client.send_nowait(b"abc")?;
        let got = cut.end(reading).await;
        client.send_nowait(b"defg")?;
        if !cut.forgets() {
            let mut all = match got {
                Some(Ok(((), buf))) => buf,
                _ => Vec::new(),
            };
            while all.len() < 7 {
                all.extend_from_slice(&server.recv().await?.expect("no end yet"));
            }
            assert_eq!(all, b"abcdefg", "{cut:?}");
        }
        unleak(server);
        Ok(())
    });
}

#[test]
fn a_deadline_ended_anywhere_loses_no_byte_and_no_timer() {
    Points::of(&["op::deadline::Deadline"]).run(|cut| async move {
        let (client, server) = pair().await?;
        let server = leak(server);
        let reading = server.read(vec![0; 6]).timeout(Duration::from_micros(300));
        let got = cut.end(reading).await;
        client.send_nowait(b"abc")?;
        if !cut.forgets() {
            assert!(!matches!(got, Some(Ok(_))), "nothing was there");
            let mut all = Vec::new();
            while all.len() < 3 {
                all.extend_from_slice(&server.recv().await?.expect("no end yet"));
            }
            assert_eq!(all, b"abc", "{cut:?}");
        }
        unleak(server);
        Ok(())
    });
}

#[test]
fn a_connect_with_a_deadline_ended_anywhere_leaves_no_socket() {
    Points::of(&["net::tcp_stream::connect_timeout"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connecting = TcpStream::connect_timeout(address, Duration::from_secs(10));
        drop(cut.end(connecting).await.transpose()?);
        Ok(())
    });
}

#[test]
fn a_cancelled_open_ended_anywhere_leaves_no_descriptor() {
    Points::of(&["op::cancel::Cancel"]).run(|cut| async move {
        let path = cut.file("file", b"text");
        let opening = async {
            let mut opening = File::open(path);
            let _ = futures_util::poll!(&mut opening);
            opening.cancel().await
        };
        drop(cut.end(opening).await);
        Ok(())
    });
}

#[test]
fn a_chain_ended_anywhere_leaves_its_file_usable() {
    Points::of(&["op::chain::Chain"]).real_only("transfers that are never short").run(
        |cut| async move {
            let path = cut.file("file", &[7; 100]);
            let mut options = OpenOptions::new();
            let file = leak(options.read(true).write(true).open(path).await?);
            let steps = (
                file.write_at(vec![8; 10], 0),
                file.sync_data(),
                file.write_at(vec![9; 10], 0),
                file.read_at(Vec::with_capacity(20), 0),
            );
            let done = cut.end(chain(steps)).await;
            let (_, buf) = file.read_at(vec![0; 10], 0).await?;
            if let Some((first, synced, second, read)) = done {
                synced?;
                assert_eq!((first?.0, second?.0, read?.0), (10, 10, 20));
                assert_eq!(buf, [9; 10]);
            } else if !cut.polled() {
                assert_eq!(buf, [7; 10]);
            }
            unleak(file);
            Ok(())
        },
    );
}

#[test]
fn streams_ended_anywhere_lose_no_item() {
    Points::of(&["net::leases::Leases"]).run(|cut| async move {
        let (left, right) = UnixStream::pair()?;
        let right = leak(right);
        let peer = annulus::spawn(async move {
            for byte in 0..3_u8 {
                left.write_all(vec![byte; 3]).await?;
                crate::cancel::yield_to_kernel().await?;
            }
            io::Result::Ok(left)
        });
        let two = async {
            let leases = right.leases().take(1).map_ok(|lease| lease.to_vec());
            let leases: Vec<_> = leases.try_collect().await?;
            io::Result::Ok(leases.concat())
        };
        let mut all = cut.end(two).await.transpose()?.unwrap_or_default();
        drop(peer.await.expect("the peer does not panic")?);
        if !cut.forgets() {
            while let Some(lease) = right.leases().try_next().await? {
                all.extend_from_slice(&lease);
            }
            assert_eq!(all, [0, 0, 0, 1, 1, 1, 2, 2, 2], "{cut:?}");
        }
        unleak(right);
        Ok(())
    });
}

#[test]
fn a_stream_of_connections_ended_anywhere_loses_none() {
    Points::of(&["net::accept::Incoming"]).run(|cut| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let listener = leak(listener);
        let clients = annulus::spawn(async move {
            let first = TcpStream::connect(address).await?;
            crate::cancel::yield_to_kernel().await?;
            io::Result::Ok((first, TcpStream::connect(address).await?))
        });
        let one = async { listener.incoming().try_next().await };
        let accepted = cut.end(one).await.transpose()?;
        let clients = clients.await.expect("they do not panic")?;
        if !cut.forgets() {
            for _ in usize::from(accepted.is_some())..2 {
                listener.accept().await?;
            }
        }
        drop((clients, accepted));
        unleak(listener);
        Ok(())
    });
}

#[test]
fn a_watch_ended_anywhere_closes_its_descriptor() {
    Points::of(&["io::readiness::Readiness"]).real_only("a descriptor of std").run(
        |cut| async move {
            let (reader, mut writer) = std::os::unix::net::UnixStream::pair()?;
            let mut readiness = Readiness::new(reader, Events::READABLE)?;
            std::io::Write::write_all(&mut writer, b"x")?;
            let first = async move {
                let first = readiness.try_next().await;
                drop(readiness);
                first
            };
            if let Some(events) = cut.end(first).await {
                assert!(events?.expect("it has no end").contains(Events::READABLE));
            }
            Ok(())
        },
    );
}
