//! A server that sends back over TLS whatever comes.

use std::io;

use annulus_bench::{Job, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

/// What a record holds: a smaller buffer would be a read more for each.
const RECORD_BYTES: usize = 16 * 1024;

pub fn run(job: &Job) -> io::Result<Sample> {
    let acceptor = TlsAcceptor::from(annulus_bench::server_config()?);
    let bytes = job.bytes.clamp(4096, RECORD_BYTES);
    annulus_bench::serve(|listener| {
        listener.set_nonblocking(true)?;
        let runtime =
            Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(runtime.spawn_local(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                spawn_local(connection(acceptor.clone(), stream, bytes));
            }
        }))?
    })
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, bytes: usize) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut buf = vec![0; bytes];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n]).await?;
        stream.flush().await?;
    }
}
