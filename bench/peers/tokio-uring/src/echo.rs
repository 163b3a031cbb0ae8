//! A TCP server that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::net::{TcpListener, TcpStream};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve(|listener| {
        super::run(async move {
            let listener = TcpListener::from_std(listener);
            loop {
                let (stream, _peer) = listener.accept().await?;
                tokio_uring::spawn(connection(stream, bytes));
            }
        })?
    })
}

async fn connection(stream: TcpStream, bytes: usize) -> io::Result<()> {
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
