//! Nothing is allocated in a steady state, whatever is awaited.
//!
//! Owns: the small operations one by one; whole exchanges are in `efficiency`.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::fs::OpenOptions;
use annulus::net::UnixStream;
use annulus::sync::{Notify, mpsc};
use annulus::task::yield_now;
use annulus::time::{sleep, timeout};

use crate::efficiency::steady;
use crate::harness::{Scratch, run};

const HOUR: Duration = Duration::from_secs(3600);
/// Not over yet when it is polled first, or the first timer would be made who knows when.
const SHORT: Duration = Duration::from_micros(200);

#[test]
fn writing_a_file_allocates_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[0; 8192]);
    run(async {
        let file = OpenOptions::new().write(true).open(&path).await?;
        let kept = Cell::new(vec![1; 4096]);
        let write = || async {
            let (n, buf) = file.write_at(kept.take(), 4096).await?;
            assert_eq!(n, 4096);
            kept.set(buf);
            Ok(())
        };
        assert_eq!(steady(200, write).await?, 0);
        Ok(())
    });
}

#[test]
fn sleeping_allocates_nothing() {
    run(async {
        let nap = || async {
            sleep(SHORT).await;
            Ok(())
        };
        assert_eq!(steady(200, nap).await?, 0);
        Ok(())
    });
}

#[test]
fn yielding_allocates_nothing() {
    run(async {
        let give_way = || async {
            yield_now().await;
            Ok(())
        };
        assert_eq!(steady(1000, give_way).await?, 0);
        Ok(())
    });
}

#[test]
fn waking_a_task_of_the_same_core_allocates_nothing() {
    run(async {
        let (ping, pong) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (heard, said) = (ping.clone(), pong.clone());
        let other = annulus::spawn(async move {
            loop {
                heard.notified().await;
                said.notify_one();
            }
        });
        let both = || async {
            ping.notify_one();
            pong.notified().await;
            Ok(())
        };
        assert_eq!(steady(1000, both).await?, 0);
        other.abort();
        Ok(())
    });
}

#[test]
fn a_message_allocates_nothing() {
    run(async {
        let (sender, mut receiver) = mpsc::channel::<u64>(4);
        let (back, answers) = mpsc::channel::<u64>(4);
        let other = annulus::spawn(async move {
            while let Some(value) = receiver.recv().await {
                back.send(value + 1).await.expect("heard");
            }
        });
        let answers = Cell::new(Some(answers));
        let exchange = || async {
            let mut receiver = answers.take().expect("one exchange at a time");
            sender.send(1).await.expect("heard");
            assert_eq!(receiver.recv().await, Some(2));
            answers.set(Some(receiver));
            Ok(())
        };
        assert_eq!(steady(1000, exchange).await?, 0);
        drop(sender);
        other.await.expect("no panic");
        Ok(())
    });
}

#[test]
fn a_read_with_a_time_limit_allocates_nothing() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let kept = Cell::new((vec![7; 64], vec![0; 64]));
        let ask = || async {
            let (mine, theirs) = kept.take();
            let read = timeout(HOUR, right.read(theirs));
            let (sent, read) = annulus::join!(left.write_all(mine), read);
            let ((), mine) = sent?;
            let (n, theirs) = read.expect("in time")?;
            assert_eq!(n, 64);
            kept.set((mine, theirs));
            io::Result::Ok(())
        };
        assert_eq!(steady(500, ask).await?, 0);
        Ok(())
    });
}

#[test]
fn a_receive_that_is_given_up_allocates_nothing() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let give_up = || async {
            let late = timeout(SHORT, right.recv()).await;
            assert!(late.is_err(), "nobody has sent anything");
            Ok(())
        };
        assert_eq!(steady(200, give_up).await?, 0);
        drop(left);
        Ok(())
    });
}
