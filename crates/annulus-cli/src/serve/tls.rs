//! The certificates of the server: which, and when they are read again.
//!
//! Owns: the arguments' meaning, and the thread that waits for SIGHUP. Does not own: connections.
//! Invariant: a certificate that cannot be used never takes the place of one that can.
//!
//! Mirrors signal(7).

use std::io;

use annulus_tls::{Reloadable, TlsAcceptor};
use signal_hook::consts::SIGHUP;
use signal_hook::iterator::Signals;

use super::args::Args;
use crate::say::say;

/// What all cores share of TLS.
#[derive(Clone)]
pub struct Tls {
    /// What is shown to clients.
    pub certificates: Reloadable,
    /// Shakes hands.
    pub acceptor: TlsAcceptor,
}

impl Tls {
    /// As the arguments have it; nothing if they have no certificate.
    ///
    /// # Errors
    /// What is wrong with a file, and where; that there are not as many keys as certificates.
    pub fn load(args: &Args) -> io::Result<Option<Self>> {
        let (chains, keys) = (&args.tls_cert, &args.tls_key);
        if chains.len() != keys.len() {
            let text = format!(
                "each --tls-cert needs its --tls-key: there are {} and {}",
                chains.len(),
                keys.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        if chains.is_empty() {
            return Ok(None);
        }
        if args.key_log && std::env::var_os("SSLKEYLOGFILE").is_none_or(|file| file.is_empty()) {
            let text = "--key-log appends to the file that the variable SSLKEYLOGFILE names, and \
                        it names none";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let certificates = Reloadable::from_pem_files(chains.iter().zip(keys))?;
        let acceptor = TlsAcceptor::builder()
            .reloadable(certificates.clone())
            .alpn(["h2", "http/1.1"])
            .handshake_timeout(args.header_timeout())
            .key_log(args.key_log)
            .build()?;
        Ok(Some(Self { certificates, acceptor }))
    }
}

/// Starts the thread that reads the certificates again at each SIGHUP, and says how that went.
/// Without certificates the signal is heard all the same, so that it ends nothing.
///
/// # Errors
/// The kernel's, when handlers cannot be installed or there can be no further thread.
pub fn on_hangup(certificates: Option<Reloadable>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    std::thread::Builder::new().name("annulus-reload".to_owned()).spawn(move || {
        for _ in signals.forever() {
            match certificates.as_ref().map(Reloadable::reload) {
                None => say("SIGHUP: there are no certificates to be read again."),
                Some(Ok(())) => say("The certificates were read again."),
                Some(Err(error)) => {
                    say(format_args!("annulus: the certificates stay what they were: {error}"))
                }
            }
        }
    })?;
    Ok(())
}
