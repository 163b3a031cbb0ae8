//! Requests that the kernel links, as methods of a file: each against `std`, with a fault in every
//! step, and cancelled after every poll. No byte is lost, none is written twice where it was not.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::buf::BufError;
use annulus::fs::{Direct, File, OpenOptions, RwOptions, Synced, read_once};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;
use annulus_ring::abi::Opcode;
use futures_util::poll;

use super::faulty::{Fault, Faults};
use crate::harness::{Scratch, run, run_on};

fn pattern(bytes: usize, salt: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 + at / 251 + salt) as u8).collect()
}

async fn read_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).open(path).await
}

/// Copies block by block until there is no more.
async fn copy(from: &File, to: &File, block: usize) -> io::Result<u64> {
    let (mut buf, mut offset) = (Vec::with_capacity(block), 0);
    loop {
        let n;
        (n, buf) = from.copy_block(offset, to, offset, buf).await?;
        assert_eq!(n, buf.len(), "the buffer has what was copied");
        if n == 0 {
            return Ok(offset);
        }
        offset += n as u64;
    }
}

#[test]
fn blocks_are_copied_as_they_are_whatever_the_sizes() {
    let scratch = Scratch::new();
    run(async {
        for (round, (bytes, block)) in
            [(0, 10), (1, 1), (9, 10), (10, 10), (11, 10), (100_003, 4096), (65_536, 65_536)]
                .into_iter()
                .enumerate()
        {
            let contents = pattern(bytes, round);
            let from = File::open(scratch.file("from", &contents)).await?;
            let path = scratch.path().join(format!("to{round}"));
            let to = read_write(&path).await?;
            assert_eq!(copy(&from, &to, block).await?, bytes as u64);
            assert!(std::fs::read(&path)? == contents, "{bytes} bytes by {block}");
        }
        let from = File::open(scratch.path().join("from")).await?;
        let failed = from.copy_block(0, &from, 0, Vec::new()).await.expect_err("no room");
        assert_eq!(failed.kind(), ErrorKind::InvalidInput);
        assert!(failed.into_buf().is_some());
        Ok(())
    });
}

#[test]
fn a_block_is_whole_or_an_error_whatever_step_fails() {
    const BYTES: usize = 1000;
    let scratch = Scratch::new();
    let contents = pattern(BYTES, 3);
    let path = scratch.file("from", &contents);
    let faults = Faults::default();
    let cases = [
        (Opcode::READ, Fault::Fails(libc::EIO), false),
        (Opcode::WRITE, Fault::Fails(libc::EIO), false),
        (Opcode::WRITE, Fault::Fails(libc::ENOSPC), false),
        (Opcode::READ, Fault::Short(1), true),
        (Opcode::READ, Fault::Short(999), true),
        (Opcode::WRITE, Fault::Short(1), true),
        (Opcode::WRITE, Fault::Short(500), true),
    ];
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let from = File::open(&path).await?;
        for (round, (opcode, fault, succeeds)) in cases.into_iter().enumerate() {
            let to_path = scratch.path().join(format!("to{round}"));
            let to = read_write(&to_path).await?;
            faults.forget();
            faults.plan_for(opcode, 0, fault);
            let copied = from.copy_block(0, &to, 0, Vec::with_capacity(BYTES)).await;
            assert!(faults.are_done(), "{opcode:?}: {fault:?}");
            let there = std::fs::read(&to_path)?;
            match copied {
                Ok((n, buf)) => {
                    assert!(succeeds, "{opcode:?}: {fault:?}");
                    assert!(buf == contents[..n] && there == contents[..n], "{fault:?}");
                }
                Err(failed) => {
                    let Fault::Fails(errno) = fault else { panic!("{fault:?}: {failed}") };
                    assert_eq!(failed.error().raw_os_error(), Some(errno));
                    assert!(failed.into_buf().is_some(), "the buffer comes back");
                    assert_eq!(there, [], "nothing was written");
                }
            }
        }
        // A write that is short, and then fails: what was written is there, and no more.
        let to_path = scratch.path().join("torn");
        let to = read_write(&to_path).await?;
        faults.plan_for(Opcode::WRITE, 0, Fault::Short(300));
        faults.plan_for(Opcode::WRITE, 0, Fault::Fails(libc::EIO));
        let failed = from.copy_block(0, &to, 0, Vec::with_capacity(BYTES)).await.unwrap_err();
        assert_eq!(failed.error().raw_os_error(), Some(libc::EIO));
        assert!(std::fs::read(&to_path)? == contents[..300]);
        Ok(())
    });
}

