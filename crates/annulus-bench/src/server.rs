//! What a measured server says and hears.
//!
//! | says | hears |
//! |---|---|
//! | `{"listening":"ADDRESS"}`, or `unix:PATH`, or `udp:ADDRESS` in its place | |
//! | `{"cpu_ns":N,"resident_bytes":N}` | a line |
//! | | the end of its input: it ends |

use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

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

fn socket_path(job: &Job) -> PathBuf {
    job.directory.join(format!("annulus-bench-{}.sock", std::process::id()))
}

fn announce(address: &Address) -> io::Result<()> {
    std::thread::Builder::new().name("answers".to_owned()).spawn(answer)?;
    say(&format!("{{\"listening\":\"{address}\"}}"))
}

/// Gives CPU time and memory of this process for each line of input; ends it with its input.
fn answer() {
    let answered = io::stdin().lines().try_for_each(|line| {
        line?;
        let (cpu_ns, bytes) = (sys::cpu_time_ns(), sys::resident_bytes());
        say(&format!("{{\"cpu_ns\":{cpu_ns},\"resident_bytes\":{bytes}}}"))
    });
    std::process::exit(i32::from(answered.is_err()));
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
