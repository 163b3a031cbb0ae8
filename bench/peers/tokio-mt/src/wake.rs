//! Pairs of tasks that throw a ball to each other, with two `tokio::sync::Notify`, because the
//! tasks may be on different threads.

use std::io;
use std::sync::Arc;

use annulus_bench::{Job, Sample};
use tokio::sync::Notify;

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, mut meter| async move {
        let sides = Arc::new([Notify::new(), Notify::new()]);
        let theirs = sides.clone();
        let other = tokio::spawn(async move {
            loop {
                theirs[1].notified().await;
                theirs[0].notify_one();
            }
        });
        loop {
            sides[1].notify_one();
            sides[0].notified().await;
            if !meter.tick() {
                other.abort();
                return Ok(());
            }
        }
    })
}
