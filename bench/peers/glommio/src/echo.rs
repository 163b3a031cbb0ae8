//! A TCP server that sends back whatever comes.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

use annulus_bench::{Job, Sample};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};

pub fn run(job: &Job) -> io::Result<Sample> {
    let bytes = job.buffer_bytes();
    annulus_bench::serve(|listener| {
        super::serve(job, async move {
            let listener = adopt(listener);
            loop {
                let stream = listener.accept().await.map_err(super::error)?;
                glommio::spawn_local(connection(stream, bytes)).detach();
            }
        })?
    })
}

/// A listener as glommio has them.
pub fn adopt(listener: std::net::TcpListener) -> TcpListener {
    // SAFETY: the descriptor is a listening socket, given away here.
    unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) }
}

async fn connection(mut stream: TcpStream, bytes: usize) -> io::Result<()> {
    let mut buf = vec![0; bytes];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..n]).await?;
    }
}
