//! How a server ends, whom it closes, and what it says of it.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use annulus::net::{TcpListener, TcpStream};
use annulus::sync::{Notify, oneshot};
use annulus::time;
use annulus_http::{Error, Server};
use hyper::Response;
use hyper::service::service_fn;

use crate::support::{answer, full, run};

const GET: &str = "GET /hello HTTP/1.1\r\nhost: here\r\n\r\n";

/// Everything up to the end of the stream.
async fn rest(stream: &TcpStream) -> io::Result<String> {
    let mut all = Vec::new();
    while let Some(lease) = stream.recv().await? {
        all.extend_from_slice(&lease);
    }
    Ok(String::from_utf8(all).expect("a response is text"))
}

/// The head and the body of a response that ends with `hello`.
async fn hello(stream: &TcpStream) -> io::Result<String> {
    let mut all = String::new();
    while !all.ends_with("hello\n") {
        let lease = stream.recv().await?.ok_or(ErrorKind::UnexpectedEof)?;
        all += std::str::from_utf8(&lease).expect("a response is text");
    }
    Ok(all)
}

#[test]
fn a_server_that_ends_answers_what_it_was_asked() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (begun, gate, (stop, stopped)) =
            (Rc::new(Notify::new()), Rc::new(Notify::new()), oneshot::channel());
        let handler = {
            let (begun, gate) = (begun.clone(), gate.clone());
            move |_peer| {
                let (begun, gate) = (begun.clone(), gate.clone());
                service_fn(move |_request| {
                    let (begun, gate) = (begun.clone(), gate.clone());
                    async move {
                        begun.notify_one();
                        gate.notified().await;
                        io::Result::Ok(Response::new(full("hello\n")))
                    }
                })
            }
        };
        let signal = async {
            let _stopped = stopped.await;
        };
        let served = annulus::spawn(
            Server::new().serve(listener, handler).with_graceful_shutdown(signal).into_future(),
        );
        let (busy, idle) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
        let silent = TcpStream::connect(address).await?;
        // `idle` has had an answer and keeps its connection; `silent` never said anything.
        idle.write_all(GET).await?;
        begun.notified().await;
        gate.notify_one();
        assert!(!hello(&idle).await?.contains("connection: close"));
        busy.write_all(GET).await?;
        begun.notified().await;

        stop.send(()).expect("the server waits for it");
        assert_eq!(rest(&idle).await?, "", "an idle connection is closed");
        assert_eq!(rest(&silent).await?, "", "one that said nothing, too");
        let refused = TcpStream::connect(address).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(!served.is_finished());

        gate.notify_one();
        let last = rest(&busy).await?;
        assert!(last.starts_with("HTTP/1.1 200 OK\r\n"), "{last}");
        assert!(last.contains("connection: close\r\n") && last.ends_with("hello\n"), "{last}");
        served.await.expect("the server does not panic")
    });
}

#[test]
fn a_server_that_ends_waits_no_longer_than_it_may() {
    run(async {
        time::pause();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        client.write_all(GET).await?;
        let begun = Rc::new(Notify::new());
        let signal = {
            let begun = begun.clone();
            async move { begun.notified().await }
        };
        let never = move |_peer| {
            let begun = begun.clone();
            service_fn(move |_request| {
                begun.notify_one();
                pending::<io::Result<Response<crate::support::AnyBody>>>()
            })
        };
        let server = Server::new().drain_timeout(Duration::from_secs(20));
        let ended = server.serve(listener, never).with_graceful_shutdown(signal).await;
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(rest(&client).await?, "", "its connection is closed");
        Ok(())
    });
}

#[test]
fn a_server_ends_with_its_core() {
    use annulus::runtime::{Cores, launch};
    let launched = launch(Cores::Count(1), |core| async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        client.write_all(GET).await?;
        let served =
            annulus::spawn(Server::new().serve(listener, |_peer| service_fn(answer)).into_future());
        hello(&client).await?;
        core.handle().stop(None);
        served.await.expect("the server does not panic")
    });
    for result in launched.expect("a core starts").join() {
        result.expect("the core ends").expect("the server ends without an error");
    }
}

#[test]
fn a_server_that_is_dropped_closes_its_connections() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        client.write_all(GET).await?;
        let serving =
            annulus::spawn(Server::new().serve(listener, |_peer| service_fn(answer)).into_future());
        hello(&client).await?;
        serving.abort();
        assert_eq!(rest(&client).await?, "");
        Ok(())
    });
}

