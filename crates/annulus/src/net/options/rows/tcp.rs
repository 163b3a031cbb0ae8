//! The rows of TCP sockets.
//!
//! Owns: three groups: what every TCP socket has, what must be said before it is bound or connects,
//! and what only listeners have. Mirrors socket(7), ip(7), tcp(7).

/// What sockets of TCP have. Of a listener, the connections that it accepts inherit it.
macro_rules! of_tcp {
    ($handle:ty) => {
        impl $handle {
            $crate::net::options::rows::option! {
                /// Whether small segments are sent at once instead of waiting for company
                /// (`TCP_NODELAY`, tcp(7)).
                "TCP_NODELAY", nodelay, set_nodelay: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_NODELAY
            }

            $crate::net::options::rows::option! {
                /// Whether only full segments are sent; what is left over waits for 200 ms at most,
                /// or until this ends (`TCP_CORK`, tcp(7)).
                "TCP_CORK", cork, set_cork: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_CORK
            }

            $crate::net::options::rows::option! {
                /// Whether what arrives is acknowledged at once. The kernel goes back to its own
                /// judgement as it sees fit, so it is set again where it matters (`TCP_QUICKACK`,
                /// tcp(7)).
                "TCP_QUICKACK", quickack, set_quickack: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_QUICKACK
            }

            $crate::net::options::rows::option! {
                /// Whether a silent peer is asked now and then whether it is still there
                /// (`SO_KEEPALIVE`, socket(7)).
                "SO_KEEPALIVE", keepalive, set_keepalive: bool as Flag =
                    libc::SOL_SOCKET, libc::SO_KEEPALIVE
            }

            $crate::net::options::rows::option! {
                /// How long the peer is silent before it is asked (`TCP_KEEPIDLE`, tcp(7)). Whole
                /// seconds, rounded up.
                "TCP_KEEPIDLE", keepalive_idle, set_keepalive_idle: std::time::Duration as Seconds =
                    libc::IPPROTO_TCP, libc::TCP_KEEPIDLE
            }

            $crate::net::options::rows::option! {
                /// How long after a question without an answer the next one follows
                /// (`TCP_KEEPINTVL`, tcp(7)). Whole seconds, rounded up.
                "TCP_KEEPINTVL",
                    keepalive_interval, set_keepalive_interval: std::time::Duration as Seconds =
                    libc::IPPROTO_TCP, libc::TCP_KEEPINTVL
            }

            $crate::net::options::rows::option! {
                /// How many questions may stay without an answer before the connection fails with
                /// `TimedOut` (`TCP_KEEPCNT`, tcp(7)).
                "TCP_KEEPCNT", keepalive_retries, set_keepalive_retries: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_KEEPCNT
            }

            $crate::net::options::rows::option! {
                /// How long sent bytes may stay unacknowledged before the connection fails with
                /// `TimedOut`; zero is the system's bound (`TCP_USER_TIMEOUT`, tcp(7)).
                /// Milliseconds, rounded up.
                "TCP_USER_TIMEOUT", user_timeout, set_user_timeout: std::time::Duration as Millis =
                    libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT
            }

            $crate::net::options::rows::option! {
                /// Unsent bytes in the kernel above which the socket takes no more, so that what is
                /// sent is chosen late (`TCP_NOTSENT_LOWAT`, tcp(7)). Sends of this crate wait for
                /// room.
                "TCP_NOTSENT_LOWAT", notsent_low_water, set_notsent_low_water: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT
            }

            $crate::net::options::rows::option! {
                /// The most bytes of a segment (`TCP_MAXSEG`, tcp(7)).
                "TCP_MAXSEG", max_segment, set_max_segment: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_MAXSEG
            }

            $crate::net::options::rows::option! {
                /// The most bytes of the window that is announced; zero only on a socket that is
                /// not connected (`TCP_WINDOW_CLAMP`, tcp(7)).
                "TCP_WINDOW_CLAMP", window_clamp, set_window_clamp: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_WINDOW_CLAMP
            }

            $crate::net::options::rows::option! {
                /// How often connecting is tried before it fails with `TimedOut` (`TCP_SYNCNT`,
                /// tcp(7)).
                "TCP_SYNCNT", syn_retries, set_syn_retries: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_SYNCNT
            }

            $crate::net::options::rows::option! {
                /// How long the kernel waits for the end of the peer's direction, once nobody here
                /// has the socket any more (`TCP_LINGER2`, tcp(7)). Whole seconds, rounded up.
                "TCP_LINGER2", fin_timeout, set_fin_timeout: std::time::Duration as Seconds =
                    libc::IPPROTO_TCP, libc::TCP_LINGER2
            }

            $crate::net::options::rows::option! {
                /// Whether the retransmission timer of a connection with little in flight grows
                /// linearly (`TCP_THIN_LINEAR_TIMEOUTS`, Linux 2.6.34).
                "TCP_THIN_LINEAR_TIMEOUTS",
                    thin_linear_timeouts, set_thin_linear_timeouts: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_THIN_LINEAR_TIMEOUTS
            }

            $crate::net::options::rows::option! {
                /// How many bytes must have arrived before the kernel says that there is something
                /// to receive, unless the direction has ended; default 1 (`SO_RCVLOWAT`,
                /// socket(7)).
                "SO_RCVLOWAT", recv_low_water, set_recv_low_water: u32 as Count =
                    libc::SOL_SOCKET, libc::SO_RCVLOWAT
            }

            $crate::net::options::rows::option! {
                /// Whether urgent data is received among the others, where it was sent, instead of
                /// being left out (`SO_OOBINLINE`, socket(7)).
                "SO_OOBINLINE", urgent_inline, set_urgent_inline: bool as Flag =
                    libc::SOL_SOCKET, libc::SO_OOBINLINE
            }

            $crate::net::options::rows::option! {
                /// How long each segment is held back before it is sent, as if the way were longer
                /// (`TCP_TX_DELAY`, Linux 5.4). Microseconds, rounded up. Needs the queueing
                /// discipline `fq` on the device, else the kernel waits by timers.
                "TCP_TX_DELAY", transmit_delay, set_transmit_delay: std::time::Duration as Micros =
                    libc::IPPROTO_TCP, $crate::net::options::rows::tcp_numbers::TX_DELAY
            }

            $crate::net::options::rows::option! {
                /// The longest time between two retransmissions of a segment, 1 to 120 s
                /// (`TCP_RTO_MAX_MS`, Linux 6.15). Milliseconds, rounded up.
                "TCP_RTO_MAX_MS", max_rto, set_max_rto: std::time::Duration as Millis =
                    libc::IPPROTO_TCP, $crate::net::options::rows::tcp_numbers::RTO_MAX_MS
            }

            $crate::net::options::rows::option! {
                /// The shortest time before a segment is sent again, at most 200 ms
                /// (`TCP_RTO_MIN_US`, Linux 6.15). Rounded up to what the
                /// kernel's clock counts in.
                "TCP_RTO_MIN_US", min_rto, set_min_rto: std::time::Duration as Micros =
                    libc::IPPROTO_TCP, $crate::net::options::rows::tcp_numbers::RTO_MIN_US
            }

            $crate::net::options::rows::option! {
                /// The longest time that an acknowledgement waits for company, at most 200 ms
                /// (`TCP_DELACK_MAX_US`, Linux 6.15). Rounded up likewise.
                "TCP_DELACK_MAX_US",
                    max_ack_delay, set_max_ack_delay: std::time::Duration as Micros =
                    libc::IPPROTO_TCP, $crate::net::options::rows::tcp_numbers::DELACK_MAX_US
            }

            $crate::net::options::rows::option! {
                /// The algorithm of congestion control, by its name (`TCP_CONGESTION`, tcp(7)).
                "TCP_CONGESTION", congestion: String as Name =
                    libc::IPPROTO_TCP, libc::TCP_CONGESTION
            }

            /// Chooses the algorithm of congestion control, by its name (`TCP_CONGESTION`, tcp(7)).
            ///
            /// # Errors
            /// `NotFound` for a name that the kernel does not know; `PermissionDenied` for one that
            /// `net.ipv4.tcp_allowed_congestion_control` does not allow; use on a foreign core.
            #[doc(alias = "TCP_CONGESTION")]
            pub fn set_congestion(&self, name: &str) -> std::io::Result<()> {
                use $crate::net::options::{set_as, value};
                let option = (libc::IPPROTO_TCP, libc::TCP_CONGESTION);
                set_as::<value::Name>(self.owned(), option, name.to_owned())
            }
        }
    };
}

