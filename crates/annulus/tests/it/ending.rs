//! Operations that are asked to end, by their user or by the clock: result and buffer come back,
//! whoever was faster.

mod chains;
mod deadlines;
mod files_to_sockets;
mod seeds;
mod streams;

use std::io::{self, ErrorKind, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::pin::pin;

use annulus::buf::BufError;
use annulus::fs::{File, OpenOptions};
use annulus::net::{ListenOptions, TcpListener, TcpStream, UnixStream};
use annulus::op::{Cancelled, Linkable};
use annulus::{OpExt as _, runtime};
use annulus_ring::op::{Splice, Target};
use futures_util::poll;

use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::{Scratch, pair, run, run_on};

/// The buffer of an operation that was cancelled, and not for another reason.
fn cancelled<T: std::fmt::Debug, B>(ended: Result<T, BufError<B>>) -> B {
    let (error, buf) = ended.map(|_| ()).expect_err("it was cancelled").into_parts();
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
    assert!(Cancelled::of(&error).is_some(), "{error:?}");
    buf.expect("the buffer comes back")
}

fn requests() -> u64 {
    runtime::metrics().expect("a runtime runs").sqes
}

#[test]
fn what_was_not_polled_ends_at_once_without_a_request() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[7; 100]);
    run(async {
        let (client, server) = pair().await?;
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        yield_to_kernel().await?;
        let before = requests();
        let buf = Vec::with_capacity(123);
        let at = buf.as_ptr();
        let buf = cancelled(file.read_at(buf, 0).cancel().await);
        assert_eq!((buf.as_ptr(), buf.capacity()), (at, 123), "the very buffer");
        cancelled(file.write_at("no", 0).cancel().await);
        cancelled(file.read_exact_at(vec![0; 10], 0).cancel().await);
        cancelled(file.write_all_at("no", 0).cancel().await);
        cancelled(file.read_vectored_at((vec![0; 5], vec![0; 5]), 0).cancel().await);
        cancelled(file.write_vectored_at(("n", "o"), 0).cancel().await);
        cancelled(client.write("no").cancel().await);
        cancelled(client.write_all("no").cancel().await);
        cancelled(client.write_all_vectored(("n", "o")).cancel().await);
        cancelled(server.read(vec![0; 5]).cancel().await);
        cancelled(server.read_exact(vec![0; 5]).cancel().await);
        for error in [
            file.sync_all().cancel().await.unwrap_err(),
            file.sync_data().cancel().await.unwrap_err(),
            server.recv().cancel().await.map(drop).unwrap_err(),
            File::open(&path).cancel().await.unwrap_err(),
            annulus::fs::metadata(&path).cancel().await.map(drop).unwrap_err(),
            TcpStream::connect("127.0.0.1:1").cancel().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            assert_eq!(Cancelled::of(&error).map(Cancelled::bytes_done), Some(0));
        }
        assert_eq!(requests(), before, "the kernel never heard of any");
        assert_eq!(std::fs::read(&path)?, [7; 100]);
        Ok(())
    });
}

#[test]
fn a_receive_that_waits_gives_its_buffer_back_and_loses_nothing() {
    run(async {
        let (client, server) = pair().await?;
        let mut reading = server.read(vec![1; 50]);
        assert!(poll!(&mut reading).is_pending());
        yield_to_kernel().await?;
        assert_eq!(cancelled(reading.cancel().await), [1; 50]);
        client.write_all("later").await?;
        assert_eq!(&*server.recv().await?.expect("no end yet"), b"later");
        Ok(())
    });
}

#[test]
fn a_result_that_is_there_already_wins() {
    run(async {
        let (client, server) = pair().await?;
        let mut reading = server.read(vec![0; 50]);
        assert!(poll!(&mut reading).is_pending());
        client.write_all("in time").await?;
        crate::harness::turns(3).await;
        let (n, buf) = reading.cancel().await?;
        assert_eq!(&buf[..n], b"in time");

        // The same for one that waits for leases.
        let mut waiting = pin!(server.recv());
        assert!(poll!(&mut waiting).is_pending());
        client.write_all("again").await?;
        crate::harness::turns(3).await;
        assert_eq!(&*waiting.cancel().await?.expect("no end yet"), b"again");
        Ok(())
    });
}

