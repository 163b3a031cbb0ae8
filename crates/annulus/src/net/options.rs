//! Socket options, by way of the seam.
//!
//! Owns: how a value of Rust is brought to the kernel and back ([`Value`]), and the table of
//! options (`rows`), of which each handle takes the groups that mean something for it. Does not
//! own: which those are (each handle's file says so). Mirrors setsockopt(2), socket(7), ip(7),
//! ipv6(7), tcp(7), unix(7).
//!
//! Invariants: a value that the kernel's type cannot hold is an error and never another value;
//! nothing is remembered here, so a getter always says what the kernel does.

mod destination;
mod info;
pub(super) mod rows;
pub(super) mod steer;
pub(super) mod value;

use std::io;

use annulus_ring::Kernel as _;

use crate::core::Owned;

pub(super) use destination::original_destination;
pub(super) use info::Info;
pub use info::{TcpInfo, TcpState};
pub use value::PathMtu;
pub(super) use value::Value;

/// Sets an integer option.
pub(super) fn set(owned: &Owned, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_bytes(owned, level, name, &value.to_ne_bytes())
}

/// Reads an integer option.
pub(super) fn get(owned: &Owned, level: i32, name: i32) -> io::Result<i32> {
    let mut value = [0; 4];
    value_bytes(owned, level, name, &mut value)?;
    Ok(i32::from_ne_bytes(value))
}

/// Sets an option to what its kind makes of `value`.
pub(super) fn set_as<V: Value>(
    owned: &Owned,
    (level, name): (i32, i32),
    value: V::Of,
) -> io::Result<()> {
    set_bytes(owned, level, name, V::encode(value)?.as_ref())
}

/// Reads an option as its kind understands it.
pub(super) fn value_as<V: Value>(owned: &Owned, (level, name): (i32, i32)) -> io::Result<V::Of> {
    let mut few = [0; FEW_BYTES];
    let mut many = Vec::new();
    let bytes = if V::ROOM <= FEW_BYTES {
        &mut few[..V::ROOM]
    } else {
        many.resize(V::ROOM, 0);
        &mut many[..]
    };
    let len = value_bytes(owned, level, name, bytes)?;
    V::decode(bytes.get(..len).unwrap_or(bytes))
}

/// As many as most options have.
const FEW_BYTES: usize = 512;

pub(super) fn set_bytes(owned: &Owned, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let fd = owned.raw_fd();
    Ok(owned.with(|state, _| state.ring.kernel().set_option(fd, level, name, value))??)
}

fn value_bytes(owned: &Owned, level: i32, name: i32, value: &mut [u8]) -> io::Result<usize> {
    let fd = owned.raw_fd();
    Ok(owned.with(|state, _| state.ring.kernel().option(fd, level, name, value))??)
}
