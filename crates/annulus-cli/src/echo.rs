//! `annulus echo`: a TCP server that sends back whatever comes.
//!
//! ```text
//!   connection ── recv ──> lease ── write_all ──> connection      (no byte is copied)
//! ```
//!
//! Owns: the arguments, the cores (one thread, one runtime, one listener each), and what is said
//! when descriptors run out. Does not own: signals (`stop`). Invariant: "Listening on" is printed
//! once, and only after every core listens.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use annulus::net::{ListenOptions, TcpListener, TcpStream};
use annulus::runtime::Runtime;

use crate::listen::{cannot_listen, claim, raise_descriptor_limit};
use crate::say::say;
use crate::stop::{self, Stop};

/// Arguments of `annulus echo`.
#[derive(clap::Args, Debug)]
#[command(after_help = "SIGINT or SIGTERM ends it.")]
pub struct Args {
    /// Where to listen; port 0 lets the kernel choose.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub addr: SocketAddr,

    /// Cores: threads with a ring and a listener each, that share the address.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    pub cores: u16,

    /// Look for work so many microseconds before sleeping: less latency for more CPU time.
    #[arg(long, value_name = "MICROS", default_value_t = 0)]
    pub spin: u64,
}

const BACKLOG: u32 = 4096;

/// Echoes until a signal comes.
///
/// # Errors
/// The address cannot be had, or io_uring is refused.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    if let Some(warning) = raise_descriptor_limit() {
        say(format_args!("annulus: {warning}"));
    }
    let stop = Stop::default();
    stop::on_signals(stop.clone(), "Stopping.")?;
    let addr = claim(args.addr)?;
    let setup = Setup {
        addr,
        shared: args.cores > 1,
        spin: Duration::from_micros(args.spin),
        stop,
        starvation_told: AtomicBool::new(false),
    };
    if args.cores == 1 {
        setup.core(|| announce(addr))?;
    } else {
        setup.cores(args.cores)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What every core needs.
struct Setup {
    addr: SocketAddr,
    /// Whether several listeners share the address.
    shared: bool,
    spin: Duration,
    stop: Stop,
    starvation_told: AtomicBool,
}

impl Setup {
    /// Runs so many cores until they are asked to stop. The first that fails stops the others.
    fn cores(&self, cores: u16) -> io::Result<()> {
        thread::scope(|scope| {
            let _stop = StopAll(&self.stop);
            let (ready, listening) = mpsc::channel();
            let mut threads = Vec::new();
            for core in 0..cores {
                let ready = ready.clone();
                let work = move || {
                    let _stop = StopAll(&self.stop);
                    // The receiver may be gone: another core has failed, and this one is stopped.
                    self.core(|| ready.send(()).or(Ok(())))
                };
                let name = format!("annulus-echo-{core}");
                threads.push(thread::Builder::new().name(name).spawn_scoped(scope, work)?);
            }
            drop(ready);
            // A core that fails drops its sender without a word, and the count stays short.
            if listening.iter().take(cores.into()).count() == usize::from(cores) {
                announce(self.addr)?;
            }
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    /// One core: listens, says so, and echoes until it is asked to stop.
    fn core(&self, listening: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let runtime = Runtime::builder().spin(self.spin).build()?;
        runtime.block_on(async {
            let options = ListenOptions::new().backlog(BACKLOG).reuse_port(self.shared);
            let listener = TcpListener::bind_with(self.addr, options)
                .map_err(|error| cannot_listen(self.addr, &error))?;
            listening()?;
            self.accept_all(&listener).await
        })
    }

    async fn accept_all(&self, listener: &TcpListener) -> io::Result<()> {
        while let Some(accepted) = self.accept(listener).await {
            match accepted {
                Ok(stream) => drop(annulus::spawn(connection(stream))),
                Err(error) if is_starvation(&error) => self.tell_starvation(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next connection; `None` once it is time to stop.
    async fn accept(&self, listener: &TcpListener) -> Option<io::Result<TcpStream>> {
        let mut accept = pin!(listener.accept());
        poll_fn(|context| {
            if self.stop.poll_requested(context).is_ready() {
                return Poll::Ready(None);
            }
            let accepted = accept.as_mut().poll(context);
            accepted.map(|result| Some(result.map(|(stream, _peer)| stream)))
        })
        .await
    }

    fn tell_starvation(&self, error: &io::Error) {
        // ORDERING: relaxed; the flag guards nothing but the message.
        if !self.starvation_told.swap(true, Ordering::Relaxed) {
            say(format_args!(
                "annulus: connections wait until others end ({error}); this is said only once"
            ));
        }
    }
}

/// The end of one core, by whatever way, is the end of all.
struct StopAll<'a>(&'a Stop);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

/// Sends back what comes, until the peer ends its direction. An error ends this connection alone.
pub async fn connection(stream: TcpStream) {
    let _ = echo(&stream).await;
}

async fn echo(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(lease) = stream.recv().await? {
        stream.write_all(lease).await?;
    }
    Ok(())
}

/// Whether accepting failed for want of something that comes back when connections end.
fn is_starvation(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

fn announce(addr: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "Listening on {addr}")?;
    out.flush()
}

#[cfg(test)]
mod tests;
