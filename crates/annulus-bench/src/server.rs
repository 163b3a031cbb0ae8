//! What a measured server says and hears.
//!
//! | says | hears |
//! |---|---|
//! | `{"listening":"ADDRESS"}`, or `unix:PATH`, or `udp:ADDRESS` in its place | |
//! | `{"cpu_ns":N,"resident_bytes":N}`, `"imbalance":N` if it has several cores | a line |
//! | | the end of its input: it ends |

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Address, Job, Sample, sys};

/// Binds a socket on loopback, tells the driver where, and answers it from a thread of its own. The
/// runtime takes it from here.
///
/// The socket has a long queue and hands `TCP_NODELAY` down to what it accepts.
///
/// # Errors
/// Those of making sockets and threads.
pub fn serve(run: impl FnOnce(TcpListener) -> io::Result<()>) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    sys::listen_long(&listener)?;
    announce(&Address::Tcp(listener.local_addr()?))?;
    run(listener)?;
    Err(io::Error::other("the server ended by itself"))
}

/// As [`serve`], with a UDP socket.
///
/// # Errors
/// As there.
pub fn serve_udp(run: impl FnOnce(UdpSocket) -> io::Result<()>) -> io::Result<Sample> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    announce(&Address::Udp(socket.local_addr()?))?;
    run(socket)?;
    Err(io::Error::other("the server ended by itself"))
}

/// As [`serve_udp`], for runtimes that make their socket themselves: `open` starts one that has a
/// socket at this address, and `wait` waits for its end.
///
/// # Errors
/// As there.
pub fn serve_udp_at<S>(
    open: impl FnOnce(SocketAddr) -> io::Result<S>,
    wait: impl FnOnce(S) -> io::Result<()>,
) -> io::Result<Sample> {
    // Free for a moment; the runtime takes it next.
    let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let server = open(address)?;
    // Only now: a datagram that comes before the socket is refused, and not sent again.
    announce(&Address::Udp(address))?;
    wait(server)?;
    Err(io::Error::other("the server ended by itself"))
}

/// As [`serve`], with a Unix stream socket at a path in the job's directory, which whoever asked
/// for the server removes.
///
/// # Errors
/// As there.
pub fn serve_unix(
    job: &Job,
    run: impl FnOnce(UnixListener) -> io::Result<()>,
) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let path = socket_path(job);
    let listener = UnixListener::bind(&path)?;
    announce(&Address::Unix(path))?;
    run(listener)?;
    Err(io::Error::other("the server ended by itself"))
}

/// As [`serve_unix`], for runtimes that make their listener themselves: at this path, soon.
///
/// # Errors
/// As there.
pub fn serve_unix_at(job: &Job, run: impl FnOnce(PathBuf) -> io::Result<()>) -> io::Result<Sample> {
    sys::raise_descriptor_limit()?;
    let path = socket_path(job);
    announce(&Address::Unix(path.clone()))?;
    run(path)?;
    Err(io::Error::other("the server ended by itself"))
}

/// As [`serve`], of another program, which is started, pinned as this one is, and told where to
/// listen. What it takes counts, with all that it starts, and what this process takes does not. It
/// ends with this process.
///
/// # Errors
/// It is not installed, or does not listen soon.
pub fn serve_program(make: impl FnOnce(SocketAddr) -> Command) -> io::Result<Sample> {
    // Free for a moment; the program takes it next.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = make(address);
    sys::end_with_us(command.stdin(Stdio::null()).stdout(Stdio::null()));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let name = command.get_program().to_string_lossy().into_owned();
            io::Error::new(error.kind(), format!("{name} is not installed, or was not built"))
        }
        _ => error,
    })?;
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("it ended before it listened: {status}")));
        }
        if since.elapsed() > SOON {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not listen"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id();
    announce_with(&Address::Tcp(address), move || {
        let family = sys::family_of(pid);
        let times = family.iter().filter_map(|pid| sys::cpu_time_ns_of(*pid));
        let resident_bytes = family.iter().map(|pid| sys::resident_bytes_of(*pid)).sum();
        Cost { cpu_ns: times.sum(), resident_bytes, imbalance: None }
    })?;
    let status = child.wait()?;
    Err(io::Error::other(format!("the server ended by itself: {status}")))
}

