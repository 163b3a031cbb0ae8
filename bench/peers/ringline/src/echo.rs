//! A TCP server that sends back whatever comes.
//!
//! | way | which its documentation has | where |
//! |---|---|---|
//! | [`Copied`] | on its front page | messages that fit into its default buffers of 16 KiB |
//! | [`Forwarded`] | for byte pipes: nothing is copied | longer ones, with buffers as long |
//! | [`Direct`] | for nothing but echoing: the runtime does it, no task is woken | `direct-echo` |

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::thread::JoinHandle;

use annulus_bench::{Job, Sample};
use ringline::{AsyncEventHandler, ConfigBuilder, ConnCtx, ParseResult, RinglineBuilder};

/// What its buffers hold by default.
const DEFAULT_BYTES: usize = 16384;
/// How many of them, and of sends of several pieces, there are by default.
const DEFAULT_BUFFERS: u16 = 256;
const DEFAULT_SENDS: u16 = 512;
/// Of longer buffers, at most as many.
const MOST_BUFFERS: u16 = 4096;

pub fn run(job: &Job) -> io::Result<Sample> {
    match job.variant.as_str() {
        "" if job.bytes > DEFAULT_BYTES => serve::<Forwarded>(pipes(job)),
        "" | "copied" => serve::<Copied>(super::config()),
        "forwarded" => serve::<Forwarded>(pipes(job)),
        "direct-echo" => serve::<Direct>(super::config()),
        variant => {
            let message = format!("no variant {variant:?} of this program");
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        }
    }
}

/// Buffers as long as those of the other runtimes, and a send for each connection.
fn pipes(job: &Job) -> ConfigBuilder {
    let connections = u16::try_from(job.tasks).unwrap_or(u16::MAX);
    let buffers = connections.checked_next_power_of_two().unwrap_or(MOST_BUFFERS);
    super::config()
        .recv_buffer(buffers.clamp(DEFAULT_BUFFERS, MOST_BUFFERS), job.buffer_bytes() as u32)
        .send_slab_slots(connections.max(DEFAULT_SENDS))
}

fn serve<H: AsyncEventHandler>(config: ConfigBuilder) -> io::Result<Sample> {
    annulus_bench::serve(|listener| launch::<H>(listener, config))
}

/// Serves where this listener is: ringline makes its own.
pub fn launch<H: AsyncEventHandler>(
    listener: TcpListener,
    config: ConfigBuilder,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    drop(listener);
    let builder = RinglineBuilder::new(super::build(config)?).bind(address);
    let (_shutdown, workers) = builder.launch::<H>().map_err(super::error)?;
    join(workers)
}

/// Waits for the end of the workers.
pub fn join(workers: Vec<JoinHandle<Result<(), ringline::Error>>>) -> io::Result<()> {
    for worker in workers {
        worker.join().map_err(|_| io::Error::other("a worker panicked"))?.map_err(super::error)?;
    }
    Ok(())
}

/// What has come is lent, and copied into a send that nobody waits for.
pub struct Copied;

impl AsyncEventHandler for Copied {
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

/// What has come is sent from where it is, all of it together.
struct Forwarded;

impl AsyncEventHandler for Forwarded {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async move {
            connection.enable_recv_forward();
            loop {
                connection.recv_ready().await;
                let Ok(sending) = connection.forward_held() else { break };
                if sending.await.unwrap_or(0) == 0 {
                    break;
                }
            }
        }
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}

/// What has come is sent before any task could see it.
struct Direct;

impl AsyncEventHandler for Direct {
    fn on_accept(&self, connection: ConnCtx) -> impl Future<Output = ()> + 'static {
        async move { connection.run_direct_echo().await }
    }

    fn create_for_worker(_worker: usize) -> Self {
        Self
    }
}
