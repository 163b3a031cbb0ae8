//! Sockets that share a port, and the program that deals out among them; what is said before a
//! socket is bound, and what it keeps of a connection's beginning.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use annulus::net::control::ControlMessage;
use annulus::net::{
    ListenOptions, PathMtu, TcpListener, TcpSocket, TcpStream, UdpOptions, UdpSocket, UnixDatagram,
    UnixSeqpacket, UnixStream,
};

use crate::harness::{pair, run, skip};

const ANY: &str = "127.0.0.1:0";

/// The CPUs that this thread may run on.
fn cpus() -> (libc::cpu_set_t, Vec<usize>) {
    // SAFETY: zeroes are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a valid place, as large as is said.
    let got = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    assert_eq!(got, 0);
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: the number is below the size of the set.
    let members = all.filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).collect();
    (set, members)
}

fn pin_to(set: &libc::cpu_set_t) {
    // SAFETY: a valid set, as large as is said.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(set), set) }, 0);
}

/// Runs on one CPU meanwhile: packets over loopback are taken by the CPU that sends them.
struct Pinned(libc::cpu_set_t);

impl Pinned {
    fn to(cpu: usize) -> Self {
        let (before, _) = cpus();
        // SAFETY: zeroes are the empty set.
        let mut one: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the number is one of those of `cpus`.
        unsafe { libc::CPU_SET(cpu, &mut one) };
        pin_to(&one);
        Self(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        pin_to(&self.0);
    }
}

#[test]
fn connections_come_to_the_listener_of_the_cpu_that_took_them() {
    run(async {
        let shared = ListenOptions::new().reuse_port(true);
        let first = TcpListener::bind_with(ANY, shared)?;
        let address = first.local_addr()?;
        let second = TcpListener::bind_with(address, shared)?;
        second.steer_by_cpu(2)?;
        for cpu in cpus().1.into_iter().take(4) {
            let _pinned = Pinned::to(cpu);
            for _ in 0..8 {
                let client = TcpStream::connect(address).await?;
                let mine = if cpu % 2 == 0 { &first } else { &second };
                let (_, peer) = mine.accept().await?;
                assert_eq!(peer, client.local_addr()?, "CPU {cpu}");
            }
        }
        first.steer_by_address()?;
        let error = first.steer_by_address().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "there is nothing left to undo");
        let error = first.steer_by_cpu(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn datagrams_come_to_the_socket_of_the_cpu_that_took_them() {
    run(async {
        let shared = UdpOptions::new().reuse_port(true);
        let first = UdpSocket::bind_with(ANY, shared)?;
        let address = first.local_addr()?;
        let second = UdpSocket::bind_with(address, shared)?;
        first.steer_by_cpu(2)?;
        let sender = std::net::UdpSocket::bind(ANY)?;
        for cpu in cpus().1.into_iter().take(4) {
            let _pinned = Pinned::to(cpu);
            for round in 0..8_u8 {
                sender.send_to(&[round], address)?;
                let mine = if cpu % 2 == 0 { &first } else { &second };
                assert_eq!(&*mine.recv().await?, [round], "CPU {cpu}");
            }
        }
        second.steer_by_address()
    });
}

#[test]
fn ports_are_chosen_from_a_range() {
    run(async {
        let listener = TcpListener::bind(ANY)?;
        let range = 43_100..=43_190;
        let socket = TcpSocket::new_v4()?;
        if let Err(error) = socket.set_local_port_range(Some(range.clone())) {
            skip(&format!("ranges of ports: {error}"));
            return Ok(());
        }
        assert_eq!(socket.local_port_range()?, Some(range.clone()));
        let client = socket.connect(listener.local_addr()?).await?;
        assert!(range.contains(&client.local_addr()?.port()));
        let socket = TcpSocket::new_v4()?;
        assert_eq!(socket.local_port_range()?, None);
        let error = socket.set_local_port_range(Some(0..=7)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let options = UdpOptions::new().local_port_range(range.clone());
        let socket = UdpSocket::bind_with(ANY, options)?;
        assert!(range.contains(&socket.local_addr()?.port()));
        Ok(())
    });
}

#[test]
fn the_packet_that_asked_for_a_connection_is_kept_if_that_is_wished() {
    run(async {
        let listener = TcpListener::bind(ANY)?;
        listener.set_save_syn(true)?;
        assert!(listener.save_syn()?);
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let syn = server.saved_syn()?.expect("it was kept");
        assert_eq!(syn[0] >> 4, 4, "it begins with the header of IPv4");
        let tcp = &syn[usize::from(syn[0] & 15) * 4..];
        assert_eq!(u16::from_be_bytes([tcp[0], tcp[1]]), client.local_addr()?.port());
        assert_eq!(server.saved_syn()?, None, "it is given once");
        assert_eq!(client.saved_syn()?, None, "who connects has none");
        Ok(())
    });
}

#[test]
fn buffers_can_be_forced_past_the_bound_of_the_system_by_who_may() {
    run(async {
        let bound = std::fs::read_to_string("/proc/sys/net/core/rmem_max")?;
        let bound: u32 = bound.trim().parse().map_err(io::Error::other)?;
        let socket = UdpSocket::bind(ANY)?;
        let wished = bound + 100_000;
        socket.set_recv_buffer_size(wished)?;
        assert_eq!(socket.recv_buffer_size()?, 2 * bound, "the bound holds");
        match socket.force_recv_buffer_size(wished) {
            Ok(()) => assert_eq!(socket.recv_buffer_size()?, 2 * wished),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                skip("buffers past the bound need CAP_NET_ADMIN");
            }
        }
        let (unix, _) = UnixDatagram::pair()?;
        unix.set_send_buffer_size(20_000)?;
        assert_eq!(unix.send_buffer_size()?, 40_000);
        let (packets, _) = UnixSeqpacket::pair()?;
        assert!(packets.recv_buffer_size()? > 0 && packets.take_error()?.is_none());
        Ok(())
    });
}

#[test]
fn ways_and_packets_have_options() {
    run(async {
        let (client, _server) = pair().await?;
        assert!(client.path_mtu_v4()? >= 1280);
        assert!(client.network_namespace_cookie()? > 0);
        client.set_recv_low_water(100)?;
        assert_eq!(client.recv_low_water()?, 100);
        client.set_dont_route(true)?;
        assert!(client.dont_route()?);
        client.set_urgent_inline(true)?;
        assert!(client.urgent_inline()?);
        assert_eq!((client.device_index()?, client.unicast_interface_v4()?), (0, 0));
        let socket = UdpSocket::bind(ANY)?;
        for discovery in [PathMtu::Required, PathMtu::Probed, PathMtu::Wanted] {
            socket.set_path_mtu_discovery_v4(discovery)?;
            assert_eq!(socket.path_mtu_discovery_v4()?, discovery);
        }
        socket.set_no_checksum_v4(true)?;
        assert!(socket.no_checksum_v4()?);
        socket.set_unicast_interface_v4(1)?;
        assert_eq!(socket.unicast_interface_v4()?, 1);
        socket.set_multicast_all(false)?;
        assert!(!socket.multicast_all()?);
        socket.set_receive_original_destination(true)?;
        let (unix, _other) = UnixStream::pair()?;
        // Those of this process, whichever these are.
        let groups = unix.peer_groups()?;
        // SAFETY: with a size of 0 the groups are only counted.
        let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
        assert_eq!(groups.len(), count as usize);
        Ok(())
    });
}

/// Sets an option that only newer kernels have.
fn newer<T>(name: &str, set: io::Result<T>) -> bool {
    match set {
        Ok(_) => true,
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {
            skip(&format!("{name} is not there"));
            false
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

#[test]
fn times_of_retransmission_are_what_they_were_set_to() {
    use std::time::Duration;
    run(async {
        let (client, _server) = pair().await?;
        let long = Duration::from_secs(7);
        if newer("TCP_RTO_MAX_MS", client.set_max_rto(long)) {
            assert_eq!(client.max_rto()?, long);
        }
        let short = Duration::from_millis(30);
        // The kernel counts in ticks of up to 10 ms.
        let about = |time: Duration| time >= short && time <= short + Duration::from_millis(10);
        if newer("TCP_RTO_MIN_US", client.set_min_rto(short)) {
            assert!(about(client.min_rto()?), "{:?}", client.min_rto());
        }
        if newer("TCP_DELACK_MAX_US", client.set_max_ack_delay(short)) {
            assert!(about(client.max_ack_delay()?), "{:?}", client.max_ack_delay());
        }
        if newer("TCP_TX_DELAY", client.set_transmit_delay(Duration::from_micros(50))) {
            assert_eq!(client.transmit_delay()?, Duration::from_micros(50));
        }
        let listener = TcpListener::bind(ANY)?;
        listener.set_fastopen_key([7; 16], Some([9; 16]))
    });
}

#[test]
fn datagrams_that_were_thrown_away_are_counted() {
    run(async {
        let socket = UdpSocket::bind(ANY)?;
        socket.set_receive_dropped(true)?;
        socket.set_recv_buffer_size(2304)?;
        let sender = std::net::UdpSocket::bind(ANY)?;
        // Nothing receives yet, and there is room for a few of them only.
        for _ in 0..200 {
            sender.send_to(&[1; 500], socket.local_addr()?)?;
        }
        let mut first = 0;
        while socket.recv_from(Vec::with_capacity(500)).await?.1.len() == 500 {
            first += 1;
            if first == 1 {
                sender.send_to(b"after them", socket.local_addr()?)?;
            }
        }
        sender.send_to(b"and told", socket.local_addr()?)?;
        let last = socket.recv().await?;
        let dropped = last.control().find_map(|message| match message {
            ControlMessage::Dropped(count) => Some(count),
            _ => None,
        });
        assert_eq!(dropped, Some(200 - first));
        Ok(())
    });
}

#[test]
fn a_group_is_received_from_one_source_only() {
    run(async {
        let group = IpAddr::V4(Ipv4Addr::new(239, 77, 12, 9));
        let (right, wrong) = (Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2));
        let receiver = UdpSocket::bind(SocketAddr::new(group, 0))?;
        receiver.set_multicast_all(false)?;
        if let Err(error) = receiver.join_multicast_from(group, right.into(), 1) {
            skip(&format!("groups: {error}"));
            return Ok(());
        }
        let to = receiver.local_addr()?;
        let socket_at = |address: Ipv4Addr| {
            let socket = UdpSocket::bind(SocketAddr::new(address.into(), 0))?;
            socket.set_multicast_interface(1)?;
            io::Result::Ok(socket)
        };
        socket_at(wrong)?.send_to("not from there", to).await?;
        let sender = socket_at(right)?;
        sender.send_to("from there", to).await?;
        assert_eq!(&*receiver.recv().await?, b"from there");
        receiver.leave_multicast_from(group, right.into(), 1)?;
        let error = receiver.leave_multicast_from(group, right.into(), 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let other = "ff02::1".parse().unwrap();
        let error = receiver.join_multicast_from(group, other, 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        Ok(())
    });
}
