//! Making a server: what it listens to, and starting it.
//!
//! Owns: the order of a launch. Everything that can be refused is asked for first, rights are given
//! up next, and then the cores start; a launch that fails leaves nothing behind (but for the
//! rights, if they were given up).

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::event::{EventfdFlags, eventfd};

use super::config::Config;
use super::conn::Conn;
use super::estate::Estate;
use super::handler::{Handler, Of, OfFn, Serves};
use super::inherit::Inherited;
use super::listen::{self, Bound, Claim, Opened, Seat, Which, Wish};
use super::privileges::{self, Became};
use super::running::{Handle, Signal, Worker, Workers};
use super::shared::{Shared, lock};
use super::transport::Layer;
use super::{Error, worker};
use crate::net::ToAddress;
use crate::runtime::{Cores, LaunchedCore, raise_descriptor_limit};

/// A server: [`Server::builder`] makes one.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "RinglineBuilder")]
pub struct Server(());

impl Server {
    /// A server that listens nowhere yet.
    pub fn builder(config: Config) -> Builder {
        Builder { config, wishes: Vec::new(), inherited: Inherited::none() }
    }
}

/// What a server is to listen to. Without any listener it is a client: handlers connect from
/// [`on_start`](Handler::on_start).
#[derive(Debug)]
#[must_use = "a builder does nothing until `launch`"]
pub struct Builder {
    config: Config,
    wishes: Vec<Wish>,
    inherited: Inherited,
}

impl Builder {
    fn wish(mut self, which: Which, layer: Option<Arc<dyn Layer>>) -> Self {
        self.wishes.push(Wish { which, layer });
        self
    }

    /// Listens for TCP connections; port 0 lets the kernel choose. May be called for several
    /// addresses.
    pub fn bind(self, address: SocketAddr) -> Self {
        self.wish(Which::At(Bound::Tcp(address)), None)
    }

    /// Listens for TCP connections with a layer above them, TLS for instance.
    pub fn bind_with(self, address: SocketAddr, layer: impl Layer) -> Self {
        self.wish(Which::At(Bound::Tcp(address)), Some(Arc::new(layer)))
    }

    /// Listens for connections at a path. All cores accept from the one socket.
    pub fn bind_unix(self, path: impl Into<PathBuf>) -> Self {
        self.wish(Which::At(Bound::Unix(path.into())), None)
    }

    /// Receives datagrams, on each core with a socket of its own where there are several: the
    /// kernel chooses by a hash of the addresses.
    pub fn bind_udp(self, address: SocketAddr) -> Self {
        self.wish(Which::At(Bound::Udp(address)), None)
    }

    /// Serves what was [inherited](Self::inherit) by this name: `FileDescriptorName=` of a systemd
    /// socket. Several sockets may have it; each address is a listener of its own.
    ///
    /// ```no_run
    /// use annulus::serve::{Config, Inherited, Server};
    /// # use annulus::serve::{Conn, Handler};
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     fn for_core(_core: usize) -> Self { Echo }
    /// #     async fn on_accept(&self, conn: Conn) { drop(conn) }
    /// # }
    /// // The unit says FileDescriptorName=echo.
    /// let server = Server::builder(Config::new()).inherit(Inherited::from_env()?);
    /// server.bind_inherited("echo").run::<Echo>()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Launching fails with [`Error::Inherited`] if there is none of this name.
    #[doc(alias = "FileDescriptorName")]
    pub fn bind_inherited(self, name: impl Into<String>) -> Self {
        self.wish(Which::Named(name.into()), None)
    }

    /// As [`bind_inherited`](Self::bind_inherited), with a layer above connections. The sockets
    /// must be of TCP.
    ///
    /// # Errors
    /// As there, and for a socket of another kind.
    pub fn bind_inherited_with(self, name: impl Into<String>, layer: impl Layer) -> Self {
        self.wish(Which::Named(name.into()), Some(Arc::new(layer)))
    }

    /// Takes listeners over: from a service manager, or from a process that this one succeeds. One
    /// that listens at an address that this is told to [`bind`](Self::bind) is used for that, and
    /// [`bind_inherited`](Self::bind_inherited) serves those of a name.
    ///
    /// # Errors
    /// Launching fails with [`Error::Inherited`], which names it, if there is one that nobody asks
    /// for.
    pub fn inherit(mut self, inherited: Inherited) -> Self {
        self.inherited.append(inherited);
        self
    }

    /// Starts it, with a handler on each core.
    ///
    /// When this returns, it listens everywhere: connections are taken from now on, once
    /// [`on_start`](Handler::on_start) of a core is done.
    ///
    /// # Errors
    /// What was refused; nothing runs then.
    pub fn launch<H: Handler>(self) -> Result<(Handle, Workers), Error> {
        self.launch_with(H::for_core)
    }

