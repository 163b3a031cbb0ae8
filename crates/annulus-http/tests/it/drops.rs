//! Futures dropped at every point: the next one finds everything in order, and nothing is left.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;

use annulus::net::{TcpListener, TcpStream};
use annulus_http::{Client, Server};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::service::service_fn;

use crate::support::{answer, pattern, run};

/// More polls than any of these needs.
const POLLS_MAX: usize = 1_000;

type Plain = Client<Full<Bytes>>;

/// Polls a future so many times at most, each time when it was woken; then drops it.
async fn up_to<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn count(client: &Plain, address: SocketAddr) -> io::Result<()> {
    let request = Request::post(format!("http://{address}/count"));
    let request = request.body(Full::from(pattern(100_000))).expect("a request");
    let body = client.request(request).await?.collect().await.map_err(io::Error::other)?;
    assert_eq!(body.to_bytes(), "100000\n");
    Ok(())
}

/// A request is dropped after each number of polls; the client and the server go on.
fn requests_dropped(client: impl Fn() -> Plain) {
    let mut ended = false;
    for polls in 0..POLLS_MAX {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let serving = Server::new().serve(listener, |_peer| service_fn(answer));
            let serving = annulus::spawn(serving.into_future());
            let client = client();
            // Also over a connection that was kept.
            for _ in 0..2 {
                ended = up_to(polls, count(&client, address)).await.transpose()?.is_some();
                count(&client, address).await?;
            }
            serving.abort();
            let _aborted = serving.await;
            Ok(())
        });
        if ended {
            return;
        }
    }
    panic!("a request does not get anywhere");
}

#[test]
fn requests_of_http1_may_be_dropped_anywhere() {
    requests_dropped(Plain::new);
}

#[test]
fn requests_of_http2_may_be_dropped_anywhere() {
    requests_dropped(|| Plain::builder().http2_only().build());
}

#[test]
fn a_server_may_be_dropped_anywhere() {
    let mut outlived = false;
    for polls in 0..POLLS_MAX {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let mut client = annulus::spawn(async move {
                let client = TcpStream::connect(address).await?;
                for _ in 0..5 {
                    client.write_all("GET /pieces/9000 HTTP/1.1\r\nhost: here\r\n\r\n").await?;
                    client.recv().await?;
                }
                io::Result::Ok(())
            });
            let serving = Server::new().serve(listener, |_peer| service_fn(answer));
            annulus::select! {
                dropped = up_to(polls, serving.into_future()) => {
                    assert!(dropped.is_none(), "nobody asked it to end");
                    // Refused, reset, ended or answered: but it does not hang.
                    let _ended = client.await.expect("the client does not panic");
                }
                ended = &mut client => {
                    ended.expect("the client does not panic")?;
                    outlived = true;
                }
            }
            Ok(())
        });
        if outlived {
            return;
        }
    }
    panic!("the server does not get anywhere");
}
