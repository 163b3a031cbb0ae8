//! Messages of the heap read as those of the kernel do.

use super::*;

#[test]
fn a_message_that_is_copied_has_the_parts_that_it_was_made_of() {
    for layout in [Layout::Internet, Layout::Unix] {
        for (name, control, payload) in [(0, 0, 0), (16, 24, 5), (28, 256, 70_000), (400, 4000, 1)]
        {
            let (name, control) = (vec![1; name], vec![2; control]);
            let payload = vec![3; payload];
            let sent_bytes = payload.len() + 7;
            let flags = libc::MSG_TRUNC;
            let parts =
                Parts { name: &name, control: &control, payload: &payload, sent_bytes, flags };
            let message = Message::copied(&parts, layout, Descriptors::default());
            assert_eq!(message.name(), &name[..name.len().min(layout.name_bytes())]);
            assert_eq!(message.control(), &control[..control.len().min(layout.control_bytes())]);
            assert_eq!(message.payload(), payload);
            assert_eq!((message.sent_bytes(), message.flags()), (sent_bytes, flags));
            assert!(message.descriptors().rights.is_empty());
            assert_eq!(*message.into_payload(), payload[..]);
        }
    }
}

#[test]
fn bytes_that_are_shorter_than_the_layout_are_no_message() {
    for len in [0, 15, Layout::Internet.payload_at() - 1] {
        let bytes = Lease::from_vec(vec![0; len]);
        // SAFETY: zeros name no descriptors.
        assert!(unsafe { Message::received(bytes, Layout::Internet) }.is_none());
    }
}

#[test]
fn payloads_and_control_data_are_aligned() {
    for layout in [Layout::Internet, Layout::Unix] {
        assert_eq!((HEADER_BYTES + layout.name_bytes()) % 16, 0);
        assert_eq!(layout.payload_at() % 16, 0);
        // SAFETY: a static that nobody changes.
        let header = unsafe { &*layout.header() };
        assert_eq!(header.msg_namelen as usize, layout.name_bytes());
        assert_eq!(header.msg_controllen, layout.control_bytes());
        assert_eq!(header.msg_iovlen, 0);
    }
}
