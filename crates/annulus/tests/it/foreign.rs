//! Other threads: waking, dropping, sending what may be sent.

use std::future::Future;
use std::io::Read as _;
use std::sync::mpsc;
use std::time::Duration;

use annulus::net::TcpListener;
use annulus::runtime::{Builder, Runtime};
use annulus_ring::Mask;
use annulus_ring::abi::Opcode;

use crate::harness::{pair, run, run_on};

/// Waits until a socket of `std` has something to read.
pub fn wait_readable(stream: &std::net::TcpStream) {
    loop {
        match stream.peek(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            peeked => {
                peeked.expect("the peer has sent something");
                return;
            }
        }
    }
}

#[test]
fn a_thread_can_wake_a_sleeping_core() {
    is_woken_by_a_thread(Runtime::builder());
}

#[test]
fn a_thread_can_wake_a_core_whose_kernel_has_no_futex_for_rings() {
    is_woken_by_a_thread(Runtime::builder().mask(Mask::none().op(Opcode::FUTEX_WAIT)));
}

fn is_woken_by_a_thread(builder: Builder) {
    run_on(builder, async {
        let shared = std::sync::Arc::new(std::sync::Mutex::new((None, None::<std::task::Waker>)));
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || {
            // Until the core has left its waker, it has not looked yet.
            let waker = loop {
                if let Some(waker) = theirs.lock().unwrap().1.take() {
                    break waker;
                }
                std::thread::yield_now();
            };
            theirs.lock().unwrap().0 = Some(7);
            waker.wake();
        });
        let seven = std::future::poll_fn(|cx| {
            let mut shared = shared.lock().unwrap();
            match shared.0 {
                Some(value) => std::task::Poll::Ready(value),
                None => {
                    shared.1 = Some(cx.waker().clone());
                    std::task::Poll::Pending
                }
            }
        });
        assert_eq!(seven.await, 7);
        thread.join().unwrap();
        Ok(())
    });
}

#[test]
fn handles_dropped_on_another_thread_are_closed_by_their_core() {
    run(async {
        let (client, server) = pair().await?;
        std::thread::spawn(move || drop(server)).join().unwrap();
        assert!(client.recv().await?.is_none());
        Ok(())
    });
}

#[test]
fn operations_dropped_on_another_thread_end_on_their_core() {
    run(async {
        let (client, server) = pair().await?;
        let (sent, dropped) = mpsc::channel();
        {
            let server = std::sync::Arc::new(server);
            let reader = server.clone();
            let mut reading: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(async move {
                    let _ = reader.read(Vec::with_capacity(64)).await;
                });
            assert!(futures_util::poll!(&mut reading).is_pending());
            let mut sleeping = Box::pin(annulus::time::sleep(Duration::from_secs(100)));
            assert!(futures_util::poll!(&mut sleeping).is_pending());
            std::thread::spawn(move || {
                drop(reading);
                drop(sleeping);
                sent.send(()).unwrap();
            });
            dropped.recv().unwrap();
            client.write_all("late").await?;
            assert_eq!(&*server.recv().await?.unwrap(), b"late", "the bytes were not lost");
        }
        while annulus::runtime::metrics()?.timers > 0 {
            crate::harness::turns(1).await;
        }
        Ok(())
    });
}

#[test]
fn leases_dropped_on_another_thread_go_back_to_their_core() {
    let builder = annulus::runtime::Runtime::builder()
        .buffer_count(2)
        .buffers_incremental(false)
        .buffer_bytes(256);
    crate::harness::run_on(builder, async {
        let (client, server) = pair().await?;
        for round in 0..50u8 {
            client.write_all(vec![round; 200]).await?;
            let lease = server.recv().await?.unwrap();
            assert!(lease.iter().all(|&byte| byte == round));
            std::thread::spawn(move || drop(lease)).join().unwrap();
        }
        Ok(())
    });
}

#[test]
fn a_std_peer_on_another_thread_talks_to_a_core() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let peer = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address)?;
            let mut all = String::new();
            stream.read_to_string(&mut all)?;
            std::io::Result::Ok(all)
        });
        let (stream, _) = listener.accept().await?;
        for word in ["a", "b", "c"] {
            stream.write_all(word).await?;
        }
        drop(stream);
        crate::harness::turns(1).await;
        assert_eq!(peer.join().unwrap()?, "abc");
        Ok(())
    });
}
