//! A server on Unix sockets that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{UnixListener, UnixStream};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve_unix(job, |listener| {
        super::run(async move {
            let listener = UnixListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                monoio::spawn(connection(stream, bytes));
            }
        })?
    })
}

async fn connection(mut stream: UnixStream, bytes: usize) -> io::Result<()> {
    let mut buf = Vec::with_capacity(bytes);
    loop {
        let (result, filled) = stream.read(buf).await;
        if result? == 0 {
            return Ok(());
        }
        let (result, sent) = stream.write_all(filled).await;
        result?;
        buf = sent;
    }
}
