//! What a server needs before its first connection: an address of its own, and descriptors.
//!
//! Owns: the claim, by which several cores of one program share an address and no other program
//! joins them; the limit of descriptors; and the words of their refusals.

use std::io;
use std::net::{SocketAddr, TcpListener};

use annulus::runtime::raise_descriptor_limit as raise;

/// Makes sure that nobody listens at `address`, and returns it with the port that was chosen if it
/// was 0.
///
/// Cores listen at the same address with `SO_REUSEPORT`, which also lets another process of the
/// same user join in silently. Binding once without that option tells.
///
/// # Errors
/// The kernel's, in words for people.
pub fn claim(address: SocketAddr) -> io::Result<SocketAddr> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| cannot_listen(address, &error))
}

/// Why there is no listener at `address`, in words for people.
pub fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; --addr chooses another port: ",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address: ",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are privileged; --addr chooses another port: "
        }
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot listen at {address}: {hint}{error}"))
}

/// Fewer descriptors than this are worth a warning: a connection takes one, and so does a file
/// while it is sent.
const COMFORTABLE_DESCRIPTORS: u64 = 4096;

/// Raises the limit of open descriptors as far as this process may. Returns a warning if that is
/// not far.
pub fn raise_descriptor_limit() -> Option<String> {
    match raise() {
        Ok((_, hard)) => warning(hard),
        Err(error) => Some(format!("cannot raise the limit of open descriptors: {error}")),
    }
}

fn warning(descriptors: u64) -> Option<String> {
    (descriptors < COMFORTABLE_DESCRIPTORS).then(|| {
        format!(
            "this process may open {descriptors} descriptors only, one per connection and one per \
             file that is being sent; raise the hard limit (ulimit -Hn, LimitNOFILE=) for more"
        )
    })
}

#[cfg(test)]
mod tests;
