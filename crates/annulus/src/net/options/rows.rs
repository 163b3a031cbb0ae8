//! The table of socket options.
//!
//! Owns: each option's name, type, level and meaning, once. A group is a macro, because a handle
//! takes all of a group or none; `option` writes the getter and the setter of one row. Does not
//! own: options that need more than that (the handles have those).

/// `SO_*` of asm-generic/socket.h that the `libc` crate does not have.
pub(in crate::net) mod so {
    pub(in crate::net) const MAX_PACING_RATE: i32 = 47;
    pub(in crate::net) const INCOMING_CPU: i32 = 49;
    pub(in crate::net) const INCOMING_NAPI_ID: i32 = 56;
    pub(in crate::net) const COOKIE: i32 = 57;
    pub(in crate::net) const PREFER_BUSY_POLL: i32 = 69;
    pub(in crate::net) const BUSY_POLL_BUDGET: i32 = 70;
}

/// The getter and the setter of one option.
macro_rules! option {
    (
        $(#[$doc:meta])*
        $alias:literal, $get:ident: $ty:ty as $kind:ident =
            $level:path, $name:path
    ) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// Those of getsockopt(2); use on a foreign core.
        #[doc(alias = $alias)]
        pub fn $get(&self) -> std::io::Result<$ty> {
            use $crate::net::options::{value_as, value};
            value_as::<value::$kind>(self.owned(), ($level, $name))
        }
    };
    (
        $(#[$doc:meta])*
        $alias:literal, $get:ident, $set:ident: $ty:ty as $kind:ident =
            $level:path, $name:path
    ) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// `InvalidInput` for more than the option can hold; those of setsockopt(2); use on a
        /// foreign core.
        #[doc(alias = $alias)]
        pub fn $set(&self, value: $ty) -> std::io::Result<()> {
            use $crate::net::options::{set_as, value};
            set_as::<value::$kind>(self.owned(), ($level, $name), value)
        }

        #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") has")]
        /// set, or the system's default.
        ///
        /// # Errors
        /// Those of getsockopt(2); use on a foreign core.
        #[doc(alias = $alias)]
        pub fn $get(&self) -> std::io::Result<$ty> {
            use $crate::net::options::{value_as, value};
            value_as::<value::$kind>(self.owned(), ($level, $name))
        }
    };
}

/// What every socket has: buffers, and the error that nobody was told.
macro_rules! of_any {
    ($handle:ty) => {
        impl $handle {
            $crate::net::options::rows::option! {
                /// Bytes of the kernel's buffer for what is received, as socket(7) has `SO_RCVBUF`:
                /// it is set to twice what is asked for, at most to `net.core.rmem_max`, and is
                /// read as doubled. Setting it turns off the kernel's own tuning.
                "SO_RCVBUF", recv_buffer_size, set_recv_buffer_size: u32 as Count =
                    libc::SOL_SOCKET, libc::SO_RCVBUF
            }

            $crate::net::options::rows::option! {
                /// Bytes of the kernel's buffer for what is sent, as socket(7) has `SO_SNDBUF`:
                /// doubled and bounded as [`set_recv_buffer_size`](Self::set_recv_buffer_size)
                /// says, by `net.core.wmem_max`.
                "SO_SNDBUF", send_buffer_size, set_send_buffer_size: u32 as Count =
                    libc::SOL_SOCKET, libc::SO_SNDBUF
            }

            $crate::net::options::rows::option! {
                /// The error that waits to be reported, which is taken (`SO_ERROR`, socket(7)).
                /// What a receive or a send has reported is no longer there.
                "SO_ERROR", take_error: Option<std::io::Error> as Pending =
                    libc::SOL_SOCKET, libc::SO_ERROR
            }
        }
    };
}

