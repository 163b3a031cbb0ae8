//! Certificates that are exchanged while a server runs.
//!
//! Owns: the files, and the certificates that count now. Invariant: what counts was loaded whole; a
//! file that cannot be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Certificates, Identity, PemError};

/// Certificates from files, which are read again when told to. Clones are the same one.
///
/// Handshakes that begin after [`reload`](Self::reload) get the new certificates. Connections go
/// on, and sessions may be resumed.
///
/// ```no_run
/// use annulus_tls::{Reloadable, TlsAcceptor};
///
/// # fn main() -> std::io::Result<()> {
/// let certificates = Reloadable::from_pem_files([("example.org.crt", "example.org.key")])?;
/// let acceptor = TlsAcceptor::builder().reloadable(certificates.clone()).build()?;
/// // … and when the certificate was renewed:
/// if let Err(error) = certificates.reload() {
///     eprintln!("the old certificates stay: {error}");
/// }
/// # drop(acceptor);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reloadable {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Of each identity: the chain, the key.
    files: Vec<(PathBuf, PathBuf)>,
    current: RwLock<Arc<Certificates>>,
}

impl Reloadable {
    /// From files of PEM: of each identity its chain and its key. The first identity is the
    /// default.
    ///
    /// It blocks while it reads the files.
    ///
    /// # Errors
    /// As [`Identity::from_pem_files`].
    pub fn from_pem_files<C, K>(files: impl IntoIterator<Item = (C, K)>) -> Result<Self, PemError>
    where
        C: AsRef<Path>,
        K: AsRef<Path>,
    {
        let owned = |(chain, key): (C, K)| (chain.as_ref().to_owned(), key.as_ref().to_owned());
        let files: Vec<_> = files.into_iter().map(owned).collect();
        let current = RwLock::new(Arc::new(load(&files)?));
        Ok(Self { shared: Arc::new(Shared { files, current }) })
    }

    /// Without files; [`replace`](Self::replace) changes them.
    #[must_use]
    pub fn new(certificates: Certificates) -> Self {
        let current = RwLock::new(Arc::new(certificates));
        Self { shared: Arc::new(Shared { files: Vec::new(), current }) }
    }

    /// Reads the files again. Without files nothing changes.
    ///
    /// It blocks while it reads the files: some tens of microseconds from the page cache.
    ///
    /// # Errors
    /// As [`Identity::from_pem_files`]; then the certificates stay what they were, all of them.
    pub fn reload(&self) -> Result<(), PemError> {
        if self.shared.files.is_empty() {
            return Ok(());
        }
        let mut loaded = load(&self.shared.files)?;
        if self.current().is_strict() {
            loaded = loaded.strict();
        }
        self.replace(loaded);
        Ok(())
    }

    /// These count from now on.
    pub fn replace(&self, certificates: Certificates) {
        let mut current = self.shared.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(certificates);
    }

    /// What counts now.
    pub fn current(&self) -> Arc<Certificates> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn load(files: &[(PathBuf, PathBuf)]) -> Result<Certificates, PemError> {
    let load = |(chain, key): &(PathBuf, PathBuf)| Identity::from_pem_files(chain, key);
    Ok(Certificates::new(files.iter().map(load).collect::<Result<_, _>>()?))
}

impl ResolvesServerCert for Reloadable {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current().resolve(hello)
    }
}
