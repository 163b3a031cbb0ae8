//! Every future of a pipe, of notifications, of futexes and of memory, ended at every point: no
//! byte, event or wake is lost.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use annulus::fs::File;
use annulus::fs::notify::{Events, Inotify, Kind};
use annulus::futex::{Futex, wait_any};
use annulus::io::AsyncRead as _;
use annulus::mem::{Advice, advise};
use annulus::pipe::{OpenOptions, Receiver, Sender, pipe};
use futures_util::TryStreamExt as _;

use super::{Cut, Points};

/// Lends a value to a future that may be forgotten.
struct Lent<T>(*mut T);

impl<T: 'static> Lent<T> {
    fn new(value: T) -> (Self, &'static mut T) {
        let lent: *mut T = Box::into_raw(Box::new(value));
        // SAFETY: it was just made; `back` is only called when the borrower is gone.
        (Self(lent), unsafe { &mut *lent })
    }

    /// The value again: its borrower is gone, or forgotten and never polled again.
    fn back(self) -> T {
        let lent = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: made by `Box::into_raw` above, and not dropped.
        *unsafe { Box::from_raw(lent) }
    }
}

/// The scenario was dropped in the middle, and what it awaited before.
impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw` above.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// What is left in a pipe whose senders are gone.
async fn rest(mut receiver: Receiver) -> io::Result<Vec<u8>> {
    Ok(receiver.read_to_end(Vec::new()).await?.1)
}

const NO_PIPES: &str = "pipes";

#[test]
fn reads_ended_anywhere_lose_no_byte() {
    Points::of(&["pipe::receiver::read", "pipe::receiver::readable"]).real_only(NO_PIPES).run(
        |cut| async move {
            let (sender, receiver) = pipe()?;
            let feeding = annulus::spawn(async move {
                for piece in ["abc", "defg"] {
                    sender.write_all(piece).await?;
                    super::yield_to_kernel().await?;
                }
                io::Result::Ok(())
            });
            let (kept, lent) = Lent::new((receiver, Vec::new()));
            let reading = async move {
                let (receiver, got) = lent;
                loop {
                    receiver.readable().await?;
                    let (n, piece) = receiver.read(Vec::with_capacity(2)).await?;
                    got.extend_from_slice(&piece);
                    if n == 0 {
                        return io::Result::Ok(());
                    }
                }
            };
            cut.end(reading).await.transpose()?;
            feeding.await.expect("it does not panic")?;
            let (receiver, mut got) = kept.back();
            if !cut.forgets() {
                got.extend(rest(receiver).await?);
                assert_eq!(got, b"abcdefg", "{cut:?}");
            }
            Ok(())
        },
    );
}

#[test]
fn writes_ended_anywhere_are_in_the_pipe_or_not() {
    Points::of(&["pipe::sender::write", "pipe::sender::write_all", "pipe::sender::writable"])
        .real_only(NO_PIPES)
        .run(|cut| async move {
            let (sender, receiver) = pipe()?;
            sender.set_capacity(4096)?;
            let reading = annulus::spawn(rest(receiver));
            let (kept, lent) = Lent::new((sender, 0));
            let writing = async move {
                let (sender, sent) = lent;
                for number in 0..3_u8 {
                    sender.writable().await?;
                    // At most 4096 bytes: all or nothing.
                    sender.write(vec![number; 3000]).await?;
                    *sent += 1;
                }
                sender.write_all(vec![3; 10_000]).await?;
                *sent += 1;
                io::Result::Ok(())
            };
            cut.end(writing).await.transpose()?;
            let (sender, sent) = kept.back();
            drop(sender);
            if cut.forgets() {
                reading.abort();
                return Ok(());
            }
            let got = reading.await.expect("it does not panic")?;
            let whole = [3000 * sent.min(3), 10_000 * (sent / 4)].iter().sum::<usize>();
            assert_eq!(got.len().min(whole), whole, "{cut:?}");
            let extra = got.len() - whole;
            assert!(extra == 0 || sent == 3, "{cut:?}: {extra} bytes of a write that did not end");
            assert!(got.is_sorted(), "{cut:?}");
            Ok(())
        });
}

#[test]
fn a_fifo_whose_open_is_ended_anywhere_leaves_no_descriptor() {
    Points::of(&["pipe::fifo::open_receiver", "pipe::fifo::open_sender"]).real_only(NO_PIPES).run(
        |cut| async move {
            let path = cut.file("before", b"").with_file_name("fifo");
            let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
            // SAFETY: a string with an end.
            assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
            let opening = async move {
                let receiver = OpenOptions::new().open_receiver(&path).await?;
                let sender = OpenOptions::new().open_sender(&path).await?;
                io::Result::Ok((receiver, sender))
            };
            if let Some((receiver, sender)) = cut.end(opening).await.transpose()? {
                sender.write_all("open").await?;
                assert_eq!(receiver.read(vec![0; 8]).await?.0, 4);
            }
            Ok(())
        },
    );
}

#[test]
fn moves_between_pipes_ended_anywhere_lose_no_byte() {
    Points::of(&["pipe::moving::splice_to", "pipe::moving::tee_to"]).real_only(NO_PIPES).run(
        |cut| async move {
            let ((source, from), (into, out), (copies, copied)) = (pipe()?, pipe()?, pipe()?);
            let feeding = annulus::spawn(async move {
                for piece in ["abc", "defg"] {
                    source.write_all(piece).await?;
                    super::yield_to_kernel().await?;
                }
                io::Result::Ok(())
            });
            let (kept, lent) = Lent::new((from, into, copies));
            let moving = async move {
                let (from, into, copies) = lent;
                loop {
                    let doubled = from.tee_to(copies, 4).await?;
                    if doubled == 0 || from.splice_to(into, doubled).await? == 0 {
                        return io::Result::Ok(());
                    }
                }
            };
            cut.end(moving).await.transpose()?;
            feeding.await.expect("it does not panic")?;
            let (from, into, copies) = kept.back();
            drop((into, copies));
            if !cut.forgets() {
                let (moved, left) = (rest(out).await?, rest(from).await?);
                assert_eq!([&moved[..], &left].concat(), b"abcdefg", "{cut:?}");
                let copied = rest(copied).await?;
                assert!(copied.starts_with(&moved), "{cut:?}: doubled before moved");
            }
            Ok(())
        },
    );
}

#[test]
fn moves_from_and_to_files_ended_anywhere_leave_a_prefix() {
    Points::of(&["pipe::moving::splice_to_file", "pipe::moving::splice_from_file"])
        .real_only(NO_PIPES)
        .run(|cut| async move {
            let contents: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
            let source = File::open(cut.file("source", &contents)).await?;
            let path = cut.file("target", b"");
            let target = File::create(&path).await?;
            let (sender, receiver) = pipe()?;
            let (kept, lent) = Lent::new((source, target, sender, receiver));
            let moving = async move {
                let (source, target, sender, receiver) = lent;
                let mut at = 0;
                loop {
                    let moved = sender.splice_from_file(source, at, 8192).await?;
                    if moved == 0 {
                        return io::Result::Ok(());
                    }
                    let mut left = moved;
                    while left > 0 {
                        let written = receiver.splice_to_file(target, at, left).await?;
                        at += written as u64;
                        left -= written;
                    }
                }
            };
            let whole = cut.end(moving).await.transpose()?.is_some();
            let (source, target, sender, receiver) = kept.back();
            drop((source, sender));
            if !cut.forgets() {
                drop((receiver, target));
                super::until("no move is in flight", || {
                    annulus::runtime::metrics().expect("a runtime runs").ops_in_flight == 0
                })
                .await?;
                let got = fs::read(&path)?;
                assert!(contents.starts_with(&got), "{cut:?}: {} bytes", got.len());
                assert!(!whole || got.len() == contents.len(), "{cut:?}");
            }
            Ok(())
        });
}

#[test]
fn a_fan_ended_anywhere_has_given_each_target_a_prefix() {
    Points::of(&["pipe::fan::tee_all"]).real_only(NO_PIPES).run(|cut| async move {
        let ((source, from), one, two) = (pipe()?, pipe()?, pipe()?);
        let feeding = annulus::spawn(async move {
            for piece in ["abc", "defg"] {
                source.write_all(piece).await?;
                super::yield_to_kernel().await?;
            }
            io::Result::Ok(())
        });
        let (kept, lent) = Lent::new((from, one.0, two.0));
        let fanning = async move {
            let (from, one, two) = lent;
            let targets: [&Sender; 2] = [one, two];
            from.tee_all(&targets).await
        };
        let whole = cut.end(fanning).await.transpose()?;
        feeding.await.expect("it does not panic")?;
        drop(kept.back());
        if !cut.forgets() {
            for target in [one.1, two.1] {
                let got = rest(target).await?;
                assert!(b"abcdefg".starts_with(&got[..]), "{cut:?}: {got:?}");
                assert!(whole.is_none_or(|n| n == 7 && got.len() == 7), "{cut:?}");
            }
        }
        Ok(())
    });
}

#[test]
fn notifications_ended_anywhere_lose_no_event() {
    Points::of(&["fs::notify::Inotify", "fs::notify::add"]).real_only("inotify").run(
        |cut| async move {
            let path = cut.file("seen", b"");
            let directory = path.parent().expect("it is in one").to_owned();
            let (kept, lent) = Lent::new((Inotify::new()?, Vec::new()));
            let watched = directory.clone();
            let waiting = async move {
                let (inotify, got) = lent;
                inotify.add(&watched, Events::CREATED).await?;
                fs::write(watched.join("one"), "")?;
                while got.len() < 2 {
                    let event = inotify.try_next().await?.expect("it has no end");
                    assert_eq!(event.kind, Kind::Created);
                    got.push(event.name.expect("it has one"));
                    fs::write(watched.join("two"), "")?;
                }
                io::Result::Ok(())
            };
            cut.end(waiting).await.transpose()?;
            let (mut inotify, mut got) = kept.back();
            if !cut.forgets() && directory.join("one").exists() {
                fs::write(directory.join("two"), "")?;
                while got.len() < 2 {
                    let event = inotify.try_next().await?.expect("it has no end");
                    got.push(event.name.expect("it has one"));
                }
                assert_eq!(got, ["one", "two"], "{cut:?}");
            }
            Ok(())
        },
    );
}

fn word() -> Futex<Arc<AtomicU32>> {
    Futex::of_process(Arc::new(AtomicU32::new(0)))
}

/// Wakes until somebody was.
async fn wake_one(futex: Futex<Arc<AtomicU32>>) -> io::Result<()> {
    while futex.wake(1)? == 0 {
        super::yield_to_kernel().await?;
    }
    Ok(())
}

#[test]
fn waits_for_futexes_ended_anywhere_lose_no_wake() {
    Points::of(&["futex::wait", "futex::wait_any"]).real_only("futexes").run(|cut| async move {
        let (one, two) = (word(), word());
        let waking = annulus::spawn({
            let (one, two) = (one.clone(), two.clone());
            async move {
                wake_one(one).await?;
                wake_one(two).await
            }
        });
        let waiting = {
            let (one, two) = (one.clone(), two.clone());
            async move {
                assert!(one.wait(0).await?);
                assert_eq!(wait_any(&[(&one, 0), (&two, 0)]).await?, Some(1));
                io::Result::Ok(())
            }
        };
        let ended = cut.end(waiting).await.transpose()?;
        if ended.is_none() || cut.forgets() {
            waking.abort();
            let _ = waking.await;
        } else {
            waking.await.expect("it does not panic")?;
        }
        Ok(())
    });
}

#[test]
fn advice_ended_anywhere_keeps_the_buffer_until_then() {
    Points::of(&["mem::advise"]).real_only("madvise").run(|cut: Cut| async move {
        let advising = async { advise(vec![1_u8; 50_000], Advice::WillNeed).await };
        if let Some(((), buf)) = cut.end(advising).await.transpose()? {
            assert_eq!(buf, [1; 50_000]);
        }
        Ok(())
    });
}
