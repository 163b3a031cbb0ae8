//! The cores: a thread, a ring and a listener each, from start to graceful end.
//!
//! Owns the order of things: every core listens before the address is announced, and a core that
//! cannot start stops the others. Each core takes connections from a listener of its own at the
//! same address (`SO_REUSEPORT`), so that nothing is shared but the request to stop.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::Runtime;

use super::args::Args;
use super::clock::Clock;
use super::connection::{self, Server};
use super::launch;
use super::live::Link;
use super::log::{self, Log};
use super::open_files::OpenFiles;
use super::secure;
use super::site::Beneath;
use super::stop::Gate;
use super::tls::{self, Tls};
use crate::listen;
use crate::stop::{self, Stop};

/// How long a core rests when no connection can be taken.
const REST: Duration = Duration::from_millis(100);

/// Serves until a signal stops it.
///
/// # Errors
/// What kept it from starting, in words for people.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let root = launch::root(&args.dir)?;
    if let Some(warning) = listen::raise_descriptor_limit() {
        eprintln!("annulus: {warning}");
    }
    let tls = Tls::load(args)?;
    let address = listen::claim(args.addr)?;
    let stop = Stop::default();
    if let Some(tls) = &tls {
        tls::on_hangup(tls.certificates.clone())?;
    }
    stop::on_signals(
        stop.clone(),
        "Stopping when the answers under way are sent; once more stops at once.",
    )?;
    let writer = args.log.then(|| log::start(io::stdout())).transpose()?;

    let (ready, readiness) = mpsc::channel();
    let count = args.cores();
    let mut threads = Vec::with_capacity(count);
    let started = (0..count).try_for_each(|number| {
        let core = Core {
            args: args.clone(),
            root: root.clone(),
            address,
            shared_address: count > 1,
            stop: stop.clone(),
            log: writer.as_ref().map(log::Writer::log),
            tls: tls.clone(),
        };
        threads.push(core.start(number, ready.clone())?);
        Ok(())
    });
    drop(ready);
    // The channel ends when every core has said that it listens, or has gone.
    let listening = started.and_then(|()| readiness.iter().collect());
    match &listening {
        Ok(()) => announce(if tls.is_some() { "https" } else { "http" }, address)?,
        Err(_) => stop.trigger(),
    }
    let ended = join(threads);
    if let Some(writer) = writer {
        writer.finish();
    }
    listening.and(ended).map(|()| ExitCode::SUCCESS)
}

fn announce(scheme: &str, address: SocketAddr) -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "Listening on {scheme}://{address}")?;
    output.flush()
}

fn join(threads: Vec<JoinHandle<()>>) -> io::Result<()> {
    let panicked = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
    if panicked > 0 {
        return Err(io::Error::other(format!("{panicked} core(s) ended by a panic, see above")));
    }
    Ok(())
}

/// What a core is told before it starts.
struct Core {
    args: Args,
    root: PathBuf,
    address: SocketAddr,
    shared_address: bool,
    stop: Stop,
    log: Option<Log>,
    tls: Option<Tls>,
}

type Ready = mpsc::Sender<io::Result<()>>;

impl Core {
    fn start(self, number: usize, ready: Ready) -> io::Result<JoinHandle<()>> {
        let name = format!("annulus-{number}");
        std::thread::Builder::new().name(name).spawn(move || self.run(ready))
    }

    /// Says once how the start went, and lets go of `ready` before it serves. Nobody listens to it
    /// any more only if another core has failed; then the request to stop is there already.
    fn run(self, ready: Ready) {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error.into()));
                return;
            }
        };
        runtime.block_on(async move {
            match self.listen().await {
                Ok((listener, site)) => {
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    self.serve(listener, site).await;
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
    }

    async fn listen(&self) -> io::Result<(TcpListener, Beneath)> {
        let options = ListenOptions::new().reuse_port(self.shared_address);
        let listener = TcpListener::bind_with(self.address, options)
            .map_err(|error| listen::cannot_listen(self.address, &error))?;
        let kept = OpenFiles::new(self.args.open_files(), self.args.open_files_valid());
        Ok((listener, Beneath::open(&self.root, kept).await?))
    }

    /// Takes connections until it is to stop, and then waits for the last to end.
    async fn serve(self, listener: TcpListener, site: Beneath) {
        let gate = Rc::new(Gate::default());
        let server = Rc::new(Server {
            site,
            list: self.args.list,
            header_timeout: self.args.header_timeout(),
            idle_timeout: self.args.idle_timeout(),
            clock: Clock::new(),
            log: self.log,
            spare: RefCell::default(),
        });
        let mut failing = false;
        while let Some(accepted) = next(&listener, &self.stop).await {
            match accepted {
                Ok((stream, client)) => {
                    failing = false;
                    let link = Link {
                        stream,
                        pass: gate.admit(),
                        stall: self.args.idle_timeout(),
                        body: self.args.body,
                    };
                    let server = server.clone();
                    // Detached: the gate knows when it has ended.
                    match &self.tls {
                        None => drop(annulus::spawn(converse(server, link, client.ip()))),
                        Some(tls) => {
                            let secure = secure::converse(server, link, (tls.clone(), client.ip()));
                            drop(annulus::spawn(secure));
                        }
                    }
                }
                Err(error) => {
                    if !failing {
                        eprintln!("annulus: cannot take connections: {error}");
                    }
                    failing = true;
                    annulus::time::sleep(REST).await;
                }
            }
        }
        drop(listener);
        gate.close();
        gate.drained().await;
    }
}

async fn converse(server: Rc<Server<Beneath>>, link: Link, client: IpAddr) {
    // The head of a large answer must not wait for the client to acknowledge the one before.
    let _ = link.stream.set_nodelay(true);
    // A connection that breaks has nobody left to tell.
    let _ = connection::serve(&server, &link, client).await;
}

/// The next connection, or nothing once the server is to stop.
async fn next(listener: &TcpListener, stop: &Stop) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    let mut accepting = pin!(listener.accept());
    poll_fn(|context| {
        if stop.poll_requested(context).is_ready() {
            return Poll::Ready(None);
        }
        accepting.as_mut().poll(context).map(Some)
    })
    .await
}
