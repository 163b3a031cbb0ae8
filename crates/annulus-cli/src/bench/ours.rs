//! The runtime, doing what the limit does.
//!
//! Owns: the same loops as `limit`, written as a user of the runtime would. The echo server is that
//! of `annulus echo`.

use std::future::Future;
use std::io;
use std::rc::Rc;

use annulus::fs::File;
use annulus::net::TcpListener;
use annulus::runtime::Runtime;

use super::limit;
use super::meter::Meter;
use super::pages::{self, PAGE_BYTES, Pages, Random};
use crate::echo;

/// `parallel` tasks that await one no-op after the other.
///
/// # Errors
/// A ring is refused, or fails.
pub fn nop(meter: Meter, parallel: u32) -> io::Result<Meter> {
    let runtime = Runtime::new()?;
    runtime.block_on(crowd(meter, parallel, |_, meter| async move {
        loop {
            limit::nop::awaited().await?;
            if !meter.tick() {
                return Ok(());
            }
        }
    }))
}

/// `parallel` tasks that read one page after the other, each into its own buffer.
///
/// # Errors
/// As [`nop`]; wrong bytes were read.
pub fn read(meter: Meter, parallel: u32, pages: Pages) -> io::Result<Meter> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let file = Rc::new((File::from_std(pages.open()?)?, pages));
        crowd(meter, parallel, |task, meter| {
            let shared = file.clone();
            async move {
                let (file, pages) = &*shared;
                let mut random = Random::new(task);
                let mut buf = Vec::with_capacity(PAGE_BYTES);
                loop {
                    let page = pages.pick(&mut random);
                    (_, buf) = file.read_at(buf, page * PAGE_BYTES as u64).await?;
                    pages::check(page, &buf)?;
                    if !meter.tick() {
                        return Ok(());
                    }
                }
            }
        })
        .await
    })
}

/// Echoes until the process ends.
///
/// # Errors
/// As [`nop`].
pub fn echo(listener: std::net::TcpListener, waiting: limit::echo::Waiting) -> io::Result<()> {
    let limit::echo::Waiting { spin, tick } = waiting;
    let runtime = Runtime::builder().spin(spin).keep_tick(tick).build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _peer) = listener.accept().await?;
            drop(annulus::spawn(echo::connection(stream)));
        }
    })
}

/// Runs so many tasks to their end, and gives the meter back.
async fn crowd<F, T>(meter: Meter, tasks: u32, task: F) -> io::Result<Meter>
where
    F: Fn(u32, Rc<Meter>) -> T,
    T: Future<Output = io::Result<()>> + 'static,
{
    let meter = Rc::new(meter);
    let running: Vec<_> =
        (0..tasks).map(|number| annulus::spawn(task(number, meter.clone()))).collect();
    for task in running {
        task.await.map_err(|error| io::Error::other(error.to_string()))??;
    }
    Rc::into_inner(meter).ok_or_else(|| io::Error::other("a task that ended still has the meter"))
}
