//! Which inherited sockets are served, and by whom the file of a Unix socket is removed.

use std::io::{self, Read as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use annulus::net::TcpStream;
use annulus::serve::{Builder, Error, HandOver, Inherited, Layer, Server, Wrapping};

use super::{Echo, Run, anywhere, eventually, exchange, small};
use crate::harness::{Scratch, share_process};

fn socket(name: &str) -> (String, OwnedFd) {
    (name.to_owned(), TcpListener::bind(anywhere()).unwrap().into())
}

/// What a launch with these is refused with: the name, and all of the text.
fn refused(builder: Builder) -> (String, String) {
    let error = builder.launch::<Echo>().expect_err("it is to be refused");
    let Error::Inherited { name, .. } = &error else { panic!("{error}") };
    (name.clone(), error.to_string())
}

/// A layer that nobody comes to.
struct Never;

impl Layer for Never {
    fn wrap(&self, _stream: TcpStream) -> Wrapping {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

#[test]
fn a_socket_that_nobody_asks_for_is_an_error_that_names_it_and_is_not_served() {
    let _shared = share_process();
    let (name, fd) = socket("tls");
    let listener = TcpListener::from(fd.try_clone().unwrap());
    let address = listener.local_addr().unwrap();
    let inherited = Inherited::from_fds([socket("web"), (name, fd)]).unwrap();
    let web = inherited.iter().next().unwrap().1.addr().unwrap();
    let (name, text) = refused(Server::builder(small()).inherit(inherited).bind(web));
    assert_eq!(name, "tls");
    assert!(text.contains(&address.to_string()) && text.contains("bind_inherited"), "{text}");
    // The same port on all addresses is not that socket, either.
    let inherited = Inherited::from_fds([("web".to_owned(), listener.into())]).unwrap();
    let (name, _) = refused(Server::builder(small()).inherit(inherited).bind(anywhere()));
    assert_eq!(name, "web");
}

#[test]
fn sockets_are_asked_for_by_name_and_each_address_is_a_listener() {
    let _shared = share_process();
    let sockets = [socket("echo"), socket("other"), socket("echo")];
    let inherited = Inherited::from_fds(sockets).unwrap();
    let expected: Vec<_> = inherited.iter().map(|(_, at)| at.clone()).collect();
    let builder = Server::builder(small()).inherit(inherited).bind(anywhere());
    let run = Run::handler::<Echo>(builder.bind_inherited("echo").bind_inherited("other"));
    let bound = run.handle.bound();
    assert_eq!(bound[1..], [expected[0].clone(), expected[2].clone(), expected[1].clone()]);
    for at in bound {
        let mut client = super::client(at.addr().unwrap()).unwrap();
        assert_eq!(exchange(&mut client, b"hello"), b"hello");
    }
    assert_eq!(run.end().accepted(), 4);
}

#[test]
fn a_name_that_nothing_has_and_a_layer_above_what_is_not_tcp_are_errors() {
    let _shared = share_process();
    let inherited = Inherited::from_fds([socket("web")]).unwrap();
    let builder = Server::builder(small()).inherit(inherited).bind_inherited("tls");
    let (name, text) = refused(builder);
    assert!(name == "tls" && text.contains("there are: web"), "{text}");
    let scratch = Scratch::new();
    let unix = UnixListener::bind(scratch.path().join("socket")).unwrap();
    let inherited = Inherited::from_fds([("unix".to_owned(), unix.into())]).unwrap();
    let builder = Server::builder(small()).inherit(inherited).bind_inherited_with("unix", Never);
    let (name, text) = refused(builder);
    assert!(name == "unix" && text.contains("a layer is for TCP"), "{text}");
}

/// What comes back over a Unix socket.
fn echoed(path: &Path) -> Vec<u8> {
    use std::io::Write as _;
    let mut client = UnixStream::connect(path).unwrap();
    client.write_all(b"hello").unwrap();
    let mut answer = vec![0; 5];
    client.read_exact(&mut answer).unwrap();
    answer
}

/// Offers the listeners of one server, and gives what another receives.
fn hand_over(
    old: &Run,
    at: &Path,
) -> (Inherited, std::thread::JoinHandle<Result<HandOver, Error>>) {
    let (handle, path) = (old.handle.clone(), at.to_owned());
    let giving = std::thread::spawn(move || handle.hand_over(path));
    eventually("it offers its listeners", || at.exists());
    let inherited = Inherited::receive(at).unwrap();
    (inherited, giving)
}

#[test]
fn the_file_of_a_unix_socket_changes_hands_and_goes_with_the_last_server() {
    let _shared = share_process();
    let scratch = Scratch::new();
    let (path, meeting) = (scratch.path().join("socket"), scratch.path().join("successor"));
    let first = Run::handler::<Echo>(Server::builder(small()).bind_unix(&path));
    // From the first to the second, and on to the third: each has to pass the file on.
    let mut old = first;
    for _ in 0..2 {
        let (inherited, giving) = hand_over(&old, &meeting);
        let new =
            Run::of(Server::builder(small()).inherit(inherited).bind_unix(&path).launch::<Echo>());
        giving.join().unwrap().unwrap();
        old.ended();
        assert!(path.exists(), "the successor listens there");
        assert_eq!(echoed(&path), b"hello");
        old = new;
    }
    old.end();
    assert!(!path.exists(), "its file goes with the last server");
}

#[test]
fn a_successor_that_fails_to_launch_leaves_the_file_and_its_predecessor_alone() {
    let scratch = Scratch::new();
    let (path, meeting) = (scratch.path().join("socket"), scratch.path().join("successor"));
    let old = Run::handler::<Echo>(Server::builder(small()).bind_unix(&path));
    let (inherited, giving) = hand_over(&old, &meeting);
    // It has the socket already when it finds that another address is taken.
    let taken = TcpListener::bind(anywhere()).unwrap();
    let builder = Server::builder(small()).inherit(inherited).bind_unix(&path);
    let failed = builder.bind(taken.local_addr().unwrap()).launch::<Echo>();
    assert!(matches!(failed, Err(Error::Bind { .. })), "{failed:?}");
    assert!(giving.join().unwrap().is_err(), "nobody has taken over");
    assert!(path.exists());
    assert_eq!(echoed(&path), b"hello");
    old.end();
    assert!(!path.exists());
}

#[test]
fn names_are_passed_on_and_what_a_service_manager_made_stays() {
    let _shared = share_process();
    let scratch = Scratch::new();
    let (path, meeting) = (scratch.path().join("socket"), scratch.path().join("successor"));
    let unix = UnixListener::bind(&path).unwrap();
    let inherited = Inherited::from_fds([("control".to_owned(), unix.into())]).unwrap();
    let builder = Server::builder(small()).inherit(inherited).bind_inherited("control");
    let old = Run::handler::<Echo>(builder);
    let (inherited, giving) = hand_over(&old, &meeting);
    assert_eq!(inherited.iter().next().unwrap().0, "control");
    let builder = Server::builder(small()).inherit(inherited).bind_inherited("control");
    let new = Run::of(builder.launch::<Echo>());
    giving.join().unwrap().unwrap();
    old.ended();
    assert_eq!(echoed(&path), b"hello");
    new.end();
    assert!(path.exists(), "it is the service manager's");
}

#[test]
fn another_file_at_the_path_of_a_unix_socket_is_left_alone() {
    let scratch = Scratch::new();
    let (path, meeting) = (scratch.path().join("socket"), scratch.path().join("successor"));
    let old = Run::handler::<Echo>(Server::builder(small()).bind_unix(&path));
    let (inherited, giving) = hand_over(&old, &meeting);
    let builder = Server::builder(small()).inherit(inherited).bind_unix(&path);
    let new = Run::of(builder.launch::<Echo>());
    giving.join().unwrap().unwrap();
    old.ended();
    // Somebody has put something of their own in its place.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    new.end();
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
