//! Connections, and bytes that tell where they are.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use annulus::net::{TcpListener, TcpStream};
use annulus::runtime::Runtime;

/// Runs a future on a runtime of its own, and checks that nothing is left.
pub fn run<F>(future: F)
where
    F: Future<Output = io::Result<()>>,
{
    let runtime = Runtime::builder().build().expect("io_uring is there");
    let result = runtime.block_on(future);
    let last = runtime.shutdown();
    result.expect("the test ends without an error");
    assert_eq!(last.leases_out, 0, "leases are left");
    assert_eq!(last.ops_in_flight, 0, "requests are left");
    assert_eq!(last.descriptors, 0, "descriptors are left");
    assert_eq!(last.stale_cqes, 0, "completions belonged to nothing");
}

pub async fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _) = listener.accept().await?;
    Ok((client, server))
}

/// Bytes that do not repeat for long.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
}

/// Polls a future so many times at most, each time when it was woken; then it is dropped.
pub struct UpTo<F> {
    future: Pin<Box<F>>,
    polls: usize,
}

pub fn up_to<F: Future>(polls: usize, future: F) -> UpTo<F> {
    UpTo { future: Box::pin(future), polls }
}

impl<F: Future> Future for UpTo<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
