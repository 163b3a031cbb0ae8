//! Every future of `annulus::sync`, ended at every point: no value, permit or lock is lost.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use annulus::sync::cross;
use annulus::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, mpsc, oneshot, watch};

use super::{Points, yield_to_kernel};

/// Lets others go first, three turns long.
async fn later() -> io::Result<()> {
    for _ in 0..3 {
        yield_to_kernel().await?;
    }
    Ok(())
}

#[test]
fn a_lock_ended_anywhere_goes_to_the_next() {
    Points::of(&["sync::mutex::lock"]).here().run(|cut| async move {
        let mutex = Rc::new(Mutex::new(0));
        let theirs = mutex.clone();
        let first = annulus::spawn(async move {
            let mut guard = theirs.lock().await;
            later().await?;
            *guard += 1;
            io::Result::Ok(())
        });
        yield_to_kernel().await?;
        let mine = mutex.clone();
        let locking = async move { *mine.lock().await += 10 };
        let done = cut.end_here(locking).await.is_some();
        first.await.expect("no panic")?;
        if !cut.forgets() {
            assert_eq!(*mutex.lock().await, 1 + 10 * i32::from(done), "{cut:?}");
        }
        Ok(())
    });
}

#[test]
fn read_and_write_locks_ended_anywhere_go_to_the_next() {
    Points::of(&["sync::rw_lock::read", "sync::rw_lock::write"]).here().run(|cut| async move {
        let lock = Rc::new(RwLock::new(0));
        let theirs = lock.clone();
        let first = annulus::spawn(async move {
            let mut guard = theirs.write().await;
            later().await?;
            *guard += 1;
            drop(guard);
            let guard = theirs.read().await;
            later().await?;
            io::Result::Ok(*guard)
        });
        yield_to_kernel().await?;
        let mine = lock.clone();
        let locking = async move {
            let seen = *mine.read().await;
            let mut guard = mine.write().await;
            *guard += 10;
            seen
        };
        let done = cut.end_here(locking).await.is_some();
        if !cut.forgets() {
            first.await.expect("no panic")?;
            let now = *lock.write().await;
            assert!(now == 1 || now == 11, "{cut:?}: {now}");
            assert!(!done || now == 11, "{cut:?}: {now}");
        } else {
            first.abort();
        }
        Ok(())
    });
}

#[test]
fn permits_ended_anywhere_are_all_there_again() {
    Points::of(&["sync::semaphore::Acquire", "sync::semaphore::acquire_owned"]).here().run(
        |cut| async move {
            let semaphore = Rc::new(Semaphore::new(2));
            let theirs = semaphore.clone();
            let first = annulus::spawn(async move {
                let permit = theirs.acquire(2).await;
                later().await?;
                drop(permit);
                io::Result::Ok(())
            });
            yield_to_kernel().await?;
            let mine = semaphore.clone();
            let acquiring = async move {
                let one = mine.acquire(1).await;
                let owned = mine.clone().acquire_owned(1).await;
                one.is_ok() && owned.is_ok()
            };
            let done = cut.end_here(acquiring).await;
            assert_ne!(done, Some(false));
            first.await.expect("no panic")?;
            if !cut.forgets() {
                let all = semaphore.acquire(2).await.expect("it is open");
                drop(all);
                assert_eq!(semaphore.available_permits(), 2, "{cut:?}");
            }
            Ok(())
        },
    );
}

#[test]
fn a_notice_ended_anywhere_goes_to_the_next() {
    Points::of(&["sync::notify::Notified"]).here().run(|cut| async move {
        let notify = Rc::new(Notify::new());
        let theirs = notify.clone();
        let telling = annulus::spawn(async move {
            later().await?;
            theirs.notify_one();
            io::Result::Ok(())
        });
        let mine = notify.clone();
        let waiting = async move { mine.notified().await };
        let heard = cut.end_here(waiting).await.is_some();
        telling.await.expect("no panic")?;
        if !heard && !cut.forgets() {
            notify.notified().await; // it was not lost with who was ended
        }
        Ok(())
    });
}

