//! Connections on their way to a core: when it has not started, when it is full, when the server
//! stops, and when descriptors have run out at that moment.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use annulus::serve::{Accept, Conn, Driver, Handler, Server};
use annulus::sync::cross;

use super::{BOUND, Run, anywhere, cores, eventually, exchange, rest, small};
use crate::harness::{own_process, share_process};

/// Echoes once it has started; core 1 starts when it is told to.
struct Starts {
    core: usize,
    begin: Mutex<Option<cross::OneReceiver<()>>>,
    started: AtomicBool,
}

impl Handler for Starts {
    fn for_core(_core: usize) -> Self {
        unreachable!("it is made with a channel")
    }

    async fn on_start(&self, _driver: &Driver) -> std::io::Result<()> {
        let begin = self.begin.lock().unwrap().take();
        if let Some(begin) = begin {
            begin.await.expect("it is told");
        }
        self.started.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn on_accept(&self, conn: Conn) {
        assert!(self.started.load(Ordering::Relaxed), "it has not started");
        while let Ok(Some(_)) = conn.recv().await {
            let core = vec![self.core as u8];
            if conn.send(core).await.is_err() {
                break;
            }
        }
    }
}

/// A server whose core 1 has not started, and what starts it.
fn half(accept: Accept) -> (Run, cross::OneSender<()>) {
    let (begin, begins) = cross::oneshot();
    let begins = Mutex::new(Some(begins));
    let builder = Server::builder(cores(2).accept(accept)).bind(anywhere());
    let run = Run::of(builder.launch_with(move |core| {
        let begin = if core == 1 { begins.lock().unwrap().take() } else { None };
        Starts { core, begin: Mutex::new(begin), started: AtomicBool::new(false) }
    }));
    (run, begin)
}

/// Which core a client is served by.
fn served_by(client: &mut TcpStream) -> u8 {
    exchange(client, b"?")[0]
}

#[test]
fn a_core_is_given_nothing_before_it_has_started() {
    let _shared = share_process();
    for accept in [Accept::RoundRobin, Accept::LeastConnections] {
        let (run, begin) = half(accept);
        let mut clients: Vec<_> = (0..10).map(|_| run.client()).collect();
        assert!(clients.iter_mut().all(|client| served_by(client) == 0));
        begin.send(()).unwrap();
        // Sooner or later it has started, and has its part.
        while clients.iter_mut().all(|client| served_by(client) == 0) {
            clients.push(run.client());
            assert!(clients.len() < 10_000, "it is given nothing");
        }
        drop(clients);
        assert_eq!(run.end().panicked(), 0);
    }
}

#[test]
fn accepting_waits_while_all_cores_are_full_and_each_that_has_room_gets_the_next() {
    for accept in [Accept::RoundRobin, Accept::LeastConnections, Accept::Balanced] {
        let config = cores(2).accept(accept).connections_max(2);
        let run = Run::handler::<super::Echo>(Server::builder(config).bind(anywhere()));
        let mut clients: Vec<_> = (0..4).map(|_| run.client()).collect();
        for client in &mut clients {
            assert_eq!(exchange(client, b"x"), b"x");
        }
        let open: Vec<u64> = run.metrics().cores.iter().map(|core| core.open).collect();
        assert_eq!(open, [2, 2], "{accept:?}");
        let mut late = run.client();
        late.write_all(b"late").unwrap();
        eventually("accepting waits", || run.metrics().cores.iter().any(|core| core.pauses > 0));
        for _ in 0..50 {
            assert!(run.metrics().cores.iter().all(|core| core.open <= 2));
        }
        drop(clients.pop());
        let mut answer = [0; 4];
        late.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"late");
        drop((clients, late));
        assert_eq!(run.end().accepted(), 5);
    }
}

#[test]
fn the_default_keeps_a_thousand_open_connections_within_a_tenth_of_their_mean() {
    let run = Run::handler::<super::Echo>(
        Server::builder(cores(4).raise_descriptor_limit(true)).bind(anywhere()),
    );
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut client = run.client();
        // One after the other, so that the numbers that are compared are those of now.
        assert_eq!(exchange(&mut client, b"x"), b"x");
        clients.push(client);
    }
    let open: Vec<u64> = run.metrics().cores.iter().map(|core| core.open).collect();
    assert_eq!(open.iter().sum::<u64>(), 1000);
    assert!(open.iter().all(|open| (225..=275).contains(open)), "{open:?}");
    let moved: u64 = run.metrics().cores.iter().map(|core| core.handed_over).sum();
    assert!(moved < 350, "{moved} were handed over");
    drop(clients);
    run.end();
}

