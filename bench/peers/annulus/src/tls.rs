//! A server that sends back over TLS whatever comes.

use std::io;

use annulus::net::{TcpListener, TcpStream};
use annulus_bench::{Job, Sample, ours};
use annulus_tls::{Identity, Resumption, TlsAcceptor};

pub fn run(_job: &Job) -> io::Result<Sample> {
    let made = annulus_bench::identity()?;
    let identity = Identity::from_pem(made.certificate.as_bytes(), made.key.as_bytes())?;
    let acceptor = TlsAcceptor::builder().identity(identity).resumption(Resumption::Off).build()?;
    annulus_bench::serve(|listener| {
        ours::run(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                drop(annulus::spawn(connection(acceptor.clone(), stream)));
            }
        })?
    })
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream) -> io::Result<()> {
    let stream = acceptor.accept(stream).await?;
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
