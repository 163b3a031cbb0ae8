//! The rows of sockets of IP.
//!
//! Owns: two groups: what every socket of IP has, and what TCP has by the name of each family
//! (UDP sets the option of its family, `udp_options`). Mirrors socket(7), ip(7), ipv6(7).

/// What a packet of TCP may pass, and how it is marked for that, for each family.
macro_rules! of_hops {
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
        }
    };
}

/// What sockets of IP have: whose packets they are, where they go and how they are marked. Of a
/// listener, the connections that it accepts inherit most of it.
macro_rules! of_internet {
    ($handle:ty) => {
        impl $handle {
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

            $crate::net::options::rows::option! {
                /// Whether packets go to hosts on directly connected networks only, past no router
                /// (`SO_DONTROUTE`, socket(7)).
                "SO_DONTROUTE", dont_route, set_dont_route: bool as Flag =
                    libc::SOL_SOCKET, libc::SO_DONTROUTE
            }

            $crate::net::options::rows::option! {
                /// As [`bind_device`](Self::bind_device), by the number of the device; 0 is any
                /// (`SO_BINDTOIFINDEX`, Linux 5.1).
                "SO_BINDTOIFINDEX", device_index, set_device_index: u32 as Count =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::BINDTOIFINDEX
            }

            $crate::net::options::rows::option! {
                /// The number by which the kernel knows the network namespace of the socket
                /// (`SO_NETNS_COOKIE`, Linux 5.14).
                "SO_NETNS_COOKIE", network_namespace_cookie: u64 as Wide =
                    libc::SOL_SOCKET, $crate::net::options::rows::so::NETNS_COOKIE
            }

            $crate::net::options::rows::option! {
                /// Bytes of the largest packet on the way to the peer, as far as is known, of a
                /// connected socket of IPv4 (`IP_MTU`, ip(7)).
                "IP_MTU", path_mtu_v4: u32 as Count = libc::SOL_IP, libc::IP_MTU
            }

            $crate::net::options::rows::option! {
                /// The same of a connected socket of IPv6 (`IPV6_MTU`, ipv6(7)).
                "IPV6_MTU", path_mtu_v6: u32 as Count = libc::SOL_IPV6, libc::IPV6_MTU
            }

            $crate::net::options::rows::option! {
                /// Whether packets over IPv4 may be cut into fragments, and whether what is known
                /// of the path counts (`IP_MTU_DISCOVER`, ip(7)).
                "IP_MTU_DISCOVER", path_mtu_discovery_v4, set_path_mtu_discovery_v4:
                    $crate::net::PathMtu as Discovery = libc::SOL_IP, libc::IP_MTU_DISCOVER
            }

            $crate::net::options::rows::option! {
                /// The same for packets over IPv6 (`IPV6_MTU_DISCOVER`, ipv6(7)).
                "IPV6_MTU_DISCOVER", path_mtu_discovery_v6, set_path_mtu_discovery_v6:
                    $crate::net::PathMtu as Discovery = libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER
            }

            $crate::net::options::rows::option! {
                /// The interface through which packets over IPv4 go unless a route or
                /// [`bind_device`](Self::bind_device) says otherwise, by its number; 0 is any
                /// (`IP_UNICAST_IF`, Linux 3.4).
                "IP_UNICAST_IF",
                    unicast_interface_v4, set_unicast_interface_v4: u32 as Interface =
                    libc::SOL_IP, libc::IP_UNICAST_IF
            }

            $crate::net::options::rows::option! {
                /// The same for packets over IPv6 (`IPV6_UNICAST_IF`, Linux 3.4).
                "IPV6_UNICAST_IF",
                    unicast_interface_v6, set_unicast_interface_v6: u32 as Interface =
                    libc::SOL_IPV6, $crate::net::options::rows::ip_numbers::V6_UNICAST_IF
            }

            $crate::net::options::rows::option! {
                /// The fewest hops that a packet over IPv6 may have left; others are dropped
                /// (`IPV6_MINHOPCOUNT`, the mechanism of RFC 5082).
                "IPV6_MINHOPCOUNT", min_hop_limit, set_min_hop_limit: u32 as Count =
                    libc::SOL_IPV6, $crate::net::options::rows::ip_numbers::V6_MINHOPCOUNT
            }

            $crate::net::options::rows::option! {
                /// Whether the kernel labels the flows of packets over IPv6, so that routers can
                /// tell them apart (`IPV6_AUTOFLOWLABEL`, Linux 3.17).
                "IPV6_AUTOFLOWLABEL", auto_flow_label, set_auto_flow_label: bool as Flag =
                    libc::SOL_IPV6, $crate::net::options::rows::ip_numbers::V6_AUTOFLOWLABEL
            }

            $crate::net::options::rows::option! {
                /// Whether the flow label in an address that is sent to is sent
                /// (`IPV6_FLOWINFO_SEND`, ipv6(7)).
                "IPV6_FLOWINFO_SEND", send_flow_info, set_send_flow_info: bool as Flag =
                    libc::SOL_IPV6, $crate::net::options::rows::ip_numbers::V6_FLOWINFO_SEND
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

pub(in crate::net) use {of_hops, of_internet};
