//! Servers: what handlers see, limits, stopping, and the ways in which connections come to cores.

mod accepting;
mod between;
mod conn;
mod datagrams;
mod hostile;
mod inheriting;
mod privileges;
mod stopping;
mod succession;
mod taking_over;
mod trouble;
mod under_way;
mod weaknesses;
mod without_holes;

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use annulus::runtime::Cores;
use annulus::serve::{
    self, Builder, Config, Conn, Error, Handle, Handler, Metrics, Parsed, Server, Workers,
};

use crate::harness::{Boards, Held, share_process};

/// Longer than anything here takes: a bound against hanging.
pub const BOUND: Duration = Duration::from_secs(60);

/// One core, small.
pub fn small() -> Config {
    cores(1)
}

pub fn cores(count: usize) -> Config {
    let config = Config::new().cores(Cores::Count(count)).drain_timeout(BOUND);
    config.runtime(|core| core.entries(64).buffer_count(64).fixed_files(256))
}

pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A server of a test; nothing may be left of it at the end. The test shares the process as long as
/// it has this, because its clients are often there when the server has ended.
pub struct Run {
    pub handle: Handle,
    workers: Cell<Option<Workers>>,
    boards: Boards,
    _shared: Option<Held>,
}

impl Run {
    pub fn of(started: Result<(Handle, Workers), Error>) -> Self {
        let (handle, workers) = started.expect("the server starts");
        let boards = Boards::of(handle.cores());
        Self { handle, workers: Cell::new(Some(workers)), boards, _shared: None }
    }

    /// A server of a function, on one core.
    pub fn tcp<F, S>(config: Config, serve: F) -> Self
    where
        F: Fn(Conn) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = io::Result<()>> + 'static,
    {
        let shared = share_process();
        let mut run = Self::tcp_alone(config, serve);
        run._shared = Some(shared);
        run
    }

    /// As [`tcp`](Self::tcp), for a test that has the process already.
    pub fn tcp_alone<F, S>(config: Config, serve: F) -> Self
    where
        F: Fn(Conn) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = io::Result<()>> + 'static,
    {
        Self::of(serve::tcp("127.0.0.1:0", serve).config(config).launch())
    }

    /// A server of a handler.
    pub fn handler<H: Handler>(builder: Builder) -> Self {
        let shared = share_process();
        let mut run = Self::of(builder.launch::<H>());
        run._shared = Some(shared);
        run
    }

    pub fn echo(config: Config) -> Self {
        Self::handler::<Echo>(Server::builder(config).bind(anywhere()))
    }

    pub fn addr(&self) -> SocketAddr {
        self.handle.addr().expect("it listens")
    }

    pub fn client(&self) -> TcpStream {
        client(self.addr()).expect("it accepts")
    }

    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// Stops it, gently, and gives what it counted.
    pub fn end(&self) -> Metrics {
        self.handle.shutdown();
        self.ended()
    }

    /// Waits for its end.
    pub fn ended(&self) -> Metrics {
        let workers = self.workers.take().expect("it runs");
        workers.join().expect("no core fails");
        self.boards.assert_nothing_left();
        let metrics = self.handle.metrics();
        assert_eq!(metrics.open(), 0, "connections are left: {metrics:?}");
        metrics
    }
}

/// A client whose reads and writes end.
pub fn client(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Lets other threads go on until something is true.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < BOUND, "it never happens that {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Sends a request, and reads an answer of the same length.
pub fn exchange(client: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    client.write_all(request).unwrap();
    let mut answer = vec![0; request.len()];
    client.read_exact(&mut answer).unwrap();
    answer
}

/// Everything up to the end of the stream.
pub fn rest(client: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    rest
}

/// The quick start of the framework that this one is an answer to, with the names of this one.
pub struct Echo;

#[allow(refining_impl_trait, clippy::manual_async_fn, reason = "word for word, but for the names")]
impl Handler for Echo {
    fn on_accept(&self, conn: Conn) -> impl Future<Output = ()> + 'static {
        async move {
            loop {
                let n = conn
                    .with_data(|data| {
                        conn.send_nowait(data).ok();
                        Parsed::Consumed(data.len())
                    })
                    .await;
                if n == 0 {
                    break;
                }
            }
        }
    }

    fn for_core(_id: usize) -> Self {
        Echo
    }
}

#[test]
fn the_quick_start_echoes_and_stops() {
    let run = Run::echo(small());
    let mut clients: Vec<TcpStream> = (0..20).map(|_| run.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(
            exchange(client, format!("hello {n}").as_bytes()),
            format!("hello {n}").as_bytes()
        );
    }
    clients[0].shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut clients[0]), b"");
    let metrics = run.end();
    assert_eq!((metrics.accepted(), metrics.cores[0].finished), (20, 20));
    assert_eq!((metrics.panicked(), metrics.cancelled()), (0, 0));
    for client in &mut clients[1..] {
        assert_eq!(rest(client), b"", "the server has closed it");
    }
}

#[test]
fn a_launch_that_is_refused_says_what_and_where() {
    let _shared = share_process();
    let taken = std::net::TcpListener::bind(anywhere()).unwrap();
    let address = taken.local_addr().unwrap();
    for count in [1, 2] {
        let refused = Server::builder(cores(count)).bind(address).launch::<Echo>();
        let Err(Error::Bind { at, source }) = refused else { panic!("{refused:?}") };
        assert_eq!(at.addr(), Some(address));
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }
    let refused = Server::builder(small().backlog(0)).bind(anywhere()).launch::<Echo>();
    assert!(matches!(&refused, Err(Error::Config(error)) if error.knob() == "backlog"));
    let error = io::Error::from(refused.unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let refused = serve::tcp("no address", |_conn| async { Ok(()) }).launch();
    assert!(
        matches!(refused, Err(Error::Io(error)) if error.kind() == io::ErrorKind::InvalidInput)
    );
    let missing = Server::builder(small()).bind_unix("/no/such/directory/socket").launch::<Echo>();
    let text = missing.unwrap_err().to_string();
    assert!(text.starts_with("cannot listen at /no/such/directory/socket: "), "{text}");
}

#[test]
fn two_servers_of_one_user_do_not_share_an_address_by_mistake() {
    let run = Run::echo(cores(2));
    let refused = Server::builder(cores(2)).bind(run.addr()).launch::<Echo>();
    assert!(matches!(refused, Err(Error::Bind { .. })), "{refused:?}");
    run.end();
}