/// As [`serve`], of a server that makes its listeners itself and has several cores, which `open`
/// asks for their open connections. `wait` waits for its end.
///
/// # Errors
/// Those of making threads.
pub fn serve_cores(
    address: SocketAddr,
    open: impl Fn() -> Vec<u64> + Send + 'static,
    wait: impl FnOnce() -> io::Result<()>,
) -> io::Result<Sample> {
    announce_with(&Address::Tcp(address), move || Cost {
        imbalance: imbalance(&open()),
        ..Cost::of_us()
    })?;
    wait()?;
    Err(io::Error::other("the server ended by itself"))
}

/// By how many thousandths of the mean the most is above it; `None` of nothing.
fn imbalance(open: &[u64]) -> Option<u64> {
    let (most, all) = (open.iter().max()?, open.iter().sum::<u64>());
    (1000 * most * open.len() as u64).checked_div(all).map(|share| share - 1000)
}

/// A program that lies beside this one, as cargo builds them.
///
/// # Errors
/// Those of finding this program.
pub fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// How long a program may take until it listens.
const SOON: Duration = Duration::from_secs(10);

fn socket_path(job: &Job) -> PathBuf {
    job.directory.join(format!("annulus-bench-{}.sock", std::process::id()))
}

/// What a server has taken since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cost {
    pub cpu_ns: u64,
    pub resident_bytes: u64,
    /// As [`Sample::imbalance`], of the connections that are open now.
    pub imbalance: Option<u64>,
}

impl Cost {
    fn of_us() -> Self {
        let (cpu_ns, resident_bytes) = (sys::cpu_time_ns(), sys::resident_bytes());
        Self { cpu_ns, resident_bytes, imbalance: None }
    }

    fn to_json(self) -> String {
        let Self { cpu_ns, resident_bytes, imbalance } = self;
        let imbalance = imbalance.map(|thousandths| format!(",\"imbalance\":{thousandths}"));
        let imbalance = imbalance.unwrap_or_default();
        format!("{{\"cpu_ns\":{cpu_ns},\"resident_bytes\":{resident_bytes}{imbalance}}}")
    }
}

fn announce(address: &Address) -> io::Result<()> {
    announce_with(address, Cost::of_us)
}

fn announce_with(address: &Address, cost: impl Fn() -> Cost + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("answers".to_owned()).spawn(move || answer(cost))?;
    say(&format!("{{\"listening\":\"{address}\"}}"))
}

/// Says what was taken for each line of input; ends the process with its input.
fn answer(cost: impl Fn() -> Cost) {
    let answered = io::stdin().lines().try_for_each(|line| {
        line?;
        say(&cost().to_json())
    });
    std::process::exit(i32::from(answered.is_err()));
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imbalance_is_how_far_the_fullest_core_is_above_the_mean() {
        assert_eq!(imbalance(&[]), None);
        assert_eq!(imbalance(&[0, 0]), None);
        assert_eq!(imbalance(&[500, 500]), Some(0));
        assert_eq!(imbalance(&[530, 470]), Some(60));
        assert_eq!(imbalance(&[1000, 0]), Some(1000));
    }

    #[test]
    fn a_cost_is_one_line() {
        let cost = Cost { cpu_ns: 1, resident_bytes: 2, imbalance: None };
        assert_eq!(cost.to_json(), r#"{"cpu_ns":1,"resident_bytes":2}"#);
        let cost = Cost { imbalance: Some(3), ..cost };
        assert_eq!(cost.to_json(), r#"{"cpu_ns":1,"resident_bytes":2,"imbalance":3}"#);
    }
}