#[test]
fn every_operation_of_a_file_gives_result_or_buffer_in_flight() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[7; 100]);
    run_on(runtime::Runtime::builder().reads_cached(false), async {
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        for _ in 0..50 {
            let mut reading = file.read_at(vec![0; 60], 0);
            let mut writing = file.write_at(vec![7; 100], 0);
            let mut exactly = file.read_exact_at(vec![0; 100], 0);
            let mut wholly = file.write_all_at(vec![7; 100], 0);
            let mut syncing = file.sync_all();
            let mut opening = File::open(&path);
            let mut looking = annulus::fs::metadata(&path);
            assert!(poll!(&mut reading).is_pending() && poll!(&mut writing).is_pending());
            assert!(poll!(&mut exactly).is_pending() && poll!(&mut wholly).is_pending());
            assert!(poll!(&mut syncing).is_pending() && poll!(&mut opening).is_pending());
            assert!(poll!(&mut looking).is_pending());
            match reading.cancel().await {
                Ok((n, buf)) => assert_eq!((n, &buf[..]), (60, &[7; 60][..])),
                failed => assert_eq!(cancelled(failed).len(), 60),
            }
            match writing.cancel().await {
                Ok((n, _)) => assert_eq!(n, 100),
                failed => assert_eq!(cancelled(failed), [7; 100]),
            }
            match exactly.cancel().await {
                Ok(((), buf)) => assert_eq!(buf, [7; 100]),
                failed => assert_eq!(cancelled(failed).len(), 100),
            }
            match wholly.cancel().await {
                Ok(((), buf)) => assert_eq!(buf, [7; 100]),
                failed => assert_eq!(cancelled(failed), [7; 100]),
            }
            for ended in [
                syncing.cancel().await,
                opening.cancel().await.map(drop),
                looking.cancel().await.map(drop),
            ] {
                if let Err(error) = ended {
                    assert!(Cancelled::of(&error).is_some(), "{error:?}");
                }
            }
        }
        Ok(())
    });
}

/// More than the buffers of a socket pair hold.
const LARGE: usize = 8_000_000;

#[test]
fn a_send_that_waits_behind_another_is_taken_out_of_the_queue() {
    run(async {
        let (client, server) = UnixStream::pair()?;
        let mut first = client.write_all(vec![1; LARGE]);
        let mut second = client.write_all(vec![2; 10]);
        let mut third = client.write_all(vec![3; 10]);
        let mut fourth = client.write_all(vec![4; 10]);
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending() && poll!(&mut fourth).is_pending());
        yield_to_kernel().await?;
        assert_eq!(cancelled(second.cancel().await), [2; 10]);
        assert_eq!(cancelled(fourth.cancel().await), [4; 10], "also from the end");
        let mut fifth = client.write_all(vec![5; 10]);
        assert!(poll!(&mut fifth).is_pending());
        let reader = annulus::spawn(async move {
            let mut last: Vec<u8> = Vec::new();
            while let Some(lease) = server.recv().await? {
                last.extend(lease.iter().filter(|&&byte| byte != 1));
            }
            io::Result::Ok(last)
        });
        first.await?;
        third.await?;
        fifth.await?;
        client.shutdown(Shutdown::Write)?;
        let last = reader.await.expect("the reader does not panic")?;
        assert_eq!(last, [[3; 10], [5; 10]].concat());
        Ok(())
    });
}

#[test]
fn a_send_that_was_cut_short_says_how_much_was_sent() {
    run(async {
        for wholly in [false, true] {
            let (client, server) = UnixStream::pair()?;
            let sent = if wholly {
                let mut sending = client.write_all(vec![1; LARGE]);
                assert!(poll!(&mut sending).is_pending());
                crate::harness::turns(3).await;
                let failed = sending.cancel().await.map(drop).expect_err("nobody reads");
                assert_eq!(failed.buf().map(Vec::len), Some(LARGE));
                let reason = Cancelled::of(failed.error()).expect("it was cancelled");
                reason.bytes_done()
            } else {
                let mut sending = client.write(vec![1; LARGE]);
                assert!(poll!(&mut sending).is_pending());
                crate::harness::turns(3).await;
                sending.cancel().await?.0
            };
            assert!(sent > 0 && sent < LARGE, "{sent}");
            client.shutdown(Shutdown::Write)?;
            let mut got = 0;
            while let Some(lease) = server.recv().await? {
                got += lease.len();
            }
            assert_eq!(got, sent);
        }
        Ok(())
    });
}

#[test]
fn an_exact_read_that_is_cancelled_gives_its_part_back_to_the_stream() {
    run(async {
        for armed in [false, true] {
            let (client, server) = pair().await?;
            if armed {
                // The multishot receive is armed, so that the read is served from the queue.
                assert!(poll!(&mut server.recv()).is_pending());
            }
            let mut reading = server.read_exact(vec![9; 10]);
            assert!(poll!(&mut reading).is_pending());
            client.write_all("part").await?;
            crate::harness::turns(3).await;
            assert!(poll!(&mut reading).is_pending());
            cancelled(reading.cancel().await);
            client.write_all("s of it").await?;
            let ((), got) = server.read_exact(vec![0; 11]).await?;
            assert_eq!(got, b"parts of it");
        }
        Ok(())
    });
}

