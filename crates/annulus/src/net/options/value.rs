//! What the kernel's options are as values of Rust.
//!
//! Owns: one kind for each form that an option can have. Invariant: `decode` takes what the kernel
//! wrote, whatever its length, without panicking.

mod network;

use std::io;
use std::time::Duration;

pub use network::PathMtu;
pub(in crate::net) use network::{Discovery, Interface, Ports};

use crate::net::credentials::{self, UCred};

/// A form in which an option is given and taken.
pub(in crate::net) trait Value {
    /// The type of its values.
    type Of;
    /// How many bytes the kernel may write.
    const ROOM: usize;

    /// What the kernel reads.
    fn encode(value: Self::Of) -> io::Result<impl AsRef<[u8]>>;

    /// What the kernel wrote.
    fn decode(bytes: &[u8]) -> io::Result<Self::Of>;
}

/// An `int` that is zero or not.
pub(in crate::net) struct Flag;
/// An `int` that is a count.
pub(in crate::net) struct Count;
/// A `u32` all of whose bits count (`SO_MARK`).
pub(in crate::net) struct Mark;
/// An `int` that is a number of seconds.
pub(in crate::net) struct Seconds;
/// An `int` that is a number of milliseconds.
pub(in crate::net) struct Millis;
/// An `int` that is a number of microseconds.
pub(in crate::net) struct Micros;
/// A `u64`.
pub(in crate::net) struct Wide;
/// Bytes that end with a zero, or nothing (`SO_BINDTODEVICE`).
pub(in crate::net) struct Device;
/// A name (`TCP_CONGESTION`).
pub(in crate::net) struct Name;
/// A `struct linger`.
pub(in crate::net) struct Linger;
/// An `int` that is an error, or zero (`SO_ERROR`).
pub(in crate::net) struct Pending;
/// A `struct ucred` (`SO_PEERCRED`).
pub(in crate::net) struct Credentials;
/// The numbers of groups (`SO_PEERGROUPS`).
pub(in crate::net) struct Groups;
/// Bytes, as they are, or none (`TCP_SAVED_SYN`).
pub(in crate::net) struct Bytes;

