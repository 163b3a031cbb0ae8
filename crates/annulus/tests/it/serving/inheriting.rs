//! Listeners that others have made, and a new process in the place of the old. What concerns a
//! process as a whole is done in a child, which is this program once more.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annulus::serve::{self, Bound, Config, Conn, Error, HandOver, Inherited, Server};

use super::{Echo, Run, anywhere, client, cores, eventually, exchange, small};
use crate::harness::{Scratch, share_process};

/// Which part this process plays, if it is a child.
pub const PART: &str = "ANNULUS_SERVING_PART";

/// Echoes, and stops the server at a word.
async fn echo_until_told(conn: Conn) -> std::io::Result<()> {
    while let Some(lease) = conn.recv().await? {
        let last = &*lease == b"stop";
        conn.send(lease).await?;
        if last {
            serve::driver().expect("it runs here").shutdown();
        }
    }
    Ok(())
}

/// This program once more, for one test and with a part to play.
pub fn child(test: &str, part: &str, listener: Option<TcpListener>, before: &str) -> Child {
    // The listener comes as the standard input, and becomes descriptor 3, as systemd has it.
    let script = format!("exec 3<&0 0</dev/null; {before} exec \"$0\" \"$@\"");
    let listener = listener.map_or_else(Stdio::null, |it| Stdio::from(OwnedFd::from(it)));
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("serving::{test}"), "--nocapture"])
        .env(PART, part)
        .stdin(listener)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// What a child prints behind a mark, in order.
pub fn said(child: &mut Child) -> Vec<String> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let marked = lines.filter_map(|line| Some(line.unwrap().split_once("said: ")?.1.to_owned()));
    marked.collect()
}

pub fn say(what: impl std::fmt::Display) {
    println!("said: {what}");
    std::io::stdout().flush().unwrap();
}

#[test]
fn listeners_of_a_service_manager_are_served_with_what_waits_in_them() {
    const TEST: &str =
        "inheriting::listeners_of_a_service_manager_are_served_with_what_waits_in_them";
    if part().is_some() {
        let inherited = Inherited::from_env().unwrap();
        for (name, at) in inherited.iter() {
            say(format!("{name} {at}"));
        }
        assert!(Inherited::from_env().unwrap().is_empty(), "they are taken once");
        // It is told to bind where they listen already: that one is used.
        let at = inherited.iter().next().unwrap().1.addr().unwrap();
        let config = cores(2);
        let service = Server::builder(config).inherit(inherited).bind(at);
        let (handle, workers) = service.launch_with(|_core| StopsWhenTold).unwrap();
        assert_eq!(handle.bound(), [Bound::Tcp(at)]);
        workers.join().unwrap();
        say("ended");
        return;
    }
    let _shared = share_process();
    let listener = TcpListener::bind(anywhere()).unwrap();
    let address = listener.local_addr().unwrap();
    // It is there before there is a server.
    let mut early = client(address).unwrap();
    early.write_all(b"early").unwrap();
    let before = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web; \
        export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES;";
    let mut child = child(TEST, "serve", Some(listener), before);
    let mut answer = [0; 5];
    std::io::Read::read_exact(&mut early, &mut answer).unwrap();
    assert_eq!(&answer, b"early");
    assert_eq!(exchange(&mut client(address).unwrap(), b"stop"), b"stop");
    drop(early);
    assert_eq!(said(&mut child), [format!("web {address}"), "ended".to_owned()]);
    assert!(child.wait().unwrap().success());
}

/// A handler of [`echo_until_told`].
pub struct StopsWhenTold;

impl serve::Handler for StopsWhenTold {
    fn for_core(_core: usize) -> Self {
        StopsWhenTold
    }

    async fn on_accept(&self, conn: Conn) {
        drop(echo_until_told(conn).await)
    }
}

