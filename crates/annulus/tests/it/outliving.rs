//! Handles that outlive their runtime: their descriptors stay open and theirs, until they are
//! dropped, wherever that is.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use annulus::fs::notify::Inotify;
use annulus::fs::{Dir, Direct, File};
use annulus::io::{Events, Readiness};
use annulus::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
use annulus::pipe::pipe;
use annulus::process::Command;
use annulus::runtime::{Builder, Runtime};

use crate::harness::{NOTHING, descriptors, made, opened_since, own_process, pair, share_process};

/// A handle of any kind.
trait Handle: AsFd + Any + Send + Sync {}
impl<T: AsFd + Any + Send + Sync> Handle for T {}

/// One handle of each kind that has a descriptor, and what else keeps these alive.
async fn all_kinds(scratch: &Path) -> io::Result<Vec<(&'static str, Box<dyn Handle>)>> {
    let path = scratch.join("file");
    std::fs::write(&path, [7; 8192])?;
    let (client, server) = pair().await?;
    let (reader, writer) = server.into_split();
    let (left, right) = UnixStream::pair()?;
    let (datagrams, _) = UnixDatagram::pair()?;
    let (packets, _) = UnixSeqpacket::pair()?;
    let (sender, receiver) = pipe()?;
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    child.kill().await?;
    let watched = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
    // Some with requests of all kinds in flight, which the end of the core cancels.
    assert!(futures_util::poll!(Box::pin(left.recv())).is_pending());
    left.send_nowait(b"accepted")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    assert!(futures_util::poll!(Box::pin(listener.accept())).is_pending());
    let udp = UdpSocket::bind("127.0.0.1:0")?;
    assert!(futures_util::poll!(Box::pin(udp.recv())).is_pending());
    let mut all: Vec<(&str, Box<dyn Handle>)> = vec![
        ("file", Box::new(File::open(&path).await?)),
        ("directory", Box::new(Dir::open(scratch).await?)),
        ("stream", Box::new(client)),
        ("reading half", Box::new(ReadHalf(reader, writer))),
        ("Unix stream", Box::new(left)),
        ("its peer", Box::new(right)),
        ("listener", Box::new(listener)),
        ("Unix listener", Box::new(UnixListener::bind(scratch.join("listener"))?)),
        ("UDP", Box::new(udp)),
        ("Unix datagrams", Box::new(datagrams)),
        ("packets", Box::new(packets)),
        ("listener of packets", Box::new(UnixSeqpacketListener::bind(scratch.join("packets"))?)),
        ("sender", Box::new(sender)),
        ("receiver", Box::new(receiver)),
        ("child's input", Box::new(stdin.expect("it is piped"))),
        ("child's output", Box::new(stdout.expect("it is piped"))),
        ("child's errors", Box::new(stderr.expect("it is piped"))),
        ("readiness", Box::new(Readiness::new(watched, Events::READABLE)?)),
        ("notify", Box::new(Inotify::new()?)),
    ];
    // Not every file system has direct I/O.
    if let Ok(direct) = Direct::open(&path).await {
        all.push(("direct file", Box::new(direct.into_file())));
    }
    Ok(all)
}

struct ReadHalf(annulus::net::OwnedReadHalf<TcpStream>, annulus::net::OwnedWriteHalf<TcpStream>);

impl AsFd for ReadHalf {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        assert!(std::ptr::eq(self.0.as_ref(), self.1.as_ref()));
        self.0.as_ref().as_fd()
    }
}

/// Which open file a descriptor is of.
fn identity(fd: impl AsFd) -> (u64, u64) {
    let stat = rustix::fs::fstat(fd).expect("the descriptor is open");
    (stat.st_dev, stat.st_ino)
}