fn too_large(value: impl std::fmt::Display, most: impl std::fmt::Display) -> io::Error {
    let text = format!("{value} is more than the kernel's option can hold ({most})");
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn short(bytes: &[u8]) -> io::Error {
    io::Error::other(format!("the kernel gave an option of {} bytes", bytes.len()))
}

fn int(bytes: &[u8]) -> io::Result<i32> {
    match *bytes {
        [a, b, c, d, ..] => Ok(i32::from_ne_bytes([a, b, c, d])),
        // Some options of the IP level are a single byte where one was asked for.
        [one] => Ok(i32::from(one)),
        _ => Err(short(bytes)),
    }
}

fn count(bytes: &[u8]) -> io::Result<u32> {
    int(bytes).map(|value| u32::try_from(value).unwrap_or(0))
}

/// `units` as an `int`.
fn units(units: u128, value: Duration) -> io::Result<[u8; 4]> {
    let number = i32::try_from(units).map_err(|_| too_large(format!("{value:?}"), i32::MAX))?;
    Ok(number.to_ne_bytes())
}

impl Value for Flag {
    type Of = bool;
    const ROOM: usize = 4;

    fn encode(value: bool) -> io::Result<impl AsRef<[u8]>> {
        Ok(i32::from(value).to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<bool> {
        int(bytes).map(|value| value != 0)
    }
}

impl Value for Count {
    type Of = u32;
    const ROOM: usize = 4;

    fn encode(value: u32) -> io::Result<impl AsRef<[u8]>> {
        let value = i32::try_from(value).map_err(|_| too_large(value, i32::MAX))?;
        Ok(value.to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<u32> {
        count(bytes)
    }
}

impl Value for Mark {
    type Of = u32;
    const ROOM: usize = 4;

    fn encode(value: u32) -> io::Result<impl AsRef<[u8]>> {
        Ok(value.to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<u32> {
        int(bytes).map(|mark| mark as u32)
    }
}

impl Value for Seconds {
    type Of = Duration;
    const ROOM: usize = 4;

    fn encode(value: Duration) -> io::Result<impl AsRef<[u8]>> {
        // A part of a second is a second: 0 has a meaning of its own.
        units(u128::from(value.as_secs()) + u128::from(value.subsec_nanos() > 0), value)
    }

    fn decode(bytes: &[u8]) -> io::Result<Duration> {
        count(bytes).map(|seconds| Duration::from_secs(seconds.into()))
    }
}

impl Value for Millis {
    type Of = Duration;
    const ROOM: usize = 4;

    fn encode(value: Duration) -> io::Result<impl AsRef<[u8]>> {
        units(value.as_nanos().div_ceil(1_000_000), value)
    }

    fn decode(bytes: &[u8]) -> io::Result<Duration> {
        count(bytes).map(|millis| Duration::from_millis(millis.into()))
    }
}

impl Value for Micros {
    type Of = Duration;
    const ROOM: usize = 4;

    fn encode(value: Duration) -> io::Result<impl AsRef<[u8]>> {
        units(value.as_nanos().div_ceil(1_000), value)
    }

    fn decode(bytes: &[u8]) -> io::Result<Duration> {
        count(bytes).map(|micros| Duration::from_micros(micros.into()))
    }
}

impl Value for Wide {
    type Of = u64;
    const ROOM: usize = 8;

    fn encode(value: u64) -> io::Result<impl AsRef<[u8]>> {
        Ok(value.to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<u64> {
        match <[u8; 8]>::try_from(bytes) {
            Ok(bytes) => Ok(u64::from_ne_bytes(bytes)),
            Err(_) => count(bytes).map(u64::from),
        }
    }
}

impl Value for Device {
    type Of = Option<Vec<u8>>;
    /// `IFNAMSIZ`.
    const ROOM: usize = 16;

    fn encode(value: Option<Vec<u8>>) -> io::Result<impl AsRef<[u8]>> {
        let mut name = value.unwrap_or_default();
        if name.len() >= Self::ROOM || name.contains(&0) {
            let text = "the name of a network device has at most 15 bytes, none of them zero";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        name.push(0);
        Ok(name)
    }

    fn decode(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let name: Vec<u8> = bytes.iter().copied().take_while(|&byte| byte != 0).collect();
        Ok((!name.is_empty()).then_some(name))
    }
}

impl Value for Name {
    type Of = String;
    /// `TCP_CA_NAME_MAX`.
    const ROOM: usize = 16;

    fn encode(value: String) -> io::Result<impl AsRef<[u8]>> {
        Ok(value.into_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<String> {
        let name: Vec<u8> = bytes.iter().copied().take_while(|&byte| byte != 0).collect();
        String::from_utf8(name).map_err(io::Error::other)
    }
}

impl Value for Linger {
    type Of = Option<Duration>;
    const ROOM: usize = 8;

    fn encode(value: Option<Duration>) -> io::Result<impl AsRef<[u8]>> {
        let seconds = match value {
            None => [0; 4],
            Some(value) => {
                let seconds = u128::from(value.as_secs()) + u128::from(value.subsec_nanos() > 0);
                units(seconds, value)?
            }
        };
        let on = i32::from(value.is_some()).to_ne_bytes();
        Ok([on, seconds].concat())
    }

    fn decode(bytes: &[u8]) -> io::Result<Option<Duration>> {
        let (on, seconds) = (int(bytes)?, count(bytes.get(4..).unwrap_or_default())?);
        Ok((on != 0).then(|| Duration::from_secs(seconds.into())))
    }
}

impl Value for Pending {
    type Of = Option<io::Error>;
    const ROOM: usize = 4;

    fn encode(_: Option<io::Error>) -> io::Result<impl AsRef<[u8]>> {
        Err::<[u8; 0], _>(io::ErrorKind::Unsupported.into())
    }

    fn decode(bytes: &[u8]) -> io::Result<Option<io::Error>> {
        let errno = int(bytes)?;
        Ok((errno != 0).then(|| io::Error::from_raw_os_error(errno)))
    }
}

impl Value for Credentials {
    type Of = UCred;
    const ROOM: usize = credentials::BYTES;

    fn encode(_: UCred) -> io::Result<impl AsRef<[u8]>> {
        Err::<[u8; 0], _>(io::ErrorKind::Unsupported.into())
    }

    fn decode(bytes: &[u8]) -> io::Result<UCred> {
        UCred::of_bytes(bytes).ok_or_else(|| short(bytes))
    }
}

impl Value for Groups {
    type Of = Vec<u32>;
    const ROOM: usize = 4 * 65_536;

    fn encode(_: Vec<u32>) -> io::Result<impl AsRef<[u8]>> {
        Err::<[u8; 0], _>(io::ErrorKind::Unsupported.into())
    }

    fn decode(bytes: &[u8]) -> io::Result<Vec<u32>> {
        bytes.chunks_exact(4).map(|group| int(group).map(|group| group as u32)).collect()
    }
}

impl Value for Bytes {
    type Of = Option<Vec<u8>>;
    const ROOM: usize = 512;

    fn encode(_: Option<Vec<u8>>) -> io::Result<impl AsRef<[u8]>> {
        Err::<[u8; 0], _>(io::ErrorKind::Unsupported.into())
    }

    fn decode(bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok((!bytes.is_empty()).then(|| bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests;
