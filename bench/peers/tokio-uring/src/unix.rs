//! A server on Unix sockets that sends back whatever comes. `UnixListener::bind` asks for
//! `SO_REUSEPORT`, which newer kernels refuse to Unix sockets, so the standard library accepts as
//! many as the load makes before it asks.

use std::io;

use annulus_bench::{Job, Sample};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::UnixStream;

pub fn run(job: &Job) -> io::Result<Sample> {
    let (bytes, tasks) = (job.buffer_bytes(), job.tasks);
    annulus_bench::serve_unix(job, |listener| {
        super::run(async move {
            let mut connections = Vec::with_capacity(tasks as usize);
            for _ in 0..tasks {
                let (stream, _peer) = listener.accept()?;
                let stream = UnixStream::from_std(stream);
                connections.push(tokio_uring::spawn(connection(stream, bytes)));
            }
            for connection in connections {
                connection.await??;
            }
            Ok(())
        })?
    })
}

async fn connection(stream: UnixStream, bytes: usize) -> io::Result<()> {
    let mut buf = vec![0; bytes];
    loop {
        let (result, filled) = stream.read(buf).await;
        let n = result?;
        if n == 0 {
            return Ok(());
        }
        let (result, sent) = stream.write_all(filled.slice(..n)).await;
        result?;
        buf = sent.into_inner();
    }
}