#[test]
fn variables_that_make_no_sense_and_those_of_others_are_told_apart() {
    const TEST: &str =
        "inheriting::variables_that_make_no_sense_and_those_of_others_are_told_apart";
    if part().is_some() {
        match Inherited::from_env() {
            Ok(inherited) => say(format!("{} listeners", inherited.len())),
            Err(error) => say(error),
        }
        return;
    }
    let _shared = share_process();
    let cases = [
        ("LISTEN_PID=1 LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS;", "0 listeners"),
        ("LISTEN_PID=$$ LISTEN_FDS=many; export LISTEN_PID LISTEN_FDS;", "it is not a number"),
        ("LISTEN_PID=$$ LISTEN_FDS=200; export LISTEN_PID LISTEN_FDS;", "not all of them are open"),
        // Descriptor 3 is the null device here.
        ("LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS;", "\"unknown\" cannot be used"),
    ];
    for (variables, expected) in cases {
        let mut child = child(TEST, "ask", None, variables);
        let said = said(&mut child);
        assert!(said.len() == 1 && said[0].contains(expected), "{said:?}, not {expected:?}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn what_is_no_listener_is_refused_by_its_name() {
    let _shared = share_process();
    let connected = std::os::unix::net::UnixStream::pair().unwrap().0;
    let refused = Inherited::from_fds([("wrong".to_owned(), OwnedFd::from(connected))]);
    let error = refused.unwrap_err();
    assert!(matches!(&error, Error::Inherited { name, .. } if name == "wrong"), "{error}");
    assert!(error.to_string().contains("neither a listening socket"), "{error}");
}

#[test]
fn a_successor_takes_over_under_load_and_no_connection_is_lost() {
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    // Handlers are not hurried: a client that was accepted is answered, by whichever server.
    let config = |count| -> Config { cores(count).idle_on_stop(Duration::MAX) };
    let old = Run::handler::<Echo>(Server::builder(config(2)).bind(anywhere()));
    let address = old.addr();
    let (done, exchanged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (done, exchanged) = (done.clone(), exchanged.clone());
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut client = TcpStream::connect(address).expect("it is never refused");
                    assert_eq!(exchange(&mut client, b"to whomever"), b"to whomever");
                    exchanged.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    eventually("there is load", || exchanged.load(Ordering::Relaxed) > 50);
    let giving = {
        let (handle, path) = (old.handle.clone(), path.clone());
        std::thread::spawn(move || handle.hand_over(path))
    };
    eventually("it offers its listeners", || path.exists());
    let inherited = Inherited::receive(&path).unwrap();
    assert_eq!(inherited.len(), 2, "one of each core");
    let builder = Server::builder(config(1)).inherit(inherited).bind(address);
    let new = Run::handler::<Echo>(builder);
    assert_eq!(new.addr(), address);
    giving.join().unwrap().unwrap();
    let before = old.ended();
    let so_far = exchanged.load(Ordering::Relaxed);
    eventually("the successor serves", || exchanged.load(Ordering::Relaxed) > so_far + 50);
    done.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("none was lost"));
    let after = new.end();
    assert!(before.accepted() > 0 && after.accepted() > 0);
    assert_eq!(before.accepted() + after.accepted(), exchanged.load(Ordering::Relaxed));
    assert!(!path.exists());
}

#[test]
fn a_successor_that_dies_before_it_is_ready_changes_nothing() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let run = Run::echo(small());
    let giving = {
        let (handle, path) = (run.handle.clone(), path.clone());
        std::thread::spawn(move || handle.hand_over(path))
    };
    let dying = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let address = SocketAddrUnix::new(&path).unwrap();
    eventually("it listens", || connect(&dying, &address).is_ok());
    drop(dying);
    let Err(Error::HandOver(error)) = giving.join().unwrap() else { panic!("nobody was there") };
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    assert_eq!(exchange(&mut run.client(), b"still here"), b"still here");
    let handle = run.handle.clone();
    run.end();
    assert!(is_stopped(&handle.hand_over(&path)), "there is nothing to give any more");
    assert!(!path.exists());
}

fn is_stopped(handed_over: &Result<HandOver, Error>) -> bool {
    matches!(handed_over, Ok(HandOver::Stopped))
}

#[test]
fn a_server_that_drains_waits_for_no_successor_and_removes_its_own_file_alone() {
    for somebody_elses in [false, true] {
        let scratch = Scratch::new();
        let path = scratch.path().join("successor");
        let run = Run::handler::<Echo>(
            Server::builder(small().idle_on_stop(Duration::MAX)).bind(anywhere()),
        );
        let mut client = run.client();
        assert_eq!(exchange(&mut client, b"there"), b"there");
        let giving = {
            let (handle, path) = (run.handle.clone(), path.clone());
            std::thread::spawn(move || handle.hand_over(path))
        };
        eventually("it offers its listeners", || path.exists());
        if somebody_elses {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "precious").unwrap();
        }
        run.handle.shutdown();
        // It is over while the connection is still there.
        assert!(is_stopped(&giving.join().unwrap()));
        assert_eq!(path.exists(), somebody_elses);
        assert_eq!(exchange(&mut client, b"still"), b"still");
        drop(client);
        run.ended();
    }
}

#[test]
fn a_place_that_nobody_can_wait_at_is_told_from_a_successor_that_fails() {
    let run = Run::echo(small());
    let nowhere = std::path::Path::new("/proc/no/such/place");
    let refused = run.handle.hand_over(nowhere);
    assert!(
        matches!(&refused, Err(Error::Bind { at: Bound::Unix(at), .. }) if at == nowhere),
        "{refused:?}"
    );
    run.end();
}

#[test]
fn who_waits_and_gives_nothing_is_nobody_to_take_over_from() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, accept, bind, listen, socket};
    let _shared = share_process();
    let scratch = Scratch::new();
    let path = scratch.path().join("successor");
    let waiting = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    bind(&waiting, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&waiting, 1).unwrap();
    let received = std::thread::spawn(move || Inherited::receive(path));
    drop(rustix::io::retry_on_intr(|| accept(&waiting)).unwrap());
    let Err(Error::Inherited { source, .. }) = received.join().unwrap() else { panic!("it came") };
    assert_eq!(source.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn nobody_to_take_over_from_is_an_error() {
    let _shared = share_process();
    let scratch = Scratch::new();
    let path = scratch.path().join("nobody");
    let error = Inherited::receive(&path).unwrap_err();
    assert!(matches!(&error, Error::Inherited { name, .. } if *name == path.display().to_string()));
}
