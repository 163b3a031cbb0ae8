//! The table of socket options.
//!
//! Owns: each option's name, type, level and meaning, once. A group is a macro, because a handle
//! takes all of a group or none; `option` writes the getter and the setter of one row. Does not
//! own: options that need more than that (the handles have those).

mod internet;
mod tcp;

pub(in crate::net) use internet::{of_hops, of_internet};
pub(in crate::net) use tcp::{of_listeners, of_tcp, of_unbound};

/// `SO_*` of asm-generic/socket.h that the `libc` crate does not have.
pub(in crate::net) mod so {
    pub(in crate::net) const SNDBUFFORCE: i32 = 32;
    pub(in crate::net) const RCVBUFFORCE: i32 = 33;
    pub(in crate::net) const RXQ_OVFL: i32 = 40;
    pub(in crate::net) const MAX_PACING_RATE: i32 = 47;
    pub(in crate::net) const INCOMING_CPU: i32 = 49;
    pub(in crate::net) const INCOMING_NAPI_ID: i32 = 56;
    pub(in crate::net) const ATTACH_REUSEPORT_CBPF: i32 = 51;
    pub(in crate::net) const COOKIE: i32 = 57;
    pub(in crate::net) const PEERGROUPS: i32 = 59;
    pub(in crate::net) const BINDTOIFINDEX: i32 = 62;
    pub(in crate::net) const DETACH_REUSEPORT_BPF: i32 = 68;
    pub(in crate::net) const PREFER_BUSY_POLL: i32 = 69;
    pub(in crate::net) const BUSY_POLL_BUDGET: i32 = 70;
    pub(in crate::net) const NETNS_COOKIE: i32 = 71;
    pub(in crate::net) const RCVMARK: i32 = 75;
}

/// `TCP_*` of linux/tcp.h, likewise.
pub(in crate::net) mod tcp_numbers {
    pub(in crate::net) const FASTOPEN_KEY: i32 = 33;
    pub(in crate::net) const FASTOPEN_NO_COOKIE: i32 = 34;
    pub(in crate::net) const TX_DELAY: i32 = 37;
    pub(in crate::net) const RTO_MAX_MS: i32 = 44;
    pub(in crate::net) const RTO_MIN_US: i32 = 45;
    pub(in crate::net) const DELACK_MAX_US: i32 = 46;
}

/// `IP_*` and `IPV6_*` of linux/in.h and linux/in6.h, likewise.
pub(in crate::net) mod ip_numbers {
    pub(in crate::net) const LOCAL_PORT_RANGE: i32 = 51;
    pub(in crate::net) const V6_MULTICAST_ALL: i32 = 29;
    pub(in crate::net) const V6_FLOWINFO_SEND: i32 = 33;
    pub(in crate::net) const V6_AUTOFLOWLABEL: i32 = 70;
    pub(in crate::net) const V6_MINHOPCOUNT: i32 = 73;
    pub(in crate::net) const V6_RECVORIGDSTADDR: i32 = 74;
    pub(in crate::net) const V6_UNICAST_IF: i32 = 76;
}

/// The getter, the setter, or both, of one option.
macro_rules! option {
    (
        $(#[$doc:meta])*
        $alias:literal, set $set:ident: $ty:ty as $kind:ident =
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
    };
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
                /// As [`set_recv_buffer_size`](Self::set_recv_buffer_size), past
                /// `net.core.rmem_max` (`SO_RCVBUFFORCE`, socket(7)). Needs `CAP_NET_ADMIN`.
                "SO_RCVBUFFORCE", set force_recv_buffer_size: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::RCVBUFFORCE
            }

            $crate::net::options::rows::option! {
                /// As [`set_send_buffer_size`](Self::set_send_buffer_size), past
                /// `net.core.wmem_max` (`SO_SNDBUFFORCE`, socket(7)). Needs `CAP_NET_ADMIN`.
                "SO_SNDBUFFORCE", set force_send_buffer_size: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::SNDBUFFORCE
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

pub(in crate::net) use {of_any, option};
