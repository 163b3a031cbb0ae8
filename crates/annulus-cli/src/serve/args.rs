//! The arguments of `annulus serve`. Owns their meaning and defaults, nothing else.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use annulus::runtime::{Cores, available_cores};
use annulus::serve::Config;
use rustix::process::{Resource, getrlimit};

use super::open_files;
use crate::listen::say_trouble_once;

/// Serves the files beneath a directory over HTTP/1.1, or over HTTPS with HTTP/2.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The directory whose files are served
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,

    /// Where to listen: HOST:PORT, or a port of this machine alone; port 0 picks a free one. May be
    /// given several times [default: 127.0.0.1:8080, or the listeners that are inherited]
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub addr: Vec<SocketAddr>,

    /// How many threads serve, each with its own ring and bound to a CPU [default: as many as this
    /// process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub cores: Option<u16>,

    /// Show the content of directories that have no index.html
    #[arg(long)]
    pub list: bool,

    /// Write a line per request to standard output, in the combined log format
    #[arg(long)]
    pub log: bool,

    /// How many files stay open for the next request, over all cores; at most a quarter of the
    /// descriptors that this process may have. 0 opens each file anew
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub open_files: u32,

    /// How long a file stays open. Meanwhile it is noticed at once that it was written, replaced or
    /// removed; that a directory or a link on its path leads elsewhere, only afterwards
    #[arg(long, value_name = "SECS", default_value_t = 1, value_parser = seconds(1))]
    pub open_files_valid: u64,

    #[command(flatten)]
    pub limits: Limits,

    #[command(flatten)]
    pub operation: Operation,

    /// Speak HTTPS with this certificate and what leads from it to its authority, in PEM; several
    /// times for several hosts, the first for clients that name none of them. Read again at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub tls_cert: Vec<PathBuf>,

    /// The private key of each certificate, in the same order; may be the same file
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub tls_key: Vec<PathBuf>,

    /// Append the keys of connections to the file that the variable SSLKEYLOGFILE names: who has
    /// them can read everything
    #[arg(long, requires = "tls_cert", help_heading = "TLS")]
    pub key_log: bool,

    /// How large files travel without TLS (for measurements)
    #[arg(long, value_enum, default_value_t = Body::Sendfile, hide = true)]
    pub body: Body,
}

const AFTER: &str = "\
Signals:
  SIGTERM, SIGINT  take no more connections, finish the answers under way within --drain, and end;
                   once more ends at once
  SIGHUP           read the certificates again; without TLS nothing happens";

/// How many connections each core may have, where descriptors suffice.
const CONNECTIONS: u64 = 16_000;

/// What clients may take.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How many connections each core may have open; further ones wait in the kernel. At most as
    /// many as the descriptors that this process may have, and each is sent a file [default: 16000]
    #[arg(long, value_name = "N", value_parser = count())]
    pub connections_max: Option<u64>,

    /// How many connections one address may have open, of IPv6 one network of 64 bits; further ones
    /// are closed [default: as many as it likes]
    #[arg(long, value_name = "N", value_parser = count())]
    pub connections_per_peer: Option<u64>,

    /// How long a client may take to send the head of a request, and for the handshake of TLS
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = seconds(1))]
    pub header_timeout: u64,

    /// How long a connection may stay silent between requests
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = seconds(1))]
    pub idle_timeout: u64,

    /// How long a client may take nothing of an answer. Less than 16 KiB of one is nothing; over
    /// TLS HTTP/1 has to take 256 KiB in this time
    #[arg(long, value_name = "SECS", default_value_t = 60, value_parser = seconds(1))]
    pub write_timeout: u64,
}

/// How it is run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Operation")]
pub struct Operation {
    /// Tell what is counted at http://HOST:PORT/metrics, in the text format of Prometheus. Do not
    /// show it to the world
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    pub metrics: Option<SocketAddr>,

    /// How long answers under way may take once the server is to end; 0 cuts them off
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = seconds(0))]
    pub drain: u64,

    /// The user, by name or number, that the process becomes when it listens. It has to be able to
    /// read DIR, and after SIGHUP the certificates and keys
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// The group, by name or number, that the process becomes [default: that of --user]
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,

    /// Take the listeners over from the server that was started with the same PATH, which then
    /// drains and ends; and wait there for a successor. No connection is refused meanwhile
    #[arg(long, value_name = "PATH")]
    pub hand_over: Option<PathBuf>,

    /// How connections come to cores
    #[arg(long, value_enum, default_value_t = Accept::PerCore, value_name = "MODE")]
    pub accept: Accept,
}