#[test]
fn a_block_that_is_cancelled_after_any_poll_tells_how_much_of_it_was_written() {
    let scratch = Scratch::new();
    let contents = pattern(5000, 8);
    let path = scratch.file("from", &contents);
    run(async {
        let from = File::open(&path).await?;
        for polls in 0..4 {
            let to_path = scratch.path().join(format!("to{polls}"));
            let to = read_write(&to_path).await?;
            // Larger than the file, so that the link breaks and a request of its own writes.
            let mut copying = from.copy_block(0, &to, 0, Vec::with_capacity(8192));
            let mut ended = None;
            for _ in 0..polls {
                if let std::task::Poll::Ready(done) = poll!(&mut copying) {
                    ended = Some(done);
                    break;
                }
                crate::cancel::yield_to_kernel().await?;
            }
            let done = match ended {
                Some(done) => done,
                None => copying.cancel().await,
            };
            let there = std::fs::read(&to_path)?;
            match done {
                Ok((n, buf)) => {
                    assert!(n == 5000 && there == contents && buf == contents, "{polls}: {n}");
                }
                Err(failed) => {
                    let (error, buf) = failed.into_parts();
                    let cancelled = Cancelled::of(&error).expect("it was asked to end");
                    assert_eq!(cancelled.bytes_done(), there.len(), "{polls}");
                    assert!(there == contents[..there.len()]);
                    assert!(buf.is_some(), "the buffer comes back");
                }
            }
        }
        let to = read_write(&scratch.path().join("late")).await?;
        let timely = from.copy_block(0, &to, 0, Vec::with_capacity(100));
        assert_eq!(timely.timeout(Duration::from_secs(600)).await?.0, 100);
        Ok(())
    });
}

#[test]
fn a_synced_write_is_all_there_and_flushed_once() {
    let scratch = Scratch::new();
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        for (round, bytes) in [1, 100, 70_000].into_iter().enumerate() {
            let path = scratch.path().join(format!("file{round}"));
            let file = read_write(&path).await?;
            for what in [Synced::Data, Synced::All] {
                faults.forget();
                let contents = pattern(bytes, round);
                let ((), buf) = file.write_synced_at(contents.clone(), 10, what).await?;
                assert!(buf == contents && std::fs::read(&path)?[10..] == contents);
                assert_eq!((faults.seen(Opcode::WRITE), faults.seen(Opcode::FSYNC)), (1, 1));
            }
        }
        Ok(())
    });
}

#[test]
fn a_synced_write_survives_short_writes_and_tells_of_every_failure() {
    let scratch = Scratch::new();
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let path = scratch.path().join("short");
        let file = read_write(&path).await?;
        let contents = pattern(1000, 1);
        for cut in [1, 500, 999] {
            faults.forget();
            faults.plan_for(Opcode::WRITE, 0, Fault::Short(cut));
            faults.plan_for(Opcode::WRITE, 0, Fault::Short(cut));
            file.write_synced_at(contents.clone(), 0, Synced::Data).await?;
            assert!(std::fs::read(&path)? == contents);
            // The second cut leaves nothing over where the first left a byte, or a half.
            let chains = if cut == 1 { 3 } else { 2 };
            assert_eq!((faults.seen(Opcode::WRITE), faults.seen(Opcode::FSYNC)), (chains, 1));
        }
        for (opcode, errno) in [(Opcode::WRITE, libc::EIO), (Opcode::FSYNC, libc::EIO)] {
            faults.forget();
            faults.plan_for(opcode, 0, Fault::Fails(errno));
            let failed = file.write_synced_at("text", 0, Synced::Data).await.unwrap_err();
            assert_eq!(failed.error().raw_os_error(), Some(errno), "{opcode:?}");
            assert_eq!(failed.into_buf(), Some("text"));
            assert!(faults.seen(Opcode::FSYNC) <= 1, "a flush that failed is not asked for again");
        }
        // The part that was written before the failure is told where it was cancelled.
        faults.forget();
        faults.plan_for(Opcode::WRITE, 0, Fault::Short(2));
        faults.plan_for(Opcode::WRITE, 0, Fault::Fails(libc::ECANCELED));
        let failed = file.write_synced_at("text", 0, Synced::Data).await.unwrap_err();
        assert_eq!(Cancelled::of(failed.error()).map(Cancelled::bytes_done), Some(2));
        Ok(())
    });
}

