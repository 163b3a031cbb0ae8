//! States that are soon over, or that need a queue to be full: each is brought about, and looked at
//! before it ends.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::pin;
use std::rc::Rc;

use annulus::io::{Events, Readiness};
use annulus::net::{UdpSocket, UnixStream};
use annulus::runtime::{Armed, DescriptorDump, DescriptorKind, Dump, RequestState, WaitsFor, dump};
use annulus::task::{spawn_named, yield_now};
use futures_util::{StreamExt as _, poll};

use super::{pipe, wait_of};
use crate::cancel::{at_rest, until};
use crate::harness::{run, run_on};
use crate::metrics::simulated;

const ANY: &str = "127.0.0.1:0";

/// More than a simulated socket has room for.
const BYTES: usize = 100_000;

fn listed(now: &Dump, descriptor: RawFd) -> &DescriptorDump {
    let found = now.descriptors.iter().find(|known| known.descriptor == descriptor);
    found.unwrap_or_else(|| panic!("{descriptor} is not listed:\n{now}"))
}

/// What of the receive of a connection is with the kernel.
fn receive_of(now: &Dump, descriptor: RawFd) -> Armed {
    match listed(now, descriptor).kind {
        DescriptorKind::Stream { receive, .. } => receive,
        _ => panic!("{descriptor} is no connection:\n{now}"),
    }
}

/// The same of a socket of datagrams, with its address, and the datagrams and bytes unread.
fn datagrams_of(now: &Dump, descriptor: RawFd) -> (Option<SocketAddr>, Armed, usize, usize) {
    match listed(now, descriptor).kind {
        DescriptorKind::Datagrams { local, receive, unread, unread_bytes, .. } => {
            (local, receive, unread, unread_bytes)
        }
        _ => panic!("{descriptor} has no datagrams:\n{now}"),
    }
}

#[test]
fn a_task_that_waits_for_room_says_on_which_socket() {
    let (_world, builder) = simulated();
    run_on(builder.send_high_bytes(1000), async {
        let (left, right) = UnixStream::pair()?;
        left.send_nowait(&[7; BYTES])?;
        let mut polled = left.polled();
        let task = spawn_named("sender", async move { poll_fn(|cx| polled.poll_room(cx)).await });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Room { descriptor, .. } = wait_of(&now, "sender") else { panic!("{now}") };
        let socket = listed(&now, descriptor);
        let DescriptorKind::Stream { queued_bytes, .. } = socket.kind else { panic!("{socket}") };
        assert_eq!((descriptor, queued_bytes), (left.as_raw_fd(), BYTES));
        assert!(socket.to_string().contains(&format!(", {BYTES} bytes to send")), "{socket}");
        let line = format!("waits for room to send on descriptor {descriptor}");
        assert!(now.to_string().contains(&line), "{now}");
        right.read_exact(vec![0; BYTES]).await?;
        task.await.expect("no panic")
    });
}

#[test]
fn a_send_behind_another_one_is_queued() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        let left = Rc::new(left);
        let send = |name: &'static str, bytes: usize| {
            let left = left.clone();
            spawn_named(name, async move { left.write_all(vec![1; bytes]).await.map(drop) })
        };
        let (first, second) = (send("first", BYTES), send("second", 1));
        yield_now().await;
        let now = dump()?;
        let state_of = |name| match wait_of(&now, name) {
            WaitsFor::Request { op: "SEND", descriptor, state, .. } => (descriptor, state),
            other => panic!("{other}:\n{now}"),
        };
        let fd = left.as_raw_fd();
        assert_eq!(state_of("first"), (Some(fd), RequestState::InFlight));
        assert_eq!(state_of("second"), (Some(fd), RequestState::Queued));
        let text = now.to_string();
        assert!(text.contains(&format!("waits for SEND on descriptor {fd} (queued)")), "{now}");
        assert!(text.contains(&format!("request SEND on descriptor {fd} is queued")), "{now}");
        right.read_exact(vec![0; BYTES + 1]).await?;
        first.await.expect("no panic")?;
        second.await.expect("no panic")?;
        Ok(())
    });
}

#[test]
fn a_request_that_has_ended_is_done_until_its_future_is_polled() {
    run(async {
        let (read, write) = pipe()?;
        let mut reading = pin!(read.read_at(vec![0; 8], 0));
        assert!(poll!(reading.as_mut()).is_pending());
        std::fs::File::from(write).write_all(b"x")?;
        let done = |now: &Dump| now.requests.iter().any(|it| it.state == RequestState::Done);
        until("the read has ended", || done(&dump().expect("a runtime runs"))).await?;
        let now = dump()?;
        let [request] = &now.requests[..] else { panic!("{now}") };
        assert_eq!((request.op, request.state), ("READ", RequestState::Done));
        let descriptor = request.descriptor.expect("it reads a pipe");
        let line = format!("request READ on descriptor {descriptor} is done");
        assert!(now.to_string().contains(&line), "{now}");
        let (n, _) = reading.await?;
        assert_eq!(n, 1);
        assert!(dump()?.requests.is_empty(), "its result is taken");
        Ok(())
    });
}