#[test]
fn a_waiter_that_is_cancelled_lets_the_next_one_forward() {
    run(async {
        let (client, server) = pair().await?;
        let mut first = server.recv();
        let mut second = server.recv();
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(first.cancel().await.is_err());
        client.write_all("hello").await?;
        assert_eq!(&*second.await?.expect("no end yet"), b"hello");

        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut first = listener.accept();
        let mut second = listener.accept();
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(first.cancel().await.is_err());
        let client = TcpStream::connect(listener.local_addr()?).await?;
        assert_eq!(second.await?.1, client.local_addr()?);
        Ok(())
    });
}

/// A listener whose backlog is full: who connects waits.
fn full_listener() -> io::Result<(TcpListener, Vec<std::net::TcpStream>)> {
    let listener = TcpListener::bind_with("127.0.0.1:0", ListenOptions::new().backlog(0))?;
    let address = listener.local_addr()?;
    let filling = std::net::TcpStream::connect(address)?;
    Ok((listener, vec![filling]))
}

#[test]
fn a_connect_that_hangs_is_cancelled_and_leaves_no_socket() {
    run(async {
        let (listener, _filling) = full_listener()?;
        let address = listener.local_addr()?;
        let mut connecting = TcpStream::connect(address);
        assert!(poll!(&mut connecting).is_pending());
        crate::harness::turns(3).await;
        if poll!(&mut connecting).is_ready() {
            crate::harness::skip("this kernel takes more than the backlog says");
            return Ok(());
        }
        let error = connecting.cancel().await.expect_err("it hangs");
        assert!(Cancelled::of(&error).is_some(), "{error:?}");
        drop(listener);
        at_rest().await
    });
}

/// Two pipes: the reading end of one that stays empty, the writing end of the other, and the ends
/// that keep them open.
fn empty_pipes() -> [OwnedFd; 4] {
    let pipe = || {
        let mut ends = [0; 2];
        // SAFETY: there is room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        // SAFETY: both are new, and nobody else's.
        ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
    };
    let ([from, feeder], [sink, to]) = (pipe(), pipe());
    [from, to, feeder, sink]
}

/// A splice from an empty pipe: it blocks a worker thread of the kernel, where a cancel comes too
/// late to take it away (EALREADY) and interrupts it. The pipes have to outlive it.
fn blocks_a_worker(pipes: &[OwnedFd; 4]) -> impl Linkable<Output = io::Result<u32>> + use<> {
    let [from, to] = [0, 1].map(|end: usize| Target::Fd(pipes[end].as_raw_fd()));
    let anywhere = u64::MAX;
    let op = Splice { from, from_offset: anywhere, to, to_offset: anywhere, len: 100, flags: 0 };
    // SAFETY: a splice points to no memory, and the caller keeps the descriptors open.
    unsafe { annulus::submit(op) }
}

#[test]
fn what_a_worker_thread_has_begun_is_interrupted() {
    run(async {
        let pipes = empty_pipes();
        for _ in 0..20 {
            let mut splicing = blocks_a_worker(&pipes);
            assert!(poll!(&mut splicing).is_pending());
            crate::harness::turns(5).await;
            let error = splicing.cancel().await.expect_err("the pipe is empty");
            assert!(Cancelled::of(&error).is_some(), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        }
        at_rest().await
    });
}

#[test]
fn a_cancel_that_is_dropped_leaves_an_orphan() {
    run(async {
        let (client, server) = pair().await?;
        let mut reading = server.read(vec![0; 50]);
        assert!(poll!(&mut reading).is_pending());
        yield_to_kernel().await?;
        let mut cancelling = reading.cancel();
        assert!(poll!(&mut cancelling).is_pending());
        drop(cancelling);
        client.write_all("still here").await?;
        let ((), got) = server.read_exact(vec![0; 10]).await?;
        assert_eq!(got, b"still here");
        drop((client, server));
        at_rest().await
    });
}

#[test]
fn a_late_descriptor_of_a_cancelled_open_is_given_or_closed() {
    run(async {
        let mut opened = 0;
        for round in 0..300 {
            let mut opening = File::open("/etc/passwd");
            assert!(poll!(&mut opening).is_pending());
            if round % 2 == 0 {
                yield_to_kernel().await?;
            }
            match opening.cancel().await {
                Ok(_) => opened += 1,
                Err(error) => assert!(Cancelled::of(&error).is_some(), "{error:?}"),
            }
        }
        assert!(opened > 0, "a late success is not lost");
        let closed = || runtime::metrics().expect("a runtime runs").descriptors == 0;
        until("all are closed", closed).await?;
        at_rest().await
    });
}

#[test]
fn a_connection_that_was_accepted_too_late_is_not_lost() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut accepting = listener.accept();
        assert!(poll!(&mut accepting).is_pending());
        let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
        crate::harness::turns(3).await;
        let (stream, peer) = accepting.cancel().await?;
        assert_eq!(peer, client.local_addr()?);
        stream.write_all("welcome").await?;
        drop(stream);
        let mut got = String::new();
        client.read_to_string(&mut got)?;
        assert_eq!(got, "welcome");
        Ok(())
    });
}
