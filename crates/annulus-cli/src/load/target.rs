//! What is loaded: a URL or an address, taken apart.
//!
//! Owns: the forms in which it can be written, and the words for those that make no sense.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// What is spoken to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// What is sent comes back.
    Tcp,
    /// HTTP/1.1.
    Http,
    /// The protocol of Redis.
    Redis,
}

impl Scheme {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Redis => "redis",
        }
    }

    fn port(self) -> Option<u16> {
        match self {
            Self::Tcp => None,
            Self::Http => Some(80),
            Self::Redis => Some(6379),
        }
    }

    fn named(name: &str) -> io::Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            "redis" => Ok(Self::Redis),
            "https" => Err(wrong("https needs TLS, which this program does not speak yet")),
            _ => Err(wrong(&format!("{name:?} is unknown: tcp, http and redis are known"))),
        }
    }
}

/// A server, and what is asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// What is spoken.
    pub scheme: Scheme,
    /// Host and port, as the `Host` of a request has them.
    pub authority: String,
    /// What is asked for: a path, with a query if there is one.
    pub path: String,
}

impl Target {
    /// Reads `tcp ADDR`, `http URL`, or one of them alone: an address without a scheme is TCP.
    ///
    /// # Errors
    /// `InvalidInput`, in words for people.
    pub fn parse(words: &[String]) -> io::Result<Self> {
        let (scheme, rest) = match words {
            [one] => match one.split_once("://") {
                Some((scheme, rest)) => (Scheme::named(scheme)?, rest),
                None => (Scheme::Tcp, one.as_str()),
            },
            [scheme, rest] => {
                let scheme = Scheme::named(scheme)?;
                match rest.split_once("://") {
                    Some((other, rest)) if Scheme::named(other)? == scheme => (scheme, rest),
                    Some((other, _)) => {
                        let text = format!("{} and {other}:// do not go together", scheme.name());
                        return Err(wrong(&text));
                    }
                    None => (scheme, rest.as_str()),
                }
            }
            _ => return Err(wrong("a target is needed: a URL or an address")),
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if scheme != Scheme::Http && !path.trim_start_matches('/').is_empty() {
            return Err(wrong(&format!("{} has no path, and {path:?} is one", scheme.name())));
        }
        if authority.contains('@') {
            return Err(wrong("a user in the URL is not supported: give a header instead"));
        }
        let path = path.split('#').next().unwrap_or_default();
        let is_graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.is_empty() || !is_graphic(authority) || !is_graphic(path) {
            return Err(wrong(&format!("{rest:?} is no host with a path in plain characters")));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let (authority, path) = (authority.to_owned(), format!("{slash}{path}"));
        let target = Self { scheme, authority, path };
        target.port()?;
        Ok(target)
    }

    /// Host without brackets, and port.
    fn port(&self) -> io::Result<(&str, u16)> {
        let cannot = || wrong(&format!("{:?} is no host with a port", self.authority));
        let without = || {
            let text = format!("{:?} has no port, and tcp has none of its own", self.authority);
            self.scheme.port().ok_or_else(|| wrong(&text))
        };
        let (host, port) = match self.authority.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']').ok_or_else(cannot)?;
                match behind.strip_prefix(':') {
                    Some(port) => (host, port.parse().map_err(|_| cannot())?),
                    None if behind.is_empty() => (host, without()?),
                    None => return Err(cannot()),
                }
            }
            None => match self.authority.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    let text = format!("write [{}] if that is an IPv6 address", self.authority);
                    return Err(wrong(&text));
                }
                Some((host, port)) => (host, port.parse().map_err(|_| cannot())?),
                None => (self.authority.as_str(), without()?),
            },
        };
        if host.is_empty() || port == 0 { Err(cannot()) } else { Ok((host, port)) }
    }

    /// Where to connect to: the first address of the host.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let found = self.port()?.to_socket_addrs().map(|mut addresses| addresses.next());
        let cannot = |why: String| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("cannot find {}: {why}", self.authority),
            )
        };
        match found {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(cannot("it has no address".to_owned())),
            Err(error) => Err(cannot(error.to_string())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.scheme == Scheme::Http { self.path.as_str() } else { "" };
        write!(f, "{}://{}{path}", self.scheme.name(), self.authority)
    }
}

pub(super) fn wrong(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let target = Target::parse(&words).map_err(|error| error.to_string())?;
        let (host, port) = target.port().unwrap();
        Ok(format!("{target} {host} {port}"))
    }

    #[test]
    fn urls_and_addresses_are_taken_apart() {
        for (line, parsed) in [
            ("127.0.0.1:7878", "tcp://127.0.0.1:7878 127.0.0.1 7878"),
            ("tcp [::1]:7878", "tcp://[::1]:7878 ::1 7878"),
            ("tcp://host:1/", "tcp://host:1 host 1"),
            ("redis 127.0.0.1", "redis://127.0.0.1 127.0.0.1 6379"),
            ("http://host", "http://host/ host 80"),
            ("http host:8080/a?b=c#d", "http://host:8080/a?b=c host 8080"),
            ("http http://host?q", "http://host/?q host 80"),
            ("HTTP://[::1]/x", "http://[::1]/x ::1 80"),
        ] {
            assert_eq!(parse(line).as_deref(), Ok(parsed), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (line, complaint) in [
            ("https://host", "https needs TLS"),
            ("ftp://host", "tcp, http and redis are known"),
            ("tcp http://host", "do not go together"),
            ("host", "has no port"),
            ("tcp://host:1/x", "tcp has no path"),
            ("http://", "is no host"),
            ("http://host:x", "is no host with a port"),
            ("http://host:0", "is no host with a port"),
            ("http://me:pw@host", "a user in the URL"),
            ("::1:80", "if that is an IPv6 address"),
            ("http://[::1", "is no host with a port"),
            ("http://host/\u{e4}", "plain characters"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(complaint), "{line}: {error}");
        }
        let error = Target::parse(&[]).unwrap_err().to_string();
        assert!(error.contains("a target is needed"), "{error}");
    }

    #[test]
    fn an_address_is_its_own_and_a_name_that_is_none_is_said() {
        let target = |line: &str| Target::parse(&[line.to_owned()]).unwrap();
        let address = target("http://[::1]:8080/").resolve().unwrap();
        assert_eq!(address, "[::1]:8080".parse().unwrap());
        let error = target("http://no-such-host.invalid/").resolve().unwrap_err();
        assert!(error.to_string().starts_with("cannot find no-such-host.invalid"), "{error}");
    }
}
