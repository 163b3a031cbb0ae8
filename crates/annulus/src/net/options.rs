//! Socket options, by way of the seam.

use std::io;

use annulus_ring::Kernel as _;

use crate::core::Owned;

/// Sets an integer option.
pub(super) fn set(owned: &Owned, level: i32, name: i32, value: i32) -> io::Result<()> {
    let fd = owned.raw_fd();
    let set = |state: &mut crate::core::State, _| {
        state.ring.kernel().set_option(fd, level, name, &value.to_ne_bytes())
    };
    Ok(owned.with(set)??)
}

/// Reads an integer option.
pub(super) fn get(owned: &Owned, level: i32, name: i32) -> io::Result<i32> {
    let fd = owned.raw_fd();
    let mut value = [0; 4];
    owned.with(|state, _| state.ring.kernel().option(fd, level, name, &mut value))??;
    Ok(i32::from_ne_bytes(value))
}
