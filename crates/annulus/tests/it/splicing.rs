//! From one TCP connection to another: every byte, in order, with both ends of each direction,
//! whether the kernel passes pages on or the runtime passes leases on.

use std::io;
use std::net::Shutdown;

use annulus::io::{copy, copy_bidirectional};
use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::{Builder, Runtime, metrics};

use crate::harness::ground::on_both_with;
use crate::harness::{pair, run};

fn pattern(bytes: usize, salt: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + (at >> 9) + salt) as u8).collect()
}

/// Sends in pieces of such a size, then ends the direction.
async fn send(stream: &TcpStream, bytes: Vec<u8>, piece: usize) -> io::Result<()> {
    for piece in bytes.chunks(piece) {
        stream.write_all(piece.to_vec()).await?;
    }
    stream.shutdown(Shutdown::Write)
}

async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(lease) = stream.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(all)
}

/// So much goes through a proxy, there and back, and what arrives is compared.
async fn through_a_proxy(there: usize, back: usize, piece: usize) -> io::Result<()> {
    let (client, near) = pair().await?;
    let (far, server) = pair().await?;
    let proxy = annulus::spawn(async move { copy_bidirectional(&near, &far).await });
    let (asked, answered) = (pattern(there, 1), pattern(back, 2));
    let (up, down, at_server, at_client) = annulus::join!(
        send(&client, asked.clone(), piece),
        send(&server, answered.clone(), piece),
        read_to_end(&server),
        read_to_end(&client),
    );
    up?;
    down?;
    assert!(at_server? == asked, "other bytes came to the server");
    assert!(at_client? == answered, "other bytes came to the client");
    assert_eq!(proxy.await.expect("it does not panic")?, (there as u64, back as u64));
    Ok(())
}

#[test]
fn what_is_large_goes_through_the_kernel() {
    use std::io::{Read as _, Write as _};
    run(async {
        // Both ends are threads, so that every lease is one of the proxy: 2048 at least, if it
        // takes any.
        let bytes = 32 << 20;
        let target = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = target.local_addr()?;
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            target.accept()?.0.read_to_end(&mut all)?;
            io::Result::Ok(all)
        });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let source = listener.local_addr()?;
        let writer = std::thread::spawn(move || {
            std::net::TcpStream::connect(source)?.write_all(&pattern(bytes, 6))
        });
        let (near, _) = listener.accept().await?;
        let far = TcpStream::connect(address).await?;
        assert_eq!(copy(&mut &near, &mut &far).await?, bytes as u64);
        far.shutdown(Shutdown::Write)?;
        writer.join().expect("it does not panic")?;
        assert!(reader.join().expect("it does not panic")? == pattern(bytes, 6));
        let leases = metrics()?.leases;
        assert!(leases < 1024, "{leases} leases");
        Ok(())
    });
}

#[test]
fn what_is_small_and_what_is_mixed_arrives_as_well() {
    run(async {
        through_a_proxy(0, 0, 1).await?;
        through_a_proxy(1, 70_000, 1).await?;
        through_a_proxy(50_000, 3 << 20, 100).await?;
        through_a_proxy(3 << 20, 100, 5000).await?;
        Ok(())
    });
}

#[test]
fn a_stream_that_becomes_slow_is_received_from_again() {
    run(async {
        let (client, near) = pair().await?;
        let (far, server) = pair().await?;
        let proxy = annulus::spawn(async move { copy_bidirectional(&near, &far).await });
        let bulk = pattern(4 << 20, 3);
        for _ in 0..3 {
            let (sent, read) =
                annulus::join!(client.write_all(bulk.clone()), server.read_exact(vec![0; 4 << 20]));
            sent?;
            assert!(read?.1 == bulk);
            // More messages than small moves are borne.
            for round in 0..40_u8 {
                client.write_all(vec![round; 10]).await?;
                assert_eq!(server.read_exact(vec![0; 10]).await?.1, [round; 10]);
            }
        }
        drop(client);
        assert!(server.recv().await?.is_none());
        drop(server);
        let moved = proxy.await.expect("it does not panic")?;
        assert_eq!(moved, (3 * ((4 << 20) + 400), 0));
        Ok(())
    });
}

#[test]
fn a_peer_that_does_not_read_is_waited_for() {
    run(async {
        let (client, near) = pair().await?;
        let (far, server) = pair().await?;
        let copied = annulus::spawn(async move {
            let copied = copy(&mut &near, &mut &far).await?;
            far.shutdown(Shutdown::Write)?;
            io::Result::Ok(copied)
        });
        let all = pattern(24 << 20, 4);
        let sender = {
            let all = all.clone();
            annulus::spawn(async move { send(&client, all, 1 << 20).await })
        };
        // Nobody reads before everything on the way is full.
        crate::harness::turns(200).await;
        assert!(read_to_end(&server).await? == all);
        sender.await.expect("it does not panic")?;
        assert_eq!(copied.await.expect("it does not panic")?, all.len() as u64);
        Ok(())
    });
}

#[test]
fn a_target_that_is_gone_ends_the_copy_with_its_error() {
    run(async {
        let (client, near) = pair().await?;
        let (far, server) = pair().await?;
        let proxy = annulus::spawn(async move { copy(&mut &near, &mut &far).await });
        let bulk = pattern(2 << 20, 5);
        let (sent, read) =
            annulus::join!(client.write_all(bulk), server.read_exact(vec![0; 2 << 20]));
        sent?;
        read?;
        drop(server);
        let error = loop {
            if client.write_all(vec![1; 100_000]).await.is_err() || proxy.is_finished() {
                break proxy.await.expect("it does not panic").expect_err("nobody takes it");
            }
        };
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        Ok(())
    });
}

/// Buffers in which pieces count as large.
fn large_buffers() -> Builder {
    Runtime::builder().entries(16).cq_entries(64).buffer_bytes(8192).buffer_count(16)
}

#[test]
fn a_kernel_that_does_not_splice_passes_leases_on() {
    on_both_with(large_buffers, 30, |ground| async move {
        let bytes = if ground.is_simulated() { 300_000 } else { 3_000_000 };
        through_a_proxy(bytes, 2000, 60_000).await
    });
}