/// What must be said before a TCP socket is bound, connected or listens.
macro_rules! of_unbound {
    ($handle:ty) => {
        impl $handle {
            $crate::net::options::rows::option! {
                /// Whether the address may be taken although old connections of it linger
                /// (`SO_REUSEADDR`, socket(7)). Off, unlike for
                /// [`TcpListener::bind`](super::TcpListener::bind).
                "SO_REUSEADDR", reuseaddr, set_reuseaddr: bool as Flag =
                    libc::SOL_SOCKET, libc::SO_REUSEADDR
            }

            $crate::net::options::rows::option! {
                /// Whether several sockets may share the address (`SO_REUSEPORT`, socket(7)).
                "SO_REUSEPORT", reuseport, set_reuseport: bool as Flag =
                    libc::SOL_SOCKET, libc::SO_REUSEPORT
            }

            $crate::net::options::rows::option! {
                /// Whether a socket of IPv6 leaves the port of IPv4 to others (`IPV6_V6ONLY`,
                /// ipv6(7)).
                "IPV6_V6ONLY", only_v6, set_only_v6: bool as Flag =
                    libc::SOL_IPV6, libc::IPV6_V6ONLY
            }

            $crate::net::options::rows::option! {
                /// Whether an address may be taken that is not of this machine, or not yet
                /// (`IP_FREEBIND`, ip(7)).
                "IP_FREEBIND", freebind, set_freebind: bool as Flag =
                    libc::SOL_IP, libc::IP_FREEBIND
            }

            $crate::net::options::rows::option! {
                /// Whether any address may be taken and connections to others be accepted, for a
                /// transparent proxy (`IP_TRANSPARENT`, ip(7)). Needs `CAP_NET_ADMIN` or
                /// `CAP_NET_RAW`.
                "IP_TRANSPARENT", transparent, set_transparent: bool as Flag =
                    libc::SOL_IP, libc::IP_TRANSPARENT
            }

            $crate::net::options::rows::option! {
                /// Whether binding to port 0 leaves the choice of a port until connecting, so that
                /// one port serves several peers (`IP_BIND_ADDRESS_NO_PORT`, ip(7)).
                "IP_BIND_ADDRESS_NO_PORT",
                    bind_address_no_port, set_bind_address_no_port: bool as Flag =
                    libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT
            }

            $crate::net::options::rows::option! {
                /// The ports among which the kernel chooses one, of those that the system allows
                /// for it, instead of all of these; `None` is all (`IP_LOCAL_PORT_RANGE`, Linux
                /// 6.3). For several services that share an address of this machine.
                "IP_LOCAL_PORT_RANGE", local_port_range, set_local_port_range:
                    Option<std::ops::RangeInclusive<u16>> as Ports =
                    libc::SOL_IP, $crate::net::options::rows::ip_numbers::LOCAL_PORT_RANGE
            }

            $crate::net::options::rows::option! {
                /// Whether the first bytes travel with the request to connect even to a peer of
                /// which this machine has no cookie (`TCP_FASTOPEN_NO_COOKIE`, Linux 4.15): within
                /// a data centre, where nobody forges addresses.
                "TCP_FASTOPEN_NO_COOKIE", fastopen_no_cookie, set_fastopen_no_cookie: bool as Flag =
                    libc::IPPROTO_TCP, $crate::net::options::rows::tcp_numbers::FASTOPEN_NO_COOKIE
            }

            $crate::net::options::rows::option! {
                /// Whether the first bytes travel with the request to connect, once this machine
                /// has a cookie of the peer (`TCP_FASTOPEN_CONNECT`, Linux 4.11). Connecting then
                /// succeeds at once, and whether the peer is there shows at the first send.
                "TCP_FASTOPEN_CONNECT", fastopen_connect, set_fastopen_connect: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT
            }
        }
    };
}

