//! Options, and the control messages that they ask for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use annulus::net::control::{Control, ControlMessage, Ecn, PacketInfoV4, PacketInfoV6};
use annulus::net::{Datagram, UdpOptions, UdpSocket};

use super::{ANY, pattern, std_socket};
use crate::harness::{run, skip};

/// Both families; IPv6 only where the machine has it.
fn families() -> Vec<&'static str> {
    match std::net::UdpSocket::bind("[::1]:0") {
        Ok(_) => vec![ANY, "[::1]:0"],
        Err(error) => {
            skip(&format!("IPv6: {error}"));
            vec![ANY]
        }
    }
}

#[test]
fn options_are_as_they_were_set() {
    run(async {
        for address in families() {
            let socket = UdpSocket::bind(address)?;
            for value in [true, false] {
                socket.set_broadcast(value)?;
                assert_eq!(socket.broadcast()?, value);
                socket.set_gro(value)?;
                assert_eq!(socket.gro()?, value);
                socket.set_multicast_loop(value)?;
                assert_eq!(socket.multicast_loop()?, value);
                socket.set_receive_tos(value)?;
                socket.set_receive_ttl(value)?;
                socket.set_receive_packet_info(value)?;
                socket.set_receive_timestamps(value)?;
            }
            socket.set_ttl(17)?;
            assert_eq!(socket.ttl()?, 17);
            socket.set_multicast_ttl(3)?;
            assert_eq!(socket.multicast_ttl()?, 3);
            socket.set_tos(0xb8)?;
            assert_eq!(socket.tos()?, 0xb8);
            for wrong in [0, 256, u32::MAX] {
                let error = socket.set_ttl(wrong).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            }
            socket.set_recv_buffer_size(50_000)?;
            assert_eq!(socket.recv_buffer_size()?, 100_000);
            socket.set_send_buffer_size(60_000)?;
            assert_eq!(socket.send_buffer_size()?, 120_000);
        }
        Ok(())
    });
}

#[test]
fn control_messages_tell_what_the_sender_has_set() {
    run(async {
        for address in families() {
            let socket = UdpSocket::bind(address)?;
            socket.set_receive_tos(true)?;
            socket.set_receive_ttl(true)?;
            socket.set_receive_packet_info(true)?;
            socket.set_receive_timestamps(true)?;
            let sender = UdpSocket::bind(address)?;
            let to = socket.local_addr()?;
            let mut control = Control::new();
            let (tos, ttl) = match to.ip() {
                IpAddr::V4(_) => (ControlMessage::Tos(2), ControlMessage::Ttl(9)),
                IpAddr::V6(_) => (ControlMessage::TrafficClass(2), ControlMessage::HopLimit(9)),
            };
            control.push(tos)?;
            control.push(ttl)?;
            let before = SystemTime::now() - Duration::from_secs(60);
            let (_, (_, control)) = sender.send_msg(("leased",), Some(to), control).await?;
            let datagram = socket.recv().await?;
            assert_eq!(datagram.ecn(), Some(Ecn::Capable0));
            tells_all(datagram.control().collect(), to, before);
            sender.send_msg(("into a buffer",), Some(to), control).await?;
            let (received, (buf, control)) =
                socket.recv_msg(Vec::with_capacity(100), Control::with_room(256)).await?;
            assert_eq!((received.sender, &buf[..]), (sender.local_addr()?, &b"into a buffer"[..]));
            tells_all(control.messages().collect(), to, before);
            sender.send_to("cut", to).await?;
            let (_, (_, control)) =
                socket.recv_msg(Vec::with_capacity(100), Control::with_room(24)).await?;
            assert!(control.is_truncated() && control.messages().count() <= 1, "{control:?}");
        }
        Ok(())
    });
}

fn tells_all(messages: Vec<ControlMessage<'_>>, to: SocketAddr, before: SystemTime) {
    let (mut tos, mut ttl, mut info, mut at) = (None, None, None, None);
    for message in messages {
        match message {
            ControlMessage::Tos(value) | ControlMessage::TrafficClass(value) => tos = Some(value),
            ControlMessage::Ttl(value) | ControlMessage::HopLimit(value) => ttl = Some(value),
            ControlMessage::PacketInfoV4(PacketInfoV4 { interface, destination, .. }) => {
                info = Some((interface, IpAddr::V4(destination)));
            }
            ControlMessage::PacketInfoV6(PacketInfoV6 { interface, address }) => {
                info = Some((interface, IpAddr::V6(address)));
            }
            ControlMessage::Timestamp(value) => at = Some(value),
            other => panic!("{other:?} was not asked for"),
        }
    }
    assert_eq!((tos, ttl), (Some(2), Some(9)));
    let (interface, destination) = info.expect("it was asked for");
    assert!(interface > 0 && destination == to.ip());
    assert!(at.expect("it was asked for") > before);
}

#[test]
fn a_source_address_can_be_chosen() {
    run(async {
        let receiver = UdpSocket::bind(ANY)?;
        let sender = UdpSocket::bind("0.0.0.0:0")?;
        let local = Ipv4Addr::new(127, 0, 0, 77);
        let mut control = Control::new();
        let destination = Ipv4Addr::UNSPECIFIED;
        control.push(ControlMessage::PacketInfoV4(PacketInfoV4 {
            interface: 0,
            local,
            destination,
        }))?;
        sender.send_msg(("from 77",), Some(receiver.local_addr()?), control).await?;
        assert_eq!(receiver.recv().await?.sender().ip(), local);
        Ok(())
    });
}

