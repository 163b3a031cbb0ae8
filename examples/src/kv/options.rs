//! The command line of the server.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use annulus::runtime::available_cores;

use super::parser::Limits;

/// What the server is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where it listens; port 0 lets the kernel choose.
    pub addr: SocketAddr,
    /// How many cores, with a shard each.
    pub cores: usize,
    /// What a command may be.
    pub limits: Limits,
    /// Connections at once, over all cores.
    pub clients: u64,
    /// How long a connection may be still.
    pub idle: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 6379)),
            cores: available_cores(),
            limits: Limits::DEFAULT,
            clients: 10_000,
            idle: None,
        }
    }
}

/// What `--help` says.
pub const HELP: &str = "\
A cache that speaks the protocol of Redis, with a shard of the keys on each core.

usage: kv [--addr 127.0.0.1:6379] [--cores N] [LIMITS]

  --addr ADDR           where it listens; port 0 lets the kernel choose (127.0.0.1:6379)
  --cores N             cores, with a shard each (as many as there are)

What a client may do. A connection has no more memory than one command and its largest answer take,
and 256 KiB for each core; answers that are not read are not made.

  --max-clients N       connections at once; further ones are told so and closed (10000)
  --idle-timeout SECS   a connection ends when for so long no byte comes and its client takes none;
                        it may take twice as long (0: never)
  --max-arg BYTES       one argument, and a value (536870912)
  --max-key BYTES       a key (65536)
  --max-args N          arguments of a command (1048576)
  --max-command BYTES   a command as a whole (1073741824)";

impl Options {
    /// Reads the arguments behind a program's name; nothing if help is asked for.
    ///
    /// # Errors
    /// `InvalidInput`, with what is wrong.
    pub fn parse(args: impl IntoIterator<Item = String>) -> io::Result<Option<Self>> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = args.next();
            let value = value.ok_or_else(|| wrong(&format!("{name} needs a value")));
            options.set(&name, value)?;
        }
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: io::Result<String>) -> io::Result<()> {
        let limits = &mut self.limits;
        match name {
            "--addr" => {
                let value = value?;
                let cannot = |_| wrong(&format!("{value:?} is no address with a port"));
                self.addr = value.parse().map_err(cannot)?;
            }
            "--cores" => self.cores = number(&value?, "cores", 1..=512)? as usize,
            "--max-clients" => self.clients = number(&value?, "clients", 1..=u64::MAX)?,
            "--idle-timeout" => {
                let seconds = number(&value?, "seconds", 0..=1_000_000_000)?;
                self.idle = Some(Duration::from_secs(seconds)).filter(|idle| !idle.is_zero());
            }
            "--max-arg" => limits.arg_bytes = number(&value?, "bytes", 1..=MOST)? as usize,
            "--max-key" => limits.key_bytes = number(&value?, "bytes", 1..=MOST)? as usize,
            "--max-args" => limits.args = number(&value?, "arguments", 1..=MOST)? as usize,
            "--max-command" => limits.command_bytes = number(&value?, "bytes", 1..=MOST)? as usize,
            _ => return Err(wrong(&format!("{name:?} is unknown"))),
        }
        Ok(())
    }
}

/// More than anybody has.
const MOST: u64 = 1 << 40;

fn number(value: &str, what: &str, range: RangeInclusive<u64>) -> io::Result<u64> {
    let (least, most) = (range.start(), range.end());
    let cannot = || wrong(&format!("{value:?} is no number of {what} ({least} to {most})"));
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(cannot)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what}; see kv --help"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let args = line.split_whitespace().map(str::to_owned);
        let options = Options::parse(args).map_err(|error| error.to_string())?;
        options.ok_or_else(|| "help".to_owned())
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_wrong_is_named() {
        assert_eq!(parse(""), Ok(Options::default()));
        let options = parse("--cores 2 --addr [::1]:7000").unwrap();
        assert_eq!((options.addr.port(), options.cores), (7000, 2));
        let line = "--max-clients 5 --idle-timeout 30 --max-arg 7 --max-key 8 --max-args 9";
        let options = parse(&format!("{line} --max-command 10")).unwrap();
        let limits = Limits { arg_bytes: 7, key_bytes: 8, args: 9, command_bytes: 10 };
        assert_eq!((options.clients, options.limits), (5, limits));
        assert_eq!(options.idle, Some(Duration::from_secs(30)));
        assert_eq!(parse("--idle-timeout 0").unwrap().idle, None);
        assert_eq!(parse("--cores 1 --help"), Err("help".to_owned()));
        for (line, complaint) in [
            ("--cores 0", "\"0\" is no number of cores"),
            ("--cores", "--cores needs a value"),
            ("--addr localhost", "\"localhost\" is no address"),
            ("--max-key 0", "\"0\" is no number of bytes (1 to "),
            ("--idle-timeout soon", "\"soon\" is no number of seconds"),
            ("--port 1", "\"--port\" is unknown"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(complaint) && error.contains("kv --help"), "{error}");
        }
    }
}
