//! Control messages against bytes made by hand, and against bytes that are none.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;

/// One control message as cmsg(3) has it, with a length that is given.
fn made(len: usize, level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn whole(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
    made(HEADER_BYTES + data.len(), level, kind, data)
}

/// As text, because descriptors cannot be compared.
fn told(bytes: &[u8]) -> Vec<String> {
    ControlMessages::new(bytes, &Descriptors::default())
        .map(|message| format!("{message:?}"))
        .collect()
}

#[test]
fn what_the_kernel_writes_is_read_as_what_it_means() {
    let int = |value: i32| value.to_ne_bytes().to_vec();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (whole(0, 1, &[0xb9]), "Tos(185)"),
        (whole(0, 1, &int(3)), "Tos(3)"),
        (whole(41, 67, &int(2)), "TrafficClass(2)"),
        (whole(0, 2, &int(64)), "Ttl(64)"),
        (whole(41, 52, &int(255)), "HopLimit(255)"),
        (
            whole(0, 8, &[7, 0, 0, 0, 127, 0, 0, 1, 224, 0, 0, 5]),
            "PacketInfoV4(PacketInfoV4 { interface: 7, local: 127.0.0.1, destination: 224.0.0.5 })",
        ),
        (
            whole(41, 50, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0]),
            "PacketInfoV6(PacketInfoV6 { interface: 9, address: ::1 })",
        ),
        (whole(17, 103, &1200_u16.to_ne_bytes()), "SegmentBytes(1200)"),
        (whole(17, 104, &int(1400)), "GroBytes(1400)"),
        (
            whole(1, 2, &[int(5), int(1000), int(-1)].concat()),
            "Credentials(UCred { pid: Some(5), uid: 1000, gid: 4294967295 })",
        ),
        (whole(1, 40, &int(7)), "Dropped(7)"),
        (whole(1, 36, &int(-9)), "Mark(4294967287)"),
        (
            whole(0, 20, &[2, 0, 1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            "OriginalDestination(192.0.2.1:443)",
        ),
        (whole(1, 999, b"abc"), "Raw { level: 1, kind: 999, bytes: [97, 98, 99] }"),
    ];
    let mut all = Vec::new();
    for (bytes, expected) in &cases {
        assert_eq!(told(bytes), [*expected]);
        all.extend(bytes);
    }
    let expected: Vec<&str> = cases.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(told(&all), expected, "one after the other");
    let stamp = whole(1, 35, &[1_700_000_000_i64.to_ne_bytes(), 5_i64.to_ne_bytes()].concat());
    let at = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5);
    let none = Descriptors::default();
    let mut messages = ControlMessages::new(&stamp, &none);
    assert!(matches!(messages.next(), Some(ControlMessage::Timestamp(told)) if told == at));
    assert!(messages.next().is_none() && messages.next().is_none());
}

#[test]
fn a_known_message_of_a_wrong_length_is_raw() {
    let known = [
        (0, 1),
        (41, 67),
        (0, 2),
        (41, 52),
        (0, 8),
        (41, 50),
        (17, 103),
        (17, 104),
        (1, 2),
        (1, 35),
        (1, 36),
        (1, 40),
        (0, 20),
        (41, 74),
    ];
    for (level, kind) in known {
        for len in [0, 3, 5, 13, 40] {
            let data = vec![0xff; len];
            let expected = format!("Raw {{ level: {level}, kind: {kind}, bytes: {data:?} }}");
            assert_eq!(told(&whole(level, kind, &data)), [expected]);
        }
    }
    assert!(told(&whole(0, 1, &(-1_i32).to_ne_bytes()))[0].starts_with("Raw"), "no byte");
    let late = [0_i64.to_ne_bytes(), 1_000_000_000_i64.to_ne_bytes()].concat();
    assert!(told(&whole(1, 35, &late))[0].starts_with("Raw"), "no part of a second");
}

#[test]
fn a_length_that_cannot_be_ends_the_sequence() {
    let good = whole(0, 2, &64_i32.to_ne_bytes());
    for len in [0, 1, 15, 25, 1 << 40, usize::MAX - 6, usize::MAX] {
        let bytes = [good.clone(), made(len, 0, 2, &64_i32.to_ne_bytes()), good.clone()].concat();
        let expected: &[&str] = match len {
            // The last that is within: it takes bytes of the next for its own.
            25 => &["Ttl(64)", "Raw { level: 0, kind: 2, bytes: [64, 0, 0, 0, 0, 0, 0, 0, 20] }"],
            _ => &["Ttl(64)"],
        };
        assert_eq!(told(&bytes)[..expected.len()], *expected, "{len}");
        assert!(told(&bytes).len() <= 3);
    }
    for cut in 0..good.len() {
        let expected = usize::from(cut >= 20);
        assert_eq!(told(&good[..cut]).len(), expected, "{cut} bytes: padding may be missing");
    }
}

