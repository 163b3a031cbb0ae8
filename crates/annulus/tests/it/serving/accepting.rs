//! How connections come to cores, the limits on them, and datagrams.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::rc::Rc;

use annulus::net::Datagram;
use annulus::serve::{Accept, Conn, Handler, Metrics, Server};

use super::{BOUND, Echo, Run, anywhere, cores, eventually, exchange, rest, small};
use crate::harness::{own_process, skip};

const CONNECTIONS: u64 = 1000;

/// A server of two cores, both of which take connections: one that has not started is passed over.
fn both(accept: Accept) -> Run {
    let run = Run::handler::<Echo>(Server::builder(cores(2).accept(accept)).bind(anywhere()));
    eventually("both cores serve", || run.metrics().is_serving());
    run
}

/// The counters after a thousand connections that were all answered on two cores.
fn balance(accept: Accept) -> Option<Metrics> {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        skip("accept balance needs two CPUs");
        return None;
    }
    let run = both(accept);
    let mut clients = Vec::new();
    for n in 0..CONNECTIONS {
        let mut client = run.client();
        assert_eq!(exchange(&mut client, &n.to_le_bytes()), n.to_le_bytes());
        clients.push(client);
        if clients.len() == 200 {
            clients.clear();
            // Cores hear of it at their own times, and who has fewest is compared.
            eventually("they are gone", || run.metrics().open() == 0);
        }
    }
    drop(clients);
    let metrics = run.end();
    assert_eq!(metrics.accepted(), CONNECTIONS);
    assert_eq!(metrics.cores.iter().map(|core| core.finished).sum::<u64>(), CONNECTIONS);
    Some(metrics)
}

#[test]
fn a_listener_of_each_core_gets_its_share_by_chance() {
    let Some(metrics) = balance(Accept::PerCore) else { return };
    // A hash promises nothing; that a core gets none of a thousand has a chance of 2^-999.
    assert!(metrics.cores.iter().all(|core| core.accepted > 0), "{metrics:?}");
    assert!(metrics.imbalance() < 1.0 && metrics.cores.iter().all(|core| core.handed_over == 0));
}

#[test]
fn a_steered_listener_gets_what_comes_to_its_cpu() {
    // Over loopback that is the CPU of the client, which no test can promise.
    let Some(metrics) = balance(Accept::Steered) else { return };
    assert!(metrics.cores.iter().all(|core| core.handed_over == 0), "{metrics:?}");
}

#[test]
fn a_client_that_is_bound_to_a_cpu_is_steered_to_the_core_there() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        skip("steering needs two CPUs");
        return;
    }
    let builder = Server::builder(cores(2).accept(Accept::Steered)).bind(anywhere());
    let run = Run::handler::<Echo>(builder);
    let address = run.addr();
    let before = sched_getaffinity(None).unwrap();
    for (index, &cpu) in run.handle.cpus().iter().enumerate() {
        let connecting = std::thread::spawn(move || {
            let mut only = CpuSet::new();
            only.set(cpu);
            sched_setaffinity(None, &only).unwrap();
            for _ in 0..50 {
                let mut client = super::client(address).unwrap();
                assert_eq!(exchange(&mut client, b"x"), b"x");
            }
        });
        connecting.join().unwrap();
        let metrics = run.metrics();
        assert_eq!(metrics.cores[index].accepted, 50, "{metrics:?}");
    }
    assert_eq!(sched_getaffinity(None).unwrap(), before);
    run.end();
}

#[test]
fn dealing_in_turn_is_balanced() {
    let Some(metrics) = balance(Accept::RoundRobin) else { return };
    assert!(metrics.imbalance() <= 0.1, "{metrics:?}");
    assert_eq!(metrics.cores[0].handed_over, metrics.cores[1].accepted);
}

#[test]
fn dealing_to_who_has_fewest_is_balanced() {
    let Some(metrics) = balance(Accept::LeastConnections) else { return };
    assert!(metrics.imbalance() <= 0.1, "{metrics:?}");
}

#[test]
fn open_connections_are_balanced_when_those_of_one_core_stay() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        skip("accept balance needs two CPUs");
        return;
    }
    let run = both(Accept::LeastConnections);
    let stay: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut client = run.client();
            assert_eq!(exchange(&mut client, b"x"), b"x");
            client
        })
        .collect();
    let open: Vec<u64> = run.metrics().cores.iter().map(|core| core.open).collect();
    assert_eq!(open, [50, 50]);
    drop(stay);
    run.end();
}

#[test]
fn a_thousand_open_connections_are_within_a_tenth_of_their_mean_by_default() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        skip("accept balance needs two CPUs");
        return;
    }
    let run = both(Accept::Balanced);
    let stay: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|n| {
            let mut client = run.client();
            assert_eq!(exchange(&mut client, &n.to_le_bytes()), n.to_le_bytes());
            client
        })
        .collect();
    let open: Vec<u64> = run.metrics().cores.iter().map(|core| core.open).collect();
    let mean = CONNECTIONS / 2;
    assert!(open.iter().all(|&open| open.abs_diff(mean) <= mean / 10), "{open:?}");
    drop(stay);
    run.end();
}

