//! User code that the core calls calls the core.
//!
//! *Evidence*: compio#359, tokio#1929, #1972.
//!
//! *Answer*: no internal borrow is held while user code runs: polls, destructors of futures and
//! buffers, parsers, wakers of other executors.
//!
//! *Also proven*: `cancel::wakers` and `cancel::buffers`, whose wakers and destructors spawn, drop
//! and start; `annulus-task` and `annulus-sync` (`reentry`).

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{Parsed, TcpListener, UnixStream};
use annulus::task::JoinHandle;

use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::on_both;

/// Runs something when it goes away.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_destructor_may_spawn_cancel_and_drop() {
    on_both(30, |ground| async move {
        let path = ground.file("there", b"there");
        let ran = Rc::new(Cell::new(0));
        let (left, right) = UnixStream::pair()?;
        let victim = annulus::spawn(async move { right.recv().await.map(drop) });
        let victim = Rc::new(RefCell::new(Some(victim)));
        let on_drop = OnDrop({
            let (ran, victim) = (ran.clone(), victim.clone());
            move || {
                let ran = ran.clone();
                ran.set(ran.get() + 1);
                let path = path.clone();
                annulus::spawn(async move {
                    drop(File::open(path).await);
                    ran.set(ran.get() + 10);
                })
                .detach();
                if let Some(victim) = victim.borrow_mut().take() {
                    victim.abort();
                }
                drop(UnixStream::pair());
                drop(TcpListener::bind("127.0.0.1:0"));
            }
        });
        let task = annulus::spawn(async move {
            let _on_drop = on_drop;
            std::future::pending::<()>().await;
        });
        yield_to_kernel().await?;
        task.abort();
        drop(task);
        until("the destructor's task has ended", || ran.get() == 11).await?;
        assert!(left.recv().await?.is_none(), "the victim's stream is closed");
        drop(left);
        at_rest().await
    });
}

#[test]
fn a_parser_may_use_its_own_stream_and_others() {
    on_both(30, |_| async {
        let (left, right) = UnixStream::pair()?;
        let (third, fourth) = UnixStream::pair()?;
        left.write_all("question").await?;
        let mut spawned = None;
        let parse = |bytes: &[u8]| -> Parsed {
            if bytes.len() < 8 {
                return Parsed::NeedMore;
            }
            right.send_nowait(b"answer").expect("there is room");
            third.send_nowait(b"news").expect("there is room");
            let mut waiting = Box::pin(right.recv());
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = std::future::Future::poll(waiting.as_mut(), &mut cx);
            drop(waiting);
            spawned = Some(annulus::spawn(async { 5 }));
            Parsed::Consumed(8)
        };
        right.with_data(parse).await?;
        assert_eq!(left.read_exact(vec![0; 6]).await?.1, b"answer");
        assert_eq!(fourth.read_exact(vec![0; 4]).await?.1, b"news");
        assert_eq!(spawned.expect("it was called").await.expect("no panic"), 5);
        Ok(())
    });
}

#[test]
fn a_task_may_abort_and_drop_what_it_is_part_of() {
    on_both(30, |_| async {
        let handle = Rc::new(RefCell::new(None::<JoinHandle<()>>));
        let (left, right) = UnixStream::pair()?;
        let own = handle.clone();
        let task = annulus::spawn(async move {
            right.recv().await.map(drop).expect("the peer talks");
            let own = own.borrow_mut().take().expect("it was put there");
            own.abort();
            drop(own);
            // Aborted at its next rest, not in the middle of this.
            right.send_nowait(b"still here").expect("there is room");
            std::future::pending::<()>().await;
        });
        handle.replace(Some(task));
        left.write_all("!").await?;
        assert_eq!(left.read_exact(vec![0; 10]).await?.1, b"still here");
        assert!(left.recv().await?.is_none(), "and then it is gone");
        drop(left);
        at_rest().await
    });
}

#[test]
fn futures_may_be_polled_and_dropped_by_the_polls_of_others() {
    on_both(30, |_| async {
        let (left, right) = UnixStream::pair()?;
        let right = Rc::new(right);
        let shelf = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..5 {
            let (shelf, right) = (shelf.clone(), right.clone());
            annulus::spawn(async move {
                let mut waiting = Box::pin(async move { right.recv().await.map(drop) });
                assert!(futures_util::poll!(&mut waiting).is_pending());
                // Whoever comes next drops what the one before left there.
                let before = shelf.borrow_mut().pop();
                drop(before);
                shelf.borrow_mut().push(waiting);
                annulus::time::sleep(Duration::from_micros(10)).await;
                io::Result::Ok(())
            })
            .await
            .expect("no panic")?;
        }
        left.write_all("for the next").await?;
        shelf.borrow_mut().clear();
        assert_eq!(right.read_exact(vec![0; 12]).await?.1, b"for the next");
        Ok(())
    });
}