/// What sockets of IP have: whose packets they are, where they go and how they are marked. Of a
/// listener, the connections that it accepts inherit most of it.
macro_rules! of_internet {
    ($handle:ty) => {
        impl $handle {
            $crate::net::options::rows::option! {
                /// How many routers a packet may pass, over IPv4 (`IP_TTL`, ip(7)).
                "IP_TTL", ttl, set_ttl: u32 as Count = libc::SOL_IP, libc::IP_TTL
            }

            $crate::net::options::rows::option! {
                /// How many routers a packet may pass, over IPv6 (`IPV6_UNICAST_HOPS`, ipv6(7)).
                "IPV6_UNICAST_HOPS", hop_limit, set_hop_limit: u32 as Count =
                    libc::SOL_IPV6, libc::IPV6_UNICAST_HOPS
            }

            $crate::net::options::rows::option! {
                /// The type of service of packets over IPv4, DSCP and ECN together (`IP_TOS`,
                /// ip(7)). TCP keeps the bits of ECN for itself.
                "IP_TOS", tos_v4, set_tos_v4: u32 as Count = libc::SOL_IP, libc::IP_TOS
            }

            $crate::net::options::rows::option! {
                /// The traffic class of packets over IPv6 (`IPV6_TCLASS`, ipv6(7)).
                "IPV6_TCLASS", tclass_v6, set_tclass_v6: u32 as Count =
                    libc::SOL_IPV6, libc::IPV6_TCLASS
            }

            $crate::net::options::rows::option! {
                /// The fewest hops that a packet over IPv4 may have left; others are dropped
                /// (`IP_MINTTL`, the mechanism of RFC 5082).
                "IP_MINTTL", min_ttl, set_min_ttl: u32 as Count =
                    libc::SOL_IP, libc::IP_MINTTL
            }

            $crate::net::options::rows::option! {
                /// The mark of the packets, for routing and firewalls (`SO_MARK`, socket(7)). Needs
                /// `CAP_NET_ADMIN` or, since Linux 5.17, `CAP_NET_RAW`.
                "SO_MARK", mark, set_mark: u32 as Mark = libc::SOL_SOCKET, libc::SO_MARK
            }

            $crate::net::options::rows::option! {
                /// The queueing priority of the packets (`SO_PRIORITY`, socket(7)). More than 6
                /// needs `CAP_NET_ADMIN`.
                "SO_PRIORITY", priority, set_priority: u32 as Count =
                    libc::SOL_SOCKET, libc::SO_PRIORITY
            }

            $crate::net::options::rows::option! {
                /// The CPU that took the last packet from the network (`SO_INCOMING_CPU`,
                /// socket(7)). Set on listeners that share a port, it has the kernel prefer the one
                /// whose CPU takes the connection's packets: what one listener a core wants.
                "SO_INCOMING_CPU", incoming_cpu, set_incoming_cpu: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::INCOMING_CPU
            }

            $crate::net::options::rows::option! {
                /// The receive queue of the device that the last packet came from; 0 if it has none
                /// (`SO_INCOMING_NAPI_ID`, Linux 4.12).
                "SO_INCOMING_NAPI_ID", incoming_napi_id: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::INCOMING_NAPI_ID
            }

            $crate::net::options::rows::option! {
                /// How long a system call that blocks polls the device (`SO_BUSY_POLL`, socket(7)).
                /// Microseconds; needs `CAP_NET_ADMIN` to be raised.
                "SO_BUSY_POLL", busy_poll, set_busy_poll: std::time::Duration as Micros =
                    libc::SOL_SOCKET, libc::SO_BUSY_POLL
            }

            $crate::net::options::rows::option! {
                /// Whether polling the device comes before its interrupts (`SO_PREFER_BUSY_POLL`,
                /// Linux 5.11).
                "SO_PREFER_BUSY_POLL", prefer_busy_poll, set_prefer_busy_poll: bool as Flag =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::PREFER_BUSY_POLL
            }

            $crate::net::options::rows::option! {
                /// How many packets one round of polling takes (`SO_BUSY_POLL_BUDGET`, Linux 5.11).
                "SO_BUSY_POLL_BUDGET", busy_poll_budget, set_busy_poll_budget: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::BUSY_POLL_BUDGET
            }

            $crate::net::options::rows::option! {
                /// Bytes a second that are sent at most, as pacing has it; `u64::MAX` is no bound
                /// (`SO_MAX_PACING_RATE`, Linux 3.13).
                "SO_MAX_PACING_RATE", max_pacing_rate, set_max_pacing_rate: u64 as Wide =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::MAX_PACING_RATE
            }

            $crate::net::options::rows::option! {
                /// The number by which the kernel knows the socket, in eBPF and in `ss`
                /// (`SO_COOKIE`, Linux 4.12).
                "SO_COOKIE", cookie: u64 as Wide =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::COOKIE
            }

            $crate::net::options::rows::option! {
                /// The network device that packets go through, if only one may be
                /// (`SO_BINDTODEVICE`, socket(7)).
                "SO_BINDTODEVICE", device: Option<Vec<u8>> as Device =
                    libc::SOL_SOCKET, libc::SO_BINDTODEVICE
            }

            /// Lets packets go through the network device of this name only, or through any
            /// (`SO_BINDTODEVICE`, socket(7)).
            ///
            /// # Errors
            /// `ENODEV` if there is no such device; `PermissionDenied` if it is bound to one
            /// already and `CAP_NET_RAW` is lacking; `InvalidInput` for more than 15 bytes; use on
            /// a foreign core.
            #[doc(alias = "SO_BINDTODEVICE")]
            pub fn bind_device(&self, name: Option<&[u8]>) -> std::io::Result<()> {
                use $crate::net::options::{set_as, value};
                let option = (libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
                set_as::<value::Device>(self.owned(), option, name.map(<[u8]>::to_vec))
            }
        }
    };
}

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
        }
    };
}

pub(in crate::net) use {of_any, of_internet, of_listeners, of_tcp, of_unbound, option};
