//! A certificate and its key.
//!
//! Owns: that the two belong together. Invariant: an identity that exists can be used.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

use crate::pem::{self, PemError, PemReason};
use crate::provider::provider;

/// Who one is: a chain of certificates, one's own first, and the private key of that one.
///
/// RSA, ECDSA (P-256, P-384) and Ed25519 keys, as PKCS#8, PKCS#1 or SEC1.
#[derive(Clone)]
pub struct Identity {
    pub(crate) certified: Arc<CertifiedKey>,
}

impl Identity {
    /// From the texts of PEM.
    ///
    /// # Errors
    /// What is missing, or wrong, and in which line; a key that is not that of the certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, PemError> {
        Self::load((certificates, None), (key, None))
    }

    /// From files of PEM: the chain, and the key, which may be the same file.
    ///
    /// It blocks while it reads the files.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), naming the file; those of open(2) and read(2).
    pub fn from_pem_files(
        certificates: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, PemError> {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        let chain = read(certificates)?;
        let secret = if key == certificates { chain.clone() } else { read(key)? };
        Self::load((&chain, Some(certificates)), (&secret, Some(key)))
    }

    /// From DER, for keys that do not come from files.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), without lines.
    pub fn from_der(
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, PemError> {
        let certified = CertifiedKey::from_der(certificates, key, &provider()).map_err(reason);
        let certified = certified.map_err(PemError::new)?;
        Ok(Self { certified: Arc::new(certified) })
    }

    fn load(
        (certificates, certificates_file): (&[u8], Option<&Path>),
        (key, key_file): (&[u8], Option<&Path>),
    ) -> Result<Self, PemError> {
        let of = |error: PemError, file: Option<&Path>| match file {
            Some(file) => error.of(file),
            None => error,
        };
        let chain =
            pem::certificates(certificates).map_err(|error| of(error, certificates_file))?;
        for (line, certificate) in &chain {
            if EndEntityCert::try_from(certificate).is_err() {
                let bad = Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
                let error = PemError::new(PemReason::Certificate(bad)).at(*line);
                return Err(of(error, certificates_file));
            }
        }
        let (line, key) = pem::key(key).map_err(|error| of(error, key_file))?;
        let chain = chain.into_iter().map(|(_, certificate)| certificate).collect();
        match CertifiedKey::from_der(chain, key, &provider()) {
            Ok(certified) => Ok(Self { certified: Arc::new(certified) }),
            Err(error) => {
                let mut reason = reason(error);
                if let PemReason::Mismatch { certificate } = &mut reason {
                    *certificate = certificates_file.map(Path::to_owned);
                }
                Err(of(PemError::new(reason).at(line), key_file))
            }
        }
    }

    /// The chain, one's own certificate first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The host names in the certificate, without wildcards.
    pub fn names(&self) -> Vec<String> {
        self.own().map_or_else(Vec::new, |own| {
            own.valid_dns_names().map(str::to_ascii_lowercase).collect()
        })
    }

    /// Whether the certificate is for this host, by a wildcard too.
    pub fn is_for(&self, name: &str) -> bool {
        let (own, name) = (self.own(), ServerName::try_from(name));
        match (own, name) {
            (Some(own), Ok(name)) => own.verify_is_valid_for_subject_name(&name).is_ok(),
            _ => false,
        }
    }

    /// Whether the certificate has a wildcard; now and then one that has none seems to.
    pub(crate) fn may_have_wildcard(&self) -> bool {
        let own = self.certificates().first();
        own.is_some_and(|own| own.windows(2).any(|bytes| bytes == b"*."))
    }

    fn own(&self) -> Option<EndEntityCert<'_>> {
        EndEntityCert::try_from(self.certificates().first()?).ok()
    }
}

/// What rustls says of a certificate and a key.
fn reason(error: Error) -> PemReason {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            PemReason::Mismatch { certificate: None }
        }
        Error::NoCertificatesPresented => PemReason::NoCertificate,
        error @ Error::InvalidCertificate(_) => PemReason::Certificate(error),
        error => PemReason::Key(error),
    }
}

pub(crate) fn read(file: &Path) -> Result<Vec<u8>, PemError> {
    fs::read(file).map_err(|error| PemError::new(PemReason::Read(error)).of(file))
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names()).finish_non_exhaustive()
    }
}
