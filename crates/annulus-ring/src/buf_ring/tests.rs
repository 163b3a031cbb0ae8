//! The ring of entries without a kernel: what it would read.

use super::*;

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
    let mut buffers = BufRing::allocate(4, 3, BufRegFlags::EMPTY).unwrap();
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
    let mut buffers = BufRing::allocate(2, 0, BufRegFlags::EMPTY).unwrap();
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
    for entries in [0, 3, 65535] {
        let refused = BufRing::allocate(entries, 0, BufRegFlags::EMPTY);
        assert_eq!(refused.err(), Some(Errno(libc::EINVAL)), "{entries}");
    }
}

#[test]
fn the_memory_is_page_aligned() {
    let buffers = BufRing::allocate(1, 0, BufRegFlags::EMPTY).unwrap();
    assert_eq!(buffers.registration().ring_addr % 4096, 0);
}