    /// As [`launch`](Self::launch), with handlers that share something: `make` makes that of each
    /// core, there.
    ///
    /// # Errors
    /// As there.
    pub fn launch_with<H: Handler>(
        self,
        make: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> Result<(Handle, Workers), Error> {
        self.start(move |core| Of(std::rc::Rc::new(make(core))))
    }

    /// Starts it, waits for SIGINT or SIGTERM, and stops it: accepting ends, handlers are told,
    /// have [`Config::drain_timeout`] to finish, and are dropped after that. Gives the signal,
    /// `None` if it ended by itself. A second signal of the same kind ends the process.
    ///
    /// # Errors
    /// As [`launch`](Self::launch), and those of the cores.
    pub fn run<H: Handler>(self) -> Result<Option<Signal>, Error> {
        finish(self.launch::<H>()?)
    }

    fn start<S: Serves>(
        self,
        make: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> Result<(Handle, Workers), Error> {
        let Self { config, wishes, mut inherited } = self;
        config.check()?;
        if config.raise_limit {
            // What there is may be enough; who wants to know asks for it.
            let _ = raise_descriptor_limit();
        }
        let cpus = config.cpus()?;
        let listeners = open_all(&wishes, &mut inherited, &config, &cpus)?;
        let became = privileges::give_up(&config)?;
        let (handle, workers, claims) = launch((config, became), cpus, listeners, make)?;
        if let Err(error) = inherited.confirm() {
            handle.shutdown();
            // That it cannot take over is what there is to say.
            let _ = workers.join();
            return Err(error);
        }
        handle.shared.claim(claims);
        Ok((handle, workers))
    }
}

/// Finds or makes each listener that was asked for.
fn open_all(
    wishes: &[Wish],
    inherited: &mut Inherited,
    config: &Config,
    cpus: &[usize],
) -> Result<Vec<Opened>, Error> {
    let mut listeners = Vec::new();
    for Wish { which, layer } in wishes {
        match which {
            Which::At(at) => {
                let taken = listen::adopt(inherited.take(at), layer.clone(), config);
                listeners.push(match taken {
                    Some(opened) => opened,
                    None => listen::open(at, layer.clone(), config, cpus)?,
                });
            }
            Which::Named(name) => {
                for taken in inherited.take_named(name)? {
                    let opened = listen::adopt(taken, layer.clone(), config);
                    listeners.extend(opened.map(|opened| opened.may_have_layer(name)).transpose()?);
                }
            }
        }
    }
    inherited.all_taken()?;
    Ok(listeners)
}

/// Starts the cores.
fn launch<S: Serves>(
    (config, became): (Config, Option<Became>),
    cpus: Vec<usize>,
    listeners: Vec<Opened>,
    make: impl Fn(usize) -> S + Send + Sync + 'static,
) -> Result<(Handle, Workers, Vec<Claim>), Error> {
    let bound = listeners.iter().map(|opened| opened.at.clone()).collect();
    let (seats, kept, claims) = listen::deal(listeners, &config, cpus.len())?;
    let event =
        || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io::Error::from);
    let (events, estate) = ([event()?, event()?, event()?], Estate::Held(kept));
    let (runtime, cores) = (config.runtime.clone(), Cores::Ids(cpus.clone()));
    let shared = Shared::new(config, cpus, (bound, estate), events);
    let seats: Vec<Mutex<Vec<Seat>>> = seats.into_iter().map(Mutex::new).collect();
    let (site, make) = (shared.clone(), Arc::new(make));
    let start = move |core: LaunchedCore| {
        let (shared, index) = (site.clone(), core.index());
        shared.handles.get_or_init(|| core.peers().to_vec());
        let seats = std::mem::take(&mut *lock(&seats[index]));
        worker::run((shared, became), index, make.clone(), seats)
    };
    // A core that is cut off closes its listeners as it ends.
    let closing = shared.clone();
    let launched = runtime.launch_then(cores, start, move |core| closing.closes(core))?;
    shared.handles.get_or_init(|| launched.cores().to_vec());
    let threads = launched.into_threads().into_iter();
    let workers = Workers { workers: threads.map(|thread| Worker { thread }).collect() };
    Ok((Handle::new(shared), workers, claims))
}

fn finish((handle, workers): (Handle, Workers)) -> Result<Option<Signal>, Error> {
    let signal = handle.wait_for_signal();
    handle.shutdown();
    workers.join()?;
    Ok(signal?)
}

/// A server of TCP whose handler is a function; see [`tcp`].
#[derive(Debug)]
#[must_use = "a service does nothing until `run`"]
pub struct Service<F> {
    address: io::Result<SocketAddr>,
    config: Config,
    serve: F,
}

/// A small server: a function that serves a connection, and an address. An error that the function
/// gives ends that connection, and is counted.
///
/// ```
/// use annulus::serve;
///
/// let greet = serve::tcp("127.0.0.1:0", |conn| async move {
///     conn.send("hello\n").await?;
///     Ok(())
/// });
/// let (handle, workers) = greet.launch()?; // or `run`, which waits for a signal
/// let mut client = std::net::TcpStream::connect(handle.addr().expect("it listens"))?;
/// let mut greeting = String::new();
/// std::io::Read::read_to_string(&mut client, &mut greeting)?;
/// assert_eq!(greeting, "hello\n");
/// handle.shutdown();
/// workers.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn tcp<F, S>(address: impl ToAddress, serve: F) -> Service<F>
where
    F: Fn(Conn) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = io::Result<()>> + 'static,
{
    Service { address: address.to_address(), config: Config::new(), serve }
}

impl<F, S> Service<F>
where
    F: Fn(Conn) -> S + Clone + Send + Sync + 'static,
    S: Future<Output = io::Result<()>> + 'static,
{
    /// With these knobs.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Starts it; as [`Builder::launch`].
    ///
    /// # Errors
    /// As there; `InvalidInput` for text that is no address.
    pub fn launch(self) -> Result<(Handle, Workers), Error> {
        let Self { address, config, serve } = self;
        Server::builder(config).bind(address?).start(move |_core| OfFn(serve.clone()))
    }

    /// Starts it, waits for SIGINT or SIGTERM, and stops it; as [`Builder::run`].
    ///
    /// # Errors
    /// As there.
    pub fn run(self) -> Result<Option<Signal>, Error> {
        finish(self.launch()?)
    }
}
