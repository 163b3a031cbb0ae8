//! Pairs of tasks that throw a ball to each other.

use std::io;
use std::rc::Rc;

use annulus_bench::{Ball, Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    super::crowd(job, |_, meter| async move {
        let ball = Rc::new(Ball::default());
        let theirs = ball.clone();
        monoio::spawn(async move {
            loop {
                theirs.catch(1).await;
                theirs.throw(0);
            }
        });
        loop {
            ball.throw(1);
            ball.catch(0).await;
            if !meter.tick() {
                return Ok(());
            }
        }
    })
}
