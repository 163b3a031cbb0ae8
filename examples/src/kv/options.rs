//! The command line of the server.

use std::io;
use std::net::SocketAddr;

use annulus::runtime::available_cores;

/// What the server is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where it listens; port 0 lets the kernel choose.
    pub addr: SocketAddr,
    /// How many cores, with a shard each.
    pub cores: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { addr: SocketAddr::from(([127, 0, 0, 1], 6379)), cores: available_cores() }
    }
}

const USAGE: &str = "usage: kv [--addr 127.0.0.1:6379] [--cores N]";

impl Options {
    /// Reads the arguments behind a program's name.
    ///
    /// # Errors
    /// `InvalidInput`, with what is wrong and the usage.
    pub fn parse(args: impl IntoIterator<Item = String>) -> io::Result<Self> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{name} needs a value")));
            match name.as_str() {
                "--addr" => {
                    let value = value()?;
                    let cannot = |_| wrong(&format!("{value:?} is no address with a port"));
                    options.addr = value.parse().map_err(cannot)?;
                }
                "--cores" => {
                    let value = value()?;
                    let cores = value.parse().ok().filter(|cores| (1..=512).contains(cores));
                    let cannot = || wrong(&format!("{value:?} is no number of cores (1 to 512)"));
                    options.cores = cores.ok_or_else(cannot)?;
                }
                _ => return Err(wrong(&format!("{name:?} is unknown"))),
            }
        }
        Ok(options)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what}; {USAGE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let args = line.split_whitespace().map(str::to_owned);
        Options::parse(args).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_default_and_what_is_wrong_is_named() {
        assert_eq!(parse(""), Ok(Options::default()));
        let options = parse("--cores 2 --addr [::1]:7000").unwrap();
        assert_eq!((options.addr.port(), options.cores), (7000, 2));
        for (line, complaint) in [
            ("--cores 0", "\"0\" is no number of cores"),
            ("--cores", "--cores needs a value"),
            ("--addr localhost", "\"localhost\" is no address"),
            ("--port 1", "\"--port\" is unknown"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(complaint) && error.contains("usage: kv"), "{error}");
        }
    }
}
