//! What servers say of their listeners and descriptors.
//!
//! Owns: the claim, by which several sockets of one program share an address and no other program
//! joins them; the limit of descriptors; the words of refusals, and of running out of descriptors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};

use annulus::runtime::raise_descriptor_limit as raise;
use annulus::serve::{Bound, Error, Trouble};

use crate::say::say;

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

/// An error of the server in the words of the arguments.
pub fn in_words(error: Error) -> io::Error {
    match error {
        Error::Bind { at: Bound::Tcp(address), source } => cannot_listen(address, &source),
        Error::Privileges { step, source } => {
            let text = format!(
                "cannot become another user: {step} failed: {source}; that takes root \
                 (CAP_SETUID, CAP_SETGID), else leave --user and --group out"
            );
            io::Error::new(source.kind(), text)
        }
        Error::Start(error) | Error::Io(error) => error,
        error => error.into(),
    }
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

/// Says that a server has run out of descriptors or memory, the first time: for
/// `Config::on_trouble`. It goes on by itself when connections end, so there is no more to say.
pub fn say_trouble_once() -> impl Fn(&Trouble<'_>) + Send + Sync + 'static {
    let told = AtomicBool::new(false);
    move |trouble| {
        if let Some(line) = first_line(&told, trouble) {
            say(line);
        }
    }
}

fn first_line(told: &AtomicBool, trouble: &Trouble<'_>) -> Option<String> {
    let Trouble::Rests { error, .. } = trouble else { return None };
    // ORDERING: relaxed; the flag guards nothing but the message.
    let first = !told.load(Ordering::Relaxed) && !told.swap(true, Ordering::Relaxed);
    first.then(|| {
        format!("annulus: connections wait until others end ({error}); this is said only once")
    })
}

#[cfg(test)]
mod tests;
