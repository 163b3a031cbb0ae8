//! The options of a UDP socket.
//!
//! Owns: their names and types. Invariant: the family of the socket decides which of two options
//! with one meaning is set. Mirrors socket(7), ip(7), ipv6(7), udp(7).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::UdpSocket;
use super::options::rows::{ip_numbers, of_any, of_internet, option, so};
use super::options::{self, steer};
use crate::core::Owned;
use crate::core::message_send::To;

/// An option, and what it is called for IPv6.
struct Twin {
    v4: i32,
    v6: i32,
}

impl UdpSocket {
    fn is_v6(&self) -> io::Result<bool> {
        Ok(self.socket.local_address()?.family() == libc::AF_INET6)
    }

    fn set(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        options::set(&self.socket.owned, level, name, value)
    }

    fn option(&self, level: i32, name: i32) -> io::Result<i32> {
        options::get(&self.socket.owned, level, name)
    }

    /// Sets an option of the socket's family. An IPv6 socket that takes IPv4, too, has both.
    fn set_twin(&self, twin: &Twin, value: i32) -> io::Result<()> {
        if !self.is_v6()? {
            return self.set(libc::IPPROTO_IP, twin.v4, value);
        }
        self.set(libc::IPPROTO_IPV6, twin.v6, value)?;
        if self.option(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)? == 0 {
            self.set(libc::IPPROTO_IP, twin.v4, value)?;
        }
        Ok(())
    }

    fn twin(&self, twin: &Twin) -> io::Result<i32> {
        if self.is_v6()? {
            return self.option(libc::IPPROTO_IPV6, twin.v6);
        }
        self.option(libc::IPPROTO_IP, twin.v4)
    }

    fn set_bytes(&self, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
        options::set_bytes(self.owned(), level, name, value)
    }

