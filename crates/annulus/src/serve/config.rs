//! The knobs of a server.
//!
//! Owns: their names, defaults and bounds. Does not own: those of a core (`runtime::Builder`, which
//! is one of the knobs). Invariant: a server starts only with a configuration that was checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::{ConfigError, Error};
use super::trouble::{Trouble, TroubleHook};
use crate::runtime::{Builder, Cores, Machine};

/// What a server is made of.
///
/// | knob | default | |
/// |---|---|---|
/// | [`cores`](Self::cores) | all | which CPUs get a core; their threads are pinned |
/// | [`numa_nodes`](Self::numa_nodes) | all | only CPUs of these memory nodes |
/// | [`runtime`](Self::runtime) | see below | the knobs of each core |
/// | [`accept`](Self::accept) | [`Accept::Balanced`] | how connections come to cores |
/// | [`backlog`](Self::backlog) | 1024 | connections that wait in the kernel |
/// | [`nodelay`](Self::nodelay) | on | `TCP_NODELAY` of accepted connections |
/// | [`connections_max`](Self::connections_max) | 16,000 | open connections of a core |
/// | [`connections_per_peer_max`](Self::connections_per_peer_max) | none | of one address, on all cores |
/// | [`message_bytes_max`](Self::message_bytes_max) | 16 MiB | what a parser may wait for |
/// | [`idle_timeout`](Self::idle_timeout) | none | no byte comes, and the peer takes none |
/// | [`read_timeout`](Self::read_timeout) | none | one message, from when it is waited for |
/// | [`write_timeout`](Self::write_timeout) | none | one send |
/// | [`handshake_timeout`](Self::handshake_timeout) | 10 s | of a layer, TLS for instance |
/// | [`drain_timeout`](Self::drain_timeout) | 30 s | connections, once the server is to stop |
/// | [`idle_on_stop`](Self::idle_on_stop) | 50 ms | those that wait for a message then |
/// | [`hand_over_timeout`](Self::hand_over_timeout) | 30 s | of a successor, until it accepts |
/// | [`tick`](Self::tick) | never | how often `on_tick` is called |
/// | [`datagrams_at_once`](Self::datagrams_at_once) | 32 | of one UDP socket and core |
/// | [`raise_descriptor_limit`](Self::raise_descriptor_limit) | on | the soft limit becomes the hard one |
/// | [`unlink`](Self::unlink) | on | the files of Unix sockets: leftovers before, ours after |
/// | [`user`](Self::user), [`group`](Self::group) | stay | whose rights remain when all is bound |
/// | [`on_panic`](Self::on_panic) | nobody | who hears that a handler panicked |
/// | [`on_trouble`](Self::on_trouble) | nobody | who hears that a listener can take nothing for now |
///
/// Of the knobs of a core ([`Builder`]), a server mostly wants these:
///
/// | [`Builder`] | default | |
/// |---|---|---|
/// | `entries`, `cq_entries` | 256, 8 × | the queues |
/// | `sqpoll`, `sqpoll_cpu` | off | a kernel thread that submits |
/// | `fixed_files` | 16,384 | connections beyond cost a few per cent more |
/// | `buffer_bytes`, `buffer_count` | 64 KiB, 256; before Linux 6.12 16 KiB, 1024 | what is received into, shared by all connections |
/// | `receive_pool` | none | pools of other sizes |
/// | `send_high_bytes` | 256 KiB | what one connection may have queued |
/// | `zero_copy_from` | never | sends that are not copied |
/// | `close_flush` | 5 s | what a dropped connection still sends |
/// | `spin`, `busy_poll` | off | latency for CPU time |
/// | `keep_tick` | on | a timer of 1 ms while busy |
/// | `budget` | 256 | tasks a turn |
/// | `blocking_threads` | 256 | `spawn_blocking` |
///
/// ```
/// use annulus::serve::Config;
/// use std::time::Duration;
///
/// let config = Config::new()
///     .connections_max(10_000)
///     .idle_timeout(Duration::from_secs(60))
///     .runtime(|core| core.entries(512).send_high_bytes(64 * 1024));
/// config.check()?;
/// # Ok::<(), annulus::serve::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    pub(super) cores: Cores,
    pub(super) numa_nodes: Option<Vec<usize>>,
    pub(super) runtime: Builder,
    pub(super) accept: Accept,
    pub(super) backlog: u32,
    pub(super) nodelay: bool,
    pub(super) connections_max: usize,
    pub(super) per_peer_max: Option<usize>,
    pub(super) message_bytes_max: usize,
    pub(super) idle: Option<Duration>,
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
    pub(super) handshake: Duration,
    pub(super) drain: Duration,
    pub(super) idle_on_stop: Duration,
    pub(super) hand_over: Duration,
    pub(super) tick: Option<Duration>,
    pub(super) datagrams_at_once: usize,
    pub(super) raise_limit: bool,
    pub(super) unlink: bool,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) on_panic: Option<PanicHook>,
    pub(super) on_trouble: Option<TroubleHook>,
}

