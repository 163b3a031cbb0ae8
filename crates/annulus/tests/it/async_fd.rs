//! Readiness of any descriptor: kept, cleared, by level, changed, given back.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use annulus::io::{AsyncFd, Events, Interest, Readiness, Ready};
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::cancel::yield_to_kernel;
use crate::harness::run;

fn nonblocking_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// Fills a socket. Gives how many bytes it took.
fn fill(mut stream: &UnixStream) -> usize {
    let mut sent = 0;
    loop {
        match stream.write(&[1; 4096]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn readiness_is_kept_until_an_attempt_would_block() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        theirs.write_all(b"ab")?;
        let mut byte = [0];
        for expected in [b'a', b'b'] {
            let mut guard = fd.readable().await?;
            assert!(guard.ready().is_readable());
            guard.try_io(|fd| fd.get_ref().read(&mut byte)).unwrap()?;
            assert_eq!(byte, [expected]);
        }
        // It is still said to be ready, until somebody has seen that it is not.
        let mut guard = fd.readable().await?;
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut byte)).is_err());
        let mut waiting = Box::pin(fd.readable());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        theirs.write_all(b"c")?;
        let mut guard = waiting.await?;
        guard.try_io(|fd| fd.get_ref().read(&mut byte)).unwrap()?;
        assert_eq!(byte, *b"c");
        Ok(())
    });
}

#[test]
fn a_report_that_comes_before_the_clearing_is_not_cleared() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::with_interest(ours, Interest::READABLE)?;
        theirs.write_all(b"a")?;
        let mut guard = fd.readable().await?;
        let mut buf = [0; 8];
        assert_eq!(fd.get_ref().read(&mut buf)?, 1);
        // Bytes come after the attempt that would have met `WouldBlock`, and are reported.
        theirs.write_all(b"b")?;
        yield_to_kernel().await?;
        yield_to_kernel().await?;
        guard.clear_ready();
        let mut guard = fd.readable().await?;
        assert_eq!(guard.try_io(|fd| fd.get_ref().read(&mut buf)).unwrap()?, 1);
        Ok(())
    });
}

#[test]
fn directions_are_waited_for_apart() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        let mut guard = fd.writable().await?;
        let filled = fill(fd.get_ref());
        assert!(guard.try_io(|fd| fd.get_ref().write(b"x")).is_err(), "it is full");
        let mut room = Box::pin(fd.writable());
        let mut bytes = Box::pin(fd.readable());
        assert!(futures_util::poll!(&mut room).is_pending());
        assert!(futures_util::poll!(&mut bytes).is_pending());
        theirs.write_all(b"x")?;
        bytes.await?.retain_ready();
        assert!(futures_util::poll!(&mut room).is_pending(), "there is still no room");
        theirs.read_exact(&mut vec![0; filled])?;
        let mut guard = room.await?;
        assert_eq!(guard.try_io(|fd| fd.get_ref().write(b"y")).unwrap()?, 1);
        Ok(())
    });
}

#[test]
fn several_tasks_wait_for_one_direction() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        let mut waiting = [Box::pin(fd.readable()), Box::pin(fd.readable())];
        for wait in &mut waiting {
            assert!(futures_util::poll!(wait).is_pending());
        }
        theirs.write_all(b"x")?;
        for wait in waiting {
            assert!(wait.await?.ready().is_readable());
        }
        Ok(())
    });
}

#[test]
fn the_end_is_never_cleared() {
    run(async {
        let (ours, theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        drop(theirs);
        for _ in 0..3 {
            let mut guard = fd.readable().await?;
            guard.clear_ready();
            assert_eq!(guard.ready(), Ready::EMPTY);
        }
        let n = fd.async_io(Interest::READABLE, |mut stream| stream.read(&mut [0; 4])).await?;
        assert_eq!(n, 0);
        assert!(fd.ready(Interest::READABLE).await?.ready().is_read_closed());
        Ok(())
    });
}

#[test]
fn what_is_known_is_tried_without_waiting() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        let read = |mut stream: &UnixStream| stream.read(&mut [0; 4]);
        let error = fd.try_io(Interest::READABLE, read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        theirs.write_all(b"abc")?;
        fd.readable().await?.retain_ready();
        assert_eq!(fd.try_io(Interest::READABLE, read)?, 3);
        let error = fd.try_io(Interest::READABLE, read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        Ok(())
    });
}