#[test]
fn a_wait_at_a_barrier_ended_anywhere_does_not_count() {
    Points::of(&["sync::barrier::Wait"]).here().run(|cut| async move {
        let barrier = Rc::new(Barrier::new(2));
        let theirs = barrier.clone();
        let second = annulus::spawn(async move {
            later().await?;
            theirs.wait().await;
            io::Result::Ok(())
        });
        let mine = barrier.clone();
        let waiting = async move { mine.wait().await };
        if cut.end_here(waiting).await.is_none() && !cut.forgets() && !second.is_finished() {
            // Either the second waits for a first, or it was let through by the one that is gone.
            let mut second = second;
            let mut wait = std::pin::pin!(barrier.wait());
            let ended = futures_util::future::select(&mut second, wait.as_mut()).await;
            if matches!(ended, futures_util::future::Either::Right(_)) {
                second.await.expect("no panic")?;
            }
            return Ok(());
        }
        second.abort();
        Ok(())
    });
}

#[test]
fn a_oneshot_ended_anywhere_tells_the_other_side() {
    Points::of(&["sync::oneshot::Receiver"]).here().run(|cut| async move {
        let (sender, receiver) = oneshot::channel();
        let counted = Rc::new(());
        let value = counted.clone();
        let sending = annulus::spawn(async move {
            later().await?;
            io::Result::Ok(sender.send(value).is_ok())
        });
        let received = cut.end_here(receiver).await.is_some();
        let sent = sending.await.expect("no panic")?;
        assert!(sent || !received, "{cut:?}");
        if !cut.forgets() {
            assert_eq!(Rc::strong_count(&counted), 1, "{cut:?}: the value is gone");
        }
        Ok(())
    });
    Points::of(&["sync::oneshot::closed"]).here().run(|cut| async move {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        let dropping = annulus::spawn(async move {
            later().await?;
            drop(receiver);
            io::Result::Ok(())
        });
        cut.end_here(async move { sender.closed().await }).await;
        dropping.await.expect("no panic")
    });
}

#[test]
fn a_send_into_a_full_channel_ended_anywhere_sends_once_or_not_at_all() {
    Points::of(&["sync::mpsc::send", "sync::mpsc::reserve"]).here().run(|cut| async move {
        let (sender, mut receiver) = mpsc::channel(1);
        sender.send(0).await.expect("it is open");
        let receiving = annulus::spawn(async move {
            later().await?;
            let mut all = Vec::new();
            while let Some(value) = receiver.recv().await {
                all.push(value);
                yield_to_kernel().await?;
            }
            io::Result::Ok(all)
        });
        let mine = sender.clone();
        let sending = async move {
            mine.send(1).await.expect("it is open");
            mine.reserve().await.expect("it is open").send(2).expect("it is open");
        };
        let done = cut.end_here(sending).await.is_some();
        if cut.forgets() {
            receiving.abort(); // the forgotten sender stays, and may be the next in the queue
            return Ok(());
        }
        sender.send(3).await.expect("it is open");
        drop(sender);
        let all = receiving.await.expect("no panic")?;
        let allowed = [&[0, 3][..], &[0, 1, 3], &[0, 1, 2, 3]];
        assert!(allowed.contains(&&all[..]), "{cut:?}: {all:?}");
        assert!(!done || all.len() == 4, "{cut:?}: {all:?}");
        Ok(())
    });
}

