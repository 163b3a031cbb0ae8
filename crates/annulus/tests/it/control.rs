//! Control messages that are received and sent on: whose descriptors go, and what of the kernel's
//! room is seen.

use std::io;

use annulus::net::UdpSocket;
use annulus::net::control::{Control, ControlMessage};

use crate::harness::run;

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