/// How connections of Internet listeners come to cores. The core is chosen when the connection is
/// there; one that is full, or has not started, is passed over, and while all are, accepting waits.
///
/// | | who chooses the core | promises balance | costs |
/// |---|---|---|---|
/// | [`Balanced`](Self::Balanced) | the kernel, by a hash of the addresses; a core that has more than another gives it away | of open connections | a hand-over for few |
/// | [`PerCore`](Self::PerCore) | the kernel, by the hash alone | no: as dice do | nothing |
/// | [`Steered`](Self::Steered) | the kernel: the CPU that the packet came to | no | nothing; packets stay on their CPU |
/// | [`RoundRobin`](Self::RoundRobin) | core 0, in turn | of accepted connections | a hand-over for all but core 0's |
/// | [`LeastConnections`](Self::LeastConnections) | core 0, who has fewest | of open connections | the same |
///
/// [`Metrics::imbalance`](super::Metrics::imbalance) tells how it turned out. What a hand-over
/// costs is small beside the connection: on two cores no mode but `Steered` differed from another
/// by more than an eighth of the CPU time of a thousand connections that come at once, are asked
/// once and are closed (`annulus bench accept`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Accept {
    /// Each core has a listener of its own on the same address (`SO_REUSEPORT`), and gives a
    /// connection to another core that has noticeably fewer: each compares itself with one other at
    /// a time. A thousand connections that come by chance are within a tenth of their mean.
    #[default]
    Balanced,
    /// Each core has a listener of its own, and keeps what comes to it.
    PerCore,
    /// The same, and a filter takes the listener whose core runs on the CPU that handles the packet
    /// (`SO_ATTACH_REUSEPORT_CBPF`). It suits a card with a queue for each CPU.
    Steered,
    /// Core 0 accepts and deals connections out in turn.
    RoundRobin,
    /// Core 0 accepts and gives each connection to the core that has fewest.
    LeastConnections,
}

impl Accept {
    /// Whether one core accepts for all.
    pub(super) fn is_central(self) -> bool {
        matches!(self, Self::RoundRobin | Self::LeastConnections)
    }
}

/// What is called when a handler panicked.
#[derive(Clone)]
pub(super) struct PanicHook(pub(super) Arc<dyn Fn(usize) + Send + Sync>);

