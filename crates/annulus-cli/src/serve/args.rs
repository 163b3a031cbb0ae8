//! The arguments of `annulus serve`. Owns their meaning and defaults, nothing else.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::open_files;

/// Serves the files beneath a directory over HTTP/1.1, or over HTTPS with HTTP/2.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The directory whose files are served
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Where to listen: HOST:PORT, or a port of this machine alone; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub addr: SocketAddr,

    /// How many threads serve, each with its own ring [default: as many as this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub cores: Option<u16>,

    /// Show the content of directories that have no index.html
    #[arg(long)]
    pub list: bool,

    /// Write a line per request to standard output, in the combined log format
    #[arg(long)]
    pub log: bool,

    /// How long a client may take to send the head of a request
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = seconds())]
    pub header_timeout: u64,

    /// How long a connection may stay silent between requests, or not take what is sent to it
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = seconds())]
    pub idle_timeout: u64,

    /// How many files stay open for the next request, over all cores; at most a quarter of the
    /// descriptors that this process may have. 0 opens each file anew
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub open_files: u32,

    /// How long a file stays open. Meanwhile it is noticed at once that it was written, replaced or
    /// removed; that a directory or a link on its path leads elsewhere, only afterwards
    #[arg(long, value_name = "SECS", default_value_t = 1, value_parser = seconds())]
    pub open_files_valid: u64,

    /// Speak HTTPS with this certificate and what leads from it to its authority, in PEM; several
    /// times for several hosts, the first for clients that name none of them. Read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Vec<PathBuf>,

    /// The private key of each certificate, in the same order; may be the same file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Vec<PathBuf>,

    /// How large files travel without TLS (for measurements)
    #[arg(long, value_enum, default_value_t = Body::Sendfile, hide = true)]
    pub body: Body,
}

/// How a file too large for the buffer of its response's head reaches the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Body {
    /// `sendfile(2)`: page cache to socket, no copy through this process.
    Sendfile,
    /// A read into a buffer, then a send of it.
    Read,
}

impl Args {
    /// The number of threads: what was asked for, else what the affinity mask and the cgroup's
    /// quota leave to this process.
    pub fn cores(&self) -> usize {
        let usable = || std::thread::available_parallelism().map_or(1, NonZero::get);
        self.cores.map_or_else(usable, usize::from)
    }

    /// How many files one core keeps open.
    pub fn open_files(&self) -> usize {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        open_files::share(self.open_files as usize, self.cores(), descriptors)
    }

    /// [`Self::open_files_valid`] as a duration.
    pub fn open_files_valid(&self) -> Duration {
        Duration::from_secs(self.open_files_valid)
    }

    /// [`Self::header_timeout`] as a duration.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout)
    }

    /// [`Self::idle_timeout`] as a duration.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout)
    }
}

fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=86_400)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let mut found = text.to_socket_addrs().map_err(|error| {
        format!("expected HOST:PORT, such as 127.0.0.1:8080 or [::]:80 ({error})")
    })?;
    found.next().ok_or_else(|| "this name has no address".to_owned())
}

#[cfg(test)]
mod tests;
