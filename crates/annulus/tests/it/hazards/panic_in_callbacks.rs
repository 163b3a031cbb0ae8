//! User code panics where the core calls it: in a poll, a destructor, a parser, a waker.
//!
//! *Evidence*: tokio#3689, tokio#1584.
//!
//! *Answer*: a panic ends its task, and comes out of its handle; nothing of the core is borrowed
//! while user code runs, so nothing is left half changed. The policy can be to abort.
//!
//! *Also proven*: `cancel::buffers` (destructors of buffers in the driver), `annulus-task`
//! (`panics`), `tasks::a_panic_ends_the_process_if_that_is_the_policy`.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{Parsed, UnixStream};
use annulus::runtime::Runtime;

use super::Drops;
use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::{on_both, on_both_with, tiny};
use crate::harness::{made, run, share_process};

#[test]
fn a_panic_in_a_poll_gives_up_what_its_task_had_in_flight() {
    on_both(20, |ground| async move {
        let drops = Drops::default();
        let path = ground.file("there", &[4; 100]);
        for round in 0..4 {
            let (left, right) = UnixStream::pair()?;
            let (path, buf) = (path.clone(), drops.buffer(50));
            let bad = annulus::spawn(async move {
                let mut reading = Box::pin(right.read(buf));
                let mut opening = Box::pin(File::open(path));
                assert!(futures_util::poll!(&mut reading).is_pending());
                assert!(futures_util::poll!(&mut opening).is_pending());
                for _ in 0..round {
                    yield_to_kernel().await.expect("a no-op does not fail");
                }
                panic!("a task panics, as this test wants");
            });
            assert!(
                bad.await.err().is_some_and(|error: annulus::task::JoinError| error.is_panic())
            );
            assert!(left.recv().await?.is_none(), "its stream was closed");
        }
        at_rest().await?;
        assert_eq!(drops.count(), 4);
        Ok(())
    });
}

#[test]
fn a_panic_in_a_parser_leaves_the_bytes_to_the_next() {
    on_both(20, |_| async {
        let (left, right) = UnixStream::pair()?;
        let right = Rc::new(right);
        let parsing = right.clone();
        let bad = annulus::spawn(async move {
            let parse = |bytes: &[u8]| -> Parsed {
                assert!(bytes.len() < 4, "a parser panics, as this test wants");
                Parsed::NeedMore
            };
            parsing.with_data(parse).await
        });
        left.write_all("whole").await?;
        assert!(bad.await.expect_err("it panicked").is_panic());
        assert_eq!(right.read_exact(vec![0; 5]).await?.1, b"whole");
        right.write_all("back").await?;
        assert_eq!(left.read_exact(vec![0; 4]).await?.1, b"back");
        Ok(())
    });
}

#[test]
fn a_panic_in_a_destructor_of_a_task_that_is_dropped_ends_nobody_else() {
    struct Bad(Rc<Cell<u32>>);
    impl Drop for Bad {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(std::thread::panicking(), "a destructor panics, as this test wants");
        }
    }
    on_both(10, |_| async {
        let dropped = Rc::new(Cell::new(0));
        let (left, right) = UnixStream::pair()?;
        let bad = Bad(dropped.clone());
        let task = annulus::spawn(async move {
            let _bad = bad;
            right.recv().await.map(drop)
        });
        yield_to_kernel().await?;
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(dropped.get(), 1);
        assert!(left.recv().await?.is_none(), "what it held besides was dropped, too");
        at_rest_but_for(left).await
    });
}

async fn at_rest_but_for(left: UnixStream) -> io::Result<()> {
    drop(left);
    at_rest().await
}

/// The payload of a panic, which panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a payload panics, as this test wants");
    }
}

#[test]
fn a_panic_in_a_destructor_of_a_core_local_value_does_not_keep_the_core_from_its_end() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }
    annulus::core_local! {
        static BAD: Bad = Bad;
    }
    let _shared = share_process();
    let runtime = made(Runtime::builder());
    let (left, right) = runtime.block_on(async { UnixStream::pair().expect("two sockets") });
    let mut receiving = Box::pin(async move { right.recv().await.map(drop) });
    runtime.block_on(async {
        BAD.with(|_bad| ());
        assert!(futures_util::poll!(&mut receiving).is_pending());
        yield_to_kernel().await.expect("a no-op does not fail");
    });
    // The end of the core reaps what was in flight.
    runtime.shutdown();
    drop((left, receiving));
}

/// Panics when it is woken.
struct Explosive(AtomicU32);

impl Wake for Explosive {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a waker panics, as this test wants");
    }
}

#[test]
fn a_panic_in_a_foreign_waker_costs_no_other_completion() {
    run(async {
        let explosive = Arc::new(Explosive(AtomicU32::new(0)));
        let waker = Waker::from(explosive.clone());
        let mut cx = Context::from_waker(&waker);
        let (left, right) = UnixStream::pair()?;
        let mut receiving = Box::pin(right.recv());
        assert!(std::future::Future::poll(receiving.as_mut(), &mut cx).is_pending());
        let mut sleeping = Box::pin(annulus::time::sleep(Duration::from_micros(100)));
        assert!(std::future::Future::poll(sleeping.as_mut(), &mut cx).is_pending());
        let mut reading = Box::pin(left.read(vec![0; 4]));
        assert!(std::future::Future::poll(reading.as_mut(), &mut cx).is_pending());
        let other = annulus::spawn(async {
            let (left, right) = UnixStream::pair()?;
            left.write_all("others go on").await?;
            right.read_exact(vec![0; 12]).await.map(drop)?;
            io::Result::Ok(())
        });
        left.send_nowait(b"wake")?;
        right.send_nowait(b"wake")?;
        until("all three were woken", || explosive.0.load(Ordering::SeqCst) >= 3).await?;
        other.await.expect("no panic")?;
        assert_eq!(&*receiving.await?.expect("no end yet"), b"wake");
        assert_eq!(reading.await?.1[..4], *b"wake");
        sleeping.await;
        Ok(())
    });
}

#[test]
fn a_panic_among_many_ends_one_of_them() {
    on_both_with(
        || tiny().budget(4),
        20,
        |_| async {
            let tasks: Vec<_> = (0..40_u32)
                .map(|n| {
                    annulus::spawn(async move {
                        for _ in 0..n % 5 {
                            yield_to_kernel().await?;
                        }
                        assert!(n % 10 != 7, "one in ten panics, as this test wants");
                        io::Result::Ok(n)
                    })
                })
                .collect();
            let mut ended = 0;
            for task in tasks {
                match task.await {
                    Ok(n) => ended += u32::from(n? % 10 != 7),
                    Err(error) => assert!(error.is_panic()),
                }
            }
            assert_eq!(ended, 36);
            Ok(())
        },
    );
}