#[test]
fn segments_leave_as_datagrams_and_may_arrive_joined() {
    run(async {
        let (peer, peer_address) = std_socket()?;
        let sender = UdpSocket::bind(ANY)?;
        let bytes = pattern(1200 * 5 + 77, 1);
        let (n, bytes) = sender.send_segments(bytes, 1200, Some(peer_address)).await?;
        assert_eq!(n, bytes.len());
        for expected in bytes.chunks(1200) {
            let mut got = vec![0; 2000];
            let n = peer.recv(&mut got)?;
            assert!(got[..n] == *expected);
        }
        // Connected, and with the control message that it is made of.
        let joined = UdpSocket::bind(ANY)?;
        joined.set_gro(true)?;
        sender.connect(joined.local_addr()?).await?;
        sender.send_segments(bytes.clone(), 1200, None).await?;
        takes_apart(&joined, &bytes).await?;
        let mut control = Control::new();
        control.push(ControlMessage::SegmentBytes(1200))?;
        sender.send_msg((bytes.clone(),), None, control).await?;
        takes_apart(&joined, &bytes).await?;
        for wrong in [(0_usize, 1200_u16), (60_000, 1)] {
            let sent = sender.send_segments(vec![0; wrong.0], wrong.1, None).await;
            if let Err(error) = sent {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong:?}");
            } else {
                assert_eq!(wrong.0, 0, "nothing is one datagram without bytes");
                assert!(joined.recv().await?.is_empty());
            }
        }
        Ok(())
    });
}

/// Receives `bytes` in segments of 1200, joined or not.
async fn takes_apart(socket: &UdpSocket, bytes: &[u8]) -> io::Result<()> {
    let mut segments = Vec::new();
    let mut datagrams: Vec<Datagram> = Vec::new();
    while datagrams.iter().map(|datagram| datagram.len()).sum::<usize>() < bytes.len() {
        datagrams.push(socket.recv().await?);
    }
    for datagram in &datagrams {
        segments.extend(datagram.segments());
        assert!(datagram.segment_bytes() == 1200 || datagram.len() < 1200);
    }
    assert!(segments == bytes.chunks(1200).collect::<Vec<_>>());
    assert_eq!(datagrams.len(), 1, "loopback joins what was sent in one piece");
    Ok(())
}

#[test]
fn a_group_is_joined_and_left() {
    run(async {
        let group = Ipv4Addr::new(224, 0, 0, 123);
        let options = UdpOptions::new().reuse_address(true);
        let first = UdpSocket::bind_with("0.0.0.0:0", options)?;
        let port = first.local_addr()?.port();
        let second = UdpSocket::bind_with(("0.0.0.0", port), options)?;
        let loopback = 1; // the first interface of every network namespace
        first.join_multicast_v4(group, loopback)?;
        second.join_multicast_v4(group, loopback)?;
        let again = first.join_multicast_v4(group, loopback).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
        let sender = UdpSocket::bind("0.0.0.0:0")?;
        sender.set_multicast_interface(loopback)?;
        sender.send_to("all", (group, port).into()).await?;
        assert_eq!(&*first.recv().await?, b"all");
        assert_eq!(&*second.recv().await?, b"all");
        first.leave_multicast_v4(group, loopback)?;
        let left = first.leave_multicast_v4(group, loopback).unwrap_err();
        assert_eq!(left.kind(), io::ErrorKind::AddrNotAvailable);
        let no_group = first.join_multicast_v4(Ipv4Addr::LOCALHOST, loopback).unwrap_err();
        assert_eq!(no_group.kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn a_group_of_ipv6_is_joined_and_left() {
    run(async {
        if families().len() < 2 {
            return Ok(());
        }
        let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0x123); // of this node
        let socket = UdpSocket::bind_with("[::]:0", UdpOptions::new().only_v6(true))?;
        let loopback = 1;
        if let Err(error) = socket.join_multicast_v6(group, loopback) {
            skip(&format!("groups of IPv6: {error}"));
            return Ok(());
        }
        socket.join_multicast_v6(group, loopback).unwrap_err();
        let sender = UdpSocket::bind("[::]:0")?;
        sender.set_multicast_interface(loopback)?;
        let port = socket.local_addr()?.port();
        match sender.send_to("all", (group, port).into()).await {
            Ok(_) => assert_eq!(&*socket.recv().await?, b"all"),
            Err(error) => skip(&format!("groups of IPv6: {error}")),
        }
        socket.leave_multicast_v6(group, loopback)?;
        socket.leave_multicast_v6(group, loopback).unwrap_err();
        Ok(())
    });
}

#[test]
fn a_broadcast_must_be_allowed() {
    run(async {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let to = SocketAddr::from(([255, 255, 255, 255], 9));
        let error = socket.send_to("all", to).await.unwrap_err();
        // A namespace without a network has no way there, allowed or not.
        let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::NetworkUnreachable];
        assert!(kinds.contains(&error.kind()), "{error}");
        if error.kind() == io::ErrorKind::PermissionDenied {
            socket.set_broadcast(true)?;
            socket.send_to("all", to).await?;
        }
        Ok(())
    });
}

#[test]
fn an_address_of_both_families_takes_ipv4_unless_it_is_told_not_to() {
    run(async {
        if families().len() < 2 {
            return Ok(());
        }
        let both = UdpSocket::bind("[::]:0")?;
        both.set_receive_tos(true)?;
        let port = both.local_addr()?.port();
        let sender = UdpSocket::bind(ANY)?;
        sender.set_tos(3)?;
        sender.send_to("four", ([127, 0, 0, 1], port).into()).await?;
        let datagram = both.recv().await?;
        let IpAddr::V6(from) = datagram.sender().ip() else {
            panic!("{datagram:?}");
        };
        assert_eq!(from.to_ipv4_mapped(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(datagram.ecn(), Some(Ecn::Congestion));
        Ok(())
    });
}
