//! A running example.
//!
//! Owns the child process and the thread that reads its standard output. Invariants: every wait has
//! a bound, and the child does not outlive its [`Example`].

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// How long anything may take that takes milliseconds: a bound against hanging, not a measurement.
pub const BOUND: Duration = Duration::from_secs(60);

pub struct Example {
    child: Child,
    /// What it prints, line by line, each with its end; closed when it prints no more.
    lines: Receiver<Vec<u8>>,
}

impl Example {
    /// Starts the example `name`.
    pub fn start(name: &str, args: &[&OsStr]) -> Self {
        let path = path_of(name);
        let mut child = Command::new(&path)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error} (built?)", path.display()));
        let stdout = child.stdout.take().expect("its output is piped");
        let (printed, lines) = channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                match stdout.read_until(b'\n', &mut line) {
                    Ok(n) if n > 0 && printed.send(line).is_ok() => {}
                    _ => break,
                }
            }
        });
        Self { child, lines }
    }

    /// Starts a server on a free port, and waits until it listens. The address is its last
    /// argument.
    pub fn serve(name: &str, args: &[&OsStr]) -> (Self, SocketAddr) {
        let address = OsStr::new("127.0.0.1:0");
        let server = Self::start(name, &[args, &[address]].concat());
        let line = server.line();
        let address = line
            .strip_prefix("Listening on ")
            .unwrap_or_else(|| panic!("{name} first said {line:?}"));
        let address = address.parse().expect("an address follows");
        (server, address)
    }

    /// Runs an example to its end, and gives what it printed.
    pub fn output(name: &str, args: &[&OsStr]) -> (Vec<u8>, ExitStatus) {
        let mut example = Self::start(name, args);
        let mut output = Vec::new();
        while let Some(line) = example.bytes() {
            output.extend(line);
        }
        let status = example.child.wait().expect("the child is ours");
        (output, status)
    }

    /// The next line that it prints, without its end.
    pub fn line(&self) -> String {
        let line = self.bytes().expect("it prints one more line");
        let line = String::from_utf8(line).expect("it prints text");
        line.trim_end_matches('\n').to_owned()
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        match self.lines.recv_timeout(BOUND) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the example neither prints nor ends"),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; it must print nothing more.
    pub fn end(mut self) -> ExitStatus {
        assert_eq!(self.bytes(), None, "it prints something else");
        self.child.wait().expect("the child is ours")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails if it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cargo puts tests into `deps` and examples into `examples`, next to each other.
pub fn path_of(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the test knows where it is");
    let profile = this.ancestors().nth(2).expect("the test is in `deps`");
    profile.join("examples").join(name)
}

/// A client whose reads and writes end.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, BOUND)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_write_timeout(Some(BOUND))?;
    Ok(stream)
}
