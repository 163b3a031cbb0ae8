//! Rights that are given up once everything is bound: by a child, which is this program once more
//! and runs as root.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc;

use annulus::serve::{Error, Handle, Server, Workers};

use super::inheriting::{StopsWhenTold, child, part, said, say};
use super::{anywhere, client, cores, exchange, rest, small};
use crate::harness::{share_process, skip};

/// The fields of each thread's status.
fn of_all_threads(field: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_start_matches(':').split_whitespace().collect::<Vec<_>>().join(" ")
    };
    tasks.map(|task| of_task(task.unwrap())).collect()
}

/// Plays the part in a child, and waits for it to say that it has ended.
fn as_root(test: &str) {
    if !rustix::process::geteuid().is_root() {
        skip("giving up rights needs some");
        return;
    }
    let _shared = share_process();
    let mut child = child(&format!("privileges::{test}"), "serve", None, "");
    assert_eq!(said(&mut child), ["ended"]);
    assert!(child.wait().unwrap().success());
}

/// A server on a port that only root may bind, and that nobody else has: other runs of this test
/// choose at the same time.
fn on_a_privileged_port() -> (Handle, Workers) {
    for _ in 0..100 {
        let port = 600 + RandomState::new().hash_one(()) % 424;
        let at = SocketAddr::from(([127, 0, 0, 1], port as u16));
        let config = cores(2).user("65534").group("65533");
        match Server::builder(config).bind(at).launch_with(|_core| StopsWhenTold) {
            Err(Error::Bind { source, .. }) if source.kind() == ErrorKind::AddrInUse => {}
            launched => return launched.unwrap(),
        }
    }
    panic!("no port is free")
}

#[test]
fn rights_are_given_up_by_all_threads_once_everything_is_bound() {
    if part().is_none() {
        return as_root("rights_are_given_up_by_all_threads_once_everything_is_bound");
    }
    // A thread that is there before, and does nothing about it.
    let (end, ended) = mpsc::channel::<()>();
    let bystander = std::thread::spawn(move || ended.recv());
    let (handle, workers) = on_a_privileged_port();
    assert!(of_all_threads("Uid").iter().all(|ids| ids == "65534 65534 65534 65534"));
    assert!(of_all_threads("Gid").iter().all(|ids| ids == "65533 65533 65533 65533"));
    assert!(of_all_threads("Groups").iter().all(String::is_empty));
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert!(of_all_threads(set).iter().all(|set| set == "0000000000000000"));
    }
    // This thread, and the two of the cores.
    let locked = of_all_threads("NoNewPrivs").iter().filter(|set| *set == "1").count();
    assert!(locked >= 3, "{locked} threads");
    let mut client = client(handle.addr().unwrap()).unwrap();
    assert_eq!(exchange(&mut client, b"stop"), b"stop");
    assert_eq!(rest(&mut client), b"");
    workers.join().unwrap();
    let refused = Server::builder(small().user("65534")).bind(anywhere());
    // It is nobody already, and may not even do that again.
    let refused = refused.launch_with(|_core| StopsWhenTold);
    assert!(matches!(refused, Err(Error::Privileges { .. })), "{refused:?}");
    end.send(()).unwrap();
    bystander.join().unwrap().unwrap();
    say("ended");
}

/// Tells the kernel to leave capabilities alone when users change (`SECBIT_NO_SETUID_FIXUP`).
fn keep_capabilities() {
    let bits = rustix::thread::CapabilitiesSecureBits::NO_SETUID_FIXUP;
    rustix::thread::set_capabilities_secure_bits(bits).unwrap();
}

#[test]
fn capabilities_that_the_kernel_would_leave_are_given_up_as_well() {
    if part().is_none() {
        return as_root("capabilities_that_the_kernel_would_leave_are_given_up_as_well");
    }
    // The threads of the harness keep theirs, so this one does it in a process of its own.
    keep_capabilities();
    let builder = Server::builder(small().user("65534").group("65534")).bind(anywhere());
    match builder.launch_with(|_core| StopsWhenTold) {
        Ok((handle, workers)) => {
            // Nobody else was there.
            assert!(of_all_threads("CapPrm").iter().all(|set| set == "0000000000000000"));
            handle.shutdown();
            workers.join().unwrap();
        }
        // The main thread of the harness is there: it became somebody else like all, and what it
        // had been told about capabilities is what it was told by this thread's creator.
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("checking all threads") && text.contains("Cap"), "{text}");
        }
    }
    let own = rustix::thread::capabilities(None).unwrap();
    assert!(own.permitted.is_empty() && own.effective.is_empty());
    // SAFETY: only numbers are passed.
    assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, 0, -1) }, -1);
    say("ended");
}

#[test]
fn a_thread_that_could_come_back_keeps_the_server_from_starting() {
    if part().is_none() {
        return as_root("a_thread_that_could_come_back_keeps_the_server_from_starting");
    }
    let (end, ended) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    // This thread's capabilities outlast the change of its user, and nobody can take them from it.
    let bystander = std::thread::spawn(move || {
        keep_capabilities();
        tell.send(()).unwrap();
        ended.recv()
    });
    told.recv().unwrap();
    let builder = Server::builder(small().user("65534").group("65534")).bind(anywhere());
    let refused = builder.launch_with(|_core| StopsWhenTold).unwrap_err();
    let Error::Privileges { step: "checking all threads", source } = &refused else {
        panic!("{refused}")
    };
    assert!(source.to_string().contains("CapPrm"), "{source}");
    end.send(()).unwrap();
    bystander.join().unwrap().unwrap();
    say("ended");
}

#[test]
fn a_group_alone_is_changed_and_root_stays_root() {
    if part().is_none() {
        return as_root("a_group_alone_is_changed_and_root_stays_root");
    }
    let builder = Server::builder(small().group("65533")).bind(anywhere());
    let (handle, workers) = builder.launch_with(|_core| StopsWhenTold).unwrap();
    assert!(of_all_threads("Uid").iter().all(|ids| ids == "0 0 0 0"));
    assert!(of_all_threads("Gid").iter().all(|ids| ids == "65533 65533 65533 65533"));
    handle.shutdown();
    workers.join().unwrap();
    say("ended");
}
