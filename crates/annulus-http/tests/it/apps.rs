//! Applications of axum: what their handlers hold, and what they are told.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream};
use annulus_http::{Client, ConnectInfo, MakeService, serve};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;

use crate::support::run;

/// Serves an app while it is asked once.
async fn ask<A, K>(app: A, request: Request) -> io::Result<(StatusCode, String)>
where
    A: MakeService<K>,
    K: 'static,
    annulus_http::TowerServe<A, K>:
        IntoFuture<Output = io::Result<()>, IntoFuture: Future<Output = io::Result<()>> + 'static>,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let serving = annulus::spawn(serve(listener, app).into_future());
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("http://{address}{}", parts.uri).parse().expect("a URI");
    let response = Client::<Body>::new().request(Request::from_parts(parts, body)).await?;
    let status = response.status();
    let body = response.collect().await.map_err(io::Error::other)?.to_bytes();
    serving.abort();
    let _aborted = serving.await;
    Ok((status, String::from_utf8(body.to_vec()).expect("the body is text")))
}

fn asking(path: &str) -> Request {
    Request::get(path).body(Body::empty()).expect("a request")
}

#[test]
fn handlers_hold_streams_files_and_timers_across_awaits() {
    /// What asks a server behind this one, keeps a log, and takes its time.
    async fn relay(State(behind): State<SocketAddr>, body: Body) -> Result<String, StatusCode> {
        let failed = |_: io::Error| StatusCode::BAD_GATEWAY;
        let stream = TcpStream::connect(behind).await.map_err(failed)?;
        let file = File::open("/proc/self/comm").await.map_err(failed)?;
        annulus::time::sleep(Duration::from_millis(1)).await;
        let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
        stream.write_all(body).await.map_err(|error| failed(error.into()))?;
        stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
        let mut answer = String::new();
        while let Some(lease) = stream.recv().await.map_err(failed)? {
            answer += std::str::from_utf8(&lease).map_err(|_| StatusCode::BAD_GATEWAY)?;
        }
        let (read, _) = file.read_at(vec![0; 16], 0).await.map_err(|error| failed(error.into()))?;
        Ok(format!("{answer}, {}", if read > 0 { "and a file" } else { "no file" }))
    }
    run(async {
        let behind = TcpListener::bind("127.0.0.1:0")?;
        let address = behind.local_addr()?;
        let shouting = annulus::spawn(async move {
            let (stream, _) = behind.accept().await?;
            while let Some(lease) = stream.recv().await? {
                stream.write_all(lease.to_ascii_uppercase()).await?;
            }
            io::Result::Ok(())
        });
        let app = Router::new().route("/", post(relay)).with_state(address);
        let request = Request::post("/").body(Body::from("relayed")).expect("a request");
        let answer = ask(app, request).await?;
        assert_eq!(answer, (StatusCode::OK, "RELAYED, and a file".to_owned()));
        shouting.await.expect("the server behind does not panic")
    });
}

#[test]
fn handlers_share_a_stream_of_theirs() {
    async fn next(State(stream): State<Arc<TcpStream>>) -> impl IntoResponse {
        let lease = stream.recv().await.expect("the other side speaks");
        lease.map_or(String::new(), |lease| String::from_utf8_lossy(&lease).into_owned())
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let far = TcpStream::connect(listener.local_addr()?).await?;
        let (near, _) = listener.accept().await?;
        far.write_all("for whoever asks").await?;
        let app = Router::new().route("/", get(next)).with_state(Arc::new(near));
        assert_eq!(ask(app, asking("/")).await?.1, "for whoever asks");
        Ok(())
    });
}

#[test]
fn handlers_are_told_who_asks() {
    run(async {
        let app = Router::new().route("/", get(async |ConnectInfo(peer)| format!("{peer}")));
        let (status, peer) = ask(app, asking("/")).await?;
        assert_eq!(status, StatusCode::OK);
        let peer: SocketAddr = peer.parse().expect("it is an address");
        assert!(peer.ip().is_loopback() && peer.port() > 0, "{peer}");
        Ok(())
    });
}

#[test]
fn makers_of_services_are_told_who_asks() {
    /// As `into_make_service_with_connect_info` makes one.
    struct Maker;

    impl tower_service::Service<SocketAddr> for Maker {
        type Response = Router;
        type Error = Infallible;
        type Future = Ready<Result<Router, Infallible>>;

        fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, peer: SocketAddr) -> Self::Future {
            let text = format!("made for {}", peer.ip());
            ready(Ok(Router::new().route("/", get(async move || text.clone()))))
        }
    }
    run(async {
        assert_eq!(ask(Maker, asking("/")).await?.1, "made for 127.0.0.1");
        let app = Router::new().route("/", get("plain")).into_make_service();
        assert_eq!(ask(app, asking("/")).await?.1, "plain");
        Ok(())
    });
}

#[test]
fn who_asks_is_unknown_behind_a_maker_that_does_not_say() {
    run(async {
        let app = Router::new().route("/", get(async |ConnectInfo(peer)| format!("{peer}")));
        let (status, why) = ask(app.into_make_service(), asking("/")).await?;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(why.contains("unknown"), "{why}");
        Ok(())
    });
}

#[test]
fn a_handler_asks_others_with_the_client() {
    async fn relay(State((client, address)): State<(Client<Body>, SocketAddr)>) -> String {
        let request = Request::get(format!("http://{address}/")).body(Body::empty());
        let response = client.request(request.expect("a request")).await.expect("an answer");
        let body = response.collect().await.expect("the body is whole").to_bytes();
        format!("{} they say", String::from_utf8_lossy(&body))
    }
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let behind = serve(listener, Router::new().route("/", get("hello")));
        let behind = annulus::spawn(behind.into_future());
        let app = Router::new().route("/", get(relay)).with_state((Client::new(), address));
        assert_eq!(ask(app, asking("/")).await?.1, "hello they say");
        behind.abort();
        let _aborted = behind.await;
        Ok(())
    });
}