#[test]
fn a_task_that_receives_datagrams_waits_for_data_and_untaken_ones_are_counted() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (ours, theirs) = (UdpSocket::bind(ANY)?, UdpSocket::bind(ANY)?);
        let (fd, address) = (ours.as_raw_fd(), ours.local_addr()?);
        let task = spawn_named("reader", async move {
            let received = ours.recv().await.map(drop);
            (received, ours)
        });
        yield_now().await;
        let now = dump()?;
        let WaitsFor::Receive { descriptor, .. } = wait_of(&now, "reader") else {
            panic!("{now}");
        };
        assert_eq!(descriptor, fd);
        assert_eq!(datagrams_of(&now, fd), (Some(address), Armed::Yes, 0, 0));
        theirs.send_to("first", address).await?;
        let (received, ours) = task.await.expect("no panic");
        received?;

        // The request goes on, and nobody takes what it brings.
        theirs.send_to("second", address).await?;
        let unread = || datagrams_of(&dump().expect("a runtime runs"), fd).2;
        until("one is there", || unread() == 1).await?;
        let now = dump()?;
        assert_eq!(datagrams_of(&now, fd), (Some(address), Armed::Yes, 1, 6));
        let line = format!(
            "descriptor {fd}: datagrams at {address}, receive armed, 6 bytes unread in 1 messages"
        );
        assert!(now.to_string().contains(&line), "{now}");
        assert_eq!(&*ours.recv().await?, b"second");
        Ok(())
    });
}

#[test]
fn a_socket_that_finds_no_buffer_is_starved_and_then_receives_once_without_one() {
    let (_world, builder) = simulated();
    run_on(builder.buffer_count(1).buffers_published(1), async {
        let (rich, poor) = (UdpSocket::bind(ANY)?, UdpSocket::bind(ANY)?);
        let sender = UdpSocket::bind(ANY)?;
        sender.send_to("first", rich.local_addr()?).await?;
        let only_one = rich.recv().await?;
        let fd = poor.as_raw_fd();
        let mut receiving = pin!(poor.recv());
        assert!(poll!(receiving.as_mut()).is_pending());
        let now = dump()?;
        assert_eq!(datagrams_of(&now, fd).1, Armed::Starved, "{now}");
        assert!(listed(&now, fd).to_string().contains(", receive starved, "), "{now}");
        // The next turn serves it, into the heap.
        yield_now().await;
        let now = dump()?;
        assert_eq!(datagrams_of(&now, fd).1, Armed::Single, "{now}");
        assert!(listed(&now, fd).to_string().contains(", receive single, "), "{now}");
        sender.send_to("second", poor.local_addr()?).await?;
        assert_eq!(&*receiving.await?, b"second");
        drop(only_one);
        Ok(())
    });
}

#[test]
fn a_read_into_a_buffer_is_a_single_receive() {
    let (_world, builder) = simulated();
    run_on(builder, async {
        let (left, right) = UnixStream::pair()?;
        let fd = right.as_raw_fd();
        assert_eq!(receive_of(&dump()?, fd), Armed::No);
        let mut reading = pin!(right.read(vec![0; 8]));
        assert!(poll!(reading.as_mut()).is_pending());
        let now = dump()?;
        assert_eq!(receive_of(&now, fd), Armed::Single, "{now}");
        assert_eq!(listed(&now, fd).in_flight, 1, "{now}");
        left.write_all("eight by").await?;
        let (n, _) = reading.await?;
        assert_eq!(n, 8);
        assert_eq!(receive_of(&dump()?, fd), Armed::No);
        Ok(())
    });
}

#[test]
fn a_receive_that_moves_to_another_pool_is_being_cancelled_until_it_is_armed_there() {
    let (_world, builder) = simulated();
    run_on(builder.receive_pool(512, 4), async {
        let (left, right) = UnixStream::pair()?;
        let fd = right.as_raw_fd();
        let mut receiving = pin!(right.recv());
        assert!(poll!(receiving.as_mut()).is_pending());
        assert_eq!(receive_of(&dump()?, fd), Armed::Yes);
        right.set_receive_pool(1)?;
        let now = dump()?;
        assert_eq!(receive_of(&now, fd), Armed::Cancelling, "{now}");
        assert!(listed(&now, fd).to_string().contains(", receive being cancelled, "), "{now}");
        let armed = || receive_of(&dump().expect("a runtime runs"), fd) == Armed::Yes;
        until("it is armed again", armed).await?;
        left.write_all("there").await?;
        assert_eq!(&*receiving.await?.expect("no end yet"), b"there");
        Ok(())
    });
}

#[test]
fn the_poll_of_a_descriptor_that_is_watched_no_more_is_being_cancelled() {
    run(async {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut readiness = Readiness::new(ours, Events::READABLE)?;
        let fd = readiness.as_raw_fd();
        assert!(poll!(readiness.next()).is_pending(), "nothing is there to read");
        drop(readiness);
        let now = dump()?;
        let watched = listed(&now, fd);
        let DescriptorKind::Watched { poll, .. } = watched.kind else { panic!("{watched}") };
        assert_eq!((poll, watched.closing), (Armed::Cancelling, true), "{watched}");
        assert!(watched.to_string().contains(", poll being cancelled, "), "{watched}");
        assert!(watched.to_string().ends_with("; 1 in flight; closing"), "{watched}");
        at_rest().await
    });
}
