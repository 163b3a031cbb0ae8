//! The options of TCP sockets.
//!
//! Owns: which handle has which group of options, and those options that are more than a number.
//! Does not own: the table (`options/rows`). Mirrors socket(7), ip(7), ipv6(7), tcp(7).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::options::rows::{of_any, of_internet, of_listeners, of_tcp, of_unbound};
use super::options::{self, TcpInfo, value};
use super::{TcpListener, TcpSocket, TcpStream};

of_any!(TcpStream);
of_internet!(TcpStream);
of_tcp!(TcpStream);

of_any!(TcpListener);
of_internet!(TcpListener);
of_tcp!(TcpListener);
of_listeners!(TcpListener);

of_any!(TcpSocket);
of_internet!(TcpSocket);
of_tcp!(TcpSocket);
of_unbound!(TcpSocket);

const LINGER: (i32, i32) = (libc::SOL_SOCKET, libc::SO_LINGER);

impl TcpStream {
    /// What becomes of sent bytes that the peer has not acknowledged when the connection is closed
    /// (`SO_LINGER`, socket(7)). Whole seconds, rounded up.
    ///
    /// | | closing |
    /// |---|---|
    /// | `None` | lets the kernel go on sending: the default |
    /// | `Some(Duration::ZERO)` | throws them away and resets the connection |
    /// | `Some(duration)` | waits so long for them to be acknowledged, then resets |
    ///
    /// The close that waits does so on a thread of the kernel, not on the core. Bytes that wait in
    /// this crate's send queue are another matter: they come first, within
    /// [`close_flush`](crate::runtime::Builder::close_flush).
    ///
    /// # Errors
    /// `InvalidInput` for more than the option can hold; use on a foreign core.
    #[doc(alias = "SO_LINGER")]
    pub fn set_linger(&self, duration: Option<Duration>) -> io::Result<()> {
        options::set_as::<value::Linger>(self.owned(), LINGER, duration)?;
        self.owned().with(|state, key| {
            if let Some(stream) = state.records.stream(key) {
                stream.lingers = duration.is_some_and(|duration| !duration.is_zero());
            }
        })
    }

    /// What [`set_linger`](Self::set_linger) has set.
    ///
    /// # Errors
    /// Use on a foreign core.
    #[doc(alias = "SO_LINGER")]
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        options::value_as::<value::Linger>(self.owned(), LINGER)
    }

    /// Has closing reset the connection: [`set_linger`](Self::set_linger) with no time.
    ///
    /// # Errors
    /// Use on a foreign core.
    #[doc(alias = "SO_LINGER")]
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// What TCP knows about the connection at this moment (`TCP_INFO`, tcp(7)).
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    #[doc(alias = "TCP_INFO")]
    pub fn info(&self) -> io::Result<TcpInfo> {
        let option = (libc::IPPROTO_TCP, libc::TCP_INFO);
        options::value_as::<options::Info>(self.owned(), option)
    }

    /// Where the connection was going before a firewall of this machine redirected it here
    /// (`SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST`, of netfilter).
    ///
    /// # Errors
    /// `NotFound` if it was not redirected; ENOPROTOOPT where connections are not tracked; use on a
    /// foreign core.
    #[doc(alias = "SO_ORIGINAL_DST")]
    #[doc(alias = "IP6T_SO_ORIGINAL_DST")]
    pub fn original_dst(&self) -> io::Result<SocketAddr> {
        options::original_destination(self.owned(), self.local_addr()?)
    }
}
