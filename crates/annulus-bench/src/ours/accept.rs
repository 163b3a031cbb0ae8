//! A server of two cores that sends back whatever comes: one mode of accepting for each variant.

use std::io;

use annulus::runtime::Cores;
use annulus::serve::{Accept, Config, Conn, tcp};

use crate::{Job, Sample, sys};

const CORES: usize = 2;

pub fn run(job: &Job) -> io::Result<Sample> {
    let accept = mode(&job.variant)?;
    // One core runs beside the load, so that what one gives the other goes to another CPU.
    sys::unpin(&[job.cpu, job.other_cpu])?;
    let config = Config::new().cores(Cores::Count(CORES)).accept(accept).backlog(4096);
    let server = tcp("127.0.0.1:0", echo).config(config);
    let (handle, workers) = server.launch().map_err(io::Error::other)?;
    let address = handle.addr().ok_or_else(|| io::Error::other("it listens nowhere"))?;
    let open = move || handle.metrics().cores.iter().map(|core| core.open).collect();
    crate::serve_cores(address, open, || workers.join().map_err(io::Error::other))
}

/// The default if the variant has no name.
///
/// # Errors
/// There is no such variant.
pub fn mode(variant: &str) -> io::Result<Accept> {
    Ok(match variant {
        "" => Accept::Balanced,
        "per-core" => Accept::PerCore,
        "steered" => Accept::Steered,
        "round-robin" => Accept::RoundRobin,
        "least-connections" => Accept::LeastConnections,
        _ => return crate::no_variant(variant),
    })
}

async fn echo(conn: Conn) -> io::Result<()> {
    while let Some(lease) = conn.recv().await? {
        conn.send(lease).await?;
    }
    Ok(())
}