#[test]
fn connections_that_are_handed_over_while_the_server_stops_are_served() {
    // Each round stops it at another moment; in each, all that were accepted are answered.
    for round in 0..40 {
        let accept = if round % 2 == 0 { Accept::RoundRobin } else { Accept::Balanced };
        let config = cores(2).accept(accept).idle_on_stop(std::time::Duration::MAX);
        let run = Run::tcp(config, |conn| async move {
            let request = conn.recv().await?;
            conn.send(request.expect("a request")).await?;
            Ok(())
        });
        let address = run.addr();
        let (tell, told) = mpsc::channel();
        let flood = std::thread::spawn(move || {
            let mut answered = 0;
            // Until nobody listens any more.
            while let Ok(mut client) = TcpStream::connect(address) {
                client.set_read_timeout(Some(BOUND)).unwrap();
                if client.write_all(b"?").is_err() {
                    break;
                }
                match client.read_exact(&mut [0]) {
                    Ok(()) => answered += 1,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        panic!("neither served nor closed")
                    }
                    // The kernel closes what it had not given to anybody when the listener went.
                    _ => break,
                }
                let _ = tell.send(());
            }
            answered
        });
        for _ in 0..=round {
            told.recv_timeout(BOUND).unwrap();
        }
        let metrics = run.end();
        let answered = flood.join().unwrap();
        assert_eq!(metrics.accepted(), answered, "{metrics:?}");
        let failed: u64 = metrics.cores.iter().map(|core| core.failed).sum();
        assert_eq!((failed, metrics.cancelled()), (0, 0));
    }
}

/// How many connections wait in the kernel's queue of this listener.
fn in_the_queue(run: &Run) -> u64 {
    let port = format!(":{:04X}", run.addr().port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let listens = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|own| own.ends_with(&port)) && fields.nth(1) == Some("0A")
    };
    let line = table.lines().find(listens).expect("it listens");
    let queues = line.split_whitespace().nth(4).unwrap();
    u64::from_str_radix(queues.split_once(':').unwrap().1, 16).unwrap()
}

/// Returns when the core has taken a turn from beginning to end.
fn a_turn(run: &Run) {
    for _ in 0..2 {
        let (tell, told) = mpsc::channel();
        drop(run.handle.cores()[0].spawn(move || async move { tell.send(()).unwrap() }));
        told.recv_timeout(BOUND).unwrap();
    }
}

#[test]
fn what_waits_when_the_server_stops_without_descriptors_is_served_when_there_are_some() {
    /// Connections may end, and so make room.
    static MAY_END: AtomicBool = AtomicBool::new(false);
    let _own = own_process();
    let run = Run::tcp_alone(
        small().connections_max(1).raise_descriptor_limit(false),
        |conn| async move {
            annulus::runtime::stopping().await;
            // ORDERING: SeqCst; a flag of a test.
            while !MAY_END.load(Ordering::SeqCst) {
                annulus::time::sleep(Duration::from_millis(1)).await;
            }
            let _request = conn.recv().await?;
            conn.send("served").await?;
            Ok(())
        },
    );
    // Until the core takes no more out of the kernel's queue.
    let mut clients = Vec::new();
    while clients.len() < 1000 {
        let mut client = run.client();
        client.write_all(b"request").unwrap();
        clients.push(client);
        if clients.len() > 256 && in_the_queue(&run) >= 8 {
            a_turn(&run);
            if in_the_queue(&run) >= 8 {
                break;
            }
        }
    }
    // Nobody can open anything from now on, and then it is told to stop.
    let limit = super::accepting::Limit::set(super::accepting::highest_descriptor() + 8);
    let open = || std::fs::File::open("/dev/null");
    let files: Vec<_> = std::iter::repeat_with(open).map_while(Result::ok).collect();
    let before = run.metrics().cores[0].exhausted;
    run.handle.shutdown();
    eventually("it has found no descriptor", || run.metrics().cores[0].exhausted > before);
    drop((files, limit));
    // ORDERING: SeqCst; as above.
    MAY_END.store(true, Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(rest(client), b"served");
    }
    assert_eq!(run.ended().accepted(), clients.len() as u64);
}
