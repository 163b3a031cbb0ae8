//! What tasks cost on one thread, beside tokio's: spawning, yielding, waking, channels, timers.
//!
//! ```sh
//! cargo bench -p annulus-bench --bench tasks
//! ```
//!
//! For a look while working on them: wall-clock times, without rounds or a noise band. What decides
//! is measured by `annulus bench`, and in `bench/` beside more runtimes. Each sample is a thousand
//! operations in one `block_on`.

use std::future::Future;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use annulus_bench::Ball;
use divan::Bencher;
use divan::counter::ItemsCount;

const OPS: u32 = 1000;

fn main() {
    divan::main();
}

fn annulus<F: AsyncFn()>(bencher: Bencher<'_, '_>, body: F) {
    let runtime = annulus::runtime::Runtime::new().expect("io_uring is usable");
    bencher.counter(ItemsCount::new(OPS)).bench_local(|| runtime.block_on(body()));
}

fn tokio<F: AsyncFn()>(bencher: Bencher<'_, '_>, body: F) {
    let options = tokio::runtime::LocalOptions::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(options);
    let runtime = runtime.expect("tokio starts");
    bencher.counter(ItemsCount::new(OPS)).bench_local(|| runtime.block_on(body()));
}

mod spawn_and_join {
    use super::*;

    #[divan::bench]
    fn annulus(bencher: Bencher<'_, '_>) {
        super::annulus(bencher, async || {
            for n in 0..OPS {
                assert_eq!(annulus::spawn(async move { black_box(n) }).await.ok(), Some(n));
            }
        });
    }

    #[divan::bench]
    fn tokio(bencher: Bencher<'_, '_>) {
        super::tokio(bencher, async || {
            for n in 0..OPS {
                let task = tokio::task::spawn_local(async move { black_box(n) });
                assert_eq!(task.await.ok(), Some(n));
            }
        });
    }
}

mod yields {
    use super::*;

    #[divan::bench]
    fn annulus(bencher: Bencher<'_, '_>) {
        super::annulus(bencher, async || {
            for _ in 0..OPS {
                annulus::task::yield_now().await;
            }
        });
    }

    #[divan::bench]
    fn tokio(bencher: Bencher<'_, '_>) {
        super::tokio(bencher, async || {
            for _ in 0..OPS {
                tokio::task::yield_now().await;
            }
        });
    }
}

mod wake {
    use super::*;

    async fn play(spawn: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()>>>)) {
        let ball = Rc::new(Ball::default());
        let theirs = ball.clone();
        spawn(Box::pin(async move {
            for _ in 0..OPS {
                theirs.catch(1).await;
                theirs.throw(0);
            }
        }));
        for _ in 0..OPS {
            ball.throw(1);
            ball.catch(0).await;
        }
    }

    #[divan::bench]
    fn annulus(bencher: Bencher<'_, '_>) {
        super::annulus(bencher, async || play(|task| drop(annulus::spawn(task))).await);
    }

    #[divan::bench]
    fn tokio(bencher: Bencher<'_, '_>) {
        super::tokio(bencher, async || play(|task| drop(tokio::task::spawn_local(task))).await);
    }
}

mod channel {
    use super::*;

    #[divan::bench]
    fn annulus(bencher: Bencher<'_, '_>) {
        super::annulus(bencher, async || {
            let (sender, mut receiver) = annulus::sync::mpsc::channel(64);
            drop(annulus::spawn(async move {
                for n in 0..OPS {
                    sender.send(n).await.expect("the receiver lives");
                }
            }));
            for n in 0..OPS {
                assert_eq!(receiver.recv().await, Some(n));
            }
        });
    }

    #[divan::bench]
    fn tokio(bencher: Bencher<'_, '_>) {
        super::tokio(bencher, async || {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
            drop(tokio::task::spawn_local(async move {
                for n in 0..OPS {
                    sender.send(n).await.expect("the receiver lives");
                }
            }));
            for n in 0..OPS {
                assert_eq!(receiver.recv().await, Some(n));
            }
        });
    }
}

mod timeout_that_does_not_fire {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[divan::bench]
    fn annulus(bencher: Bencher<'_, '_>) {
        super::annulus(bencher, async || {
            for _ in 0..OPS {
                let yielding = annulus_bench::yield_now();
                annulus::time::timeout(LONG, yielding).await.expect("the time is not over");
            }
        });
    }

    #[divan::bench]
    fn tokio(bencher: Bencher<'_, '_>) {
        super::tokio(bencher, async || {
            for _ in 0..OPS {
                let yielding = annulus_bench::yield_now();
                tokio::time::timeout(LONG, yielding).await.expect("the time is not over");
            }
        });
    }
}
