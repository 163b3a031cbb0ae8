//! Where the server listens: at addresses of its own, and by listeners that others have made.
//!
//! Owns: what may be inherited, the socket of the metrics, and the words of refusals. Does not own:
//! binding, dealing out, hand-over (`annulus::serve`).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use annulus::serve::{Bound, Builder, Error, Inherited};
use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use super::args::Args;
use crate::listen::{cannot_listen, claim, in_words};

/// Listeners that come from elsewhere.
pub struct Heritage {
    from_manager: Inherited,
    from_predecessor: Option<Inherited>,
}

impl Heritage {
    /// What a service manager has passed on, and what a predecessor gives.
    ///
    /// # Errors
    /// What is inherited and cannot be served, by its name.
    pub fn take(args: &Args) -> io::Result<Self> {
        let from_manager = Inherited::from_env().map_err(in_words)?;
        let path = args.operation.hand_over.as_deref();
        let from_predecessor = path.map(receive).transpose()?.flatten();
        let heritage = Self { from_manager, from_predecessor };
        for (name, at) in heritage.iter() {
            if !matches!(at, Bound::Tcp(_)) {
                let text = format!(
                    "the inherited listener {name:?} at {at} cannot be used: files are served over \
                     TCP only"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        Ok(heritage)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Bound)> {
        self.from_manager.iter().chain(self.from_predecessor.iter().flat_map(Inherited::iter))
    }

    /// Whether a predecessor waits to hear that this process accepts.
    pub fn has_predecessor(&self) -> bool {
        self.from_predecessor.is_some()
    }

    /// Adds them to a server, after the addresses of the arguments. Each is served as those are,
    /// with TLS or without, so the server is told of each.
    pub fn join(self, args: &Args, mut builder: Builder) -> Builder {
        let inherited = !self.from_manager.is_empty() || self.from_predecessor.is_some();
        let mut addresses = args.addresses(inherited);
        for address in self.iter().filter_map(|(_, at)| at.addr()) {
            // Several sockets of one address are one listener.
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        for address in addresses {
            builder = builder.bind(address);
        }
        builder = builder.inherit(self.from_manager);
        match self.from_predecessor {
            Some(theirs) => builder.inherit(theirs),
            None => builder,
        }
    }
}

/// What the server that waits at `path` gives; nothing if none does.
fn receive(path: &Path) -> io::Result<Option<Inherited>> {
    match Inherited::receive(path) {
        Ok(theirs) => Ok(Some(theirs)),
        Err(Error::Inherited { source, .. })
            if matches!(
                source.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => {
            let (kind, path) = (io::Error::from(error), path.display());
            let text = format!("cannot take over from the server at {path}: {kind}");
            Err(io::Error::new(kind.kind(), text))
        }
    }
}

/// The socket of the metrics. Successor and predecessor have it at the same time, so it may be
/// shared; a stranger's is an error unless there is a predecessor.
///
/// # Errors
/// The kernel's, in words for people.
pub fn bind_metrics(mut address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    const BACKLOG: i32 = 64;
    if !shared {
        address = claim(address)?;
    }
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let made = socket_with(family, SocketType::STREAM, flags, None).and_then(|socket| {
        set_socket_reuseaddr(&socket, true)?;
        set_socket_reuseport(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok(TcpListener::from(socket))
    });
    made.map_err(|error| cannot_listen(address, &error.into()))
}
