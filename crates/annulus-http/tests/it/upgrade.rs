//! Connections that become something else, and HTTP/2 at the end of a server.

use std::io;
use std::rc::Rc;

use annulus::net::{TcpListener, TcpStream};
use annulus::sync::{Notify, oneshot};
use annulus_http::{Client, Io, Server};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

use crate::support::{AnyBody, full, run};

/// Agrees to another protocol, which shouts.
async fn shout(mut request: Request<Incoming>) -> io::Result<Response<AnyBody>> {
    let upgrading = hyper::upgrade::on(&mut request);
    annulus::spawn(async move {
        let upgraded = upgrading.await.map_err(io::Error::other)?;
        let parts = upgraded.downcast::<Io<TcpStream>>().map_err(|_| io::ErrorKind::Other)?;
        assert_eq!(parts.read_buf, "early", "what was sent behind the head");
        let (stream, _) = parts.io.into_parts();
        stream.write_all(parts.read_buf.to_ascii_uppercase()).await?;
        while let Some(lease) = stream.recv().await? {
            stream.write_all(lease.to_ascii_uppercase()).await?;
        }
        io::Result::Ok(())
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", "upgrade".parse().expect("a value"));
    headers.insert("upgrade", "shouting".parse().expect("a value"));
    Ok(response)
}

#[test]
fn a_connection_that_is_upgraded_is_the_stream_again() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let serving = Server::new().serve(listener, |_peer| service_fn(shout));
        let serving = annulus::spawn(serving.into_future());
        let head =
            "GET / HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: shouting\r\n\r\n";
        client.write_all(format!("{head}early")).await?;
        let mut answer = String::new();
        while !answer.ends_with("EARLY") {
            let lease = client.recv().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            answer += std::str::from_utf8(&lease).expect("it is text");
        }
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        client.write_all("late").await?;
        let ((), late) = client.read_exact(vec![0; 4]).await?;
        assert_eq!(late, b"LATE");
        serving.abort();
        let _aborted = serving.await;
        Ok(())
    });
}

#[test]
fn a_server_that_ends_answers_what_http2_asked_it() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (begun, gate) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (stop, stopped) = oneshot::channel();
        let handler = {
            let (begun, gate) = (begun.clone(), gate.clone());
            move |_peer| {
                let (begun, gate) = (begun.clone(), gate.clone());
                service_fn(move |_request: Request<Incoming>| {
                    let (begun, gate) = (begun.clone(), gate.clone());
                    async move {
                        begun.notify_one();
                        gate.notified().await;
                        io::Result::Ok(Response::new(full("at last\n")))
                    }
                })
            }
        };
        let serving = Server::new().http2_only().serve(listener, handler);
        let signal = async { stopped.await.expect("it is asked to") };
        let serving = annulus::spawn(serving.with_graceful_shutdown(signal).into_future());
        let asked = annulus::spawn(async move {
            let client: Client<Full<Bytes>> = Client::<Full<Bytes>>::builder().http2_only().build();
            let request = Request::get(url).body(Full::default()).expect("a request");
            let response = client.request(request).await?;
            let body = response.collect().await.map_err(io::Error::other)?;
            io::Result::Ok(body.to_bytes())
        });
        begun.notified().await;
        stop.send(()).expect("the server waits for it");
        annulus::task::yield_now().await;
        assert!(!serving.is_finished());
        gate.notify_one();
        assert_eq!(asked.await.expect("the client does not panic")?, "at last\n");
        serving.await.expect("the server does not panic")
    });
}
