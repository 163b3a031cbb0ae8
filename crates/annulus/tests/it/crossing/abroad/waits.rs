//! Pipes, children, signals, watched descriptors and files, words of memory.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use annulus::fs::File;
use annulus::fs::notify::{self, Inotify};
use annulus::futex::Futex;
use annulus::io::{AsyncFd, AsyncRead, Events, Readiness};
use annulus::net::UnixStream;
use annulus::pipe::pipe;
use annulus::process::Command;
use annulus::runtime::Runtime;
use annulus::signal::{SignalKind, signal};
use futures_util::{FutureExt as _, TryStreamExt as _};

use super::{Said, assert_refused, note};
use crate::cancel::at_rest;
use crate::harness::{Scratch, made, own_process, share_process};
use crate::hazards::fork::in_child;

#[test]
fn the_ends_of_a_pipe_are_of_their_core() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let ((sender, receiver), leaving, file) = home.block_on(async {
        let file = File::open("/proc/self/exe").await.unwrap();
        (pipe().unwrap(), pipe().unwrap(), file)
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "write", sender.write("text").await);
        note(&said, "write_all", sender.write_all("text").await);
        note(&said, "try_write", sender.try_write(b"text"));
        note(&said, "writable", sender.writable().await);
        note(&said, "capacity", sender.capacity());
        note(&said, "set_capacity", sender.set_capacity(4096));
        note(&said, "splice_from_file", sender.splice_from_file(&file, 0, 4).await);
        note(&said, "read", receiver.read(vec![0; 4]).await);
        note(&said, "try_read", receiver.try_read(&mut [0; 4]));
        note(&said, "readable", receiver.readable().await);
        note(&said, "recv", AsyncRead::recv(&mut &receiver).await);
        note(&said, "splice_to", receiver.splice_to(&sender, 4).await);
        note(&said, "tee_to", receiver.tee_to(&sender, 4).await);
        note(&said, "tee_all", receiver.tee_all(&[&sender]).await);
        note(&said, "splice_to_file", receiver.splice_to_file(&file, 0, 4).await);
        note(&said, "into_blocking_fd", leaving.0.into_blocking_fd());
        note(&said, "into_nonblocking_fd", leaving.1.into_nonblocking_fd());
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        sender.write_all("text").await.unwrap();
        assert_eq!(receiver.read(Vec::with_capacity(8)).await.unwrap().1, b"text");
        drop((sender, receiver, file));
        at_rest().await.unwrap();
    });
}

#[test]
fn nothing_is_moved_between_a_pipe_and_what_another_core_has() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let ((sender, receiver), (left, right), file) = home.block_on(async {
        let file = File::open("/proc/self/exe").await.unwrap();
        (pipe().unwrap(), UnixStream::pair().unwrap(), file)
    });
    let said = Said::default();
    abroad.block_on(async {
        let (into, out) = pipe().unwrap();
        into.write_all("ours").await.unwrap();
        note(&said, "splice_to a pipe", out.splice_to(&sender, 4).await);
        note(&said, "splice_to a stream", out.splice_to(&left, 4).await);
        note(&said, "tee_to", out.tee_to(&sender, 4).await);
        note(&said, "tee_all", out.tee_all(&[&sender]).await);
        note(&said, "splice_to_file", out.splice_to_file(&file, 0, 4).await);
        note(&said, "splice_from_file", into.splice_from_file(&file, 0, 4).await);
        note(&said, "splice_to from there", receiver.splice_to(&into, 4).await);
        assert_eq!(out.read(Vec::with_capacity(8)).await.unwrap().1, b"ours");
        // With nothing in the pipe, and nobody who will ever write to it.
        let refused = out.splice_to_file(&file, 0, 4).now_or_never();
        note(&said, "splice_to_file of nothing", refused.expect("there is nothing to wait for"));
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        sender.write_all("home").await.unwrap();
        assert_eq!(receiver.read(Vec::with_capacity(8)).await.unwrap().1, b"home");
        drop(left);
        assert!(right.recv().await.unwrap().is_none());
        drop((sender, receiver, right, file));
        at_rest().await.unwrap();
    });
}

