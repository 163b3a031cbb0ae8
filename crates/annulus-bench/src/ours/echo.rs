//! A TCP server that sends back whatever comes.

use std::io;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::{Builder, Runtime};

use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    let builder = tuned(&job.variant)?;
    crate::serve(|listener| {
        super::run_on(builder, async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                drop(annulus::spawn(connection(stream)));
            }
        })?
    })
}

/// The settings of a variant, one for each row of `docs/tuning.md`; all defaults if it has no name.
///
/// # Errors
/// There is no such variant.
pub fn tuned(variant: &str) -> io::Result<Builder> {
    let builder = Runtime::builder();
    Ok(match variant {
        "" => builder,
        "spin" => builder.spin(Duration::from_micros(50)),
        "no-tick" => builder.keep_tick(false),
        "sqpoll" => builder.sqpoll(Duration::from_millis(10)),
        "iowait" => builder.iowait(true),
        "plain" => builder.fixed_files(0),
        "entries-32" => builder.entries(32),
        "entries-4096" => builder.entries(4096),
        "budget-8" => builder.budget(8),
        "buffers-1024" => builder.buffer_count(1024).buffers_published(1024).buffer_bytes(16384),
        "buffers-few" => builder.buffers_published(1).buffer_count(1),
        "buffers-whole" => builder.buffers_incremental(false),
        "buffers-16k" => builder.buffer_bytes(16384),
        _ => return crate::no_variant(variant),
    })
}

async fn connection(stream: TcpStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
