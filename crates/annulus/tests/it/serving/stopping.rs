//! The end of a server: nothing that was accepted is lost within the drain, and a panic ends one
//! handler alone.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use annulus::runtime::is_stopping;
use annulus::serve::{self, Conn, Driver, Ended, Handler, Notice, Parsed, Server, Signal};

use super::{BOUND, Echo, Run, anywhere, cores, eventually, exchange, rest, small};

/// Requests of eight bytes; the answer to the last one says so.
async fn until_stopped(conn: Conn) -> std::io::Result<()> {
    loop {
        let n = conn.parse(|bytes| match bytes.len() < 8 {
            true => Parsed::NeedAtLeast(8),
            false => Parsed::Consumed(8),
        });
        if n.await? == 0 {
            return Ok(());
        }
        annulus::task::yield_now().await;
        let last = is_stopping();
        conn.send(vec![u8::from(last); 8]).await?;
        if last {
            return Ok(());
        }
    }
}

#[test]
fn a_drain_under_load_answers_every_request() {
    const CLIENTS: u64 = 48;
    // Handlers are not hurried, so each connection has its last request answered.
    let config = cores(2).idle_on_stop(Duration::MAX);
    let run = Run::tcp(config, until_stopped);
    let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut client, asked, answered) = (run.client(), asked.clone(), answered.clone());
            std::thread::spawn(move || {
                loop {
                    client.write_all(b"request!").unwrap();
                    asked.fetch_add(1, Ordering::Relaxed);
                    let mut answer = [0; 8];
                    client.read_exact(&mut answer).expect("a request is answered");
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer == [1; 8] {
                        assert_eq!(rest(&mut client), b"", "and then it is closed");
                        return;
                    }
                }
            })
        })
        .collect();
    eventually("there is load", || answered.load(Ordering::Relaxed) > 20 * CLIENTS);
    let metrics = run.end();
    clients.into_iter().for_each(|client| client.join().unwrap());
    let (asked, answered) = (asked.load(Ordering::Relaxed), answered.load(Ordering::Relaxed));
    assert_eq!(asked, answered);
    assert_eq!((metrics.accepted(), metrics.cancelled()), (CLIENTS, 0));
}

#[test]
fn connections_that_the_kernel_has_accepted_are_served_after_the_stop() {
    // Handlers are slow to end, and only one connection may be open: the others are in the backlog.
    let run = Run::tcp(small().connections_max(1), |conn| async move {
        annulus::runtime::stopping().await;
        let _request = conn.recv().await?;
        conn.send("served").await?;
        Ok(())
    });
    let mut clients: Vec<_> = (0..20).map(|_| run.client()).collect();
    for client in &mut clients {
        client.write_all(b"request").unwrap();
    }
    eventually("accepting has paused", || run.metrics().cores[0].pauses > 0);
    run.handle.shutdown();
    for client in &mut clients {
        assert_eq!(rest(client), b"served");
    }
    assert_eq!(run.ended().accepted(), 20);
}

#[test]
fn what_waits_for_a_message_ends_soon_and_a_message_that_has_begun_is_waited_for() {
    let (tell, told) = mpsc::channel();
    let run = Run::tcp(small().idle_on_stop(Duration::from_millis(5)), move |conn| {
        let tell = tell.clone();
        async move {
            let n = conn.with_data(|bytes| match bytes.len() < 4 {
                true => Parsed::NeedAtLeast(4),
                false => Parsed::Consumed(4),
            });
            let n = n.await;
            tell.send((n, conn.ended())).unwrap();
            conn.send(vec![n as u8]).await?;
            Ok(())
        }
    });
    let mut idle = run.client();
    let mut begun = run.client();
    begun.write_all(b"ab").unwrap();
    eventually("both are served", || run.metrics().accepted() == 2);
    // The first half has to be with its parser.
    eventually("it has come", || run.handle.cores()[0].metrics().unwrap().leases_out > 0);
    run.handle.shutdown();
    assert_eq!(told.recv_timeout(BOUND).unwrap(), (0, Some(Ended::Stopping)));
    assert_eq!(rest(&mut idle), [0]);
    begun.write_all(b"cd").unwrap();
    assert_eq!(rest(&mut begun), [4]);
    assert_eq!(told.recv_timeout(BOUND).unwrap(), (4, None));
    assert_eq!(run.ended().cancelled(), 0);
}

