//! A TCP server that sends back whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve(|listener| {
        super::runtime()?.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                compio::runtime::spawn(connection(stream, bytes)).detach();
            }
        })
    })
}

async fn connection(mut stream: TcpStream, bytes: usize) -> io::Result<()> {
    let mut buf = Vec::with_capacity(bytes);
    loop {
        buf.clear();
        let BufResult(result, filled) = stream.read(buf).await;
        if result? == 0 {
            return Ok(());
        }
        let BufResult(result, sent) = stream.write_all(filled).await;
        result?;
        buf = sent;
    }
}