#[test]
fn descriptors_are_dealt_out_in_the_order_of_the_messages() {
    let fds: Vec<OwnedFd> = (0..5).map(|_| null()).collect();
    let expected: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut control = Control::new();
    let mut fds = fds.into_iter();
    control.pass(fds.by_ref().take(2).collect()).unwrap();
    control.push(ControlMessage::Tos(1)).unwrap();
    control.pass(fds.collect()).unwrap();
    let counts: Vec<usize> = control
        .messages()
        .filter_map(|message| match message {
            ControlMessage::Rights(rights) => Some(rights.len()),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [2, 3]);
    assert_eq!(numbers(control.as_bytes()).collect::<Vec<_>>(), expected);
    let rights = control.take_rights();
    assert_eq!(rights.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>(), expected);
    let left: Vec<_> = control.messages().collect();
    assert!(matches!(left[..], [ControlMessage::Tos(1)]), "their messages went with them");
    assert_eq!(numbers(control.as_bytes()).count(), 0);
    control.pass(vec![null()]).unwrap();
    assert_eq!(numbers(control.as_bytes()).count(), 1, "and others may come");
}

#[test]
fn more_descriptors_than_a_message_passes_are_refused() {
    let null = null();
    let mut control = Control::new();
    let few: Vec<OwnedFd> = (0..250).map(|_| null.try_clone().unwrap()).collect();
    control.pass(few).unwrap();
    let four: Vec<OwnedFd> = (0..4).map(|_| null.try_clone().unwrap()).collect();
    let error = control.push(ControlMessage::Rights(&four)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "254 descriptors in one message; the kernel passes 253");
    control.push(ControlMessage::Rights(&four[..3])).unwrap();
    assert_eq!(control.take_rights().len(), 253);
}

#[test]
fn what_does_not_fit_is_cut_at_a_whole_message_and_its_descriptors_are_closed() {
    let mut sent = Control::new();
    sent.push(ControlMessage::Ttl(9)).unwrap();
    sent.pass(vec![null(), null()]).unwrap();
    // Room is rounded up to whole words.
    let cases = [(0, 0, 0), (16, 0, 0), (17, 1, 0), (24, 1, 0), (40, 1, 0), (41, 2, 2), (48, 2, 2)];
    for (room, messages, rights) in cases {
        let mut got = Control::with_room(room);
        let copies = sent.descriptors.rights.iter().map(|fd| fd.try_clone().unwrap()).collect();
        got.copy(sent.as_bytes(), Descriptors { rights: copies, pidfd: None }, false);
        assert_eq!(got.messages().count(), messages, "{room} bytes");
        assert_eq!(got.is_truncated(), messages < 2);
        assert_eq!(got.take_rights().len(), rights);
    }
}

#[test]
fn a_process_descriptor_is_told_if_there_is_one_and_cannot_be_sent() {
    let stamp = whole(1, 4, &3_i32.to_ne_bytes());
    assert_eq!(told(&stamp), ["Raw { level: 1, kind: 4, bytes: [3, 0, 0, 0] }"], "nobody owns it");
    let mut control = Control::with_room(24);
    control.copy(&stamp, Descriptors { rights: Vec::new(), pidfd: Some(null()) }, false);
    let pidfd = control.descriptors.pidfd.as_ref().unwrap().as_raw_fd();
    let messages: Vec<_> = control.messages().collect();
    assert!(matches!(messages[..], [ControlMessage::Pidfd(fd)] if fd.as_raw_fd() == pidfd));
    let error = Control::new().push(messages[0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(control.take_rights().is_empty());
    assert_eq!(control.messages().count(), 1, "it stays");
    let mut small = Control::with_room(16);
    small.copy(&stamp, Descriptors { rights: Vec::new(), pidfd: Some(null()) }, false);
    assert!(small.descriptors.pidfd.is_none() && small.is_truncated());
}

#[test]
fn congestion_marks_are_the_lowest_two_bits() {
    let marks = [Ecn::NotCapable, Ecn::Capable1, Ecn::Capable0, Ecn::Congestion];
    for tos in 0..=255_u8 {
        assert_eq!(Ecn::of(tos), marks[usize::from(tos & 3)]);
        assert_eq!(Ecn::of(tos) as u8, tos & 3);
    }
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").expect("there is one").into()
}

fn any_message() -> impl Strategy<Value = (i32, i32, Vec<u8>)> {
    let names = prop_oneof![
        Just((0, 1)),
        Just((0, 2)),
        Just((0, 8)),
        Just((41, 50)),
        Just((17, 104)),
        Just((1, 2)),
        Just((1, 35)),
        (2..300_i32, any::<i32>()),
    ];
    (names, proptest::collection::vec(any::<u8>(), 0..40))
        .prop_map(|((level, kind), data)| (level, kind, data))
}

proptest! {
    #[test]
    fn any_sequence_comes_back_as_it_was(
        messages in proptest::collection::vec(any_message(), 0..8),
    ) {
        let mut control = Control::new();
        for (level, kind, bytes) in &messages {
            control.push(ControlMessage::Raw { level: *level, kind: *kind, bytes }).unwrap();
        }
        prop_assert_eq!(control.messages().count(), messages.len());
        // Encoded again, the typed ones say the same (a number of one byte grows to an `int`).
        let mut again = Control::new();
        for message in control.messages() {
            again.push(message).unwrap();
        }
        prop_assert_eq!(told(control.as_bytes()), told(again.as_bytes()));
        let all = control.as_bytes();
        for room in 0..=all.len() {
            let prefix = prefix_within(all, room);
            prop_assert!(prefix.len() <= room && all.starts_with(prefix));
            let count = told(prefix).len();
            prop_assert_eq!(&told(prefix)[..], &told(all)[..count]);
        }
        prop_assert_eq!(prefix_within(all, all.len()), all);
    }

    #[test]
    fn bytes_that_are_no_messages_do_no_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        small in any::<bool>(),
        room in 0..200_usize,
    ) {
        let mut bytes = bytes;
        if small {
            // Lengths that may be, so that more than the first is looked at.
            for at in (0..bytes.len()).step_by(8) {
                bytes[at..].iter_mut().take(8).skip(1).for_each(|byte| *byte = 0);
            }
        }
        let told = told(&bytes);
        prop_assert!(told.len() <= bytes.len() / HEADER_BYTES);
        prop_assert!(prefix_within(&bytes, room).len() <= room.min(bytes.len()));
        prop_assert!(rights_in(&bytes) <= bytes.len() / 4);
    }
}
