//! `annulus echo`: a TCP server that sends back whatever comes.
//!
//! ```text
//!   connection ── recv ──> lease ── send ──> connection      (no byte is copied)
//! ```
//!
//! Owns: the arguments, what a connection does, and the order of the start. Does not own: cores,
//! listeners, accepting, stopping (`annulus::serve`), nor signals (`stop`). Invariant: "Listening
//! on" is printed once, and only when every core has a listener.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use annulus::runtime::Cores;
use annulus::serve::{Config, Conn, Handle, Handler, Server};

use crate::listen::{in_words, raise_descriptor_limit, say_trouble_once};
use crate::say::{say, say_before};
use crate::stop;

/// Arguments of `annulus echo`.
#[derive(clap::Args, Debug)]
#[command(after_help = "SIGINT or SIGTERM ends it.")]
pub struct Args {
    /// Where to listen; port 0 lets the kernel choose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub addr: SocketAddr,

    /// Cores: threads with a ring and a listener each, that share the address; each has its CPU.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    pub cores: u16,

    /// Look for work so many microseconds before sleeping: less latency for more CPU time.
    #[arg(long, value_name = "MICROS", default_value_t = 0)]
    pub spin: u64,
}

const BACKLOG: u32 = 4096;
/// How long what has come already may take to go back once the end was asked for.
const DRAIN: Duration = Duration::from_secs(1);

impl Args {
    fn config(&self) -> Config {
        let spin = Duration::from_micros(self.spin);
        Config::new()
            .cores(Cores::Count(self.cores.into()))
            .runtime(|core| core.spin(spin))
            .backlog(BACKLOG)
            // As many as there are descriptors: the limit that matters is said.
            .connections_max(usize::MAX)
            .idle_on_stop(Duration::ZERO)
            .drain_timeout(DRAIN)
            .on_trouble(say_trouble_once())
    }
}

/// Echoes until a signal comes.
///
/// # Errors
/// The address cannot be had, or io_uring is refused.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    if let Some(warning) = raise_descriptor_limit() {
        say(format_args!("annulus: {warning}"));
    }
    let serving: Arc<OnceLock<Handle>> = Arc::default();
    hear(&serving)?;
    let server = Server::builder(args.config()).bind(args.addr);
    let (handle, workers) = server.launch::<Echo>().map_err(in_words)?;
    // Nobody else sets it.
    let _ = serving.set(handle.clone());
    let announced = announce(&handle);
    if announced.is_err() {
        handle.shutdown();
    }
    workers.join().map_err(in_words)?;
    announced.map(|()| ExitCode::SUCCESS)
}

/// Has signals heard. Before there is a server, one that asks for the end is obeyed at once.
fn hear(serving: &Arc<OnceLock<Handle>>) -> io::Result<()> {
    let serving = serving.clone();
    stop::on_first_signal(move |signal| match serving.get() {
        Some(handle) => say_before("Stopping.", || handle.shutdown()),
        None => std::process::exit(128 + signal),
    })
}

fn announce(handle: &Handle) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if let Some(address) = handle.addr() {
        writeln!(out, "Listening on {address}")?;
    }
    out.flush()
}

/// The handler: it has no state.
struct Echo;

impl Handler for Echo {
    fn for_core(_core: usize) -> Self {
        Self
    }

    async fn on_accept(&self, conn: Conn) {
        // An error ends this connection alone.
        let _ = echo(&conn).await;
    }
}

/// Sends back what comes, until the peer ends its direction.
async fn echo(conn: &Conn) -> io::Result<()> {
    while let Some(lease) = conn.recv().await? {
        conn.send(lease).await?;
    }
    Ok(())
}