    /// Whether datagrams may be sent to a broadcast address (`SO_BROADCAST`), default false.
    ///
    /// # Errors
    /// Those of setsockopt(2); use on a foreign core.
    #[doc(alias = "SO_BROADCAST")]
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_BROADCAST, broadcast.into())
    }

    /// The value of `SO_BROADCAST`.
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.option(libc::SOL_SOCKET, libc::SO_BROADCAST).map(|value| value != 0)
    }

    /// How many routers a datagram may pass (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast); `InvalidInput` for 0 and for more than 255.
    #[doc(alias = "IP_TTL")]
    #[doc(alias = "IPV6_UNICAST_HOPS")]
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        let hops = u8::try_from(hops).ok().filter(|hops| *hops > 0);
        let Some(hops) = hops else {
            let error = "a datagram may pass 1 to 255 routers";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        };
        self.set_twin(&Twin { v4: libc::IP_TTL, v6: libc::IPV6_UNICAST_HOPS }, hops.into())
    }

    /// The value of `IP_TTL` or `IPV6_UNICAST_HOPS`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn ttl(&self) -> io::Result<u32> {
        let hops = self.twin(&Twin { v4: libc::IP_TTL, v6: libc::IPV6_UNICAST_HOPS })?;
        Ok(hops as u32)
    }

    /// The type of service or traffic class of what is sent (`IP_TOS`, `IPV6_TCLASS`); the kernel
    /// takes its lowest two bits, the [congestion mark](super::control::Ecn), as well.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_TOS")]
    #[doc(alias = "IPV6_TCLASS")]
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        self.set_twin(&Twin { v4: libc::IP_TOS, v6: libc::IPV6_TCLASS }, tos.into())
    }

    /// The value of `IP_TOS` or `IPV6_TCLASS`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn tos(&self) -> io::Result<u8> {
        Ok(self.twin(&Twin { v4: libc::IP_TOS, v6: libc::IPV6_TCLASS })? as u8)
    }

    /// Whether received datagrams tell their type of service or traffic class, and with it their
    /// [congestion mark](super::Datagram::ecn) (`IP_RECVTOS`, `IPV6_RECVTCLASS`).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_RECVTOS")]
    #[doc(alias = "IPV6_RECVTCLASS")]
    pub fn set_receive_tos(&self, receive: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_RECVTOS, v6: libc::IPV6_RECVTCLASS };
        self.set_twin(&twin, receive.into())
    }

    /// Whether received datagrams tell how many more routers they might have passed (`IP_RECVTTL`,
    /// `IPV6_RECVHOPLIMIT`).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_RECVTTL")]
    #[doc(alias = "IPV6_RECVHOPLIMIT")]
    pub fn set_receive_ttl(&self, receive: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_RECVTTL, v6: libc::IPV6_RECVHOPLIMIT };
        self.set_twin(&twin, receive.into())
    }

    /// Whether received datagrams tell by which interface and for which address they came
    /// (`IP_PKTINFO`, `IPV6_RECVPKTINFO`).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_PKTINFO")]
    #[doc(alias = "IPV6_RECVPKTINFO")]
    pub fn set_receive_packet_info(&self, receive: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_PKTINFO, v6: libc::IPV6_RECVPKTINFO };
        self.set_twin(&twin, receive.into())
    }

    /// Whether received datagrams tell when the kernel received them (`SO_TIMESTAMPNS`).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "SO_TIMESTAMPNS")]
    pub fn set_receive_timestamps(&self, receive: bool) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, receive.into())
    }

    /// Whether the kernel may join datagrams of one sender that are equally long (`UDP_GRO`): one
    /// pass through the stack serves all of them. Take them apart with
    /// [`Datagram::segments`](super::Datagram::segments).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "UDP_GRO")]
    pub fn set_gro(&self, join: bool) -> io::Result<()> {
        self.set(libc::SOL_UDP, libc::UDP_GRO, join.into())
    }

    /// Whether datagrams may be joined.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn gro(&self) -> io::Result<bool> {
        self.option(libc::SOL_UDP, libc::UDP_GRO).map(|value| value != 0)
    }

    /// Receives what is sent to a group, by the interface with this number; 0 lets the routing
    /// decide (`IP_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    /// `InvalidInput` if the address is not one of a group, `AddrInUse` if it was joined already,
    /// errno `ENODEV` if there is no such interface; use on a foreign core.
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: u32) -> io::Result<()> {
        let value = membership(group, interface);
        self.set_bytes(libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &value)
    }

    /// Ends [`join_multicast_v4`](Self::join_multicast_v4) (`IP_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    /// `AddrNotAvailable` if it was not joined; use on a foreign core.
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: u32) -> io::Result<()> {
        let value = membership(group, interface);
        self.set_bytes(libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP, &value)
    }

    /// As [`join_multicast_v4`](Self::join_multicast_v4), for IPv6 (`IPV6_ADD_MEMBERSHIP`).
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let value = [&group.octets()[..], &interface.to_ne_bytes()].concat();
        self.set_bytes(libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, &value)
    }

    /// Ends [`join_multicast_v6`](Self::join_multicast_v6) (`IPV6_DROP_MEMBERSHIP`).
    ///
    /// # Errors
    /// As [`leave_multicast_v4`](Self::leave_multicast_v4).
    #[doc(alias = "IPV6_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let value = [&group.octets()[..], &interface.to_ne_bytes()].concat();
        self.set_bytes(libc::IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP, &value)
    }

    /// By which interface datagrams to a group leave; 0 lets the routing decide
    /// (`IP_MULTICAST_IF`, `IPV6_MULTICAST_IF`).
    ///
    /// # Errors
    /// `AddrNotAvailable` or errno `ENODEV` if there is no such interface; use on a foreign core.
    #[doc(alias = "IP_MULTICAST_IF")]
    #[doc(alias = "IPV6_MULTICAST_IF")]
    pub fn set_multicast_interface(&self, interface: u32) -> io::Result<()> {
        if self.is_v6()? {
            let interface = interface.to_ne_bytes();
            return self.set_bytes(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, &interface);
        }
        let value = membership(Ipv4Addr::UNSPECIFIED, interface);
        self.set_bytes(libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &value)
    }

    /// Whether this host receives what is sent to a group from here (`IP_MULTICAST_LOOP`,
    /// `IPV6_MULTICAST_LOOP`), default true.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_MULTICAST_LOOP")]
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn set_multicast_loop(&self, receive: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_MULTICAST_LOOP, v6: libc::IPV6_MULTICAST_LOOP };
        self.set_twin(&twin, receive.into())
    }

    /// The value of `IP_MULTICAST_LOOP` or `IPV6_MULTICAST_LOOP`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn multicast_loop(&self) -> io::Result<bool> {
        let twin = Twin { v4: libc::IP_MULTICAST_LOOP, v6: libc::IPV6_MULTICAST_LOOP };
        self.twin(&twin).map(|value| value != 0)
    }

    /// How many routers a datagram to a group may pass (`IP_MULTICAST_TTL`,
    /// `IPV6_MULTICAST_HOPS`), default 1.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_MULTICAST_TTL")]
    #[doc(alias = "IPV6_MULTICAST_HOPS")]
    pub fn set_multicast_ttl(&self, hops: u8) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_MULTICAST_TTL, v6: libc::IPV6_MULTICAST_HOPS };
        self.set_twin(&twin, hops.into())
    }

    /// The value of `IP_MULTICAST_TTL` or `IPV6_MULTICAST_HOPS`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn multicast_ttl(&self) -> io::Result<u8> {
        let twin = Twin { v4: libc::IP_MULTICAST_TTL, v6: libc::IPV6_MULTICAST_HOPS };
        Ok(self.twin(&twin)? as u8)
    }

    /// Whether received datagrams tell where they were going before a firewall of this machine
    /// redirected them here (`IP_RECVORIGDSTADDR`, `IPV6_RECVORIGDSTADDR`): an
    /// [`OriginalDestination`](super::control::ControlMessage::OriginalDestination) each, for a
    /// transparent proxy.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_RECVORIGDSTADDR")]
    #[doc(alias = "IPV6_RECVORIGDSTADDR")]
    pub fn set_receive_original_destination(&self, receive: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_RECVORIGDSTADDR, v6: ip_numbers::V6_RECVORIGDSTADDR };
        self.set_twin(&twin, receive.into())
    }

    /// Whether received datagrams tell how many were thrown away before them for want of room, once
    /// there are any (`SO_RXQ_OVFL`): a
    /// [`Dropped`](super::control::ControlMessage::Dropped) each.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "SO_RXQ_OVFL")]
    pub fn set_receive_dropped(&self, receive: bool) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, so::RXQ_OVFL, receive.into())
    }

    /// Whether received datagrams tell the mark that a firewall of this machine gave them
    /// (`SO_RCVMARK`, Linux 5.19): a [`Mark`](super::control::ControlMessage::Mark) each.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast); `PermissionDenied` without `CAP_NET_RAW` or
    /// `CAP_NET_ADMIN`.
    #[doc(alias = "SO_RCVMARK")]
    pub fn set_receive_mark(&self, receive: bool) -> io::Result<()> {
        self.set(libc::SOL_SOCKET, so::RCVMARK, receive.into())
    }

    /// Whether the socket receives what is sent to any group that somebody on this machine has
    /// joined, or only to those that it has joined itself (`IP_MULTICAST_ALL`,
    /// `IPV6_MULTICAST_ALL`), default true.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "IP_MULTICAST_ALL")]
    #[doc(alias = "IPV6_MULTICAST_ALL")]
    pub fn set_multicast_all(&self, all: bool) -> io::Result<()> {
        let twin = Twin { v4: libc::IP_MULTICAST_ALL, v6: ip_numbers::V6_MULTICAST_ALL };
        self.set_twin(&twin, all.into())
    }

    /// The value of `IP_MULTICAST_ALL` or `IPV6_MULTICAST_ALL`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn multicast_all(&self) -> io::Result<bool> {
        let twin = Twin { v4: libc::IP_MULTICAST_ALL, v6: ip_numbers::V6_MULTICAST_ALL };
        self.twin(&twin).map(|value| value != 0)
    }

    /// Receives what one host sends to a group, by the interface with this number; 0 lets the
    /// routing decide (`MCAST_JOIN_SOURCE_GROUP`).
    ///
    /// # Errors
    /// `InvalidInput` if the addresses are of two families or the first is not one of a group,
    /// `AddrNotAvailable` if it was joined already, errno `ENODEV` if there is no such interface;
    /// use on a foreign core.
    #[doc(alias = "MCAST_JOIN_SOURCE_GROUP")]
    #[doc(alias = "IP_ADD_SOURCE_MEMBERSHIP")]
    pub fn join_multicast_from(
        &self,
        group: IpAddr,
        source: IpAddr,
        interface: u32,
    ) -> io::Result<()> {
        self.set_source(libc::MCAST_JOIN_SOURCE_GROUP, (group, source), interface)
    }

    /// Ends [`join_multicast_from`](Self::join_multicast_from) (`MCAST_LEAVE_SOURCE_GROUP`).
    ///
    /// # Errors
    /// `AddrNotAvailable` if others were joined, but not this one, `InvalidInput` if none was; use
    /// on a foreign core.
    #[doc(alias = "MCAST_LEAVE_SOURCE_GROUP")]
    #[doc(alias = "IP_DROP_SOURCE_MEMBERSHIP")]
    pub fn leave_multicast_from(
        &self,
        group: IpAddr,
        source: IpAddr,
        interface: u32,
    ) -> io::Result<()> {
        self.set_source(libc::MCAST_LEAVE_SOURCE_GROUP, (group, source), interface)
    }

    /// Receives from a [joined](Self::join_multicast_v4) group what others send, but not this host
    /// (`MCAST_BLOCK_SOURCE`).
    ///
    /// # Errors
    /// `AddrNotAvailable` if it is blocked already; `InvalidInput` if the group was not joined; use
    /// on a foreign core.
    #[doc(alias = "MCAST_BLOCK_SOURCE")]
    #[doc(alias = "IP_BLOCK_SOURCE")]
    pub fn block_multicast_from(
        &self,
        group: IpAddr,
        source: IpAddr,
        interface: u32,
    ) -> io::Result<()> {
        self.set_source(libc::MCAST_BLOCK_SOURCE, (group, source), interface)
    }

    /// Ends [`block_multicast_from`](Self::block_multicast_from) (`MCAST_UNBLOCK_SOURCE`).
    ///
    /// # Errors
    /// `AddrNotAvailable` if it was not blocked; use on a foreign core.
    #[doc(alias = "MCAST_UNBLOCK_SOURCE")]
    #[doc(alias = "IP_UNBLOCK_SOURCE")]
    pub fn unblock_multicast_from(
        &self,
        group: IpAddr,
        source: IpAddr,
        interface: u32,
    ) -> io::Result<()> {
        self.set_source(libc::MCAST_UNBLOCK_SOURCE, (group, source), interface)
    }

    fn set_source(
        &self,
        name: i32,
        (group, source): (IpAddr, IpAddr),
        interface: u32,
    ) -> io::Result<()> {
        if group.is_ipv4() != source.is_ipv4() {
            let text = format!("the group {group} and the source {source} are of two families");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
        options::set_bytes(self.owned(), level, name, &source_request(group, source, interface))
    }

    /// Has the sockets that share this one's port get the datagrams that their CPU takes
    /// (`SO_ATTACH_REUSEPORT_CBPF`, socket(7)); see
    /// [`TcpListener::steer_by_cpu`](super::TcpListener::steer_by_cpu). The first is the one that
    /// was bound first.
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "SO_ATTACH_REUSEPORT_CBPF")]
    pub fn steer_by_cpu(&self, sockets: u16) -> io::Result<()> {
        steer::steer_by_cpu(self.owned(), sockets)
    }

    /// Undoes [`steer_by_cpu`](Self::steer_by_cpu) (`SO_DETACH_REUSEPORT_BPF`, Linux 5.3).
    ///
    /// # Errors
    /// `NotFound` if there is nothing to undo; use on a foreign core.
    #[doc(alias = "SO_DETACH_REUSEPORT_BPF")]
    pub fn steer_by_address(&self) -> io::Result<()> {
        steer::steer_by_address(self.owned())
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.socket.owned
    }

    option! {
        /// Whether datagrams over IPv4 are sent without a checksum (`SO_NO_CHECK`).
        "SO_NO_CHECK", no_checksum_v4, set_no_checksum_v4: bool as Flag =
            libc::SOL_SOCKET, libc::SO_NO_CHECK
    }

    option! {
        /// Whether datagrams over IPv6 are sent without a checksum (`UDP_NO_CHECK6_TX`), which
        /// RFC 6935 allows to tunnels.
        "UDP_NO_CHECK6_TX", no_checksum_v6, set_no_checksum_v6: bool as Flag =
            libc::SOL_UDP, libc::UDP_NO_CHECK6_TX
    }

    option! {
        /// Whether datagrams over IPv6 are received that have no checksum (`UDP_NO_CHECK6_RX`).
        "UDP_NO_CHECK6_RX", takes_no_checksum_v6, set_takes_no_checksum_v6: bool as Flag =
            libc::SOL_UDP, libc::UDP_NO_CHECK6_RX
    }

    option! {
        /// Whether a datagram over IPv6 that is larger than the way allows fails with `EMSGSIZE`
        /// instead of being cut into fragments (`IPV6_DONTFRAG`, RFC 3542).
        "IPV6_DONTFRAG", dont_fragment_v6, set_dont_fragment_v6: bool as Flag =
            libc::SOL_IPV6, libc::IPV6_DONTFRAG
    }
}

of_any!(UdpSocket);
of_internet!(UdpSocket);

/// `struct group_source_req`.
fn source_request(group: IpAddr, source: IpAddr, interface: u32) -> Vec<u8> {
    /// Of a `struct sockaddr_storage`.
    const ADDRESS_BYTES: usize = 128;
    let mut bytes = vec![0; 8 + 2 * ADDRESS_BYTES];
    bytes[..4].copy_from_slice(&interface.to_ne_bytes());
    for (at, address) in [(8, group), (8 + ADDRESS_BYTES, source)] {
        let address = To::from(SocketAddr::new(address, 0));
        let address = address.as_bytes();
        bytes[at..at + address.len()].copy_from_slice(address);
    }
    bytes
}

/// `struct ip_mreqn`, without an address of the interface.
fn membership(group: Ipv4Addr, interface: u32) -> Vec<u8> {
    [group.octets(), [0; 4], interface.to_ne_bytes()].concat()
}
