//! A server that sends back over TLS whatever comes, by `compio::tls` with rustls.

use std::io;

use annulus_bench::{Job, Sample};
use compio::BufResult;
use compio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::tls::TlsAcceptor;

/// What a record holds: a smaller buffer would be a read more for each.
const RECORD_BYTES: usize = 16 * 1024;

pub fn run(job: &Job) -> io::Result<Sample> {
    let acceptor = TlsAcceptor::from(annulus_bench::server_config()?);
    let bytes = job.bytes.clamp(4096, RECORD_BYTES);
    annulus_bench::serve(|listener| {
        super::runtime()?.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                compio::runtime::spawn(connection(acceptor.clone(), stream, bytes)).detach();
            }
        })
    })
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, bytes: usize) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buf = Vec::with_capacity(bytes);
    loop {
        buf.clear();
        let BufResult(result, filled) = stream.read(buf).await;
        if result? == 0 {
            return Ok(());
        }
        let BufResult(result, sent) = stream.write_all(filled).await;
        result?;
        stream.flush().await?;
        buf = sent;
    }
}
