//! A server on Unix sockets that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_unix(job, |listener| {
        listener.set_nonblocking(true)?;
        super::run(async move {
            let listener = UnixListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                spawn_local(connection(stream, bytes));
            }
        })?
    })
}

async fn connection(mut stream: UnixStream, bytes: usize) -> io::Result<()> {
    let mut buf = vec![0; bytes];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n]).await?;
    }
}
