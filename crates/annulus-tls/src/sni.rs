//! Which name a client asked for.
//!
//! Owns: the note of it. rustls tells the resolver of certificates and nobody else, so every
//! resolver here is wrapped in one that notes the name for whoever drives the connection, on the
//! same thread and within the same call. Invariant: no name outlives the call that it came with.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    static NOTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A resolver, and a note of what it was asked.
#[derive(Debug)]
pub(crate) struct Noting(pub(crate) Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_owned);
        NOTED.with(|noted| *noted.borrow_mut() = name);
        self.0.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }
}

/// What `drive` gives, and the name if a resolver was asked meanwhile.
pub(crate) fn noting<T>(drive: impl FnOnce() -> T) -> (T, Option<String>) {
    let driven = drive();
    (driven, NOTED.with(|noted| noted.borrow_mut().take()))
}
