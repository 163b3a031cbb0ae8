//! Whom one trusts.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::identity::read;
use crate::pem::{self, PemError, PemReason};

/// Where distributions keep the certificates of the authorities that they trust.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine
];

/// The authorities whose signature on a certificate counts.
#[derive(Clone)]
pub struct Roots {
    store: RootCertStore,
}

impl Roots {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self { store: RootCertStore::empty() }
    }

    /// Those that this system trusts, from the file that `SSL_CERT_FILE` names or from where
    /// distributions keep it.
    ///
    /// It blocks while it reads the file.
    ///
    /// # Errors
    /// `NotFound` if there is no such file; those of [`add_pem_file`](Self::add_pem_file), but for
    /// single certificates that cannot be used: they are left out.
    pub fn system() -> io::Result<Self> {
        let named = std::env::var_os("SSL_CERT_FILE");
        let file = match &named {
            Some(file) => Some(Path::new(file)),
            None => SYSTEM_FILES.iter().map(Path::new).find(|file| file.exists()),
        };
        let Some(file) = file else {
            let text = "no certificates of authorities found: install ca-certificates, or name a \
                        file by SSL_CERT_FILE";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        };
        let text = read(file)?;
        let found = pem::certificates(&text).map_err(|error| error.of(file))?;
        let mut roots = Self::new();
        roots.store.add_parsable_certificates(found.into_iter().map(|(_, root)| root));
        Ok(roots)
    }

    /// Those that Mozilla trusts, as of when this program was built.
    #[cfg(feature = "webpki-roots")]
    #[cfg_attr(docsrs, doc(cfg(feature = "webpki-roots")))]
    #[must_use]
    pub fn mozilla() -> Self {
        Self { store: RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() } }
    }

    /// Adds the certificates in a text of PEM.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn add_pem(&mut self, text: &[u8]) -> Result<(), PemError> {
        for (line, root) in pem::certificates(text)? {
            let added = self.store.add(root);
            added.map_err(|error| PemError::new(PemReason::Certificate(error)).at(line))?;
        }
        Ok(())
    }

    /// Adds the certificates in a file of PEM. It blocks while it reads the file.
    ///
    /// # Errors
    /// As [`add_pem`](Self::add_pem), naming the file; those of open(2) and read(2).
    pub fn add_pem_file(&mut self, file: impl AsRef<Path>) -> Result<(), PemError> {
        let file = file.as_ref();
        self.add_pem(&read(file)?).map_err(|error| error.of(file))
    }

    /// Adds a certificate.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn add_der(&mut self, root: CertificateDer<'static>) -> Result<(), PemError> {
        self.store.add(root).map_err(|error| PemError::new(PemReason::Certificate(error)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    pub(crate) fn into_store(self) -> Arc<RootCertStore> {
        Arc::new(self.store)
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("len", &self.len()).finish()
    }
}