impl fmt::Debug for PanicHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanicHook")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// All defaults.
    pub fn new() -> Self {
        Self {
            cores: Cores::All,
            numa_nodes: None,
            runtime: Builder::new(),
            accept: Accept::Balanced,
            backlog: 1024,
            nodelay: true,
            connections_max: 16_000,
            per_peer_max: None,
            message_bytes_max: 16 << 20,
            idle: None,
            read: None,
            write: None,
            handshake: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            idle_on_stop: Duration::from_millis(50),
            hand_over: Duration::from_secs(30),
            tick: None,
            datagrams_at_once: 32,
            raise_limit: true,
            unlink: true,
            user: None,
            group: None,
            on_panic: None,
            on_trouble: None,
        }
    }

    /// Which CPUs get a core, by default all that the process may use. Each thread is bound to its
    /// CPU, so the memory that it touches first lies on its node.
    #[doc(alias = "workers")]
    pub fn cores(mut self, cores: Cores) -> Self {
        self.cores = cores;
        self
    }

    /// Only CPUs of these memory nodes get a core; with [`Cores::All`] and [`Cores::Physical`]. By
    /// default all nodes.
    pub fn numa_nodes(mut self, nodes: &[usize]) -> Self {
        self.numa_nodes = Some(nodes.to_vec());
        self
    }

    /// The knobs of each core.
    pub fn runtime(mut self, change: impl FnOnce(Builder) -> Builder) -> Self {
        self.runtime = change(self.runtime);
        self
    }

    /// How connections come to cores, default [`Accept::Balanced`].
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// Connections that may wait in the kernel to be accepted, for each listener, default 1024;
    /// bounded by `net.core.somaxconn`.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether small sends go at once instead of waiting for more (`TCP_NODELAY`), default true.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Connections that a core may have open at once, default 16,000. While it has as many, it does
    /// not take one; further ones wait in the backlog. The kernel may have accepted up to 256 more
    /// for each listener by then, which wait with the core. Where connections can be handed over
    /// ([`Accept`]), one that comes goes to a core that has room.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections;
        self
    }

    /// Connections that one address may have open at once, on all cores together; by default as
    /// many as it likes. Further ones are closed when they are accepted, and counted. Unix peers
    /// have no address.
    pub fn connections_per_peer_max(mut self, connections: usize) -> Self {
        self.per_peer_max = Some(connections);
        self
    }

    /// Bytes that a parser of [`Conn::with_data`](super::Conn::with_data) may ask for, and leave
    /// unused, default 16 MiB. More ends the connection with
    /// [`Ended::TooLong`](super::Ended::TooLong).
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// How long a connection may be still: no byte comes, and its peer acknowledges none. So a long
    /// answer that a slow peer goes on reading is not ended, and one to a peer that reads nothing
    /// is. It is aborted then, whatever its handler waits for; it may take a quarter longer. By
    /// default it may be still for ever.
    ///
    /// Of a Unix socket the kernel does not tell what its peer has read: there a send that is under
    /// way is no stillness, and [`write_timeout`](Self::write_timeout) bounds it.
    ///
    /// # Kernel
    /// `TCP_INFO` of getsockopt(2), four times in that time for each connection.
    pub fn idle_timeout(mut self, bound: Duration) -> Self {
        self.idle = Some(bound);
        self
    }

    /// How long a connection may take for one message: one `recv`, or all that a `with_data` waits
    /// for, so a peer that sends a byte now and then does not stretch it. By default as long as it
    /// likes.
    pub fn read_timeout(mut self, bound: Duration) -> Self {
        self.read = Some(bound);
        self
    }

    /// How long one awaited send may take; the connection is aborted then. By default as long as it
    /// likes.
    pub fn write_timeout(mut self, bound: Duration) -> Self {
        self.write = Some(bound);
        self
    }

    /// How long the [`Layer`](super::Layer) of a listener may take for its handshake, default 10
    /// seconds.
    pub fn handshake_timeout(mut self, bound: Duration) -> Self {
        self.handshake = bound;
        self
    }

    /// How long handlers have to finish once the server is to stop, default 30 seconds. What is
    /// left then is dropped, and counted ([`Metrics::cancelled`](super::Metrics::cancelled)).
    pub fn drain_timeout(mut self, bound: Duration) -> Self {
        self.drain = bound;
        self
    }

    /// Once the server is to stop: how long a connection that waits for its next message is still
    /// read from, default 50 ms. Then its wait ends with
    /// [`Ended::Stopping`](super::Ended::Stopping). A message of which a part is there is waited
    /// for until the drain is over. With [`drain_timeout`](Self::drain_timeout) or more, handlers
    /// are not hurried.
    pub fn idle_on_stop(mut self, bound: Duration) -> Self {
        self.idle_on_stop = bound;
        self
    }

    /// How long a successor may take in [`Handle::hand_over`](super::Handle::hand_over), from when
    /// it has connected until it accepts; default 30 seconds. One that takes longer is told so, and
    /// fails to launch.
    pub fn hand_over_timeout(mut self, bound: Duration) -> Self {
        self.hand_over = bound;
        self
    }

    /// How often [`Handler::on_tick`](super::Handler::on_tick) is called, never by default: an idle
    /// core is not woken.
    pub fn tick(mut self, period: Duration) -> Self {
        self.tick = Some(period);
        self
    }

    /// How many datagrams of one UDP socket and core are with handlers at once, default 32. Further
    /// ones wait in the socket, and are lost when its buffer is full, as datagrams are.
    pub fn datagrams_at_once(mut self, datagrams: usize) -> Self {
        self.datagrams_at_once = datagrams;
        self
    }

    /// Whether launching raises the soft limit of descriptors to the hard one, default true.
    pub fn raise_descriptor_limit(mut self, raise: bool) -> Self {
        self.raise_limit = raise;
        self
    }

    /// Whether the file of a Unix socket that nobody has any more is removed before binding, and
    /// ours when the server ends; default true.
    pub fn unlink(mut self, unlink: bool) -> Self {
        self.unlink = unlink;
        self
    }

    /// The user, by name or number, that the whole process becomes once everything is bound and
    /// before any core starts. Without [`group`](Self::group), its group as `/etc/passwd` has it.
    ///
    /// Supplementary groups and all capabilities are given up as well, and programs that it starts
    /// get no rights by their files (`no_new_privs`), which a server that starts `sudo` or `ping`
    /// does not want. It is checked that nothing is left, on each core and by `/proc` for threads
    /// that were there before, and that there is no way back: else launching fails with
    /// [`Error::Privileges`].
    ///
    /// With the user root only the groups change. Names are looked up in `/etc/passwd` and
    /// `/etc/group`; users that only a directory service knows are given by number.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The group, by name or number, that the process becomes; see [`user`](Self::user).
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// What is called when a handler has panicked, with the index of its core: for a log. It runs
    /// while the stack unwinds, so it must not panic itself. The panic hook of the process has
    /// printed the message before.
    pub fn on_panic(mut self, report: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.on_panic = Some(PanicHook(Arc::new(report)));
        self
    }

    /// Who hears that a listener can take nothing for now, because descriptors or memory have run
    /// out, and that it goes on again: for a log. By default nobody;
    /// [`CoreMetrics::resting`](super::CoreMetrics::resting) and
    /// [`exhausted`](super::CoreMetrics::exhausted) are counted in any case.
    ///
    /// It is called on the core of the listener, which waits for it, at each failure that makes the
    /// listener rest (of a listener for connections every 20 ms at most), and at the first
    /// connection or datagram that it takes after that. A connection that failed before it was
    /// accepted is no trouble, and an error that nothing helps against is not told here: it is the
    /// result of the core, and ends the server. A panic is counted as one of a handler.
    #[doc(alias = "EMFILE")]
    #[doc(alias = "ENFILE")]
    pub fn on_trouble(mut self, report: impl Fn(&Trouble<'_>) + Send + Sync + 'static) -> Self {
        self.on_trouble = Some(TroubleHook(Arc::new(report)));
        self
    }

    /// Whether all values make sense; launching checks, too.
    ///
    /// # Errors
    /// The first knob that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let counts = [
            ("backlog", self.backlog as usize),
            ("connections_max", self.connections_max),
            ("connections_per_peer_max", self.per_peer_max.unwrap_or(1)),
            ("message_bytes_max", self.message_bytes_max),
            ("datagrams_at_once", self.datagrams_at_once),
        ];
        for (knob, count) in counts {
            refuse(
                knob,
                count == 0,
                "0 would let nothing through; leave it out, or give 1 or more",
            )?;
        }
        let durations = [
            ("idle_timeout", self.idle),
            ("read_timeout", self.read),
            ("write_timeout", self.write),
            ("handshake_timeout", Some(self.handshake)),
            ("hand_over_timeout", Some(self.hand_over)),
            ("tick", self.tick),
        ];
        for (knob, duration) in durations {
            let short = duration.is_some_and(|duration| duration < Duration::from_millis(1));
            refuse(knob, short, "less than a millisecond is over before anything can happen")?;
        }
        let nodes = self.numa_nodes.as_deref();
        refuse("numa_nodes", nodes == Some(&[]), "an empty list leaves no CPU")?;
        let chosen = matches!(self.cores, Cores::Count(_) | Cores::Ids(_));
        let both = nodes.is_some() && chosen;
        refuse("numa_nodes", both, "it chooses CPUs, and so does `cores`: give one of them")?;
        Ok(())
    }

    /// The CPUs, one for each core to start.
    pub(super) fn cpus(&self) -> Result<Vec<usize>, Error> {
        let machine = Machine::of_process()?;
        let machine = match &self.numa_nodes {
            None => machine,
            Some(nodes) => machine.only_nodes(nodes),
        };
        refuse("numa_nodes", machine.is_empty(), "none of these nodes has a CPU for this process")?;
        let cpus = self.cores.choose(&machine)?;
        let twice = (1..cpus.len()).any(|index| cpus[..index].contains(&cpus[index]));
        let steered = self.accept == Accept::Steered && twice;
        refuse("accept", steered, "steering needs a CPU of its own for each core")?;
        Ok(cpus)
    }
}

