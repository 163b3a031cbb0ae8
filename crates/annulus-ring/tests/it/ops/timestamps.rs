//! When packets left, as the kernel tells. Mirrors timestamp of liburing.

use std::{
    net::UdpSocket,
    os::fd::AsRawFd as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use annulus_ring::{
    Op as _, Ring,
    abi::{Cqe32, Sqe},
    op::{TxTimestamp, TxTimestamps},
};

use super::{PATIENCE, made::fd};
use crate::support::skip;

/// `SCM_TSTAMP_SND` and `SCM_TSTAMP_SCHED` of `linux/errqueue.h`.
const SENT: u16 = 0;
const SCHEDULED: u16 = 1;

type Wide = Ring<Sqe, Cqe32>;

/// Two sockets over loopback, the first of which tells when its packets are queued and sent.
fn sockets() -> (UdpSocket, UdpSocket) {
    let [sender, receiver] = [0, 1].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
    sender.connect(receiver.local_addr().unwrap()).unwrap();
    let flags = libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SCHED
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_TIMESTAMPING);
    let (value, len) = ((&raw const flags).cast(), size_of_val(&flags) as u32);
    // SAFETY: four bytes, read during the call.
    let set = unsafe { libc::setsockopt(sender.as_raw_fd(), level, name, value, len) };
    assert_eq!(set, 0);
    (sender, receiver)
}

/// A ring that has armed the command, if this kernel has it.
fn armed(sender: &UdpSocket) -> Option<Wide> {
    let mut ring: Wide = Ring::builder().entries(8).build_as().unwrap();
    let op = TxTimestamps { target: fd(sender) };
    // SAFETY: the command has no memory.
    unsafe { ring.push(&op, 1) }.unwrap();
    ring.submit().unwrap();
    let refused = ring.peek().map(|refused| refused.cqe.res);
    if refused.is_some() {
        assert_eq!(refused, Some(-libc::EOPNOTSUPP));
        skip("this kernel posts no timestamps");
        return None;
    }
    Some(ring)
}

fn next(ring: &mut Wide) -> Cqe32 {
    while ring.cq_ready() == 0 {
        let before = Some(PATIENCE.as_nanos() as u64);
        assert_eq!(ring.submit_and_wait(1, before), Ok(0));
        assert!(ring.cq_ready() > 0, "no completion within {PATIENCE:?}");
    }
    ring.completions().next().unwrap()
}

// IORING_TIMESTAMP_TYPE_SHIFT tells the two of a packet apart. IORING_CQE_F_TSTAMP_HW is where a
// card would say that the time is its own; loopback has none, so the bit must be clear.
#[test]
fn each_packet_has_its_times_and_its_number() {
    let (sender, _receiver) = sockets();
    let Some(mut ring) = armed(&sender) else { return };
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for key in 0..3 {
        sender.send(b"timed").unwrap();
        let mut last = began;
        for kind in [SCHEDULED, SENT] {
            let cqe = next(&mut ring);
            assert_eq!((cqe.cqe.user_data, cqe.cqe.more()), (1, true), "{cqe:?}");
            let told = TxTimestamps::decode(&cqe.cqe).unwrap();
            assert_eq!(told, TxTimestamp { key, kind, by_hardware: false });
            let [sec, nsec] = cqe.extra;
            let at = Duration::new(sec, nsec as u32);
            assert!(at >= last, "{at:?} is before {last:?}");
            last = at;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(last <= now, "{last:?} is after {now:?}");
    }
}
