//! The options of a UDP socket.
//!
//! Owns: their names and types. Invariant: the family of the socket decides which of two options
//! with one meaning is set. Mirrors socket(7), ip(7), ipv6(7), udp(7).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use annulus_ring::Kernel as _;

use super::{UdpSocket, options};
use crate::core::State;

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
        let fd = self.socket.owned.raw_fd();
        let set = |state: &mut State, _| state.ring.kernel().set_option(fd, level, name, value);
        Ok(self.socket.owned.with(set)??)
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

    /// Bytes that the kernel keeps for this socket until they are received (`SO_RCVBUF`). It takes
    /// twice as many, for its own structures, and bounds them by `net.core.rmem_max`.
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "SO_RCVBUF")]
    pub fn set_recv_buffer_bytes(&self, bytes: u32) -> io::Result<()> {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.set(libc::SOL_SOCKET, libc::SO_RCVBUF, bytes)
    }

    /// The value of `SO_RCVBUF`: twice what was set, as socket(7) has it.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn recv_buffer_bytes(&self) -> io::Result<u32> {
        self.option(libc::SOL_SOCKET, libc::SO_RCVBUF).map(|bytes| bytes as u32)
    }

    /// Bytes that may wait to be sent (`SO_SNDBUF`), as for
    /// [`set_recv_buffer_bytes`](Self::set_recv_buffer_bytes).
    ///
    /// # Errors
    /// As [`set_broadcast`](Self::set_broadcast).
    #[doc(alias = "SO_SNDBUF")]
    pub fn set_send_buffer_bytes(&self, bytes: u32) -> io::Result<()> {
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        self.set(libc::SOL_SOCKET, libc::SO_SNDBUF, bytes)
    }

    /// The value of `SO_SNDBUF`: twice what was set, as socket(7) has it.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn send_buffer_bytes(&self) -> io::Result<u32> {
        self.option(libc::SOL_SOCKET, libc::SO_SNDBUF).map(|bytes| bytes as u32)
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

    /// The error that the kernel keeps for the next operation, which then does not meet it
    /// (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of getsockopt(2); use on a foreign core.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let errno = self.option(libc::SOL_SOCKET, libc::SO_ERROR)?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }
}

/// `struct ip_mreqn`, without an address of the interface.
fn membership(group: Ipv4Addr, interface: u32) -> Vec<u8> {
    [group.octets(), [0; 4], interface.to_ne_bytes()].concat()
}