/// How a file too large for the buffer of its response's head reaches the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Body {
    /// `sendfile(2)`: page cache to socket, no copy through this process.
    Sendfile,
    /// A read into a buffer, then a send of it.
    Read,
}

/// How connections come to cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Accept {
    /// A listener for each core; the kernel chooses by a hash of the addresses
    PerCore,
    /// A listener for each core; the kernel takes the one of the CPU that the packet came to
    Steered,
    /// The first core accepts, and deals connections out in turn
    RoundRobin,
    /// The first core accepts, and gives each connection to the core that has fewest
    LeastConnections,
}

impl Args {
    /// The knobs of the server.
    pub fn config(&self) -> Config {
        let (limits, operation) = (&self.limits, &self.operation);
        let cores = self.cores.map_or(Cores::All, |count| Cores::Count(count.into()));
        let mut config = Config::new()
            .cores(cores)
            .accept(operation.accept.mode())
            .connections_max(self.connections_max())
            .drain_timeout(Duration::from_secs(operation.drain))
            .on_trouble(say_trouble_once());
        if let Some(most) = limits.connections_per_peer {
            config = config.connections_per_peer_max(usize::try_from(most).unwrap_or(usize::MAX));
        }
        if let Some(user) = &operation.user {
            config = config.user(user.as_str());
        }
        if let Some(group) = &operation.group {
            config = config.group(group.as_str());
        }
        config
    }

    /// Where to listen, besides at what was `inherited`.
    pub fn addresses(&self, inherited: bool) -> Vec<SocketAddr> {
        match (self.addr.as_slice(), inherited) {
            ([], false) => vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            (addresses, _) => addresses.to_vec(),
        }
    }

    /// How many files one core keeps open.
    pub fn open_files(&self) -> usize {
        open_files::share(self.open_files as usize, self.core_count(), descriptors())
    }

    /// How many connections one core may have.
    pub fn connections_max(&self) -> usize {
        let asked = self.limits.connections_max.unwrap_or(CONNECTIONS);
        usize::try_from(asked).unwrap_or(usize::MAX).min(self.connections_that_fit())
    }

    /// That the connections that were asked for do not fit, in words for people.
    pub fn too_many(&self) -> Option<String> {
        let (asked, fit) = (self.limits.connections_max?, self.connections_that_fit());
        (asked > fit as u64).then(|| {
            format!(
                "{} descriptors are enough for {fit} connections a core, not {asked}; raise the \
                 hard limit (ulimit -Hn, LimitNOFILE=), or lower --connections-max or --cores",
                descriptors()
            )
        })
    }

    fn connections_that_fit(&self) -> usize {
        let (cores, kept) = (self.core_count(), self.open_files());
        connections_that_fit(descriptors(), cores as u64, kept as u64)
    }

    fn core_count(&self) -> usize {
        self.cores.map_or_else(available_cores, usize::from)
    }

    /// [`Self::open_files_valid`] as a duration.
    pub fn open_files_valid(&self) -> Duration {
        Duration::from_secs(self.open_files_valid)
    }

    /// [`Limits::header_timeout`] as a duration.
    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.header_timeout)
    }

    /// [`Limits::idle_timeout`] as a duration.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.idle_timeout)
    }

    /// [`Limits::write_timeout`] as a duration.
    pub fn write_timeout(&self) -> Duration {
        Duration::from_secs(self.limits.write_timeout)
    }
}

impl Accept {
    fn mode(self) -> annulus::serve::Accept {
        match self {
            Self::PerCore => annulus::serve::Accept::PerCore,
            Self::Steered => annulus::serve::Accept::Steered,
            Self::RoundRobin => annulus::serve::Accept::RoundRobin,
            Self::LeastConnections => annulus::serve::Accept::LeastConnections,
        }
    }
}

fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many connections each of several cores may have, if each core keeps so many files open: one
/// takes a descriptor, and one more for the file that it is sent.
fn connections_that_fit(descriptors: u64, cores: u64, kept: u64) -> usize {
    // The ring, the directory and the listeners of each core; signals, metrics, standard streams.
    let reserve = 24 + 8 * cores;
    let left = descriptors.saturating_sub(reserve + cores * kept);
    usize::try_from(left / 2 / cores.max(1)).unwrap_or(usize::MAX).max(1)
}

fn seconds(least: u64) -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(least..=86_400)
}

fn count() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1_000_000)
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
