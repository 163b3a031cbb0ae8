//! A TCP server that sends back whatever comes.

use std::io;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::Runtime;

use crate::{Job, Sample};

/// The variant `spin` looks for work for 50 µs before it sleeps; `tick` keeps the CPU's tick
/// running while it is busy.
pub fn run(job: &Job) -> io::Result<Sample> {
    let spin = if job.variant == "spin" { Duration::from_micros(50) } else { Duration::ZERO };
    crate::serve(|listener| {
        let runtime = Runtime::builder().spin(spin).keep_tick(job.variant == "tick").build()?;
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                drop(annulus::spawn(connection(stream)));
            }
        })
    })
}

async fn connection(stream: TcpStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
