//! Socket addresses as bytes, and back.
//!
//! Owns: both conversions of [`SocketAddress`], which shows its bytes only as a pointer.

use annulus_ring::SocketAddress;

/// The bytes of an address.
pub(crate) fn address_bytes(address: &SocketAddress) -> Vec<u8> {
    let len = (address.len() as usize).min(size_of::<libc::sockaddr_storage>());
    // SAFETY: the address is `len` initialised bytes long, and borrowed.
    unsafe { core::slice::from_raw_parts(address.as_ptr().cast::<u8>(), len) }.to_vec()
}

/// The address that is these bytes.
pub(crate) fn socket_address(bytes: &[u8]) -> SocketAddress {
    let mut address = SocketAddress::empty();
    let (storage, len) = address.as_mut();
    let count = bytes.len().min(size_of::<libc::sockaddr_storage>());
    // SAFETY: the storage has room for a whole `sockaddr_storage`; the source is ours.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), storage.cast::<u8>(), count) };
    // SAFETY: the length belongs to the same value.
    unsafe { len.write(count as libc::socklen_t) };
    address
}
