//! Which cryptography: that of `ring`, with ciphers that leave bytes where they lie.

use std::sync::Arc;

use annulus_task::ForkOnce;
use rustls::crypto::{CryptoProvider, ring};

use crate::in_place;

/// The one provider of this process; installing another default for rustls changes nothing here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: ForkOnce<Arc<CryptoProvider>> = ForkOnce::new(|| {
        let cipher_suites = in_place::suites();
        Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() })
    });
    Arc::clone(PROVIDER.get())
}