#[test]
fn a_guard_can_lend_what_is_inside_for_writing_to() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let mut fd = AsyncFd::new(ours)?;
        theirs.write_all(b"abc")?;
        let mut buf = [0; 4];
        let mut guard = fd.readable_mut().await?;
        assert_eq!(guard.try_io(|fd| fd.get_mut().read(&mut buf)).unwrap()?, 3);
        assert!(guard.try_io(|fd| fd.get_mut().read(&mut buf)).is_err());
        let mut guard = fd.writable_mut().await?;
        assert_eq!(guard.get_inner_mut().write(b"x")?, 1);
        guard.clear_ready_matching(Ready::READABLE);
        assert!(guard.ready().is_writable());
        Ok(())
    });
}

#[test]
fn poll_functions_remember_their_task() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = std::rc::Rc::new(AsyncFd::new(ours)?);
        let waiting = annulus::spawn({
            let fd = fd.clone();
            async move {
                let ready = std::future::poll_fn(|cx| {
                    fd.poll_read_ready(cx).map(|guard| guard.map(|guard| guard.ready()))
                });
                ready.await
            }
        });
        yield_to_kernel().await?;
        assert!(!waiting.is_finished());
        theirs.write_all(b"x")?;
        assert!(waiting.await.expect("it does not panic")?.is_readable());
        let room = std::future::poll_fn(|cx| {
            fd.poll_write_ready(cx).map(|guard| guard.map(|guard| guard.ready()))
        });
        assert!(room.await?.is_writable());
        Ok(())
    });
}

#[test]
fn what_was_watched_comes_back_and_goes_on() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let fd = AsyncFd::new(ours)?;
        let mut waiting = Box::pin(fd.readable());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(waiting);
        let mut ours = fd.into_inner();
        theirs.write_all(b"x")?;
        assert_eq!(ours.read(&mut [0; 4])?, 1);
        Ok(())
    });
}

#[test]
fn any_descriptor_that_can_be_polled_will_do() {
    run(async {
        // SAFETY: the call has no pointers.
        let number = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK) };
        assert!(number >= 0);
        // SAFETY: just made, and nobody else's.
        let timer = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(number) };
        let spec = libc::itimerspec {
            it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 },
        };
        // SAFETY: the value is valid for the call, and no old one is asked for.
        let set = unsafe { libc::timerfd_settime(number, 0, &spec, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        assert!(timer.readable().await?.ready().is_readable());
        // A regular file is always ready.
        let file =
            AsyncFd::with_interest(std::fs::File::open("/proc/self/exe")?, Interest::READABLE)?;
        for _ in 0..3 {
            let mut guard = file.readable().await?;
            guard.clear_ready();
        }
        Ok(())
    });
}

#[test]
fn a_stream_by_level_reports_what_is_left() {
    run(async {
        let (mut ours, mut theirs) = nonblocking_pair()?;
        let mut by_level = Readiness::level(ours.try_clone()?, Events::READABLE)?;
        let mut by_edge = Readiness::new(ours.try_clone()?, Events::READABLE)?;
        theirs.write_all(b"ab")?;
        by_edge.try_next().await?;
        for letter in [b'a', b'b'] {
            let events = by_level.try_next().await?.unwrap();
            assert!(events.contains(Events::READABLE));
            let mut byte = [0];
            ours.read_exact(&mut byte)?;
            assert_eq!(byte, [letter]);
        }
        let mut next = by_level.next();
        assert!(futures_util::poll!(&mut next).is_pending());
        yield_to_kernel().await?;
        assert!(futures_util::poll!(&mut next).is_pending(), "nothing is left");
        Ok(())
    });
}

#[test]
fn events_can_be_changed_while_they_are_waited_for_and_while_not() {
    run(async {
        let (ours, mut theirs) = nonblocking_pair()?;
        let mut readiness = Readiness::new(ours.try_clone()?, Events::READABLE)?;
        assert!(futures_util::poll!(readiness.next()).is_pending());
        yield_to_kernel().await?;
        readiness.set_events(Events::WRITABLE)?;
        readiness.set_events(Events::WRITABLE | Events::READ_HANG_UP)?;
        let events = readiness.try_next().await?.unwrap();
        assert_eq!(events, Events::WRITABLE);
        theirs.write_all(b"unasked for")?;
        readiness.set_events(Events::READABLE)?;
        let events = readiness.try_next().await?.unwrap();
        assert_eq!(events, Events::READABLE, "it was there before");

        let fd = AsyncFd::with_interest(ours, Interest::READABLE)?;
        let mut room = Box::pin(fd.writable());
        assert!(futures_util::poll!(&mut room).is_pending());
        fd.set_interest(Interest::WRITABLE)?;
        let bound = Duration::from_secs(60);
        assert!(annulus::time::timeout(bound, room).await??.ready().is_writable());
        Ok(())
    });
}
