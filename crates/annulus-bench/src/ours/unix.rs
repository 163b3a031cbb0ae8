//! A server on Unix sockets that sends back whatever comes.

use std::io;

use annulus::net::{UnixListener, UnixStream};

use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    crate::serve_unix(job, |listener| {
        super::run(async move {
            let listener = UnixListener::from_std(listener)?;
            loop {
                let (stream, _peer) = listener.accept().await?;
                drop(annulus::spawn(connection(stream)));
            }
        })?
    })
}

async fn connection(stream: UnixStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