#[test]
fn a_core_has_no_more_connections_than_it_may() {
    let run = Run::echo(small().connections_max(3));
    let mut clients: Vec<TcpStream> = (0..10).map(|_| run.client()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }
    eventually("accepting pauses", || run.metrics().cores[0].pauses > 0);
    assert_eq!(run.metrics().open(), 3);
    // Each end lets the next one in.
    for mut client in clients {
        let mut answer = [0];
        client.read_exact(&mut answer).unwrap();
        assert!(run.metrics().open() <= 3);
    }
    assert_eq!(run.end().accepted(), 10);
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let run = Run::echo(cores(2).connections_per_peer_max(2));
    let mut first = [run.client(), run.client()];
    for client in &mut first {
        assert_eq!(exchange(client, b"x"), b"x");
    }
    let mut third = run.client();
    assert_eq!(rest(&mut third), b"", "it is closed at once");
    assert_eq!(run.metrics().refused(), 1);
    // Another address is another peer.
    let other = other_address(run.addr());
    assert_eq!(other.map(|mut client| exchange(&mut client, b"y")), Some(b"y".to_vec()));
    // And who goes makes room.
    drop(first);
    eventually("they are gone", || run.metrics().open() == 0);
    assert_eq!(exchange(&mut run.client(), b"z"), b"z");
    run.end();
}

/// A client at 127.0.0.2.
fn other_address(server: SocketAddr) -> Option<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).ok()?;
    let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);
    bind(&socket, &own).ok()?;
    rustix::io::retry_on_intr(|| connect(&socket, &server)).ok()?;
    let client = TcpStream::from(socket);
    client.set_read_timeout(Some(BOUND)).ok()?;
    Some(client)
}

/// The highest number of a descriptor of this process.
pub fn highest_descriptor() -> u64 {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
        .max()
        .unwrap()
}

/// The soft limit of descriptors, put back when dropped.
pub struct Limit(libc::rlimit);

impl Limit {
    pub fn set(soft: u64) -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `before` is a valid place.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut before) }, 0);
        let limited = libc::rlimit { rlim_cur: soft, ..before };
        // SAFETY: `limited` is a valid value.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limited) }, 0);
        Self(before)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: a value that the kernel gave.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) };
    }
}

#[test]
fn accepting_pauses_when_descriptors_run_out_and_goes_on_when_there_are_some() {
    let _own = own_process();
    // Before the launch: an accept that is with the kernel keeps the limit that it found.
    let limit = Limit::set(highest_descriptor() + 64);
    let builder = Server::builder(small().raise_descriptor_limit(false)).bind(anywhere());
    let run = Run::of(builder.launch::<Echo>());
    let mut first = run.client();
    assert_eq!(exchange(&mut first, b"x"), b"x");
    // All numbers up to there are taken, but one for the client: its peer finds none.
    let open = || std::fs::File::open("/dev/null");
    let mut files: Vec<_> = std::iter::repeat_with(open).map_while(Result::ok).collect();
    drop(files.pop());
    let mut late = TcpStream::connect(run.addr()).unwrap();
    late.set_read_timeout(Some(BOUND)).unwrap();
    eventually("accepting has found no descriptor", || run.metrics().cores[0].exhausted > 0);
    drop((limit, files));
    assert_eq!(exchange(&mut late, b"at last"), b"at last");
    drop((first, late));
    assert_eq!(run.end().accepted(), 2);
}

/// Answers each datagram.
struct Answers;

impl Handler for Answers {
    fn for_core(_core: usize) -> Self {
        Answers
    }

    async fn on_accept(&self, _conn: Conn) {}

    async fn on_datagram(&self, socket: Rc<annulus::net::UdpSocket>, datagram: Datagram) {
        assert!(&*datagram != b"panic", "as it was asked to");
        let peer = *datagram.sender();
        socket.send_to(datagram.into_lease(), peer).await.unwrap();
    }
}

#[test]
fn datagrams_are_answered_on_every_core_and_a_panic_costs_one() {
    for count in [1, 2] {
        let builder = Server::builder(cores(count).datagrams_at_once(2)).bind_udp(anywhere());
        let run = Run::handler::<Answers>(builder);
        let mut answered = 0;
        for n in 0..40_u32 {
            // From many ports, so that each core has some.
            let client = UdpSocket::bind(anywhere()).unwrap();
            client.set_read_timeout(Some(BOUND)).unwrap();
            client.connect(run.addr()).unwrap();
            client.send(b"panic").unwrap();
            client.send(&n.to_le_bytes()).unwrap();
            let mut answer = [0; 8];
            let len = loop {
                match client.recv(&mut answer) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    received => break received.unwrap(),
                }
            };
            assert_eq!(answer[..len], n.to_le_bytes());
            answered += 1;
        }
        eventually("all have panicked", || run.metrics().panicked() == 40);
        let metrics = run.end();
        assert_eq!((answered, metrics.datagrams()), (40, 80));
    }
}