/// Serves until `client` has seen its connection end, on a clock that a core moves by itself; gives
/// what the client read last, what the server said, and how long it took.
async fn until_closed(says: &str, server: Server) -> io::Result<(String, Vec<Error>, Duration)> {
    time::pause();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    if !says.is_empty() {
        client.write_all(says.to_owned()).await?;
    }
    let errors = Rc::new(RefCell::new(Vec::new()));
    let (told, (stop, stopped)) = (errors.clone(), oneshot::channel());
    let serving = server
        .serve(listener, |_peer| service_fn(answer))
        .on_error(move |error| told.borrow_mut().push(error))
        .with_graceful_shutdown(async {
            let _stopped = stopped.await;
        });
    let (before, serving) = (time::Instant::now(), annulus::spawn(serving.into_future()));
    let last = rest(&client).await?;
    let took = before.elapsed();
    stop.send(()).expect("the server waits for it");
    serving.await.expect("the server does not panic")?;
    let errors = errors.take();
    Ok((last, errors, took))
}

#[test]
fn a_client_that_says_nothing_is_closed_after_30_seconds() {
    run(async {
        let (last, errors, took) = until_closed("", Server::new()).await?;
        assert_eq!(last, "");
        assert!(took >= Duration::from_secs(30), "{took:?}");
        let text = errors[0].to_string();
        assert!(text.contains("127.0.0.1:") && text.contains("did not begin"), "{text}");
        Ok(())
    });
}

#[test]
fn a_client_that_stops_within_a_head_is_closed_in_time() {
    run(async {
        let bound = Duration::from_secs(7);
        let server = Server::new().header_read_timeout(bound);
        let (last, errors, took) = until_closed("GET / HTTP/1.1\r\nhos", server).await?;
        assert_eq!(last, "");
        assert!(took >= bound, "{took:?}");
        let Error::Connection { source, .. } = &errors[0] else { panic!("{errors:?}") };
        assert!(source.is_timeout(), "{source:?}");
        assert_eq!(io::Error::from(errors.into_iter().next().unwrap()).kind(), ErrorKind::TimedOut);
        Ok(())
    });
}

#[test]
fn a_connection_that_is_idle_for_too_long_is_closed() {
    run(async {
        let bound = Duration::from_secs(3);
        let server = Server::new().http1_only().header_read_timeout(bound);
        let (last, _, took) = until_closed(GET, server).await?;
        assert!(last.ends_with("hello\n"), "{last}");
        assert!(took >= bound, "{took:?}");
        Ok(())
    });
}

#[test]
fn a_broken_request_is_reported_with_its_client() {
    run(async {
        let server = Server::new();
        let (last, errors, _) = until_closed("GET / HTTP/9.9\r\n\r\n", server).await?;
        assert!(last.starts_with("HTTP/1.1 400 "), "{last}");
        let text = errors[0].to_string();
        assert!(text.starts_with("the connection of 127.0.0.1:"), "{text}");
        assert!(text.contains("version"), "{text}");
        Ok(())
    });
}

#[test]
fn no_more_connections_are_open_than_may_be() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (open, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        /// Counts itself.
        struct Open(Rc<Cell<usize>>);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let seen = most.clone();
        let counting = move |_peer| {
            open.set(open.get() + 1);
            seen.set(seen.get().max(open.get()));
            let held = Rc::new(Open(open.clone()));
            service_fn(move |request| {
                let held = held.clone();
                async move {
                    let answer = answer(request).await;
                    drop(held);
                    answer
                }
            })
        };
        let serving = annulus::spawn(
            Server::new().connections_max(3).serve(listener, counting).into_future(),
        );
        let mut asking = Vec::new();
        for _ in 0..20 {
            asking.push(annulus::spawn(async move {
                let client = TcpStream::connect(address).await?;
                client.write_all("GET /hello HTTP/1.0\r\n\r\n").await?;
                rest(&client).await
            }));
        }
        for asked in asking {
            let answer = asked.await.expect("a client does not panic")?;
            assert!(answer.ends_with("hello\n"), "{answer}");
        }
        assert!((1..=3).contains(&most.get()), "{} at once", most.get());
        serving.abort();
        let _aborted = serving.await;
        Ok(())
    });
}

#[test]
fn a_handler_that_panics_ends_its_connection_only() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let told = Rc::new(RefCell::new(Vec::new()));
        let tell = told.clone();
        let fragile = |_peer| {
            service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                assert!(request.uri().path() != "/panic", "as it was asked to");
                answer(request).await
            })
        };
        let serving = Server::new().serve(listener, fragile);
        let serving = serving.on_error(move |error| tell.borrow_mut().push(error.to_string()));
        let serving = annulus::spawn(serving.into_future());
        let client = TcpStream::connect(address).await?;
        client.write_all("GET /panic HTTP/1.1\r\nhost: here\r\n\r\n").await?;
        assert_eq!(rest(&client).await?, "");
        let client = TcpStream::connect(address).await?;
        client.write_all(GET).await?;
        hello(&client).await?;
        assert_eq!(*told.borrow(), ["the task of a connection panicked"]);
        serving.abort();
        let _aborted = serving.await;
        Ok(())
    });
}
