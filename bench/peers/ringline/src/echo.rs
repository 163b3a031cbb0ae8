//! A TCP server that sends back whatever comes, as on ringline's front page.

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use annulus_bench::{Job, Sample};
use ringline::{AsyncEventHandler, ConnCtx, ParseResult, RinglineBuilder};

pub struct Echo;

impl AsyncEventHandler for Echo {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async move {
            loop {
                let n = connection
                    .with_data(|data| {
                        connection.send_nowait(data).ok();
                        ParseResult::Consumed(data.len())
                    })
                    .await;
                if n == 0 {
                    break;
                }
            }
        }
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}

pub fn run(_job: &Job) -> io::Result<Sample> {
    annulus_bench::serve(|listener| {
        // It makes its listener itself: the address, with the socket out of the way.
        let address = listener.local_addr()?;
        drop(listener);
        let builder = RinglineBuilder::new(super::config()?).bind(address);
        let (_shutdown, workers) = builder.launch::<Echo>().map_err(super::error)?;
        join(workers)
    })
}

/// Waits for the end of the workers.
pub fn join(workers: Vec<JoinHandle<Result<(), ringline::Error>>>) -> io::Result<()> {
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a worker panicked"))?.map_err(super::error)?;
    }
    Ok(())
}
