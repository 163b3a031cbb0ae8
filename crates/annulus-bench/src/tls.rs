//! What servers of TLS show, the same for all of them.
//!
//! Owns: a certificate that signs itself, with a key of ECDSA P-256, made anew by each program.

use std::io;

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// Makes one.
///
/// # Errors
/// There is no randomness.
pub fn identity() -> io::Result<Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    Ok(Identity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
}
