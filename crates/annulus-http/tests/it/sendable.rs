//! What may cross threads, and be awaited by who does.

use annulus::net::{TcpStream, UnixStream};
use annulus_http::{Client, ConnectInfo, CoreExecutor, CoreTimer, Error, Io, Server, TimerSleep};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

fn crosses<T: Send + Sync>() {}
fn is_send<T: Send>() {}
fn is_send_value<T: Send>(_: &T) {}

#[test]
fn what_may_cross_threads_may() {
    is_send::<Io<TcpStream>>();
    is_send::<Io<UnixStream>>();
    crosses::<Client<Full<Bytes>>>();
    crosses::<ConnectInfo>();
    crosses::<CoreExecutor>();
    crosses::<CoreTimer>();
    crosses::<TimerSleep>();
    crosses::<Error>();
    is_send::<Server>();
}

#[test]
fn a_request_can_be_awaited_by_a_future_that_is_send() {
    let client = Client::<Full<Bytes>>::new();
    let request = Request::get("http://127.0.0.1:9/").body(Full::default()).expect("a request");
    is_send_value(&client.request(request));
}
