//! A number that goes to another core and comes back: `launch` with two cores, and two channels
//! between them.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use annulus::runtime::{Cores, launch};
use annulus::sync::cross::{self, Receiver, Sender};

use crate::{Job, Sample, sys, wrong};

type Ends = (Sender<u64>, Receiver<u64>);

pub fn run(job: &Job) -> io::Result<Sample> {
    let (there, theirs) = cross::channel(1);
    let (back, ours) = cross::channel(1);
    let ends: [Mutex<Option<Ends>>; 2] =
        [(there, ours), (back, theirs)].map(|e| Mutex::new(Some(e)));
    let (ends, asked) = (Arc::new(ends), job.clone());
    sys::unpin(&[job.cpu, job.other_cpu])?;
    let cores = match (job.cpu, job.other_cpu) {
        (Some(cpu), Some(other)) => Cores::Ids(vec![cpu, other]),
        _ => Cores::Count(2),
    };
    let launched = launch(cores, move |core| {
        let ends = ends[core.index()].lock().unwrap_or_else(PoisonError::into_inner).take();
        let (index, job) = (core.index(), asked.clone());
        let body = async move {
            let (sender, mut receiver) = ends.ok_or_else(|| wrong("a core started twice"))?;
            if index == 1 {
                while let Some(number) = receiver.recv().await {
                    if sender.send(number + 1).await.is_err() {
                        break;
                    }
                }
                return Ok(Sample::default());
            }
            let meter = job.meter();
            let mut number = 0;
            loop {
                sender.send(number).await.map_err(|_| wrong("the other core has ended"))?;
                if receiver.recv().await != Some(number + 1) {
                    return Err(wrong("another number came back"));
                }
                number += 1;
                if !meter.tick() {
                    return meter.sample();
                }
            }
        };
        async { annulus::spawn(body).await.map_err(|error| io::Error::other(error.to_string()))? }
    })
    .map_err(io::Error::from)?;
    let mut results = launched.join().into_iter();
    results
        .next()
        .ok_or_else(|| wrong("no core ran"))?
        .map_err(|error| io::Error::other(error.to_string()))?
}