#[test]
fn a_flush_that_a_device_refuses_is_the_error_of_the_write_too() {
    run(async {
        // It takes every byte, and cannot be flushed.
        let null = OpenOptions::new().write(true).open("/dev/null").await?;
        let failed = null.write_synced_at("text", 0, Synced::Data).await.unwrap_err();
        assert_eq!(failed.error().raw_os_error(), Some(libc::EINVAL));
        let full = OpenOptions::new().write(true).open("/dev/full").await?;
        let failed = full.write_synced_at("text", 0, Synced::Data).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::StorageFull);
        assert_eq!(failed.into_buf(), Some("text"));
        Ok(())
    });
}

/// Whether an error is that of somebody who asked to end.
fn was_cancelled<T, B>(ended: &Result<T, BufError<B>>) -> bool {
    ended.as_ref().is_err_and(|failed| Cancelled::of(failed.error()).is_some())
}

#[test]
fn a_file_is_read_at_once_in_one_submission_if_its_size_is_known_and_in_two_if_not() {
    let scratch = Scratch::new();
    let contents = pattern(3000, 5);
    let path = scratch.file("small", &contents);
    let faults = Faults::default();
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        for (room, reads) in [(3000, 1), (2999, 1), (4096, 2), (100_000, 2)] {
            faults.forget();
            let buf = vec![0; room].into_boxed_slice();
            let (n, buf) = read_once(&path, buf).await?;
            assert_eq!(n, room.min(3000));
            assert!(buf[..n] == contents[..n], "{room}");
            assert_eq!((faults.seen(Opcode::OPENAT), faults.seen(Opcode::READ)), (1, reads));
        }
        let free = annulus::runtime::metrics()?.fixed_files_free;
        let failed = read_once(scratch.path().join("none"), vec![0; 5]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::NotFound);
        assert_eq!(failed.into_buf(), Some(vec![0; 5]));
        let failed = read_once(&path, Vec::new()).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::InvalidInput);
        let failed = read_once("with\0zero", vec![0; 5]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::InvalidInput);
        let failed = read_once(scratch.path(), vec![0; 5]).await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::IsADirectory);
        assert_eq!(annulus::runtime::metrics()?.fixed_files_free, free, "every slot is back");
        Ok(())
    });
}

#[test]
fn a_file_is_read_at_once_whatever_step_is_short_or_fails() {
    let scratch = Scratch::new();
    let contents = pattern(1000, 9);
    let path = scratch.file("small", &contents);
    let faults = Faults::default();
    let read = || read_once(&path, vec![0; 1000]);
    run_on(Runtime::builder().kernel(faults.kernel()), async {
        let free = annulus::runtime::metrics()?.fixed_files_free;
        for cut in [1, 500, 999] {
            faults.plan_for(Opcode::READ, 0, Fault::Short(cut));
            let (n, buf) = read().await?;
            assert!(n == 1000 && buf == contents, "{cut}");
        }
        for opcode in [Opcode::OPENAT, Opcode::READ] {
            faults.plan_for(opcode, 0, Fault::Fails(libc::EIO));
            let failed = read().await.unwrap_err();
            assert_eq!(failed.error().raw_os_error(), Some(libc::EIO), "{opcode:?}");
            assert!(failed.into_buf().is_some());
        }
        faults.plan_for(Opcode::READ, 0, Fault::Short(10));
        faults.plan_for(Opcode::READ, 0, Fault::Fails(libc::EIO));
        assert_eq!(read().await.unwrap_err().error().raw_os_error(), Some(libc::EIO));
        // What was read is whole although the close failed.
        faults.plan_for(Opcode::CLOSE, 0, Fault::Fails(libc::EIO));
        assert!(read().await?.1 == contents);
        assert!(faults.are_done());
        assert_eq!(annulus::runtime::metrics()?.fixed_files_free, free, "every slot is back");
        Ok(())
    });
}

