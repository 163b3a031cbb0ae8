//! Pipes: what goes in comes out, in order and whole, however it is moved; ends are heard of.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::OpExt as _;
use annulus::fs::File;
use annulus::io::{AsyncRead as _, AsyncWrite as _, copy};
use annulus::op::Cancelled;
use annulus::pipe::{ATOMIC_BYTES, OpenOptions, Receiver, Sender, pipe};
use futures_util::poll;

use crate::cancel::yield_to_kernel;
use crate::harness::{Scratch, made, pair, run, share_process};

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + (at >> 9)) as u8).collect()
}

/// Fills a pipe, and gives how many bytes that took.
fn fill(sender: &Sender) -> usize {
    let mut taken = 0;
    loop {
        match sender.try_write(&[1; 4096]) {
            Ok(bytes) => taken += bytes,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return taken;
            }
        }
    }
}

#[test]
fn bytes_come_out_in_order_and_the_end_after_them() {
    run(async {
        let (sender, mut receiver) = pipe()?;
        let sending = annulus::spawn(async move { sender.write_all(pattern(3_000_001)).await });
        let (n, all) = receiver.read_to_end(Vec::new()).await?;
        assert_eq!(n, 3_000_001);
        assert!(all == pattern(3_000_001));
        assert_eq!(receiver.read(vec![0; 8]).await?.0, 0, "the end stays");
        sending.await.expect("it does not panic")?;
        Ok(())
    });
}

#[test]
fn a_task_waits_for_the_first_byte_and_for_room() {
    run(async {
        let (sender, receiver) = pipe()?;
        let mut reading = Box::pin(receiver.read(Vec::with_capacity(16)));
        assert!(poll!(&mut reading).is_pending());
        yield_to_kernel().await?;
        assert!(poll!(&mut reading).is_pending());
        sender.write_all("now").await?;
        assert_eq!(reading.await?.1, b"now");

        let room = fill(&sender);
        let mut writing = Box::pin(sender.write_all(vec![2; 10_000]));
        assert!(poll!(&mut writing).is_pending());
        receiver.read(vec![0; room]).await?;
        writing.await?;
        assert_eq!(receiver.read(vec![0; 20_000]).await?.0, 10_000);
        Ok(())
    });
}