fn refuse(knob: &'static str, wrong: bool, problem: &str) -> Result<(), ConfigError> {
    if wrong { Err(ConfigError { knob, problem: problem.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense() {
        Config::new().check().unwrap();
    }

    #[test]
    fn cores_that_share_a_cpu_cannot_be_steered_to() {
        let config = Config::new().accept(Accept::Steered).cores(Cores::Count(4096));
        assert!(matches!(config.cpus(), Err(Error::Config(error)) if error.knob() == "accept"));
        let config = Config::new().numa_nodes(&[4095]);
        assert!(matches!(config.cpus(), Err(Error::Config(error)) if error.knob() == "numa_nodes"));
    }

    #[test]
    fn each_value_that_makes_no_sense_is_named() {
        let zero = Duration::ZERO;
        let wrong = [
            (Config::new().backlog(0), "backlog"),
            (Config::new().connections_max(0), "connections_max"),
            (Config::new().connections_per_peer_max(0), "connections_per_peer_max"),
            (Config::new().message_bytes_max(0), "message_bytes_max"),
            (Config::new().datagrams_at_once(0), "datagrams_at_once"),
            (Config::new().idle_timeout(zero), "idle_timeout"),
            (Config::new().read_timeout(zero), "read_timeout"),
            (Config::new().write_timeout(zero), "write_timeout"),
            (Config::new().handshake_timeout(zero), "handshake_timeout"),
            (Config::new().hand_over_timeout(zero), "hand_over_timeout"),
            (Config::new().tick(zero), "tick"),
            (Config::new().numa_nodes(&[]), "numa_nodes"),
            (Config::new().numa_nodes(&[0]).cores(Cores::Count(1)), "numa_nodes"),
        ];
        for (config, knob) in wrong {
            let error = config.check().unwrap_err();
            assert_eq!(error.knob(), knob);
            assert!(error.to_string().starts_with(&format!("Config::{knob}: ")), "{error}");
        }
    }
}