#[test]
fn a_file_that_is_read_at_once_can_be_cancelled_after_any_poll_and_leaves_nothing_open() {
    let scratch = Scratch::new();
    let contents = pattern(1000, 2);
    let path = scratch.file("small", &contents);
    for builder in [Runtime::builder(), Runtime::builder().fixed_files(0)] {
        run_on(builder, async {
            let free = annulus::runtime::metrics()?.fixed_files_free;
            for polls in 0..6 {
                let mut reading = read_once(&path, vec![0; 2000]);
                let mut ended = None;
                for _ in 0..polls {
                    if let std::task::Poll::Ready(done) = poll!(&mut reading) {
                        ended = Some(done);
                        break;
                    }
                    crate::cancel::yield_to_kernel().await?;
                }
                let ended = match ended {
                    Some(done) => done,
                    None => reading.cancel().await,
                };
                assert!(polls > 0 || was_cancelled(&ended), "it was not even begun");
                match ended {
                    Ok((n, buf)) => assert!(n == 1000 && buf[..n] == contents),
                    Err(failed) => assert!(failed.into_buf().is_some(), "the buffer comes back"),
                }
            }
            crate::cancel::at_rest().await?;
            assert_eq!(annulus::runtime::metrics()?.fixed_files_free, free);
            Ok(())
        });
    }
}

#[test]
fn requests_with_options_do_what_the_options_say() {
    let scratch = Scratch::new();
    let path = scratch.file("file", b"0123456789");
    run(async {
        let file = read_write(&path).await?;
        let durable = RwOptions::new().dsync();
        assert_eq!(file.with(durable).write_at("abc", 0).await?.0, 3);
        file.with(RwOptions::new().sync()).write_all_at("d", 3).await?;
        let (n, _) = file.with(RwOptions::new().append()).write_at("end", 0).await?;
        assert_eq!((n, &std::fs::read(&path)?[..]), (3, &b"abcd456789end"[..]));
        let (n, _) = file.with(durable).write_vectored_at(("A", vec![b'B']), 0).await?;
        assert_eq!(n, 2);
        let (_, both) =
            file.with(RwOptions::new()).read_vectored_at((vec![0; 2], vec![0; 3]), 0).await?;
        assert_eq!(both, (b"AB".to_vec(), b"cd4".to_vec()));
        let appending = OpenOptions::new().append(true).open(&path).await?;
        match appending.with(RwOptions::new().noappend()).write_at("x", 1).await {
            Ok(_) => assert_eq!(std::fs::read(&path)?[1], b'x'),
            Err(failed) => {
                let errno = failed.error().raw_os_error();
                assert_eq!(errno, Some(libc::EOPNOTSUPP), "a kernel before 6.9");
            }
        }
        let refused = file.with(durable).read_at(vec![0; 5], 0).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.into_buf().is_some());
        let ranked = RwOptions::new().priority(annulus::fs::Priority::LOWEST);
        assert_eq!(file.with(ranked).read_at(vec![0; 3], 0).await?.0, 3);
        let atomic = file.with(RwOptions::new().atomic()).write_at("x", 0).await.unwrap_err();
        let errno = atomic.error().raw_os_error();
        assert!(matches!(errno, Some(libc::EOPNOTSUPP | libc::EINVAL)), "{atomic:?}");
        // Either the file system knows it, or it says so.
        let once = file.with(RwOptions::new().dontcache()).read_at(vec![0; 3], 0).await;
        if let Err(failed) = once {
            assert_eq!(failed.error().raw_os_error(), Some(libc::EOPNOTSUPP));
        }
        Ok(())
    });
}

#[test]
fn a_read_that_may_not_wait_gives_what_is_cached_or_would_block() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &pattern(8192, 0));
    run(async {
        let file = File::open(&path).await?;
        let now = file.with(RwOptions::new().nowait());
        match now.read_at(vec![0; 8192], 0).await {
            // What was just written is in the page cache; a part may have left it.
            Ok((n, buf)) => assert!(n > 0 && buf[..n] == pattern(8192, 0)[..n]),
            Err(failed) => {
                let is_refused = failed.error().raw_os_error() == Some(libc::EOPNOTSUPP);
                assert!(failed.kind() == ErrorKind::WouldBlock || is_refused, "{failed:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_file_without_direct_io_says_so() {
    run(async {
        let error = Direct::open("/proc/version").await.expect_err("it has none");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        Ok(())
    });
}
