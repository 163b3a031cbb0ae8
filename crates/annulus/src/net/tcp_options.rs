//! The options of TCP sockets.
//!
//! Owns: which handle has which group of options, and those options that are more than a number.
//! Does not own: the table (`options/rows`). Mirrors socket(7), ip(7), ipv6(7), tcp(7).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::options::rows::{
    of_any, of_hops, of_internet, of_listeners, of_tcp, of_unbound, tcp_numbers,
};
use super::options::{self, TcpInfo, steer, value};
use super::{TcpListener, TcpSocket, TcpStream};

of_any!(TcpStream);
of_hops!(TcpStream);
of_internet!(TcpStream);
of_tcp!(TcpStream);

of_any!(TcpListener);
of_hops!(TcpListener);
of_internet!(TcpListener);
of_tcp!(TcpListener);
of_listeners!(TcpListener);

of_any!(TcpSocket);
of_hops!(TcpSocket);
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

    /// The headers of the packet with which the peer asked for this connection, from the network's
    /// on, once; `None` if they were not [kept](TcpListener::set_save_syn), or were taken already
    /// (`TCP_SAVED_SYN`, Linux 4.2).
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    #[doc(alias = "TCP_SAVED_SYN")]
    pub fn saved_syn(&self) -> io::Result<Option<Vec<u8>>> {
        let option = (libc::IPPROTO_TCP, libc::TCP_SAVED_SYN);
        options::value_as::<value::Bytes>(self.owned(), option)
    }
}

impl TcpListener {
    /// Has the listeners that share this one's port get the connections whose packets their CPU
    /// takes (`SO_ATTACH_REUSEPORT_CBPF`, socket(7)).
    ///
    /// `listeners` is how many there are. The first that listened gets what CPU 0 takes, the second
    /// CPU 1, and so on, from the first again behind the last. Set on one of them, it holds for
    /// all, and for those that come later; set it when all of them listen. Without it the kernel
    /// chooses by a hash of the addresses.
    ///
    /// With one core on each CPU, a connection stays on the CPU that its packets come to, if the
    /// device has a queue for each.
    ///
    /// # Errors
    /// `InvalidInput` for 0, and without [`ListenOptions::reuse_port`](super::ListenOptions); use
    /// on a foreign core.
    ///
    /// ```
    /// # #[annulus::main]
    /// # async fn main() -> std::io::Result<()> {
    /// use annulus::net::{ListenOptions, TcpListener};
    ///
    /// let shared = ListenOptions::new().reuse_port(true);
    /// let first = TcpListener::bind_with("127.0.0.1:0", shared)?;
    /// let second = TcpListener::bind_with(first.local_addr()?, shared)?;
    /// second.steer_by_cpu(2)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "SO_ATTACH_REUSEPORT_CBPF")]
    pub fn steer_by_cpu(&self, listeners: u16) -> io::Result<()> {
        steer::steer_by_cpu(self.owned(), listeners)
    }

    /// Undoes [`steer_by_cpu`](Self::steer_by_cpu) (`SO_DETACH_REUSEPORT_BPF`, Linux 5.3).
    ///
    /// # Errors
    /// `NotFound` if there is nothing to undo; use on a foreign core.
    #[doc(alias = "SO_DETACH_REUSEPORT_BPF")]
    pub fn steer_by_address(&self) -> io::Result<()> {
        steer::steer_by_address(self.owned())
    }

    /// The key by which cookies of TCP Fast Open are made, and the one before it, whose cookies are
    /// still taken (`TCP_FASTOPEN_KEY`, Linux 4.15). Machines that share an address share it.
    ///
    /// # Errors
    /// Those of setsockopt(2); use on a foreign core.
    #[doc(alias = "TCP_FASTOPEN_KEY")]
    pub fn set_fastopen_key(&self, key: [u8; 16], former: Option<[u8; 16]>) -> io::Result<()> {
        let keys = [&key[..], former.as_ref().map_or(&[], |former| &former[..])].concat();
        options::set_bytes(self.owned(), libc::IPPROTO_TCP, tcp_numbers::FASTOPEN_KEY, &keys)
    }
}