/// A handle, with what it is called, its number, and which open file that is of.
type Outlived = (&'static str, Box<dyn Handle>, RawFd, (u64, u64));

/// Handles of a runtime that has ended, with what they were of before.
fn outlived(builder: Builder) -> Vec<Outlived> {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let runtime = made(builder);
    let all = runtime.block_on(all_kinds(scratch.path())).expect("everything can be had");
    let known = all.into_iter().map(|(name, handle)| {
        let (fd, of) = (handle.as_fd().as_raw_fd(), identity(&*handle));
        (name, handle, fd, of)
    });
    let known = known.collect();
    drop(runtime);
    known
}

fn builders() -> [Builder; 2] {
    // With shadow slots of the table of fixed files, and without.
    [Runtime::builder(), Runtime::builder().fixed_files(0)]
}

#[test]
fn every_kind_of_handle_keeps_its_descriptor_when_the_runtime_has_ended() {
    let _own = own_process();
    for builder in builders() {
        let before = descriptors();
        let all = outlived(builder);
        // Whatever is opened now gets other numbers.
        let others: Vec<_> = (0..64).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        for (name, handle, fd, of) in all {
            assert_eq!((handle.as_fd().as_raw_fd(), identity(&*handle)), (fd, of), "{name}");
            assert!(others.iter().all(|other| other.as_raw_fd() != fd), "{name}");
            drop(handle);
            // SAFETY: asks about a number.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert_eq!(flags, -1, "{name}: the handle was the last that had it");
        }
        drop(others);
        assert_eq!(opened_since(&before), NOTHING);
    }
}

#[test]
fn a_number_is_closed_once_and_never_its_successors() {
    let _own = own_process();
    let before = descriptors();
    let all = outlived(Runtime::builder());
    let numbers: Vec<RawFd> = all.iter().map(|(_, _, fd, _)| *fd).collect();
    drop(all);
    // The same numbers again, and whatever is left of the runtime leaves them alone.
    let mut again = Vec::new();
    while again.len() < 200 {
        again.push(std::fs::File::open("/dev/null").unwrap());
    }
    assert!(numbers.iter().all(|fd| again.iter().any(|file| file.as_raw_fd() == *fd)));
    let second = made(Runtime::builder());
    second.block_on(async { annulus::task::yield_now().await });
    drop(second);
    let of = identity(&again[0]);
    assert!(again.iter().all(|file| identity(file) == of), "all of them are open still");
    drop(again);
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn they_may_be_dropped_on_any_thread() {
    let _own = own_process();
    for builder in builders() {
        let before = descriptors();
        let all = outlived(builder);
        std::thread::spawn(move || {
            for (name, handle, fd, of) in all {
                assert_eq!((handle.as_fd().as_raw_fd(), identity(&*handle)), (fd, of), "{name}");
            }
        })
        .join()
        .unwrap();
        assert_eq!(opened_since(&before), NOTHING);
    }
}

#[test]
fn they_may_be_dropped_inside_another_runtime() {
    let _own = own_process();
    let before = descriptors();
    let all = outlived(Runtime::builder());
    let second = made(Runtime::builder());
    second.block_on(async move { drop(all) });
    second.shutdown();
    assert_eq!(opened_since(&before), NOTHING);
}

#[test]
fn a_drop_that_races_with_the_end_closes_exactly_once() {
    let _own = own_process();
    let before = descriptors();
    for round in 0..60 {
        let runtime = made(if round % 2 == 0 {
            Runtime::builder()
        } else {
            Runtime::builder().fixed_files(0)
        });
        let streams = runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..16 {
                let (left, right) = UnixStream::pair().unwrap();
                // Requests in flight, and bytes under way.
                assert!(futures_util::poll!(Box::pin(left.recv())).is_pending());
                right.send_nowait(&[1; 64]).unwrap();
                streams.extend([left, right]);
            }
            streams
        });
        let start = Arc::new(Barrier::new(2));
        let (there, over) = (start.clone(), Arc::new(AtomicBool::new(false)));
        let ended = over.clone();
        let dropper = std::thread::spawn(move || {
            there.wait();
            for (at, stream) in streams.into_iter().enumerate() {
                // The last few wait for the end, so that some drop comes at every stage of it.
                // ORDERING: SeqCst; a flag of a test.
                while at >= 24 && !ended.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                identity(&stream);
                drop(stream);
                std::thread::yield_now();
            }
        });
        start.wait();
        drop(runtime);
        // ORDERING: SeqCst; a flag of a test.
        over.store(true, Ordering::SeqCst);
        dropper.join().unwrap();
        assert_eq!(opened_since(&before), NOTHING, "round {round}");
    }
}

#[test]
fn what_was_accepted_is_sent_and_the_peer_hears_of_the_end_with_the_handle() {
    use std::io::Read as _;
    let _shared = share_process();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = made(Runtime::builder());
    let stream = runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.send_nowait(b"accepted").unwrap();
        stream
    });
    let (mut peer, _) = listener.accept().unwrap();
    drop(runtime);
    let mut got = [0; 8];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"accepted");
    peer.set_nonblocking(true).unwrap();
    let error = peer.read(&mut got).expect_err("the connection is still there");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    peer.set_nonblocking(false).unwrap();
    assert!(stream.send_nowait(b"x").is_err(), "its core is gone");
    drop(stream);
    assert_eq!(peer.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn a_forked_child_closes_its_own_copy() {
    let _own = own_process();
    let runtime = made(Runtime::builder());
    let (left, right) = runtime.block_on(async { UnixStream::pair() }).unwrap();
    drop(runtime);
    let (fd, of) = (left.as_raw_fd(), identity(&left));
    let mut slot = Some(left);
    let code = crate::hazards::fork::in_child(|| {
        drop(slot.take());
        // SAFETY: asks about a number.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_GETFD) }, -1);
    });
    assert_eq!(code, 0);
    assert_eq!(identity(slot.as_ref().unwrap()), of, "the parent has its own");
    drop((slot, right));
}
