//! A server that sends back over TLS whatever comes.

use std::io;
use std::sync::Arc;

use annulus_bench::{Job, Sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a record holds: a smaller buffer would be a read more for each.
const RECORD_BYTES: usize = 16 * 1024;

pub fn run(job: &Job) -> io::Result<Sample> {
    let acceptor = TlsAcceptor::from(config().map_err(io::Error::other)?);
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

fn config() -> Result<Arc<ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
    let made = annulus_bench::identity()?;
    let chain = vec![CertificateDer::from_pem_slice(made.certificate.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
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
