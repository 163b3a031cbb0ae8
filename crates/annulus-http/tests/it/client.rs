//! The client: connections that are kept, and what goes wrong with others.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::time;
use annulus_http::{Client, ClientBuilder, Error, Server};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Version};

use crate::support::{answer, pattern, run};

type Plain = Client<Full<Bytes>>;

fn builder() -> ClientBuilder {
    Plain::builder()
}

/// A server in a task, and how many connections it has had.
fn serving(server: Server) -> io::Result<(SocketAddr, Rc<Cell<usize>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, count) = (listener.local_addr()?, Rc::new(Cell::new(0)));
    let counted = count.clone();
    annulus::spawn(async move {
        let counting = move |_peer| {
            counted.set(counted.get() + 1);
            service_fn(answer)
        };
        server.serve(listener, counting).await
    });
    Ok((address, count))
}

async fn get(client: &Plain, address: SocketAddr, path: &str) -> Result<Bytes, Error> {
    let request = Request::get(format!("http://{address}{path}")).body(Full::default());
    let response = client.request(request.expect("a request")).await?;
    assert_eq!(response.status(), StatusCode::OK);
    Ok(response.collect().await.expect("the body is whole").to_bytes())
}

#[test]
fn requests_one_after_the_other_share_a_connection() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client = Plain::new();
        for n in 0..10 {
            let body = get(&client, address, &format!("/pieces/{}", n * 5_000)).await?;
            assert!(body == pattern(n * 5_000));
        }
        assert_eq!(connections.get(), 1);
        Ok(())
    });
}

#[test]
fn requests_at_once_have_connections_of_their_own_and_leave_them_to_others() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client = Plain::new();
        for _ in 0..3 {
            let asked: Vec<_> = (0..5)
                .map(|_| {
                    let client = client.clone();
                    annulus::spawn(async move { get(&client, address, "/hello").await })
                })
                .collect();
            for answered in asked {
                assert_eq!(answered.await.expect("it does not panic")?, "hello\n");
            }
        }
        assert!(connections.get() <= 5, "{} connections", connections.get());
        Ok(())
    });
}

#[test]
fn all_requests_of_http2_share_a_connection() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client: Plain = builder().http2_only().build();
        assert_eq!(get(&client, address, "/hello").await?, "hello\n");
        let asked: Vec<_> = (0..20)
            .map(|n| {
                let client = client.clone();
                annulus::spawn(async move {
                    let request = Request::post(format!("http://{address}/echo"));
                    let body = Full::from(pattern(n * 10_000));
                    let response = client.request(request.body(body).expect("a request")).await?;
                    assert_eq!(response.version(), Version::HTTP_2);
                    let body = response.collect().await.expect("the body is whole").to_bytes();
                    assert!(body == pattern(n * 10_000), "{} bytes", body.len());
                    Ok::<_, Error>(())
                })
            })
            .collect();
        for answered in asked {
            answered.await.expect("it does not panic")?;
        }
        assert_eq!(connections.get(), 1);
        Ok(())
    });
}

#[test]
fn large_bodies_go_and_come() {
    run(async {
        const LEN: usize = 3 << 20;
        let (address, _) = serving(Server::new())?;
        let client = Plain::new();
        let request = Request::post(format!("http://{address}/echo"));
        let request = request.body(Full::from(pattern(LEN))).expect("a request");
        let body = client.request(request).await?.collect().await.expect("the body is whole");
        assert!(body.to_bytes() == pattern(LEN));
        Ok(())
    });
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_not_noticed() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client = Plain::new();
        for round in 1..=3 {
            assert_eq!(get(&client, address, "/hello").await?, "hello\n");
            assert_eq!(connections.get(), round);
            // HTTP/1.0 has the server close after its answer; the next request cannot go there.
            let request = Request::get(format!("http://{address}/hello"))
                .header("connection", "close")
                .body(Full::default())
                .expect("a request");
            client.request(request).await?.collect().await.expect("the body is whole");
        }
        Ok(())
    });
}

#[test]
fn a_response_that_was_not_read_does_not_hold_its_connection() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client = Plain::new();
        let request = Request::get(format!("http://{address}/whole/5000000"));
        let unread = client.request(request.body(Full::default()).expect("a request")).await?;
        assert_eq!(get(&client, address, "/hello").await?, "hello\n");
        assert_eq!(connections.get(), 2, "the first is still busy");
        drop(unread);
        assert_eq!(get(&client, address, "/hello").await?, "hello\n");
        assert_eq!(connections.get(), 2);
        Ok(())
    });
}