#[test]
fn a_child_is_awaited_and_told_on_its_core() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let mut child = home.block_on(async {
        let mut command = Command::new("sleep");
        command.arg("1000").kill_on_drop(true).spawn().unwrap()
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "wait", child.wait().await);
        note(&said, "kill", child.kill().await);
        note(&said, "start_kill", child.start_kill());
        note(&said, "signal", child.signal(SignalKind::TERMINATE));
        assert_eq!(child.try_wait().unwrap(), None, "that is asked anywhere");
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        child.start_kill().unwrap();
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it was told nothing before");
        drop(child);
        at_rest().await.unwrap();
    });
}

/// In a child of this process, so that no other gets the signal.
#[test]
fn a_signal_is_heard_on_the_core_that_listens() {
    let _own = own_process();
    let code = in_child(|| {
        let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
        let mut user = home.block_on(async { signal(SignalKind::USER_DEFINED1).unwrap() });
        let said = Said::default();
        abroad.block_on(async {
            note(&said, "recv", user.recv().await);
            // SAFETY: no pointers.
            assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
            note(&said, "recv of what has come", user.recv().await);
        });
        assert_refused(said, &home, &abroad);
        home.block_on(async move {
            user.recv().await.unwrap();
            drop(user);
            at_rest().await.unwrap();
        });
    });
    assert_eq!(code, 0, "the test failed in the child; what it said is above");
}

#[test]
fn a_watched_descriptor_reports_to_its_core() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (ours, _theirs) = StdStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (mut fd, mut readiness) = home.block_on(async {
        let readiness = Readiness::new(ours.try_clone().unwrap(), Events::WRITABLE).unwrap();
        (AsyncFd::new(ours).unwrap(), readiness)
    });
    let said = Said::default();
    abroad.block_on(async {
        note(&said, "readable", fd.readable().await.map(drop));
        note(&said, "readable_mut", fd.readable_mut().await.map(drop));
        note(&said, "writable", fd.writable().await.map(drop));
        note(&said, "writable_mut", fd.writable_mut().await.map(drop));
        note(&said, "ready", fd.ready(Events::WRITABLE).await.map(drop));
        note(&said, "async_io", fd.async_io(Events::WRITABLE, |_| Ok(())).await);
        note(&said, "try_io", fd.try_io(Events::WRITABLE, |_| Ok(())));
        let ready = poll_fn(|cx| fd.poll_read_ready(cx).map_ok(drop)).await;
        note(&said, "poll_read_ready", ready);
        let ready = poll_fn(|cx| fd.poll_write_ready(cx).map_ok(drop)).await;
        note(&said, "poll_write_ready", ready);
        note(&said, "set_interest", fd.set_interest(Events::READABLE));
        note(&said, "next", readiness.try_next().await);
        note(&said, "set_events", readiness.set_events(Events::READABLE));
    });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        assert!(fd.writable().await.unwrap().ready().contains(Events::WRITABLE));
        let events = readiness.try_next().await.unwrap().expect("it has no end");
        assert!(events.contains(Events::WRITABLE));
        drop((fd, readiness));
        at_rest().await.unwrap();
    });
}

#[test]
fn what_happens_to_files_is_told_on_the_core_that_watches() {
    async fn name_of_next(inotify: &mut Inotify) -> OsString {
        let event = inotify.try_next().await.unwrap().expect("it has no end");
        event.name.expect("a file was made in the directory")
    }
    let scratch = Scratch::new();
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let mut inotify = home.block_on(async {
        let inotify = Inotify::new().unwrap();
        inotify.add(scratch.path(), notify::Events::CREATED).await.unwrap();
        inotify
    });
    let said = Said::default();
    abroad.block_on(async { note(&said, "next", inotify.try_next().await) });
    scratch.file("first", b"");
    scratch.file("second", b"");
    assert_eq!(home.block_on(name_of_next(&mut inotify)), "first");
    // The second was read together with the first.
    abroad.block_on(async { note(&said, "next of what is there", inotify.try_next().await) });
    assert_refused(said, &home, &abroad);
    home.block_on(async move {
        assert_eq!(name_of_next(&mut inotify).await, "second");
        drop(inotify);
        at_rest().await.unwrap();
    });
}

#[test]
fn a_word_of_memory_is_of_no_core() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let futex = Futex::of_process(Arc::new(AtomicU32::new(1)));
    for runtime in [&home, &abroad] {
        match runtime.block_on(futex.wait(0)) {
            Ok(woken) => assert!(!woken, "the word is 1"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
        assert_eq!(futex.wake(1).unwrap(), 0);
    }
}
