//! Files that are open with `O_DIRECT`.

use std::io;
use std::os::fd::AsRawFd as _;

use annulus::buf::{AlignedBuf, IoBufMut as _};
use annulus::fs::{File, OpenOptions};

use crate::harness::{Scratch, run, skip};

#[test]
fn a_direct_file_takes_aligned_buffers_and_refuses_others() {
    const PAGE: usize = 4096;
    let directory = Scratch::beside();
    let path = directory.path().join("direct");
    run(async {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).custom_flags(libc::O_DIRECT);
        let Ok(file) = options.open(&path).await else {
            skip("this file system has no O_DIRECT");
            return Ok(());
        };
        let mut buf = AlignedBuf::new(2 * PAGE, PAGE)?;
        buf[PAGE..].fill(7);
        let (n, buf) = file.write_at(buf, 0).await?;
        assert_eq!(n, 2 * PAGE);
        let (n, part) = file.read_at(buf.slice_mut(..PAGE), PAGE as u64).await?;
        let buf = part.into_inner();
        assert_eq!((n, &buf[..PAGE]), (PAGE, &[7; PAGE][..]));
        assert_eq!(std::fs::read(&path)?[PAGE..], [7; PAGE]);
        let Some(align) = direct_alignment(&file) else { return Ok(()) };
        let odd = buf.slice_mut(align / 2..align / 2 + PAGE);
        let error = file.read_at(odd, 0).await.expect_err("an odd address");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        Ok(())
    });
}

/// What a direct file wants of addresses; nothing if the file system does not tell.
fn direct_alignment(file: &File) -> Option<usize> {
    // SAFETY: a structure of numbers, for which zero is a value.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    let (flags, mask) = (libc::AT_EMPTY_PATH, libc::STATX_DIOALIGN);
    // SAFETY: an open descriptor, an empty path, and a place for the result.
    let done = unsafe { libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, mask, &raw mut stat) };
    let align = stat.stx_dio_mem_align as usize;
    (done == 0 && stat.stx_mask & mask != 0 && align > 1).then_some(align)
}
