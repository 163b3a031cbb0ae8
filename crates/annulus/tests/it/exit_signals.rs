//! The signals that end a server, beside others who handle them. Each test in a child of this
//! process that is forked for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use annulus::runtime::Runtime;
use annulus::serve::{self, Handle, Signal, Workers};
use annulus::signal::{SignalKind, signal};
use annulus::time::timeout;

use crate::harness::forking::fork;
use crate::harness::{check, own_process, wait_for};
use crate::hazards::fork::in_child;

/// Longer than anything takes that happens at all.
const BOUND: Duration = Duration::from_secs(60);

fn server() -> (Handle, Workers) {
    let config = serve::Config::new().cores(annulus::runtime::Cores::Count(1));
    let service = serve::tcp("127.0.0.1:0", |_conn| async { Ok(()) });
    service.config(config).launch().expect("it can listen")
}

fn raise(signal: i32) {
    // SAFETY: no pointers; a signal to this process, which is a forked child.
    assert_eq!(unsafe { libc::kill(std::process::id() as i32, signal) }, 0);
}

/// Whether the process handles a signal, as the system sees it.
fn is_caught(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs is mounted");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("it says so");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << (signal - 1)) != 0
}

/// Waits on a thread for the end of a server; returns when the handlers are there.
fn waiting(handle: &Handle) -> std::thread::JoinHandle<Option<Signal>> {
    let (handle, (tell, told)) = (handle.clone(), mpsc::channel());
    let thread = std::thread::spawn(move || {
        tell.send(()).expect("somebody waits");
        handle.wait_for_signal().expect("it can wait")
    });
    told.recv_timeout(BOUND).expect("it begins");
    while !(is_caught(libc::SIGINT) && is_caught(libc::SIGTERM)) {
        std::thread::yield_now();
    }
    thread
}

fn end((handle, workers): (Handle, Workers)) {
    handle.shutdown();
    workers.join().expect("it ends well");
}

fn alone(test: impl FnOnce()) {
    let _own = own_process();
    assert_eq!(in_child(test), 0, "the test failed in the child; what it said is above");
}

#[test]
fn a_listener_and_a_server_hear_the_same_signal() {
    alone(|| {
        let server = server();
        check(Runtime::builder(), async move {
            let mut terminations = signal(SignalKind::TERMINATE)?;
            let ended = waiting(&server.0);
            raise(libc::SIGTERM);
            timeout(BOUND, terminations.recv()).await.expect("it comes")?;
            assert_eq!(ended.join().expect("no panic"), Some(Signal::Terminate));
            // The second one is not for the server, and somebody listens to it.
            raise(libc::SIGTERM);
            timeout(BOUND, terminations.recv()).await.expect("it comes")?;
            end(server);
            Ok(())
        });
    });
}

#[test]
fn two_servers_of_one_process_hear_it() {
    alone(|| {
        let servers = [server(), server()];
        check(Runtime::builder(), async move {
            // As long as this listens, no signal ends the process.
            let _listener = signal(SignalKind::INTERRUPT)?;
            let threads = [waiting(&servers[0].0), waiting(&servers[1].0)];
            // One of them may have begun after the first signal, and hears the next.
            while !threads.iter().all(std::thread::JoinHandle::is_finished) {
                raise(libc::SIGINT);
                std::thread::yield_now();
            }
            for thread in threads {
                assert_eq!(thread.join().expect("no panic"), Some(Signal::Interrupt));
            }
            servers.into_iter().for_each(end);
            Ok(())
        });
    });
}

#[test]
fn a_second_signal_ends_the_process_as_if_nobody_handled_it() {
    let _own = own_process();
    // SAFETY: the child is of the tests of signals, and ends here.
    let child = unsafe { fork() };
    if child == 0 {
        let server = server();
        let ended = waiting(&server.0);
        raise(libc::SIGTERM);
        let heard = ended.join().ok().flatten() == Some(Signal::Terminate);
        if heard {
            raise(libc::SIGTERM);
            let (_tell, told) = mpsc::channel::<()>();
            let _ = told.recv_timeout(BOUND);
        }
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(1) };
    }
    let status = wait_for(child);
    assert!(libc::WIFSIGNALED(status), "it ended with {status:x}");
    assert_eq!(libc::WTERMSIG(status), libc::SIGTERM);
}

static EARLIER: AtomicU32 = AtomicU32::new(0);

extern "C" fn earlier(_signal: i32) {
    // ORDERING: SeqCst; a counter of a test.
    EARLIER.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_handler_that_was_there_before_is_called_and_keeps_the_second_signal() {
    alone(|| {
        let before = earlier as extern "C" fn(i32);
        // SAFETY: the handler touches an atomic only.
        unsafe { libc::signal(libc::SIGTERM, before as libc::sighandler_t) };
        let server = server();
        let (handle, (tell, told)) = (server.0.clone(), mpsc::channel());
        // Its handler takes the place of another: SIGINT tells when both are there.
        let thread = std::thread::spawn(move || tell.send(handle.wait_for_signal()));
        while !is_caught(libc::SIGINT) {
            std::thread::yield_now();
        }
        let mut raised = 0;
        let heard = loop {
            raise(libc::SIGTERM);
            raised += 1;
            if let Ok(heard) = told.recv_timeout(Duration::from_millis(100)) {
                break heard;
            }
        };
        assert_eq!(heard.expect("it can wait"), Some(Signal::Terminate));
        thread.join().expect("no panic").expect("it was heard");
        raise(libc::SIGTERM);
        // ORDERING: SeqCst; a counter of a test.
        while EARLIER.load(Ordering::SeqCst) < raised + 1 {
            std::thread::yield_now();
        }
        end(server);
    });
}

#[test]
fn a_forked_child_hears_its_own_signals_and_takes_none_of_its_parents() {
    alone(|| {
        let server = server();
        let ended = waiting(&server.0);
        let code = in_child(|| {
            check(Runtime::builder(), async {
                let mut terminations = signal(SignalKind::TERMINATE)?;
                raise(libc::SIGTERM);
                timeout(BOUND, terminations.recv()).await.expect("it comes")?;
                raise(libc::SIGTERM);
                timeout(BOUND, terminations.recv()).await.expect("it comes")
            });
        });
        assert_eq!(code, 0);
        assert!(!ended.is_finished(), "nobody has asked the parent");
        raise(libc::SIGINT);
        assert_eq!(ended.join().expect("no panic"), Some(Signal::Interrupt));
        end(server);
    });
}