#[test]
fn what_does_not_end_is_cut_off_at_the_end_of_the_drain_and_counted() {
    let run = Run::tcp(small(), |_conn| std::future::pending());
    let mut client = run.client();
    eventually("it is served", || run.metrics().accepted() == 1);
    run.handle.shutdown_within(Duration::from_millis(5));
    run.handle.shutdown(); // does not put it off
    assert_eq!(run.ended().cancelled(), 1);
    assert_eq!(rest(&mut client), b"");
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_panic_in_one_handler_leaves_the_others_alone_and_is_reported() {
    let config = small().on_panic(|core| {
        assert_eq!(core, 0);
        PANICS.fetch_add(1, Ordering::Relaxed);
    });
    let run = Run::tcp(config, |conn| async move {
        while let Some(lease) = conn.recv().await? {
            assert!(&*lease != b"panic", "as it was asked to");
            conn.send(lease).await?;
        }
        Ok(())
    });
    let mut calm = run.client();
    assert_eq!(exchange(&mut calm, b"before"), b"before");
    for round in 1..=3 {
        let mut bad = run.client();
        bad.write_all(b"panic").unwrap();
        assert_eq!(rest(&mut bad), b"", "it is closed");
        assert_eq!(exchange(&mut calm, b"after"), b"after");
        assert_eq!(
            (run.metrics().panicked(), PANICS.load(Ordering::Relaxed)),
            (round, round as usize)
        );
    }
    drop(calm);
    let metrics = run.end();
    assert_eq!((metrics.panicked(), metrics.cores[0].finished), (3, 1));
}

/// Panics wherever it is called.
struct Panics;

impl Handler for Panics {
    fn for_core(_core: usize) -> Self {
        Panics
    }

    fn on_accept(&self, _conn: Conn) -> impl Future<Output = ()> {
        panic!("before there is a future");
        #[allow(unreachable_code, reason = "the type of the future")]
        async {}
    }

    fn on_tick(&self, _driver: &Driver) {
        panic!("of a tick");
    }

    fn on_notify(&self, _driver: &Driver, _notice: Notice) {
        panic!("of a notice");
    }

    fn on_stop(&self, _driver: &Driver) {
        panic!("of a stop");
    }
}

#[test]
fn a_panic_in_any_call_of_a_handler_ends_that_call_only() {
    let config = small().tick(Duration::from_millis(1));
    let run = Run::handler::<Panics>(Server::builder(config).bind(anywhere()));
    eventually("two ticks have panicked", || run.metrics().panicked() >= 2);
    run.handle.notify(0, ()).unwrap();
    assert_eq!(rest(&mut run.client()), b"");
    let metrics = run.end();
    assert!(metrics.panicked() >= 5, "{metrics:?}");
}

/// Tells of everything that it is called for.
struct Tells(mpsc::Sender<String>);

impl Handler for Tells {
    fn for_core(_core: usize) -> Self {
        unreachable!("it is made with a channel")
    }

    async fn on_start(&self, driver: &Driver) -> std::io::Result<()> {
        annulus::task::yield_now().await;
        self.0.send(format!("start {}", driver.core())).unwrap();
        Ok(())
    }

    async fn on_accept(&self, conn: Conn) {
        let driver = serve::driver().unwrap();
        self.0.send(format!("accept {}", driver.core())).unwrap();
        // To the other core, which answers this one.
        driver.notify(1 - driver.core(), driver.core()).unwrap();
        conn.with_data(|_| Parsed::NeedMore).await;
    }

    fn on_tick(&self, driver: &Driver) {
        let _full = self.0.send(format!("tick {}", driver.core()));
    }

    fn on_notify(&self, driver: &Driver, notice: Notice) {
        match notice.into::<usize>() {
            Ok(from) => {
                self.0.send("asked".into()).unwrap();
                driver.notify(from, "answer").unwrap();
            }
            Err(notice) => self.0.send(notice.into::<&str>().unwrap().into()).unwrap(),
        }
    }

    fn on_stop(&self, driver: &Driver) {
        self.0.send(format!("stop {}", driver.core())).unwrap();
    }
}

#[test]
fn a_handler_is_called_for_everything_that_happens() {
    let _shared = crate::harness::share_process();
    let (tell, told) = mpsc::channel();
    let config = cores(2).tick(Duration::from_millis(1));
    let builder = Server::builder(config).bind(anywhere());
    let run = Run::of(builder.launch_with(move |_core| Tells(tell.clone())));
    let client = run.client();
    run.handle.notify(0, "from outside").unwrap();
    assert!(run.handle.notify(2, ()).is_err(), "there is no such core");
    let mut missing: Vec<String> = ["start 0", "start 1", "tick 0", "tick 1", "asked", "answer"]
        .into_iter()
        .chain(["from outside"])
        .map(String::from)
        .collect();
    let mut accepted = false;
    while !missing.is_empty() || !accepted {
        let said = told.recv_timeout(BOUND).unwrap_or_else(|_| panic!("missing: {missing:?}"));
        accepted |= said.starts_with("accept ");
        missing.retain(|wanted| *wanted != said);
    }
    drop(client);
    let handle = run.handle.clone();
    run.end();
    assert!(handle.notify(0, ()).is_err(), "the cores have ended");
    let stops = told.try_iter().filter(|said| said.starts_with("stop ")).count();
    assert_eq!(stops, 2);
}

#[test]
fn a_handler_that_cannot_start_ends_the_server_with_its_error() {
    struct Fails;
    impl Handler for Fails {
        fn for_core(_core: usize) -> Self {
            Fails
        }

        async fn on_start(&self, _driver: &Driver) -> std::io::Result<()> {
            Err(std::io::Error::other("the database is gone"))
        }

        async fn on_accept(&self, _conn: Conn) {}
    }
    let _shared = crate::harness::share_process();
    let (handle, workers) = Server::builder(cores(2)).bind(anywhere()).launch::<Fails>().unwrap();
    let ended: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    let failed = ended.iter().filter(|ended| matches!(ended, Err(serve::Error::Start(_)))).count();
    assert!(failed >= 1 && ended.len() == 2, "{ended:?}");
    assert_eq!(handle.wait_for_signal().unwrap(), None, "it has ended by itself");
}

#[test]
fn a_driver_can_stop_its_server() {
    let run = Run::tcp(cores(2), |conn| async move {
        conn.send("bye").await?;
        serve::driver().unwrap().shutdown();
        Ok(())
    });
    assert_eq!(rest(&mut run.client()), b"bye");
    run.ended();
}

/// The body of a child process that serves until a signal comes.
fn serve_until_signal() {
    let (handle, workers) = Server::builder(small()).bind(anywhere()).launch::<Echo>().unwrap();
    // The handlers are there when the address is told.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| handle.wait_for_signal().unwrap());
        println!("address {}", handle.addr().unwrap());
        std::io::stdout().flush().unwrap();
        let signal = waiting.join().unwrap();
        println!("signal {signal:?}");
    });
    handle.shutdown();
    workers.join().unwrap();
    println!("ended");
}

