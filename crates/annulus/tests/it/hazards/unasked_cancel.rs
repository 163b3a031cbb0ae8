//! The kernel cancels what nobody has asked it to cancel.
//!
//! *Evidence*: create_io_worker() of Linux gives up after a few tries while signals are pending,
//! and io_acct_cancel_pending_work() then ends all that wait for the first worker with ECANCELED.
//! Seen as sends that fail under signals at 1 kHz.
//!
//! *Answer*: a request that is cancelled and was not asked to end goes to the kernel again, up to
//! sixteen times in a row (`core::unasked`).
//!
//! *Also proven*: the count, in `core::unasked`.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use annulus::OpExt as _;
use annulus::fs::{self, File, OpenOptions};
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use annulus::runtime::{Builder, Runtime, metrics};
use annulus_ring::abi::{Errno, Opcode, TimeoutFlags, Timespec};
use annulus_ring::op::{LinkTimeout, LinkTimeoutEnd, Op as _, Read, Target};
use annulus_ring::{AnyKernel, Real};
use annulus_sim::{Failing, Fault, Faults, Report, Unreliable};
use futures_util::poll;
use rustix::io::retry_on_intr;

use super::pattern;
use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::{
    NOTHING, Scratch, check, descriptors, opened_since, own_process, run_on, share_process,
};

/// A runtime on the real kernel, which cancels so many of a thousand requests, and what it did.
fn without_workers(permille: u16) -> (Builder, Arc<Mutex<Report>>) {
    let report = Arc::new(Mutex::new(Report::default()));
    let given = report.clone();
    let faults = Faults::none().with(Fault::NoWorker, permille);
    let builder = Runtime::builder().reads_cached(false).buffer_count(16).kernel(move || {
        let kernel = Unreliable::new(Real::new(), 11, faults).reporting_to(given.clone());
        AnyKernel::Dyn(Box::new(kernel))
    });
    (builder, report)
}

/// Runs on a kernel that cancels four requests of ten. All goes well, and all were tried again.
fn run_without_workers<F: Future<Output = io::Result<()>>>(
    with: impl FnOnce(Builder) -> Builder,
    test: F,
) {
    let _shared = share_process();
    let (builder, report) = without_workers(400);
    let last = check(with(builder), test);
    let happened = report.lock().unwrap().count(Fault::NoWorker);
    assert!(happened > 0, "nothing was cancelled");
    assert!(last.cancels_unasked <= happened, "{} of {happened}", last.cancels_unasked);
    assert!(last.cancels_unasked > 0, "nothing was tried again");
}

#[test]
fn files_are_made_written_and_read() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    run_without_workers(|builder| builder, async {
        for round in 0..20 {
            let file = OpenOptions::new().read(true).write(true).create(true).open(&one).await?;
            let bytes = pattern(round, 30_000);
            let ((), bytes) = file.write_all_at(bytes, 0).await?;
            file.sync_all().await?;
            let ((), read) = file.read_exact_at(vec![0; 30_000], 0).await?;
            assert!(read == bytes);
            file.close().await?;
            fs::rename(&one, &two).await?;
            assert_eq!(fs::read(&two).await?, bytes);
            fs::remove_file(&two).await?;
            assert_eq!(File::open(&two).await.expect_err("gone").kind(), ErrorKind::NotFound);
        }
        Ok(())
    });
}

/// Sends in every way, and compares what arrives.
async fn all_arrives(from: TcpStream, to: TcpStream) -> io::Result<()> {
    const ROUNDS: usize = 12;
    let sending = annulus::spawn(async move {
        for round in 0..ROUNDS {
            from.send_nowait(&pattern(round, 5000))?;
            from.write_all(pattern(round + 100, 90_000)).await?;
            from.write_all_vectored(vec![pattern(round, 3000), pattern(round, 70_000)]).await?;
        }
        from.shutdown(Shutdown::Write)?;
        io::Result::Ok(from)
    });
    for round in 0..ROUNDS {
        for (seed, len) in [(round, 5000), (round + 100, 90_000), (round, 3000), (round, 70_000)] {
            let ((), got) = to.read_exact(vec![0; len]).await?;
            assert!(got == pattern(seed, len), "round {round}, {len} bytes");
        }
    }
    assert!(to.recv().await?.is_none(), "the end");
    drop(sending.await.expect("no panic")?);
    Ok(())
}

async fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?.0))
}

#[test]
fn connections_lose_nothing_and_keep_their_order() {
    run_without_workers(|builder| builder, async {
        let (left, right) = connected().await?;
        all_arrives(left, right).await
    });
}

#[test]
fn sends_without_copying_lose_nothing_either() {
    run_without_workers(|builder| builder.zero_copy_from(2000), async {
        let (left, right) = connected().await?;
        all_arrives(left, right).await
    });
}

#[test]
fn datagrams_are_sent_once() {
    run_without_workers(|builder| builder, async {
        let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        for round in 0..40 {
            let (n, sent) = one.send_to(pattern(round, 700), two.local_addr()?).await?;
            assert_eq!(n, 700);
            let (n, from, got) = match two.recv_from(vec![0; 1000]).await {
                Ok(((n, from), got)) => (n, from, got),
                Err(error) => return Err(error.into()),
            };
            assert_eq!((n, from), (700, one.local_addr()?));
            assert!(got[..n] == sent[..]);
        }
        Ok(())
    });
}

#[test]
fn what_is_asked_to_end_still_ends() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, accept, bind, listen, socket};
    let _shared = share_process();
    let scratch = Scratch::new();
    let path = scratch.path().join("busy");
    let busy = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&busy, 0).unwrap();
    run_without_workers(|builder| builder, async {
        // One fits into the queue of a listener of none; the others wait, by a worker.
        let first = UnixStream::connect(&path).await?;
        for round in 0..20 {
            let mut connecting = UnixStream::connect(&path);
            assert!(poll!(&mut connecting).is_pending());
            for _ in 0..round % 4 {
                yield_to_kernel().await?;
            }
            let failed = connecting.cancel().await.expect_err("nobody accepts");
            assert_eq!(failed.kind(), ErrorKind::Interrupted);
            let mut dropped = Box::pin(UnixStream::connect(&path));
            assert!(poll!(&mut dropped).is_pending());
            drop(dropped);
        }
        // Its place in the queue stays taken; one that is still on its way would take the next.
        drop(first);
        at_rest().await?;
        retry_on_intr(|| accept(&busy))?;
        drop(UnixStream::connect(&path).await?);
        Ok(())
    });
}

#[test]
fn a_send_that_is_being_cancelled_ends_also_if_nobody_waits_for_it() {
    run_on(Runtime::builder(), async {
        let (left, right) = UnixStream::pair()?;
        for _ in 0..4 {
            // More than the socket takes, and nobody reads.
            let mut sending = left.write_all(vec![1; 4 << 20]);
            assert!(poll!(&mut sending).is_pending());
            yield_to_kernel().await?;
            let mut ending = Box::pin(sending.cancel());
            assert!(poll!(&mut ending).is_pending());
            drop(ending);
            let is_over = || metrics().is_ok_and(|now| now.ops_in_flight == 0);
            until("the send has ended", is_over).await?;
        }
        drop(right);
        Ok(())
    });
}

