//! Control messages that are received and sent on: whose descriptors go, and what of the kernel's
//! room is seen.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use annulus::net::control::{Control, ControlMessage};
use annulus::net::{UdpSocket, UnixDatagram};
use annulus::runtime::Runtime;
use annulus_ring::Mask;

use crate::harness::{
    NOTHING, check, descriptors, opened_since, own_process, run, share_process, skip,
};
use crate::unix_messages::{mark_of, marked};

/// Passes a descriptor, and gives the control messages with which it came.
async fn passed(mark: u8) -> io::Result<Control> {
    let (left, right) = UnixDatagram::pair()?;
    let mut control = Control::new();
    control.pass(vec![marked(mark)?])?;
    left.send_msg(("it",), None, control).await?;
    let (_, (_, control)) = right.recv_msg(vec![0; 9], Control::with_room(64)).await?;
    Ok(control)
}

/// Sends these, and gives the descriptors that arrive.
async fn sent_on(control: Control) -> io::Result<Vec<OwnedFd>> {
    let (left, right) = UnixDatagram::pair()?;
    left.send_msg(("on",), None, control).await?;
    Ok(right.recv().await?.take_rights())
}

#[test]
fn descriptors_that_were_taken_are_not_sent_on() {
    run(async {
        let mut control = passed(7).await?;
        let taken = control.take_rights();
        assert_eq!(taken.len(), 1);
        assert_eq!(control.messages().count(), 0, "the message is gone with them");
        assert!(control.take_rights().is_empty(), "once");
        // It is still open under the number that the message had.
        assert!(sent_on(control).await?.is_empty());
        assert_eq!(mark_of(taken.into_iter().next().unwrap())?, 7);
        Ok(())
    });
}

#[test]
fn descriptors_that_were_not_taken_are_passed_on() {
    run(async {
        let control = passed(8).await?;
        let mut got = sent_on(control).await?;
        assert_eq!(got.len(), 1);
        assert_eq!(mark_of(got.remove(0))?, 8);
        Ok(())
    });
}

#[test]
fn what_is_added_to_a_received_sequence_is_sent_with_it() {
    run(async {
        let mut control = passed(1).await?;
        control.pass(vec![marked(2)?])?;
        let got = sent_on(control).await?;
        let marks: io::Result<Vec<u8>> = got.into_iter().map(mark_of).collect();
        assert_eq!(marks?, [1, 2]);
        let mut control = passed(3).await?;
        drop(control.take_rights());
        control.pass(vec![marked(4)?])?;
        let got = sent_on(control).await?;
        let marks: io::Result<Vec<u8>> = got.into_iter().map(mark_of).collect();
        assert_eq!(marks?, [4]);
        Ok(())
    });
}

#[test]
fn descriptors_that_nobody_has_lent_are_not_passed() {
    let _shared = share_process();
    let file = File::open("/dev/null").unwrap();
    let bytes = file.as_raw_fd().to_ne_bytes();
    let mut control = Control::new();
    let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    let error = control.push(ControlMessage::Raw { level, kind, bytes: &bytes }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("`Control::pass`"), "{error}");
    assert!(control.as_bytes().is_empty(), "nothing was appended");
}

#[test]
fn what_the_kernel_has_not_written_is_zero() {
    const ROOM: usize = 72;
    run(async {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_receive_ttl(true)?;
        for _ in 0..100 {
            // What the allocator gives again had other contents.
            drop(std::hint::black_box(vec![0xaa_u8; ROOM]));
            let control = Control::with_room(ROOM);
            socket.send_to("x", socket.local_addr()?).await?;
            let (_, (_, control)) = socket.recv_msg(vec![0; 9], control).await?;
            // 16 bytes of header, an `int`, and padding, which the kernel leaves as it is.
            assert_eq!(control.as_bytes().len(), 24);
            assert_eq!(control.as_bytes()[20..], [0; 4]);
        }
        Ok(())
    });
}

#[test]
fn a_receive_that_fails_leaves_no_control_messages() {
    run(async {
        let gone = UdpSocket::bind("127.0.0.1:0")?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(gone.local_addr()?).await?;
        drop(gone);
        let mut control = Control::with_room(64);
        control.push(ControlMessage::Ttl(1))?;
        // The answer, that nobody is there, is there when the send has ended.
        socket.send("anybody?").await?;
        let error = socket.recv_msg(vec![0; 9], control).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let (_, control) = error.into_buf().expect("they come back");
        assert!(control.as_bytes().is_empty());
        Ok(())
    });
}

#[test]
fn a_process_descriptor_that_comes_with_a_message_is_closed_with_it() {
    const SO_PASSPIDFD: i32 = 76;
    let _own = own_process();
    let before = descriptors();
    for mask in [Mask::none(), Mask::none().buf_rings()] {
        check(Runtime::builder().mask(mask), async {
            let (left, right) = UnixDatagram::pair()?;
            let on = 1_i32;
            // SAFETY: the value is an `int`, and readable.
            let set = unsafe {
                let (level, value) = (libc::SOL_SOCKET, (&raw const on).cast());
                libc::setsockopt(right.as_raw_fd(), level, SO_PASSPIDFD, value, 4)
            };
            if set < 0 {
                skip("this kernel tells no process descriptors");
                return Ok(());
            }
            for _ in 0..4 {
                left.send("straight into the buffer").await?;
                let room = Control::with_room(64);
                let (_, (_, control)) = right.recv_msg(vec![0; 50], room).await?;
                assert_eq!(control.messages().count(), 1);
                left.send("no room").await?;
                right.read(vec![0; 50]).await?;
            }
            for _ in 0..4 {
                left.send("leased").await?;
                assert_eq!(right.recv().await?.control().count(), 1);
                left.send("leased, and copied").await?;
                let room = Control::with_room(64);
                let (_, (_, control)) = right.recv_msg(vec![0; 50], room).await?;
                assert_eq!(control.messages().count(), 1);
                left.send("leased, and copied without room").await?;
                right.read(vec![0; 50]).await?;
            }
            Ok(())
        });
    }
    assert_eq!(opened_since(&before), NOTHING);
}
