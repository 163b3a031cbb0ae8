//! The ring of entries without a kernel: what it would read.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A ring that no kernel knows.
fn unregistered(entries: u32) -> BufRing {
    BufRingSpec { entries, bgid: 3, ..BufRingSpec::default() }.allocate().unwrap()
}

fn published_tail(buffers: &BufRing) -> u16 {
    // SAFETY: entry 0 exists and nobody writes it now.
    unsafe { buffers.first().read() }.resv
}

fn entry(buffers: &BufRing, index: usize) -> (u64, u32, u16) {
    // SAFETY: the tests ask for entries that exist.
    let at = unsafe { buffers.first().add(index) };
    // SAFETY: initialised memory that nobody writes now.
    let entry = unsafe { at.read() };
    (entry.addr, entry.len, entry.bid)
}

#[test]
fn a_batch_is_published_once_and_whole() {
    let mut buffers = unregistered(4);
    for bid in 0..3 {
        // SAFETY: no kernel reads this ring.
        unsafe { buffers.push(bid, core::ptr::without_provenance_mut(4096), 64 + u32::from(bid)) };
        assert_eq!(published_tail(&buffers), 0);
    }
    buffers.publish();
    assert_eq!(published_tail(&buffers), 3);
    assert_eq!(entry(&buffers, 2), (4096, 66, 2));
}

#[test]
fn writing_entry_zero_leaves_the_tail_and_the_tail_wraps() {
    let mut buffers = unregistered(2);
    buffers.tail = u16::MAX;
    buffers.publish();
    // SAFETY: no kernel reads this ring.
    unsafe { buffers.push(7, core::ptr::without_provenance_mut(64), 1) };
    // SAFETY: as above.
    unsafe { buffers.push(8, core::ptr::without_provenance_mut(128), 2) };
    assert_eq!(published_tail(&buffers), u16::MAX);
    assert_eq!(entry(&buffers, 1), (64, 1, 7));
    assert_eq!(entry(&buffers, 0), (128, 2, 8));
    buffers.publish();
    assert_eq!(published_tail(&buffers), 1);
}

#[test]
fn sizes_that_no_kernel_takes_are_refused() {
    for entries in [0, 3, 65535, 65536, u32::MAX] {
        let spec = BufRingSpec { entries, ..BufRingSpec::default() };
        assert_eq!(spec.check(), Err(Refusal::Entries(entries)));
    }
    for entries in [1, 2, 32768] {
        let spec = BufRingSpec { entries, ..BufRingSpec::default() };
        assert_eq!(spec.check(), Ok(()));
    }
}

#[test]
fn memory_that_no_kernel_takes_is_refused() {
    let aligned = NonNull::new(core::ptr::without_provenance_mut(0x5000)).unwrap();
    let spec = BufRingSpec { entries: 4, memory: Some(aligned), ..BufRingSpec::default() };
    assert_eq!(spec.check(), Ok(()));
    let odd = NonNull::new(core::ptr::without_provenance_mut(0x5010)).unwrap();
    let misaligned = BufRingSpec { memory: Some(odd), ..spec };
    assert_eq!(misaligned.check(), Err(Refusal::Unaligned(0x5010)));
    let twice = BufRingSpec { flags: BufRegFlags::MMAP, ..spec };
    assert_eq!(twice.check(), Err(Refusal::Kernel(Errno(libc::EINVAL))));
    let whole = BufRingSpec { min_left: 64, ..spec };
    assert_eq!(whole.check(), Err(Refusal::MinLeft));
}

#[test]
fn the_memory_is_page_aligned() {
    assert_eq!(unregistered(1).first().addr() % PAGE, 0);
}

#[test]
fn a_description_becomes_what_the_kernel_reads() {
    let flags = BufRegFlags::INC;
    let spec = BufRingSpec { bgid: 9, entries: 8, flags, min_left: 256, memory: None };
    let registration = spec.registration(0x7000);
    assert_eq!((registration.ring_addr, registration.ring_entries), (0x7000, 8));
    assert_eq!((registration.bgid, registration.flags), (9, flags));
    assert_eq!(registration.resv, [256, 0, 0]);
}

proptest! {
    /// A kernel that reads from its head to the tail finds every buffer once, in order, wherever
    /// the indices started and however the pushes were batched.
    #[test]
    fn the_kernel_finds_every_buffer_once_across_the_wrap(
        log in 0_u32..6,
        start in prop_oneof![Just(u16::MAX), Just(u16::MAX - 7), any::<u16>()],
        batches in vec(1_u16..40, 1..40),
    ) {
        let mut buffers = unregistered(1 << log);
        buffers.tail = start;
        buffers.publish();
        let (mut head, mut pushed, mut found) = (start, 0_u16, 0_u16);
        for batch in batches {
            let free = buffers.entries() - buffers.tail().wrapping_sub(head);
            for _ in 0..batch.min(free) {
                let at = core::ptr::without_provenance_mut(0x10_0000 + usize::from(pushed));
                // SAFETY: no kernel reads this ring; it has room.
                unsafe { buffers.push(pushed, at, u32::from(pushed) + 1) };
                pushed += 1;
            }
            let before = published_tail(&buffers);
            prop_assert_eq!(before, start.wrapping_add(found), "nothing is seen early");
            buffers.publish();
            let tail = published_tail(&buffers);
            while head != tail {
                let index = usize::from(head & (buffers.entries() - 1));
                let expected = (0x10_0000 + u64::from(found), u32::from(found) + 1, found);
                prop_assert_eq!(entry(&buffers, index), expected);
                head = head.wrapping_add(1);
                found += 1;
            }
        }
        prop_assert_eq!(found, pushed);
    }
}