#[test]
fn idle_connections_are_kept_as_long_as_they_may() {
    run(async {
        time::pause();
        let (address, connections) = serving(Server::new().header_read_timeout(None))?;
        let client: Plain = builder().idle_timeout(Duration::from_secs(10)).build();
        get(&client, address, "/hello").await?;
        time::advance(Duration::from_secs(9)).await;
        get(&client, address, "/hello").await?;
        assert_eq!(connections.get(), 1);
        time::advance(Duration::from_secs(11)).await;
        get(&client, address, "/hello").await?;
        assert_eq!(connections.get(), 2);
        Ok(())
    });
}

#[test]
fn nothing_is_kept_if_nothing_may_be() {
    run(async {
        let (address, connections) = serving(Server::new())?;
        let client: Plain = builder().idle_max(0).build();
        for round in 1..=3 {
            get(&client, address, "/hello").await?;
            assert_eq!(connections.get(), round);
        }
        Ok(())
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    run(async {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // closed again
        let error = get(&Plain::new(), address, "/").await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("connecting to {address}: ")), "{text}");
        assert!(text.contains("refused"), "{text}");
        assert_eq!(io::Error::from(error).kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn connecting_takes_no_longer_than_it_may() {
    run(async {
        time::pause();
        // A name server that is asked for nothing takes long enough: a paused clock jumps.
        let client: Plain = builder().connect_timeout(Duration::ZERO).build();
        let request = Request::get("http://192.0.2.1:9/").body(Full::default()).expect("a request");
        let error = client.request(request).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error}");
        Ok(())
    });
}

#[test]
fn what_cannot_be_requested_is_refused_in_words() {
    run(async {
        for uri in ["https://here/", "/path", "here:80", "ftp://here/"] {
            let request = Request::get(uri).body(Full::default()).expect("a request");
            let error = Plain::new().request(request).await.unwrap_err();
            assert!(matches!(error, Error::Uri(_)), "{error}");
            assert!(error.to_string().contains(uri), "{error}");
        }
        Ok(())
    });
}

#[test]
fn a_server_that_talks_nonsense_is_named() {
    run(async {
        for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-le"] {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            annulus::spawn(async move {
                let (stream, _) = listener.accept().await?;
                stream.recv().await?;
                stream.write_all(answer).await.map_err(io::Error::from)
            });
            let error = get(&Plain::new(), address, "/").await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("a request to {address}: ")), "{error}");
        }
        Ok(())
    });
}

#[test]
fn the_host_is_said_as_it_should_be() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked = annulus::spawn(async move {
            let (stream, _) = listener.accept().await?;
            let request = stream.recv().await?.expect("a request").to_vec();
            stream.write_all("HTTP/1.1 204 No Content\r\n\r\n").await?;
            io::Result::Ok(String::from_utf8(request).expect("a head is text"))
        });
        let request = Request::get(format!("http://user:secret@{address}/path?query"))
            .body(Full::default())
            .expect("a request");
        assert_eq!(Plain::new().request(request).await?.status(), StatusCode::NO_CONTENT);
        let head = asked.await.expect("the server does not panic")?;
        assert!(head.starts_with("GET /path?query HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
        assert!(!head.contains("secret"), "{head}");
        Ok(())
    });
}

#[test]
fn each_core_has_connections_of_its_own() {
    use annulus::runtime::{Cores, launch};
    let client = Plain::new();
    let shared = client.clone();
    let launched = launch(Cores::Count(2), move |_core| {
        let client = shared.clone();
        async move {
            let (address, connections) = serving(Server::new())?;
            for _ in 0..3 {
                assert_eq!(get(&client, address, "/hello").await?, "hello\n");
            }
            assert_eq!(connections.get(), 1);
            io::Result::Ok(())
        }
    });
    for result in launched.expect("cores start").join() {
        result.expect("the core ends").expect("the requests are answered");
    }
}

#[test]
fn hypers_own_client_runs_over_a_stream() {
    run(async {
        let (address, _) = serving(Server::new())?;
        let stream = TcpStream::connect(address).await?;
        let io = annulus_http::Io::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(io::Error::other)?;
        annulus::spawn(connection);
        let request = Request::get("/hello").header("host", "here").body(Full::<Bytes>::default());
        let response = sender.send_request(request.expect("a request")).await;
        let body = response.map_err(io::Error::other)?.collect().await.map_err(io::Error::other)?;
        assert_eq!(body.to_bytes(), "hello\n");
        Ok(())
    });
}
