//! The life of the server: what is refused before it listens, its start, its end.
//!
//! Owns the order of things: everything that can be refused is asked for before the address is
//! announced, and signals are heard before that, too. Accepting, limits and the drain are those of
//! `annulus::serve`.
//!
//! ```text
//!   files, certificates, listeners, metrics ── launch ── announce ── serve ── join ── their ends
//!        (as who it was started)                 │                     ^
//!                     becomes --user, a predecessor stops        SIGTERM, a successor: stop, drain
//! ```

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use annulus::serve::{Bound, Handle, Server, Workers};

use super::args::Args;
use super::handler::{Files, Setup};
use super::listeners::{self, Heritage};
use super::log;
use super::scrape::Scrape;
use super::succession::Succession;
use super::tls::{self, Tls};
use super::{launch, metrics};
use crate::say::{say, say_before};
use crate::{listen, stop};

/// Serves until a signal stops it, or a successor takes over.
///
/// # Errors
/// What kept it from starting, in words for people.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    let root = launch::root(&args.dir)?;
    if let Some(warning) = listen::raise_descriptor_limit() {
        say(format_args!("annulus: {warning}"));
    }
    if let Some(note) = args.too_many() {
        say(format_args!("annulus: {note}"));
    }
    let tls = Tls::load(args)?;
    let serving: Arc<OnceLock<Handle>> = Arc::default();
    hear(&serving, tls.as_ref())?;
    let heritage = Heritage::take(args)?;
    let shared = heritage.has_predecessor();
    let bind = |address| listeners::bind_metrics(address, shared);
    let socket = args.operation.metrics.map(bind).transpose()?;
    let writer = args.log.then(|| log::start(io::stdout())).transpose()?;

    let scheme = if tls.is_some() { "https" } else { "http" };
    let setup = Arc::new(Setup::new(args, root, tls, writer.as_ref().map(log::Writer::ends)));
    let page = metrics::Source { serving: serving.clone(), board: setup.board() };
    // A predecessor stops at the launch: what could fail comes before it.
    let scrape = socket.map(|socket| Scrape::start(socket, page)).transpose()?;
    let builder = heritage.join(args, Server::builder(args.config()));
    let make = move |core| Files::new(setup.clone(), core);
    let (handle, workers) = builder.launch_with(make).map_err(listen::in_words)?;
    // Nobody else sets it.
    let _ = serving.set(handle.clone());
    let ended = serve(args, &handle, workers, (scheme, scrape));
    if let Some(writer) = writer {
        writer.finish();
    }
    ended.map(|()| ExitCode::SUCCESS)
}

/// Has signals heard. Before there is a server, one that asks for the end is obeyed at once.
fn hear(serving: &Arc<OnceLock<Handle>>, tls: Option<&Tls>) -> io::Result<()> {
    tls::on_hangup(tls.map(|tls| tls.certificates.clone()))?;
    let serving = serving.clone();
    stop::on_first_signal(move |signal| match serving.get() {
        Some(handle) => say_before(
            "Stopping when the answers under way are sent; once more stops at once.",
            || handle.shutdown(),
        ),
        None => std::process::exit(128 + signal),
    })
}

/// Announces the server, and waits for its end.
fn serve(
    args: &Args,
    handle: &Handle,
    workers: Workers,
    (scheme, scrape): (&str, Option<Scrape>),
) -> io::Result<()> {
    let begun = succession(args, handle, scrape.as_ref()).and_then(|succession| {
        announce(scheme, handle.bound(), scrape.as_ref())?;
        Ok(succession)
    });
    if begun.is_err() {
        handle.shutdown();
    }
    let ended = workers.join().map_err(listen::in_words);
    if let Some(succession) = begun? {
        succession.end();
    }
    let cancelled = handle.metrics().cancelled();
    if cancelled > 0 {
        say(format_args!(
            "annulus: {cancelled} connection(s) were cut off at the end of the drain"
        ));
    }
    if let Some(scrape) = scrape {
        scrape.end()?;
    }
    ended
}

/// Waits for a successor, if there is to be one.
fn succession(
    args: &Args,
    handle: &Handle,
    scrape: Option<&Scrape>,
) -> io::Result<Option<Succession>> {
    let Some(path) = args.operation.hand_over.as_deref() else { return Ok(None) };
    let closing = scrape.map(Scrape::closer);
    // The metrics are the successor's from then on.
    let given = move || closing.into_iter().for_each(|close| close());
    Succession::start(path, handle.clone(), given).map(Some)
}

fn announce(scheme: &str, bound: &[Bound], scrape: Option<&Scrape>) -> io::Result<()> {
    let mut output = io::stdout();
    for at in bound {
        writeln!(output, "Listening on {scheme}://{at}")?;
    }
    if let Some(address) = scrape.and_then(Scrape::address) {
        writeln!(output, "Metrics at http://{address}/metrics")?;
    }
    output.flush()
}
