//! Several certificates, and which of them a client gets.
//!
//! Owns: the choice by name. Invariant: the names of the identities are looked up in the order in
//! which these were given, so the first of two with one name wins. Only certificates with a
//! wildcard are looked at one by one.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Identity;

/// The identities of a server, by the names in their certificates.
///
/// A client that names a host (SNI) gets the first certificate that has this name, else the first
/// whose wildcard matches it; one that names none, or one that no certificate has, gets the first
/// of all, unless [`strict`](Self::strict) refuses it.
#[derive(Clone, Debug)]
pub struct Certificates {
    identities: Vec<Identity>,
    by_name: HashMap<String, usize>,
    wildcards: Vec<usize>,
    strict: bool,
}

impl Certificates {
    /// Of these identities; the first is the default.
    #[must_use]
    pub fn new(identities: Vec<Identity>) -> Self {
        let (mut by_name, mut wildcards) = (HashMap::new(), Vec::new());
        for (index, identity) in identities.iter().enumerate() {
            if identity.may_have_wildcard() {
                wildcards.push(index);
            }
            for name in identity.names() {
                by_name.entry(name).or_insert(index);
            }
        }
        Self { identities, by_name, wildcards, strict: false }
    }

    /// Refuses clients that name no host, or one that no certificate has: the handshake fails.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// The identities.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// The identity for a host.
    pub fn find(&self, name: Option<&str>) -> Option<&Identity> {
        let found = name.and_then(|name| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let matches = |&&index: &&usize| self.identities[index].is_for(&name);
            self.by_name.get(&name).or_else(|| self.wildcards.iter().find(matches))
        });
        match found {
            Some(&index) => self.identities.get(index),
            None if self.strict => None,
            None => self.identities.first(),
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).map(|identity| Arc::clone(&identity.certified))
    }
}

impl From<Identity> for Certificates {
    fn from(identity: Identity) -> Self {
        Self::new(vec![identity])
    }
}
