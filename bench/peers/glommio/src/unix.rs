//! A server on Unix sockets that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{UnixListener, UnixStream};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_unix_at(job, |path| {
        super::serve(job, async move {
            let listener = UnixListener::bind(path).map_err(super::error)?;
            loop {
                let stream = listener.accept().await.map_err(super::error)?;
                glommio::spawn_local(connection(stream, bytes)).detach();
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
