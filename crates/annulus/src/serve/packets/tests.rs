//! The words, and that there is always room for the last one.

use std::time::Duration;

use rustix::net::{SocketFlags, recv, socketpair, sockopt};

use super::*;

#[test]
fn a_packet_says_which_file_and_which_name_a_listener_has() {
    let fd = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let file = Some(FileId { device: 7, inode: u64::MAX });
    for (name, file) in [("web", file), ("", None), ("with space", file)] {
        let kept = KeptSocket { fd: fd(), name: name.to_owned(), file };
        assert_eq!(parsed(&described(&kept)), Some((file, name.to_owned())));
    }
    let long = KeptSocket { fd: fd(), name: "x".repeat(300), file };
    assert_eq!(parsed(&described(&long)), Some((file, String::new())));
    for wrong in [&b""[..], b"listener", b"listener 1", b"listener 1 x name", b"end", b"\xff"] {
        assert_eq!(parsed(wrong), None);
    }
}

#[test]
fn a_refusal_is_told_from_every_other_packet() {
    for refusal in Refusal::ALL {
        assert_eq!(Refusal::of(refusal.packet()), Some(refusal));
        assert_eq!(parsed(refusal.packet()), None);
    }
    for other in [END, READY, b"", b"listener 0 0 late", b"late "] {
        assert_eq!(Refusal::of(other), None);
    }
}

/// Who reads nothing until it is too late would hear the end, and take the hang-up after it for
/// being asked to serve.
#[test]
fn where_there_is_room_for_the_end_there_is_room_for_a_refusal() {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    sockopt::set_socket_send_buffer_size(&ours, 1).unwrap();
    let line = |bound| Line { socket: &ours, deadline: Instant::now() + bound, stop: None };
    let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let mut sent = 0;
    while line(Duration::ZERO).give(b"listener 0 0 ", &fd).is_ok() {
        sent += 1;
    }
    assert!(sent > 0 && matches!(line(Duration::ZERO).room(), Err(Cut::Late)));
    let mut packet = [0; 64];
    let mut hear = || {
        let (_, len) = recv(&theirs, &mut packet[..], RecvFlags::DONTWAIT).ok()?;
        Some(packet[..len].to_vec())
    };
    // However much of it the other side has read when the end is sent.
    while line(Duration::ZERO).room().is_err() {
        hear().expect("an empty socket has room");
    }
    line(Duration::ZERO).say(END).unwrap();
    Refusal::Late.tell(&ours);
    let heard: Vec<_> = std::iter::from_fn(hear).collect();
    assert!(heard.ends_with(&[END.to_vec(), b"late".to_vec()]), "{heard:?}");
}

#[test]
fn a_wait_ends_when_the_server_stops_but_what_is_there_goes_first() {
    let pair = || {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    };
    let ((ours, theirs), (stop, stops)) = (pair(), pair());
    send(&stops, b"stop", AT_ONCE).unwrap();
    let deadline = Instant::now() + Duration::from_secs(3600);
    let line = Line { socket: &ours, deadline, stop: Some(&stop) };
    let mut packet = [0; 16];
    assert!(matches!(line.hear(&mut packet), Err(Cut::Stopped)));
    send(&theirs, READY, AT_ONCE).unwrap();
    assert_eq!(line.hear(&mut packet).unwrap(), READY.len());
    drop(theirs);
    assert_eq!(line.hear(&mut packet).unwrap(), 0, "it has hung up");
    assert!(matches!(line.say(END), Err(Cut::Gone)));
}
