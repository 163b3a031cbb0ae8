//! The entry of [`RemoveBuffers`].

use annulus_abi::Errno;

use super::*;
use crate::op::tests::{decoded, encoded};

#[test]
fn remove_buffers_has_its_count_as_descriptor() {
    let op = RemoveBuffers { count: 8, bgid: 3 };
    let golden = Sqe { opcode: Opcode(32), fd: 8, buf_index: 3, ..Sqe::default() };
    assert_eq!(encoded(&op), golden);
}

#[test]
fn remove_buffers_succeeds_or_fails() {
    assert_eq!(decoded::<RemoveBuffers>(5), Ok(5));
    assert_eq!(decoded::<RemoveBuffers>(-libc::ENOENT), Err(Errno(libc::ENOENT)));
}
