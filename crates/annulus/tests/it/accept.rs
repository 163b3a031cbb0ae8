//! Listeners: true addresses, queues, running out of descriptors.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::ptr;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::Runtime;
use futures_util::poll;

use crate::cancel::yield_to_kernel;
use crate::harness::{check, own_process, run};

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn each_connection_comes_with_the_address_of_its_own_peer() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(address).await?);
        }
        for client in &clients {
            let (server, peer) = listener.accept().await?;
            assert_eq!(peer, client.local_addr()?);
            assert_eq!(server.peer_addr()?, peer);
        }
        Ok(())
    });
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let error = TcpListener::bind(listener.local_addr()?).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        Ok(())
    });
}

#[test]
fn listeners_that_share_a_port_both_get_connections() {
    run(async {
        let options = ListenOptions::new().reuse_port(true).backlog(64);
        let first = TcpListener::bind_with("127.0.0.1:0", options)?;
        let second = TcpListener::bind_with(first.local_addr()?, options)?;
        let mut clients = Vec::new();
        for _ in 0..64 {
            clients.push(TcpStream::connect(first.local_addr()?).await?);
        }
        let second_got = annulus::time::timeout(BOUND, second.accept()).await;
        assert!(second_got.is_ok());
        annulus::time::timeout(BOUND, first.accept()).await??;
        Ok(())
    });
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut accept = Box::pin(listener.accept());
        assert!(futures_util::poll!(&mut accept).is_pending());
        drop(accept);
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (_, peer) = listener.accept().await?;
        assert_eq!(peer, client.local_addr()?);
        Ok(())
    });
}

#[test]
fn a_dropped_listener_closes_what_nobody_took() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut accept = Box::pin(listener.accept());
        assert!(futures_util::poll!(&mut accept).is_pending());
        drop(accept);
        let client = TcpStream::connect(listener.local_addr()?).await?;
        crate::harness::turns(3).await;
        drop(listener);
        let ended = client.recv().await;
        assert!(matches!(ended, Ok(None) | Err(_)), "the connection was closed");
        Ok(())
    });
}

#[test]
fn more_connections_than_the_queue_holds_are_all_served() {
    run(async {
        let listener = TcpListener::bind_with("127.0.0.1:0", ListenOptions::new().backlog(2048))?;
        let address = listener.local_addr()?;
        let mut first = Box::pin(listener.accept());
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut clients = Vec::new();
        for _ in 0..600 {
            clients.push(TcpStream::connect(address).await?);
        }
        let mut served = vec![first.await?];
        while served.len() < clients.len() {
            served.push(listener.accept().await?);
        }
        Ok(())
    });
}

#[test]
fn running_out_of_descriptors_is_reported_and_recovered_from() {
    let _own = own_process();
    let (soft, _) = crate::limits::descriptor_limit();
    check(Runtime::builder().fixed_files(64), async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        // Outside connections, made before there are no descriptors left.
        let clients: Vec<_> =
            (0..10).map(|_| std::net::TcpStream::connect(address)).collect::<io::Result<_>>()?;
        let open = crate::harness::descriptors().len() as u64;
        crate::limits::set_descriptor_limit(open + 3);
        let mut served = Vec::new();
        let mut errors = 0;
        while served.len() < clients.len() {
            match listener.accept().await {
                Ok(connection) => served.push(connection),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error}");
                    errors += 1;
                    if errors == 3 {
                        crate::limits::set_descriptor_limit(soft);
                    }
                }
            }
        }
        assert!(errors >= 3, "the limit was met");
        Ok(())
    });
    crate::limits::set_descriptor_limit(soft);
}

/// A waker of which no clone can be dropped.
fn dangerous() -> Waker {
    static ORIGINAL: RawWakerVTable =
        RawWakerVTable::new(|_| RawWaker::new(ptr::null(), &CLONE), |_| (), |_| (), |_| ());
    static CLONE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(ptr::null(), &CLONE),
        |_| (),
        |_| (),
        |_| panic!("as the test wants it"),
    );
    // SAFETY: the functions of the tables may be called on any thread, and use no data.
    unsafe { Waker::from_raw(RawWaker::new(ptr::null(), &ORIGINAL)) }
}

#[test]
fn a_waker_that_panics_leaves_no_accepted_connection_open_that_nobody_has() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut accepting = pin!(listener.accept());
        assert!(poll!(&mut accepting).is_pending());
        let client = TcpStream::connect(listener.local_addr()?).await?;
        yield_to_kernel().await?;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            accepting.as_mut().poll(&mut Context::from_waker(&dangerous())).is_ready()
        }));
        assert!(polled.is_err(), "it was accepted, and the waker is not needed");
        let mut ended = pin!(client.recv());
        for _ in 0..1000 {
            if poll!(&mut ended).is_ready() {
                return Ok(());
            }
            yield_to_kernel().await?;
        }
        panic!("the connection is still open");
    });
}