#[test]
fn what_a_submitted_limit_ends_is_told() {
    run_on(Runtime::builder(), async {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        for has_bytes in [false, true] {
            if has_bytes {
                retry_on_intr(|| rustix::io::write(&writer, b"x"))?;
            }
            let mut byte = [0_u8; 1];
            let spec = Timespec { sec: 0, nsec: if has_bytes { 900_000_000 } else { 2_000_000 } };
            let target = Target::Fd(reader.as_raw_fd());
            let read = Read { target, addr: byte.as_mut_ptr(), len: 1, offset: u64::MAX };
            // SAFETY: the byte, the time and the descriptor outlive both, which are awaited here.
            let read = unsafe { annulus::submit(read.flagged().linked()) };
            let limit = LinkTimeout { spec: &raw const spec, flags: TimeoutFlags::EMPTY };
            // SAFETY: as above.
            let limit = unsafe { annulus::submit(limit) };
            let (read, limit) = annulus::join!(read, limit);
            if has_bytes {
                assert_eq!((read?, limit?), (1, LinkTimeoutEnd::NotNeeded));
            } else {
                let code = read.expect_err("nobody writes").raw_os_error();
                assert!(matches!(code, Some(libc::ECANCELED | libc::EINTR)), "{code:?}");
                assert_eq!(limit?, LinkTimeoutEnd::Expired);
            }
        }
        assert_eq!(metrics()?.cancels_unasked, 0);
        Ok(())
    });
}

#[test]
fn what_can_never_be_done_is_told_and_others_go_on() {
    let failing = Failing::default();
    let given = failing.clone();
    let builder = Runtime::builder().kernel(move || {
        let kernel = Unreliable::new(Real::new(), 1, Faults::none()).failing(given.clone());
        AnyKernel::Dyn(Box::new(kernel))
    });
    let scratch = Scratch::new();
    let path = scratch.file("file", b"well");
    run_on(builder, async move {
        failing.lock().unwrap().push((Opcode::OPENAT, Errno(libc::ECANCELED)));
        let before = metrics()?;
        let error = File::open(&path).await.expect_err("no worker can be started");
        assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
        let after = metrics()?;
        assert_eq!(after.cancels_unasked - before.cancels_unasked, 17);
        assert_eq!(after.cancels, before.cancels);
        failing.lock().unwrap().clear();
        assert_eq!(fs::read(&path).await?, b"well");
        Ok(())
    });
}

#[test]
fn signals_while_the_first_worker_is_started_fail_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"well");
    let other = scratch.path().join("other");
    let _shared = share_process();
    // SAFETY: zeroes are a valid action; without flags, so calls are interrupted.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    extern "C" fn nothing(_: libc::c_int) {}
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does nothing; the signal is nobody else's.
    assert_eq!(unsafe { libc::sigaction(libc::SIGURG, &action, std::ptr::null_mut()) }, 0);
    for _ in 0..30 {
        let done = AtomicBool::new(false);
        // SAFETY: no preconditions.
        let victim = unsafe { libc::gettid() };
        let process = std::process::id();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // ORDERING: relaxed; only the end of the noise.
                while !done.load(Ordering::Relaxed) {
                    // SAFETY: a thread of this process, which waits for this one.
                    unsafe { libc::syscall(libc::SYS_tgkill, process, victim, libc::SIGURG) };
                    std::thread::yield_now();
                }
            });
            let renamed = std::panic::catch_unwind(|| {
                check(Runtime::builder().reads_cached(false), async {
                    // Names are always changed by workers.
                    fs::rename(&path, &other).await?;
                    fs::rename(&other, &path).await
                })
            });
            // ORDERING: relaxed; see above.
            done.store(true, Ordering::Relaxed);
            renamed.expect("it is renamed");
        });
    }
}

#[test]
fn a_close_for_which_there_is_no_worker_closes_all_the_same() {
    let _own = own_process();
    let file = tempfile::NamedTempFile::new().unwrap();
    for dropped in [false, true] {
        let before = descriptors();
        let failing = Failing::default();
        let given = failing.clone();
        let builder = Runtime::builder().kernel(move || {
            let kernel = Unreliable::new(Real::new(), 1, Faults::none()).failing(given.clone());
            AnyKernel::Dyn(Box::new(kernel))
        });
        check(builder, async {
            let file = File::open(file.path()).await?;
            failing.lock().unwrap().push((Opcode::CLOSE, Errno(libc::ECANCELED)));
            let mut closing = Box::pin(file.close());
            if dropped {
                assert!(poll!(&mut closing).is_pending());
                drop(closing);
                at_rest().await
            } else {
                closing.await
            }
        });
        assert_eq!(opened_since(&before), NOTHING, "dropped: {dropped}");
    }
}
