//! What servers of TLS show, the same for all of them.
//!
//! Owns: a certificate that signs itself, with a key of ECDSA P-256, made anew by each program, and
//! what rustls is told by those that set it up themselves.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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

/// A server that shows one, with ring's cryptography, all defaults, and no tickets.
///
/// # Errors
/// There is no randomness.
pub fn server_config() -> io::Result<Arc<ServerConfig>> {
    let made = identity()?;
    let chain = CertificateDer::from_pem_slice(made.certificate.as_bytes());
    let chain = vec![chain.map_err(io::Error::other)?];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(io::Error::other)?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
