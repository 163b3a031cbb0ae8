//! What cannot be done, and where: cores, threads, deadlines.

use std::io;
use std::time::Duration;

use annulus::OpExt as _;
use annulus::net::control::Control;
use annulus::net::{UdpSocket, UnixDatagram, UnixSeqpacket};
use annulus::op::Cancelled;
use annulus::runtime::Runtime;

use super::{ANY, arm, std_socket};
use crate::cancel::{until, yield_to_kernel};
use crate::harness::{made, run, share_process};

#[test]
fn every_operation_on_a_foreign_core_is_the_error_that_names_both() {
    let _shared = share_process();
    let (home, abroad) = (made(Runtime::builder()), made(Runtime::builder()));
    let (socket, other, unix, packets) = home.block_on(async {
        let (unix, _) = UnixDatagram::pair().unwrap();
        let (packets, _) = UnixSeqpacket::pair().unwrap();
        (UdpSocket::bind(ANY).unwrap(), UdpSocket::bind(ANY).unwrap(), unix, packets)
    });
    let to = home.block_on(async { other.local_addr().unwrap() });
    let mut said: Vec<(&str, Option<io::Error>)> = Vec::new();
    abroad.block_on(async {
        said.push(("connect", socket.connect(to).await.err()));
        said.push(("recv", socket.recv().await.err()));
        said.push(("recv_batch", socket.recv_batch(2).await.err()));
        said.push(("try_recv", socket.try_recv().err()));
        said.push(("read", socket.read(vec![0; 4]).await.err().map(Into::into)));
        said.push(("recv_from", socket.recv_from(vec![0; 4]).await.err().map(Into::into)));
        said.push(("peek", socket.peek(vec![0; 4]).await.err().map(Into::into)));
        let message = socket.recv_msg(vec![0; 4], Control::new()).await;
        said.push(("recv_msg", message.err().map(Into::into)));
        said.push(("send", socket.send("text").await.err().map(Into::into)));
        said.push(("send_to", socket.send_to("text", to).await.err().map(Into::into)));
        let sent = socket.send_segments("text", 2, Some(to)).await;
        said.push(("send_segments", sent.err().map(Into::into)));
        let sent = socket.send_msg(("text",), Some(to), Control::new()).await;
        said.push(("send_msg", sent.err().map(Into::into)));
        for sent in socket.send_batch([("text", to), ("text", to)]).await {
            said.push(("send_batch", sent.err().map(Into::into)));
        }
        said.push(("local_addr", socket.local_addr().err()));
        said.push(("set_ttl", socket.set_ttl(3).err()));
        said.push(("unix recv", unix.recv().await.err()));
        said.push(("unix send", unix.send("text").await.err().map(Into::into)));
        said.push(("packets recv", packets.recv().await.err()));
        said.push(("into_std", other.into_std().await.err().map(Into::into)));
    });
    let both = [home.core_id(), abroad.core_id()].map(|core| format!("{core:?}"));
    for (name, error) in said {
        let text = error.unwrap_or_else(|| panic!("{name} works on a foreign core")).to_string();
        assert!(text.contains("belongs to"), "{name}: {text}");
        for core in &both {
            assert!(text.contains(core.as_str()), "{name}: {text} does not name {core}");
        }
    }
    home.block_on(async move {
        socket.send_to("me", socket.local_addr().unwrap()).await.unwrap();
        assert_eq!(&*socket.recv().await.unwrap(), b"me");
        drop((socket, unix, packets));
        crate::cancel::at_rest().await.unwrap();
    });
}

#[test]
fn what_is_dropped_on_another_thread_goes_back_to_its_core() {
    run(async {
        let (peer, _) = std_socket()?;
        let socket = UdpSocket::bind(ANY)?;
        arm(&socket);
        peer.send_to(b"leased", socket.local_addr()?)?;
        let datagram = socket.recv().await?;
        let other = UdpSocket::bind(ANY)?;
        let mut reading = Box::pin(async move { other.read(vec![0; 8]).await.map(drop) });
        assert!(futures_util::poll!(&mut reading).is_pending());
        yield_to_kernel().await?;
        std::thread::scope(|scope| {
            scope.spawn(move || drop((socket, datagram, reading)));
        });
        until("the core has got everything back", || {
            let now = annulus::runtime::metrics().expect("a runtime runs");
            (now.ops_in_flight, now.descriptors, now.leases_out) == (0, 0, 0)
        })
        .await
    });
}

#[test]
fn whoever_waits_can_be_bounded_and_gets_the_buffer_back() {
    run(async {
        let socket = UdpSocket::bind(ANY)?;
        let moment = Duration::from_millis(1);
        let late = socket.recv().timeout(moment).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let late = socket.recv_batch(4).timeout(moment).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        // The multishot is armed; then straight into the buffer.
        let late = socket.read(vec![1; 5]).timeout(moment).await.unwrap_err();
        assert_eq!((late.kind(), late.into_buf()), (io::ErrorKind::TimedOut, Some(vec![1; 5])));
        let fresh = UdpSocket::bind(ANY)?;
        let late = fresh.read(vec![1; 5]).timeout(moment).await.unwrap_err();
        assert_eq!((late.kind(), late.into_buf()), (io::ErrorKind::TimedOut, Some(vec![1; 5])));
        let never = fresh.recv_msg(vec![2; 5], Control::with_room(64)).cancel().await.unwrap_err();
        assert!(Cancelled::of(never.error()).is_some());
        assert_eq!(never.into_buf().expect("they came back").0, [2; 5]);
        // What is there when it is asked is given.
        fresh.send_to("there", fresh.local_addr()?).await?;
        let mut waiting = Box::pin(fresh.recv());
        let waited = futures_util::poll!(&mut waiting);
        let got = match waited {
            std::task::Poll::Ready(got) => got?,
            std::task::Poll::Pending => {
                yield_to_kernel().await?;
                waiting.cancel().await?
            }
        };
        assert_eq!(&*got, b"there");
        Ok(())
    });
}

#[test]
fn a_socket_waits_to_leave_until_its_sends_have_ended() {
    run(async {
        let (left, right) = UnixDatagram::pair()?;
        // The receiver takes few before others wait.
        let mut sent = 0;
        let mut waiting = loop {
            let mut send = Box::pin(left.send(vec![sent; 1000]));
            assert!(futures_util::poll!(&mut send).is_pending());
            yield_to_kernel().await?;
            match futures_util::poll!(&mut send) {
                std::task::Poll::Ready(result) => drop(result?),
                std::task::Poll::Pending => break send,
            }
            sent += 1;
        };
        for number in 0..sent {
            assert_eq!(*right.recv().await?, [number; 1000]);
        }
        let (n, _) = waiting.as_mut().await?;
        assert_eq!(n, 1000);
        assert_eq!(*right.recv().await?, [sent; 1000]);
        Ok(())
    });
}
