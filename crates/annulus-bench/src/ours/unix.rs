//! A server on Unix sockets that sends back whatever comes. The runtime has Unix streams but no
//! listener for them, so the standard library accepts as many as the load makes before it asks.

use std::io;

use annulus::net::UnixStream;
use annulus::runtime::Runtime;

use crate::{Job, Sample};

pub fn run(job: &Job) -> io::Result<Sample> {
    crate::serve_unix(job, |listener| {
        Runtime::new()?.block_on(async {
            let mut connections = Vec::with_capacity(job.tasks as usize);
            for _ in 0..job.tasks {
                let (stream, _peer) = listener.accept()?;
                connections.push(annulus::spawn(connection(UnixStream::from_std(stream)?)));
            }
            for connection in connections {
                connection.await.map_err(|error| io::Error::other(error.to_string()))??;
            }
            Ok(())
        })
    })
}

async fn connection(stream: UnixStream) -> io::Result<()> {
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}
