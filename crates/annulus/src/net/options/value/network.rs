//! Values of options that say where packets go.
//!
//! Owns: their forms, and [`PathMtu`]. Mirrors ip(7), ipv6(7).

use std::io;
use std::ops::RangeInclusive;

use super::{Value, int};

/// An interface's number in network byte order (`IP_UNICAST_IF`).
pub(in crate::net) struct Interface;
/// Two ports in a `u32` (`IP_LOCAL_PORT_RANGE`).
pub(in crate::net) struct Ports;
/// One of `IP_PMTUDISC_*`.
pub(in crate::net) struct Discovery;

/// What a socket does with packets that are larger than the way to the peer allows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PathMtu {
    /// Routers may cut every packet (`IP_PMTUDISC_DONT`).
    #[doc(alias = "IP_PMTUDISC_DONT")]
    Ignored,
    /// The kernel cuts what is larger than the way is known to allow, and tells routers not to
    /// (`IP_PMTUDISC_WANT`): the default.
    #[doc(alias = "IP_PMTUDISC_WANT")]
    Wanted,
    /// Nobody cuts: a datagram that is larger than the way is known to allow fails with `EMSGSIZE`
    /// (`IP_PMTUDISC_DO`).
    #[doc(alias = "IP_PMTUDISC_DO")]
    Required,
    /// Nobody cuts, and what is known of the way does not count: for who probes it
    /// (`IP_PMTUDISC_PROBE`).
    #[doc(alias = "IP_PMTUDISC_PROBE")]
    Probed,
    /// As `Probed`, and what others say of the way is not believed (`IP_PMTUDISC_INTERFACE`).
    #[doc(alias = "IP_PMTUDISC_INTERFACE")]
    OfInterface,
    /// As `OfInterface`, and packets that are larger than the device takes are cut
    /// (`IP_PMTUDISC_OMIT`).
    #[doc(alias = "IP_PMTUDISC_OMIT")]
    Omitted,
}

/// In the order of their numbers.
const DISCOVERIES: [PathMtu; 6] = [
    PathMtu::Ignored,
    PathMtu::Wanted,
    PathMtu::Required,
    PathMtu::Probed,
    PathMtu::OfInterface,
    PathMtu::Omitted,
];

impl Value for Discovery {
    type Of = PathMtu;
    const ROOM: usize = 4;

    fn encode(value: PathMtu) -> io::Result<impl AsRef<[u8]>> {
        Ok((value as i32).to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<PathMtu> {
        let number = int(bytes)?;
        let known = usize::try_from(number).ok().and_then(|number| DISCOVERIES.get(number));
        let unknown = || io::Error::other(format!("the kernel knows a discovery {number} more"));
        known.copied().ok_or_else(unknown)
    }
}

impl Value for Interface {
    type Of = u32;
    const ROOM: usize = 4;

    fn encode(value: u32) -> io::Result<impl AsRef<[u8]>> {
        Ok(value.to_be_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<u32> {
        int(bytes).map(|value| (value as u32).to_be())
    }
}

impl Value for Ports {
    type Of = Option<RangeInclusive<u16>>;
    const ROOM: usize = 4;

    fn encode(value: Option<RangeInclusive<u16>>) -> io::Result<impl AsRef<[u8]>> {
        let (low, high) = value.map_or((0, 0), RangeInclusive::into_inner);
        // The kernel takes 0 for a bound that is not there.
        if low > high || (low == 0) != (high == 0) {
            let text = format!("{low} to {high} are no ports: the first is 1 to the last");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok((u32::from(high) << 16 | u32::from(low)).to_ne_bytes())
    }

    fn decode(bytes: &[u8]) -> io::Result<Option<RangeInclusive<u16>>> {
        let both = int(bytes)? as u32;
        Ok((both != 0).then_some((both as u16)..=((both >> 16) as u16)))
    }
}