#[test]
fn a_receive_from_a_channel_ended_anywhere_loses_no_value() {
    Points::of(&["sync::mpsc::recv"]).here().run(|cut| async move {
        let (sender, receiver) = mpsc::channel(1);
        let sending = annulus::spawn(async move {
            for value in 0..3 {
                later().await?;
                if sender.send(value).await.is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        });
        let receiver: &'static mut mpsc::Receiver<u8> = Box::leak(Box::new(receiver));
        let place = std::ptr::from_mut(receiver);
        let first = cut.end_here(async move { receiver.recv().await }).await.flatten();
        // SAFETY: leaked above; the future that borrowed it is gone, or is never polled again.
        let mut receiver = unsafe { Box::from_raw(place) };
        let mut all = Vec::from_iter(first);
        while let Some(value) = receiver.recv().await {
            all.push(value);
        }
        assert_eq!(all, [0, 1, 2], "{cut:?}");
        sending.await.expect("no panic")
    });
}

#[test]
fn a_wait_for_a_change_ended_anywhere_misses_none() {
    Points::of(&["sync::watch::changed"]).here().run(|cut| async move {
        let (sender, receiver) = watch::channel(0);
        let mut other = receiver.clone();
        let sending = annulus::spawn(async move {
            later().await?;
            sender.send(1).expect("there are receivers");
            io::Result::Ok(sender)
        });
        let mut mine = receiver;
        cut.end_here(async move { mine.changed().await.is_ok() }).await;
        other.changed().await.expect("the sender is there");
        assert_eq!(*other.borrow_and_update(), 1);
        sending.await.expect("no panic").map(drop)
    });
}

#[test]
fn values_that_cross_cores_are_not_lost_wherever_their_future_ends() {
    Points::of(&["sync::cross::channel::Sending", "sync::cross::channel::recv"]).run(
        |cut| async move {
            let (sender, receiver) = cross::channel(1);
            let (answers, mut answered) = cross::channel(1);
            let receiver: &'static mut cross::Receiver<u8> = Box::leak(Box::new(receiver));
            let place = std::ptr::from_mut(receiver);
            let theirs = answers.clone();
            let exchange = async move {
                let mut all = Vec::new();
                for round in 0..3 {
                    all.extend(receiver.recv().await);
                    theirs.send(round).await.expect("it is open");
                }
                all
            };
            let other = annulus::spawn(async move {
                for value in 0..4 {
                    later().await?;
                    sender.send(value).await.expect("it is open");
                }
                io::Result::Ok(())
            });
            let slow = annulus::spawn(async move {
                let mut all = Vec::new();
                loop {
                    later().await?;
                    later().await?;
                    let Some(answer) = answered.recv().await else { return io::Result::Ok(all) };
                    all.push(answer);
                }
            });
            let taken = cut.end(exchange).await;
            drop(answers);
            if cut.forgets() {
                other.abort();
                slow.abort(); // the forgotten sender keeps the channel open
                return Ok(());
            }
            // SAFETY: leaked above; the future that borrowed it is gone.
            let mut receiver = unsafe { Box::from_raw(place) };
            let ended = taken.is_some();
            let mut all = taken.unwrap_or_default();
            while let Some(value) = receiver.recv().await {
                all.push(value);
            }
            other.await.expect("no panic")?;
            assert!([0, 1, 2, 3].ends_with(&all), "{cut:?}: {all:?}");
            assert!(!all.is_empty() && (!ended || all.len() == 4), "{cut:?}: {all:?}");
            let answers = slow.await.expect("no panic")?;
            assert!([0, 1, 2].starts_with(&answers), "{cut:?}: {answers:?}");
            Ok(())
        },
    );
    Points::of(&["sync::cross::oneshot::OneReceiver"]).run(|cut| async move {
        let (sender, receiver) = cross::oneshot();
        let counted = Arc::new(());
        let value = counted.clone();
        let sending = annulus::spawn(async move {
            later().await?;
            io::Result::Ok(sender.send(value).is_ok())
        });
        drop(cut.end(receiver).await);
        sending.await.expect("no panic")?;
        if !cut.forgets() {
            assert_eq!(Arc::strong_count(&counted), 1, "{cut:?}: the value is gone");
        }
        Ok(())
    });
}