#[test]
fn a_signal_stops_a_server_gently() {
    const CHILD: &str = "ANNULUS_SERVING_SIGNAL_CHILD";
    if std::env::var_os(CHILD).is_some() {
        serve_until_signal();
        return;
    }
    let _shared = crate::harness::share_process();
    for (number, signal) in [(libc::SIGTERM, Signal::Terminate), (libc::SIGINT, Signal::Interrupt)]
    {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serving::stopping::a_signal_stops_a_server_gently", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let address = lines
            .find_map(|line| Some(line.unwrap().split("address ").nth(1)?.to_owned()))
            .expect("it tells its address");
        let mut client = super::client(address.parse().unwrap()).unwrap();
        assert_eq!(exchange(&mut client, b"hello"), b"hello");
        // Its handlers may not be installed yet: then the signal ends it at once, and it is tried
        // again with another one.
        let pid = child.id();
        eventually("it handles signals", || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            caught & (1 << (number - 1)) != 0
        });
        // SAFETY: a signal to a child of this test, which has not been waited for.
        assert_eq!(unsafe { libc::kill(pid as i32, number) }, 0);
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        let said = format!("signal Some({signal:?})");
        assert!(rest.contains(&said), "{rest:?}");
        assert!(rest.iter().any(|line| line == "ended"), "{rest:?}");
        assert!(child.wait().unwrap().success());
        let mut end = Vec::new();
        client.read_to_end(&mut end).unwrap();
        assert!(end.is_empty());
    }
}