#[test]
fn a_write_that_nobody_reads_is_an_error_and_no_signal() {
    run(async {
        let (sender, receiver) = pipe()?;
        drop(receiver);
        yield_to_kernel().await?;
        sender.writable().await?;
        let error = sender.write("x").await.expect_err("nobody reads");
        assert_eq!((error.kind(), error.buf()), (ErrorKind::BrokenPipe, Some(&"x")));
        assert_eq!(sender.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);

        // One that waits hears of it, too.
        let (sender, receiver) = pipe()?;
        fill(&sender);
        let mut writing = Box::pin(sender.write_all("y"));
        assert!(poll!(&mut writing).is_pending());
        drop(receiver);
        assert_eq!(writing.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn a_buffer_without_room_is_refused() {
    run(async {
        let (sender, receiver) = pipe()?;
        sender.write_all("x").await?;
        let error = receiver.read(Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for moved in [receiver.splice_to(&sender, 0).await, receiver.tee_to(&sender, 0).await] {
            assert_eq!(moved.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        assert_eq!(sender.write("").await?.0, 0);
        Ok(())
    });
}

#[test]
fn what_is_written_at_once_stays_together() {
    run(async {
        let (sender, mut receiver) = pipe()?;
        let sender = std::rc::Rc::new(sender);
        let writers = (0..8_u8).map(|number| {
            let sender = sender.clone();
            annulus::spawn(async move {
                for _ in 0..50 {
                    sender.write_all(vec![number; ATOMIC_BYTES]).await?;
                }
                io::Result::Ok(())
            })
        });
        let writers: Vec<_> = writers.collect();
        drop(sender);
        for _ in 0..8 * 50 {
            let ((), piece) = receiver.read_exact(vec![0; ATOMIC_BYTES]).await?;
            assert!(piece.iter().all(|&byte| byte == piece[0]), "pieces are mixed");
        }
        for writer in writers {
            writer.await.expect("it does not panic")?;
        }
        assert_eq!(receiver.read(vec![0; 1]).await?.0, 0);
        Ok(())
    });
}

#[test]
fn cancelling_tells_what_was_done_and_loses_nothing() {
    run(async {
        let (sender, mut receiver) = pipe()?;
        let mut reading = receiver.read(vec![0; 16]);
        assert!(poll!(&mut reading).is_pending());
        let (error, buf) = reading.cancel().await.unwrap_err().into_parts();
        assert!(Cancelled::of(&error).is_some());
        assert_eq!(buf, Some(vec![0; 16]));
        sender.write_all("kept").await?;
        assert_eq!(receiver.read(vec![0; 16]).await?.0, 4);

        let room = receiver.capacity()?;
        let mut writing = sender.write_all(pattern(room + 5000));
        assert!(poll!(&mut writing).is_pending());
        let (error, buf) = writing.cancel().await.unwrap_err().into_parts();
        assert_eq!(Cancelled::of(&error).map(Cancelled::bytes_done), Some(room));
        assert_eq!(buf.map(|buf| buf.len()), Some(room + 5000));
        let ((), there) = receiver.read_exact(vec![0; room]).await?;
        assert!(there == pattern(room + 5000)[..room]);
        let late = receiver.read(vec![0; 1]).timeout(std::time::Duration::from_millis(1)).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        Ok(())
    });
}

#[test]
fn the_room_can_be_asked_for_and_changed() {
    run(async {
        let (sender, receiver) = pipe()?;
        assert_eq!(sender.capacity()?, receiver.capacity()?);
        assert_eq!(sender.set_capacity(100_000)?, 131_072);
        assert_eq!(receiver.capacity()?, 131_072);
        assert_eq!(fill(&sender), 131_072);
        let error = receiver.set_capacity(4096).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
        let error = receiver.set_capacity(usize::MAX).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn descriptors_come_from_std_and_go_back() {
    run(async {
        let (sender, receiver) = pipe()?;
        sender.write_all("across").await?;
        // A read that was given up is still with the kernel.
        let (idle, waiting) = pipe()?;
        assert!(poll!(Box::pin(waiting.read(vec![0; 8]))).is_pending());
        let mut reader = std::fs::File::from(receiver.into_blocking_fd()?);
        let mut writer = std::fs::File::from(sender.into_blocking_fd()?);
        let thread = std::thread::spawn(move || {
            let mut bytes = [0; 11];
            reader.read_exact(&mut bytes).map(|()| (bytes, reader))
        });
        writer.write_all(b" land")?; // the reader waits for it, if it came first
        let (bytes, reader) = thread.join().expect("it does not panic")?;
        assert_eq!(&bytes, b"across land");

        let (sender, receiver) =
            (Sender::from_owned_fd(writer.into())?, Receiver::from_owned_fd(reader.into())?);
        assert_eq!(receiver.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        sender.write_all("back").await?;
        assert_eq!(receiver.read(vec![0; 4]).await?.1, b"back");

        let again = Receiver::from_owned_fd(waiting.into_nonblocking_fd()?)?;
        idle.write_all("here").await?;
        assert_eq!(again.read(vec![0; 4]).await?.1, b"here");
        Ok(())
    });
}

#[test]
fn what_is_no_end_of_a_pipe_is_refused_with_the_reason() {
    run(async {
        let file = OwnedFd::from(std::fs::File::open("/proc/self/exe")?);
        let error = Receiver::try_from(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("this is no pipe"), "{error}");
        let (sender, receiver) = pipe()?;
        let error = Receiver::from_owned_fd(sender.into_nonblocking_fd()?).unwrap_err();
        assert_eq!(error.to_string(), "this end of the pipe is not open for reading");
        let error = Sender::from_owned_fd(receiver.into_nonblocking_fd()?).unwrap_err();
        assert_eq!(error.to_string(), "this end of the pipe is not open for writing");
        Ok(())
    });
}

#[test]
fn a_pipe_of_another_core_is_an_error_that_says_so() {
    let _shared = share_process();
    let first = made(annulus::runtime::Runtime::builder());
    let second = made(annulus::runtime::Runtime::builder());
    let (sender, receiver) = first.block_on(async { pipe() }).unwrap();
    second.block_on(async {
        let errors = [
            sender.write("x").await.unwrap_err().into_error(),
            receiver.read(vec![0; 1]).await.unwrap_err().into_error(),
            receiver.readable().await.unwrap_err(),
            receiver.try_read(&mut [0]).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("was used on"), "{error}");
        }
    });
    first.block_on(async { drop((sender, receiver)) });
}

fn fifo(scratch: &Scratch) -> std::path::PathBuf {
    let path = scratch.path().join("fifo");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a string with an end.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    path
}

#[test]
fn a_fifo_is_opened_without_waiting_for_the_other_side() {
    let scratch = Scratch::new();
    let path = fifo(&scratch);
    run(async {
        let error = OpenOptions::new().open_sender(&path).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENXIO), "nobody reads");
        let receiver = OpenOptions::new().open_receiver(&path).await?;
        assert_eq!(receiver.read(vec![0; 1]).await?.0, 0, "nobody writes");
        let sender = OpenOptions::new().open_sender(&path).await?;
        let mut reading = Box::pin(receiver.read(vec![0; 8]));
        assert!(poll!(&mut reading).is_pending());
        sender.write_all("named").await?;
        assert_eq!(reading.await?.0, 5);
        drop((sender, receiver));

        let both = OpenOptions::new().read_write(true).open_receiver(&path).await?;
        let mut reading = Box::pin(both.read(vec![0; 8]));
        assert!(poll!(&mut reading).is_pending(), "it has a sender: itself");
        let sender = OpenOptions::new().open_sender(&path).await?;
        sender.write_all("x").await?;
        assert_eq!(reading.await?.0, 1);
        Ok(())
    });
}

#[test]
fn what_is_no_fifo_is_not_opened_as_one() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"text");
    run(async {
        let options = OpenOptions::new();
        let kind = options.open_receiver(&path).await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert_eq!(options.open_sender(&path).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let kind = options.open_receiver("/nonexistent").await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotFound);
        let kind = options.open_receiver("nul\0").await.unwrap_err().kind();
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert_eq!(std::fs::read(&path)?, b"text");
        Ok(())
    });
}

#[test]
fn pages_are_moved_from_pipe_to_pipe_and_to_a_socket() {
    run(async {
        let ((source, from), (into, mut out)) = (pipe()?, pipe()?);
        let bytes = 1_000_003;
        let sending = annulus::spawn(async move { source.write_all(pattern(bytes)).await });
        let moving = annulus::spawn(async move { copy(&mut &from, &mut &into).await });
        assert!(out.read_to_end(Vec::new()).await?.1 == pattern(bytes));
        assert_eq!(moving.await.expect("it does not panic")?, bytes as u64);
        sending.await.expect("it does not panic")?;

        let ((source, from), (near, mut far)) = (pipe()?, pair().await?);
        // What is queued already goes first.
        near.send_nowait(b"first ")?;
        let sending = annulus::spawn(async move { source.write_all(pattern(bytes)).await });
        let moving = annulus::spawn(async move { copy(&mut &from, &mut &near).await });
        let (n, all) = far.read_to_end(Vec::new()).await?;
        assert_eq!(n, bytes + 6);
        assert!(all[..6] == *b"first " && all[6..] == pattern(bytes));
        assert_eq!(moving.await.expect("it does not panic")?, bytes as u64);
        sending.await.expect("it does not panic")?;
        Ok(())
    });
}

#[test]
fn a_splice_waits_for_bytes_and_for_room() {
    run(async {
        let ((source, from), (into, out)) = (pipe()?, pipe()?);
        let mut moving = Box::pin(from.splice_to(&into, 100));
        assert!(poll!(&mut moving).is_pending());
        source.write_all("some").await?;
        assert_eq!(moving.await?, 4);
        assert_eq!(out.read(vec![0; 8]).await?.1[..4], *b"some");
        fill(&into);
        source.write_all("more").await?;
        let mut moving = Box::pin(from.splice_to(&into, 100));
        for _ in 0..3 {
            assert!(poll!(&mut moving).is_pending(), "there is no room");
            yield_to_kernel().await?;
        }
        out.read(vec![0; 65_536]).await?;
        assert_eq!(moving.await?, 4);
        drop(source);
        assert_eq!(from.splice_to(&into, 100).await?, 0, "the end");
        let error = out.splice_to(&into, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "both ends of one pipe");
        Ok(())
    });
}

#[test]
fn files_are_moved_in_and_out_at_offsets() {
    let scratch = Scratch::new();
    let path = scratch.file("from", &pattern(300_000));
    run(async {
        let file = File::open(&path).await?;
        let copied = File::create(scratch.path().join("to")).await?;
        let (into, out) = pipe()?;
        let (mut at, mut to) = (1000, 0);
        loop {
            let moved = into.splice_from_file(&file, at, 1 << 20).await?;
            if moved == 0 {
                break;
            }
            at += moved as u64;
            let mut left = moved;
            while left > 0 {
                let written = out.splice_to_file(&copied, to, left).await?;
                (left, to) = (left - written, to + written as u64);
            }
        }
        assert_eq!(to, 299_000);
        assert!(std::fs::read(scratch.path().join("to"))? == pattern(300_000)[1000..]);
        let error = into.splice_from_file(&file, u64::MAX, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // Nothing is there, so nothing begins; a drop takes nothing back.
        let mut waiting = Box::pin(out.splice_to_file(&copied, 0, 10));
        assert!(poll!(&mut waiting).is_pending());
        drop(waiting);
        drop(into);
        assert_eq!(out.splice_to_file(&copied, 0, 10).await?, 0);
        Ok(())
    });
}

#[test]
fn a_tee_consumes_nothing() {
    run(async {
        let ((source, from), (into, out)) = (pipe()?, pipe()?);
        source.write_all("double").await?;
        assert_eq!(from.tee_to(&into, 100).await?, 6);
        assert_eq!(from.tee_to(&into, 3).await?, 3, "it begins with the same byte");
        assert_eq!(from.read(vec![0; 8]).await?.1[..6], *b"double");
        assert_eq!(out.read(vec![0; 16]).await?.1[..9], *b"doubledou");
        drop(source);
        assert_eq!(from.tee_to(&into, 1).await?, 0);
        Ok(())
    });
}

#[test]
fn all_targets_get_all_bytes_whatever_their_pace() {
    for count in 1..=4 {
        run(async {
            let (source, from) = pipe()?;
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..count).map(|_| pipe().unwrap()).unzip();
            // One target is small, and so takes every round in many pieces.
            senders[0].set_capacity(4096)?;
            let bytes = 700_001;
            let sending = annulus::spawn(async move { source.write_all(pattern(bytes)).await });
            let fanning = annulus::spawn(async move {
                let targets: Vec<&Sender> = senders.iter().collect();
                from.tee_all(&targets).await
            });
            let readers = receivers.into_iter().map(|mut receiver| {
                annulus::spawn(async move { receiver.read_to_end(Vec::new()).await })
            });
            for reader in readers.collect::<Vec<_>>() {
                let (_, all) = reader.await.expect("it does not panic")?;
                assert!(all == pattern(bytes), "{} bytes for one of {count}", all.len());
            }
            assert_eq!(fanning.await.expect("it does not panic")?, bytes as u64);
            sending.await.expect("it does not panic")?;
            Ok(())
        });
    }
    run(async {
        let (_source, from) = pipe()?;
        let error = from.tee_all::<Sender>(&[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_target_that_is_gone_ends_the_fan_with_its_error() {
    run(async {
        let ((source, from), (one, kept), (two, gone)) = (pipe()?, pipe()?, pipe()?);
        drop(gone);
        source.write_all("x").await?;
        let error = from.tee_all(&[&one, &two]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        drop(kept);
        Ok(())
    });
}

#[test]
fn a_busy_pipe_lets_other_tasks_run() {
    run(async {
        let (sender, receiver) = pipe()?;
        let stop = std::rc::Rc::new(AtomicBool::new(false));
        let other = annulus::spawn({
            let stop = stop.clone();
            // ORDERING: Relaxed; one thread.
            async move { stop.store(true, Ordering::Relaxed) }
        });
        // ORDERING: Relaxed; one thread.
        while !stop.load(Ordering::Relaxed) {
            sender.write_all("ping").await?;
            receiver.read(vec![0; 4]).await?;
        }
        other.await.expect("it does not panic");
        Ok(())
    });
}

#[test]
fn readers_and_writers_of_any_kind_go_through_a_pipe() {
    run(async {
        let (mut sender, mut receiver) = pipe()?;
        sender.write_all_vectored(("a", vec![b'b'], "c")).await?;
        sender.flush().await?;
        sender.shutdown().await?;
        assert_eq!(receiver.recv().await?.as_deref(), Some(&b"abc"[..]));
        let mut waiting = Box::pin(receiver.recv());
        assert!(poll!(&mut waiting).is_pending());
        drop(sender);
        assert!(waiting.await?.is_none());
        Ok(())
    });
}

#[test]
fn pipes_need_a_runtime() {
    let _shared = share_process();
    assert!(pipe().unwrap_err().to_string().contains("runtime"));
    let fd = std::fs::File::open("/dev/null").unwrap().as_fd().try_clone_to_owned().unwrap();
    assert!(Receiver::try_from(fd).unwrap_err().to_string().contains("runtime"));
}
