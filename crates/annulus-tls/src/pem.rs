//! Certificates and keys from PEM (RFC 7468), with errors that say where.
//!
//! Owns: finding the sections of a text, and the words of what is wrong with them. Does not own:
//! what is in a section (rustls).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a file of certificates or of a key, and where.
#[derive(Debug)]
pub struct PemError {
    file: Option<PathBuf>,
    line: Option<usize>,
    reason: PemReason,
}

/// What is wrong with certificates or a key.
#[derive(Debug)]
#[non_exhaustive]
pub enum PemReason {
    /// The file could not be read.
    Read(io::Error),
    /// There is no certificate in it.
    NoCertificate,
    /// There is no private key in it.
    NoKey,
    /// There is more than one private key in it.
    SeveralKeys,
    /// The key is encrypted by a passphrase.
    EncryptedKey,
    /// A section has no end.
    Unended {
        /// What it is, as its first line says.
        label: String,
    },
    /// A section is not base64.
    Base64,
    /// The certificate cannot be used.
    Certificate(rustls::Error),
    /// The key cannot be used: of a kind that is not known, or damaged.
    Key(rustls::Error),
    /// The key is not that of the certificate.
    Mismatch {
        /// The file with the certificate.
        certificate: Option<PathBuf>,
    },
}

impl PemError {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, counted from 1, if it is known.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong.
    pub fn reason(&self) -> &PemReason {
        &self.reason
    }

    pub(crate) fn new(reason: PemReason) -> Self {
        Self { file: None, line: None, reason }
    }

    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn of(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        match &self.reason {
            PemReason::Read(error) => write!(f, "{error}"),
            PemReason::NoCertificate => {
                f.write_str("no certificate: there is no line `-----BEGIN CERTIFICATE-----`")
            }
            PemReason::NoKey => {
                f.write_str("no private key: there is no line `-----BEGIN PRIVATE KEY-----`")
            }
            PemReason::SeveralKeys => f.write_str("a second private key: there may be one"),
            PemReason::EncryptedKey => f.write_str(
                "the private key is encrypted; `openssl pkey -in FILE -out PLAIN` decrypts it",
            ),
            PemReason::Unended { label } => {
                write!(f, "this section has no line `-----END {label}-----`")
            }
            PemReason::Base64 => f.write_str("this is not base64"),
            PemReason::Certificate(error) => write!(f, "the certificate cannot be used: {error}"),
            PemReason::Key(error) => write!(f, "the private key cannot be used: {error}"),
            PemReason::Mismatch { certificate: Some(file) } => {
                write!(f, "the key is not that of the certificate in {}", file.display())
            }
            PemReason::Mismatch { certificate: None } => {
                f.write_str("the key is not that of the certificate")
            }
        }
    }
}

impl StdError for PemError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.reason {
            PemReason::Read(error) => Some(error),
            PemReason::Certificate(error) | PemReason::Key(error) => Some(error),
            _ => None,
        }
    }
}

impl From<PemError> for io::Error {
    fn from(error: PemError) -> Self {
        let kind = match &error.reason {
            PemReason::Read(source) => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// A section: `-----BEGIN label-----`, what it holds, `-----END label-----`.
struct Section<'a> {
    label: &'a str,
    /// The line of its beginning, counted from 1.
    line: usize,
    text: &'a [u8],
}

/// The certificates in a text, each with its line.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<(usize, CertificateDer<'static>)>, PemError> {
    let mut found = Vec::new();
    for section in sections(text)? {
        if matches!(section.label, "CERTIFICATE" | "X509 CERTIFICATE") {
            let certificate = CertificateDer::from_pem_slice(section.text);
            let certificate = certificate.map_err(|_| not_base64(&section))?;
            found.push((section.line, certificate));
        }
    }
    match found.is_empty() {
        true => Err(PemError::new(PemReason::NoCertificate)),
        false => Ok(found),
    }
}

/// The one private key in a text, with its line.
pub(crate) fn key(text: &[u8]) -> Result<(usize, PrivateKeyDer<'static>), PemError> {
    let mut found = None;
    for section in sections(text)? {
        if !section.label.ends_with("PRIVATE KEY") {
            continue;
        }
        let legacy = section.text.windows(16).any(|words| words == b"4,ENCRYPTED\nDEK-");
        if section.label.starts_with("ENCRYPTED") || legacy {
            return Err(PemError::new(PemReason::EncryptedKey).at(section.line));
        }
        if found.is_some() {
            return Err(PemError::new(PemReason::SeveralKeys).at(section.line));
        }
        let key = PrivateKeyDer::from_pem_slice(section.text);
        found = Some((section.line, key.map_err(|_| not_base64(&section))?));
    }
    found.ok_or_else(|| PemError::new(PemReason::NoKey))
}

fn sections(text: &[u8]) -> Result<Vec<Section<'_>>, PemError> {
    let mut found = Vec::new();
    let mut open: Option<(&str, usize, usize)> = None;
    let mut at = 0;
    for (index, whole) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let (start, number) = (at, index + 1);
        at += whole.len();
        let line = std::str::from_utf8(whole).unwrap_or_default().trim_end();
        if let Some(label) = marked(line, "-----BEGIN ") {
            if let Some((label, number, _)) = open {
                return Err(unended(label).at(number));
            }
            open = Some((label, number, start));
        } else if let Some(end) = marked(line, "-----END ") {
            match open.take() {
                Some((label, line, from)) if label == end => {
                    found.push(Section { label, line, text: &text[from..at] });
                }
                Some((label, line, _)) => return Err(unended(label).at(line)),
                None => {} // explanatory text, as far as anybody can tell
            }
        }
    }
    match open {
        Some((label, line, _)) => Err(unended(label).at(line)),
        None => Ok(found),
    }
}

/// The label of a line that begins or ends a section.
fn marked<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.strip_prefix(mark)?.strip_suffix("-----")
}

fn unended(label: &str) -> PemError {
    PemError::new(PemReason::Unended { label: label.to_owned() })
}

/// The first line of a section that is not base64, else the section's own.
fn not_base64(section: &Section<'_>) -> PemError {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(byte);
    let mut lines = section.text.split(|&byte| byte == b'\n').enumerate().skip(1);
    let bad = lines.find(|(_, line)| !line.starts_with(b"-----") && !line.iter().all(is_base64));
    let line = section.line + bad.map_or(0, |(index, _)| index);
    PemError::new(PemReason::Base64).at(line)
}

#[cfg(test)]
mod tests;
