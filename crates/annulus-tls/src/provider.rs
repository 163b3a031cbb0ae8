//! Which cryptography: that of `ring`, with ciphers that leave bytes where they lie.

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};

use crate::in_place;

/// The one provider of this process; installing another default for rustls changes nothing here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let made = || CryptoProvider { cipher_suites: in_place::suites(), ..ring::default_provider() };
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(made())))
}
