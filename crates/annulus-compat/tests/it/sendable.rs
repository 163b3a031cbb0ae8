//! The wrappers are `Send`, and so are futures that hold them.

use std::fs::File as StdFile;
use std::rc::Rc;
use std::sync::Arc;

use annulus::io::{DuplexStream, ReadHalf, WriteHalf};
use annulus::net::{TcpStream, UnixStream};
use annulus_compat::{Buffered, Direct, FileStream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn is_send<T: Send>() {}
fn is_send_value<T: Send>(_: &T) {}

/// Compiles only for a type that is not `Send`: else two implementations would fit.
trait Stays<Which> {
    fn stays() {}
}

impl<T: ?Sized> Stays<()> for T {}
impl<T: ?Sized + Send> Stays<u8> for T {}

#[test]
fn wrappers_of_handles_that_are_send_are_send() {
    is_send::<Buffered<TcpStream>>();
    is_send::<Buffered<&'static TcpStream>>();
    is_send::<Buffered<Arc<UnixStream>>>();
    is_send::<Buffered<DuplexStream>>();
    is_send::<Buffered<ReadHalf<TcpStream>>>();
    is_send::<Buffered<WriteHalf<TcpStream>>>();
    is_send::<Direct<std::net::TcpStream>>();
    is_send::<Direct<StdFile>>();
    is_send::<FileStream>();
}

#[test]
fn a_wrapper_of_what_stays_stays() {
    <Buffered<Rc<TcpStream>>>::stays();
}

#[test]
fn a_future_that_holds_wrappers_across_awaits_is_send() {
    async fn echo(mut stream: Buffered<TcpStream>, mut log: FileStream) -> std::io::Result<()> {
        let mut buf = [0; 512];
        loop {
            let n = stream.read(&mut buf).await?;
            if n == 0 {
                return log.flush().await;
            }
            stream.write_all(&buf[..n]).await?;
            log.write_all(&buf[..n]).await?;
        }
    }
    let future = |stream, log| {
        let future = echo(stream, log);
        is_send_value(&future);
        future
    };
    // Never called: that it compiles is the test.
    let _ = future as fn(_, _) -> _;
}
