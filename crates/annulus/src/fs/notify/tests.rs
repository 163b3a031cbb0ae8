//! What is read from inotify, byte for byte.

use super::*;

/// An event as the kernel writes it.
fn raw(watch: i32, mask: u32, cookie: u32, name: &[u8]) -> Vec<u8> {
    let watch = watch as u32;
    let words = [watch, mask, cookie, name.len() as u32].map(u32::to_ne_bytes);
    [words.as_flattened(), name].concat()
}

fn parsed(bytes: &[u8]) -> Vec<Event> {
    let mut queue = VecDeque::new();
    parse(bytes, &mut queue);
    queue.into()
}

#[test]
fn names_are_padded_and_may_be_of_any_bytes() {
    let bytes = [
        raw(1, libc::IN_CREATE | libc::IN_ISDIR, 0, b"a\0\0\0"),
        raw(2, libc::IN_MODIFY, 0, b""),
        raw(1, libc::IN_MOVED_FROM, 7, b"\xff\xfe\0\0\0\0\0\0"),
        raw(-1, libc::IN_Q_OVERFLOW, 0, b""),
    ];
    let event = |watch, kind, is_dir, name: Option<&[u8]>| Event {
        watch,
        kind,
        is_dir,
        name: name.map(|name| OsStr::from_bytes(name).to_owned()),
    };
    assert_eq!(
        parsed(&bytes.concat()),
        [
            event(Some(WatchId(1)), Kind::Created, true, Some(b"a")),
            event(Some(WatchId(2)), Kind::Modified, false, None),
            event(Some(WatchId(1)), Kind::MovedFrom { cookie: 7 }, false, Some(b"\xff\xfe")),
            event(None, Kind::Overflow, false, None),
        ]
    );
}

#[test]
fn what_is_cut_off_ends_the_list() {
    let whole = raw(1, libc::IN_DELETE, 0, b"name\0\0\0\0");
    for len in 0..whole.len() {
        assert_eq!(parsed(&whole[..len]).len(), usize::from(len >= HEAD_BYTES), "{len}");
    }
}

#[test]
fn events_print_their_names() {
    let text = format!("{:?}", Events::CREATED | Events::DELETED);
    assert_eq!(text, "{CREATED, DELETED}");
    assert!(Events::ALL.contains(Events::MOVED));
}
