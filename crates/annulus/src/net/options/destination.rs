//! Where a connection was going before a firewall redirected it here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::value_bytes;
use crate::core::Owned;

/// `SO_ORIGINAL_DST` of the family that the socket's own address is of.
pub(in crate::net) fn original_destination(
    owned: &Owned,
    local: SocketAddr,
) -> io::Result<SocketAddr> {
    let mut bytes = [0; 28];
    if local.is_ipv4() {
        value_bytes(owned, libc::SOL_IP, libc::SO_ORIGINAL_DST, &mut bytes[..16])?;
    } else {
        value_bytes(owned, libc::SOL_IPV6, libc::IP6T_SO_ORIGINAL_DST, &mut bytes)?;
    }
    Ok(address(&bytes, local.is_ipv4()))
}

/// The address in a `sockaddr_in` or a `sockaddr_in6`.
fn address(bytes: &[u8; 28], is_v4: bool) -> SocketAddr {
    let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    if is_v4 {
        return SocketAddrV4::new(Ipv4Addr::from(four(4)), port).into();
    }
    let mut ip = [0; 16];
    ip.copy_from_slice(&bytes[8..24]);
    let (flow, scope) = (u32::from_ne_bytes(four(4)), u32::from_ne_bytes(four(24)));
    SocketAddrV6::new(Ipv6Addr::from(ip), port, flow, scope).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        for text in ["10.1.2.3:4567", "[fe80::1%3]:9"] {
            let there: SocketAddr = text.parse().unwrap();
            let mut bytes = [0; 28];
            match there {
                SocketAddr::V4(v4) => {
                    bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                    bytes[4..8].copy_from_slice(&v4.ip().octets());
                }
                SocketAddr::V6(v6) => {
                    bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
                    bytes[8..24].copy_from_slice(&v6.ip().octets());
                    bytes[24..].copy_from_slice(&v6.scope_id().to_ne_bytes());
                }
            }
            assert_eq!(address(&bytes, there.is_ipv4()), there);
        }
    }
}