/// What only listeners have.
macro_rules! of_listeners {
    ($handle:ty) => {
        impl $handle {
            $crate::net::options::rows::option! {
                /// How many connections may send their first bytes with the request, before they
                /// are accepted; zero turns it off (`TCP_FASTOPEN`, tcp(7)). The system must allow
                /// it (`net.ipv4.tcp_fastopen`).
                "TCP_FASTOPEN", fastopen_queue, set_fastopen_queue: u32 as Count =
                    libc::IPPROTO_TCP, libc::TCP_FASTOPEN
            }

            $crate::net::options::rows::option! {
                /// How long a connection may wait for its first bytes before it is accepted without
                /// any; zero accepts at once (`TCP_DEFER_ACCEPT`, tcp(7)). Rounded up to what the
                /// retransmissions of the handshake take.
                "TCP_DEFER_ACCEPT", defer_accept, set_defer_accept: std::time::Duration as Seconds =
                    libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT
            }

            $crate::net::options::rows::option! {
                /// Whether the headers of the packet that asked for a connection are kept, for
                /// [`TcpStream::saved_syn`](super::TcpStream::saved_syn) (`TCP_SAVE_SYN`, Linux
                /// 4.2).
                "TCP_SAVE_SYN", save_syn, set_save_syn: bool as Flag =
                    libc::IPPROTO_TCP, libc::TCP_SAVE_SYN
            }
        }
    };
}

pub(in crate::net) use {of_listeners, of_tcp, of_unbound};
