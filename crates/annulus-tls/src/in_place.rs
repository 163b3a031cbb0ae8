//! Cipher suites that move no bytes: what they decrypt stays where it lies, and what they encrypt
//! goes straight to where it is sent from.
//!
//! Owns: the suites of `ring`, wrapped, and how they tell the engine on whose behalf they run. Does
//! not own: when anything is encrypted or decrypted, with which key and number (rustls).
//!
//! rustls copies each record that was decrypted to memory of its own, and each that was encrypted
//! from memory of its own. Both happen inside of a call that the engine makes, on one thread, so
//! engine and cipher agree past rustls:
//!
//! ```text
//!   engine: Reading::begin ──> rustls ──> decrypter: notes where the plaintext lies,
//!           Reading::found <── rustls <──            and gives rustls its first byte
//!   engine: Sealing::begin ──> rustls ──> encrypter: appends a record to the engine's memory,
//!           Sealing::end   <── rustls <──            and gives rustls an empty one
//! ```
//!
//! Invariants: what rustls does not accept it does not hand on, so the engine never sees the bytes
//! behind such a first byte; each number of a record is used by one encryption, whichever way its
//! bytes go; without an engine that asks, the suites are those of any provider.

use std::cell::Cell;

use annulus_task::ForkOnce;
use ring::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce as RingNonce,
    UnboundKey,
};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError, make_tls12_aad,
    make_tls13_aad,
};
use rustls::crypto::{CipherSuiteCommon, ring as provided};
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite,
};

/// What the head of a record takes, and so the whole of an empty one.
pub(crate) const HEAD_BYTES: usize = 5;
/// What a record takes besides its data, at most. Behind the head, one of TLS 1.3 has a type and a
/// tag, one of TLS 1.2 a tag and, with AES-GCM, a part of its nonce.
pub(crate) const AROUND_BYTES_MAX: usize = HEAD_BYTES + EXPLICIT_BYTES + TAG_BYTES;
/// All three ciphers have one of this length.
const TAG_BYTES: usize = 16;
/// What of its nonce a record of TLS 1.2 carries, if its cipher is AES-GCM.
const EXPLICIT_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;

/// Where plaintext lies, and how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) address: usize,
    pub(crate) len: usize,
}

/// What a decrypter on this thread is to do.
#[derive(Clone, Copy)]
enum Found {
    /// Nobody asks.
    Unasked,
    Nothing,
    At(Place),
}

/// What encrypters on this thread append to.
struct Sealed {
    records: Vec<u8>,
    count: usize,
}

thread_local! {
    static FOUND: Cell<Found> = const { Cell::new(Found::Unasked) };
    static SEALED: Cell<Option<Sealed>> = const { Cell::new(None) };
}

/// While it lives, application data stays where it was decrypted.
pub(crate) struct Reading(());

impl Reading {
    pub(crate) fn begin() -> Self {
        FOUND.set(Found::Nothing);
        Self(())
    }

    /// Where the plaintext lies whose first byte rustls has handed on; none if that is all of it.
    pub(crate) fn found(&self) -> Option<Place> {
        match FOUND.replace(Found::Nothing) {
            Found::At(place) => Some(place),
            Found::Unasked | Found::Nothing => None,
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        FOUND.set(Found::Unasked);
    }
}

/// While it lives, records of application data are appended to its memory.
pub(crate) struct Sealing(());

impl Sealing {
    pub(crate) fn begin(records: Vec<u8>) -> Self {
        SEALED.set(Some(Sealed { records, count: 0 }));
        Self(())
    }

    /// The memory, and how many records were appended to it.
    pub(crate) fn end(self) -> (Vec<u8>, usize) {
        let sealed = SEALED.take();
        sealed.map_or_else(Default::default, |sealed| (sealed.records, sealed.count))
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        SEALED.set(None);
    }
}

/// These suites, wrapped as far as they can be.
pub(crate) fn suites() -> Vec<SupportedCipherSuite> {
    let wrapped = |suite: &SupportedCipherSuite| match suite {
        SupportedCipherSuite::Tls13(suite) => {
            let found =
                SUITES_13.get().iter().find(|wrapped| wrapped.common.suite == suite.common.suite);
            SupportedCipherSuite::Tls13(found.unwrap_or(suite))
        }
        SupportedCipherSuite::Tls12(suite) => {
            let found =
                SUITES_12.get().iter().find(|wrapped| wrapped.common.suite == suite.common.suite);
            SupportedCipherSuite::Tls12(found.unwrap_or(suite))
        }
    };
    provided::DEFAULT_CIPHER_SUITES.iter().map(wrapped).collect()
}

static SUITES_13: ForkOnce<Vec<Tls13CipherSuite>> = ForkOnce::new(|| {
    let wrapped = CIPHERS_13.get().iter().map(|cipher| Tls13CipherSuite {
        common: common(&cipher.suite.common),
        hkdf_provider: cipher.suite.hkdf_provider,
        aead_alg: cipher,
        quic: None,
    });
    wrapped.collect()
});

static SUITES_12: ForkOnce<Vec<Tls12CipherSuite>> = ForkOnce::new(|| {
    let wrapped = CIPHERS_12.get().iter().map(|cipher| Tls12CipherSuite {
        common: common(&cipher.suite.common),
        prf_provider: cipher.suite.prf_provider,
        kx: cipher.suite.kx,
        sign: cipher.suite.sign,
        aead_alg: cipher,
    });
    wrapped.collect()
});

static CIPHERS_13: ForkOnce<Vec<Cipher13>> = ForkOnce::new(|| {
    let wrapped = provided::DEFAULT_CIPHER_SUITES.iter().filter_map(|suite| {
        let suite = suite.tls13()?;
        let algorithm = match suite.common.suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => &AES_128_GCM,
            CipherSuite::TLS13_AES_256_GCM_SHA384 => &AES_256_GCM,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => &CHACHA20_POLY1305,
            _ => return None,
        };
        Some(Cipher13 { suite, algorithm })
    });
    wrapped.collect()
});

static CIPHERS_12: ForkOnce<Vec<Cipher12>> = ForkOnce::new(|| {
    let wrapped = provided::DEFAULT_CIPHER_SUITES.iter().filter_map(|suite| {
        let SupportedCipherSuite::Tls12(suite) = suite else { return None };
        let algorithm = match suite.common.suite {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => &AES_128_GCM,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => &AES_256_GCM,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => &CHACHA20_POLY1305,
            _ => return None,
        };
        Some(Cipher12 { suite, algorithm })
    });
    wrapped.collect()
});

fn common(of: &CipherSuiteCommon) -> CipherSuiteCommon {
    let &CipherSuiteCommon { suite, hash_provider, confidentiality_limit } = of;
    CipherSuiteCommon { suite, hash_provider, confidentiality_limit }
}

/// A cipher of TLS 1.3: the provider's decrypts, and it encrypts itself, to where it is told.
struct Cipher13 {
    suite: &'static Tls13CipherSuite,
    algorithm: &'static Algorithm,
}

impl Tls13AeadAlgorithm for Cipher13 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Encrypter { key: less_safe(self.algorithm, &key), iv, form: Form::Tls13 })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Decrypter(self.suite.aead_alg.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.suite.aead_alg.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.suite.aead_alg.extract_keys(key, iv)
    }
}

fn less_safe(algorithm: &'static Algorithm, key: &AeadKey) -> LessSafeKey {
    let key = UnboundKey::new(algorithm, key.as_ref());
    LessSafeKey::new(key.expect("rustls makes keys as long as the suite says"))
}

/// The same of TLS 1.2.
struct Cipher12 {
    suite: &'static Tls12CipherSuite,
    algorithm: &'static Algorithm,
}

impl Tls12AeadAlgorithm for Cipher12 {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        // As the provider: what the keys fix of the nonce comes first, and the number of the record
        // is mixed into the rest.
        let mut whole = [0; NONCE_BYTES];
        whole[..iv.len()].copy_from_slice(iv);
        whole[iv.len()..].copy_from_slice(extra);
        let (key, iv) = (less_safe(self.algorithm, &key), Iv::new(whole));
        Box::new(Encrypter { key, iv, form: Form::Tls12 { explicit_bytes: extra.len() } })
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(Decrypter(self.suite.aead_alg.decrypter(key, iv)))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.suite.aead_alg.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.suite.aead_alg.extract_keys(key, iv, explicit)
    }
}

struct Decrypter(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Decrypter {
    fn decrypt<'a>(
        &mut self,
        msg: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let plain = self.0.decrypt(msg, seq)?;
        let is_data = plain.typ == ContentType::ApplicationData && !plain.payload.is_empty();
        if !is_data || matches!(FOUND.get(), Found::Unasked) {
            return Ok(plain);
        }
        let (address, len) = (plain.payload.as_ptr().addr(), plain.payload.len());
        FOUND.set(Found::At(Place { address, len }));
        // Not nothing: rustls counts empty records, and refuses many of them.
        Ok(InboundPlainMessage { payload: &plain.payload[..1], ..plain })
    }
}

/// What surrounds the ciphertext of a record.
#[derive(Clone, Copy)]
enum Form {
    /// Its true type goes with the plaintext.
    Tls13,
    /// The end of its nonce goes before the ciphertext, as much of it as the cipher demands.
    Tls12 { explicit_bytes: usize },
}

struct Encrypter {
    key: LessSafeKey,
    iv: Iv,
    form: Form,
}

impl Encrypter {
    /// How long a record is without its head.
    fn body_len(&self, payload_len: usize) -> usize {
        payload_len
            + TAG_BYTES
            + match self.form {
                Form::Tls13 => 1,
                Form::Tls12 { explicit_bytes } => explicit_bytes,
            }
    }

    /// As what a record goes.
    fn kind(&self, msg: &OutboundPlainMessage<'_>) -> (ContentType, ProtocolVersion) {
        match self.form {
            Form::Tls13 => (ContentType::ApplicationData, ProtocolVersion::TLSv1_2),
            Form::Tls12 { .. } => (msg.typ, msg.version),
        }
    }

    /// Encrypts what lies there, as the record of this number, and gives the tag. What is
    /// authenticated besides are its head and its number, which only TLS 1.2 has to name.
    fn seal(
        &self,
        seq: u64,
        msg: &OutboundPlainMessage<'_>,
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Error> {
        let nonce = RingNonce::assume_unique_for_key(Nonce::new(&self.iv, seq).0);
        let len = msg.payload.len();
        let tag = match self.form {
            Form::Tls13 => {
                let aad = Aad::from(make_tls13_aad(self.body_len(len)));
                self.key.seal_in_place_separate_tag(nonce, aad, bytes)
            }
            Form::Tls12 { .. } => {
                let aad = Aad::from(make_tls12_aad(seq, msg.typ, msg.version, len));
                self.key.seal_in_place_separate_tag(nonce, aad, bytes)
            }
        };
        let tag = tag.map_err(|_| Error::EncryptError)?;
        tag.as_ref().try_into().map_err(|_| Error::EncryptError)
    }

    /// Appends a whole record.
    fn append(
        &self,
        records: &mut Vec<u8>,
        msg: &OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<(), Error> {
        let (typ, version) = self.kind(msg);
        let len = self.body_len(msg.payload.len()) as u16;
        records.push(u8::from(typ));
        records.extend_from_slice(&u16::from(version).to_be_bytes());
        records.extend_from_slice(&len.to_be_bytes());
        if let Form::Tls12 { explicit_bytes } = self.form {
            let nonce = Nonce::new(&self.iv, seq).0;
            records.extend_from_slice(&nonce[NONCE_BYTES - explicit_bytes..]);
        }
        let start = records.len();
        msg.payload.copy_to_vec(records);
        if matches!(self.form, Form::Tls13) {
            records.push(u8::from(msg.typ));
        }
        let tag = self.seal(seq, msg, &mut records[start..])?;
        records.extend_from_slice(&tag);
        Ok(())
    }

    /// The same for rustls, without the head.
    fn body(&self, msg: &OutboundPlainMessage<'_>, seq: u64) -> Result<PrefixedPayload, Error> {
        let mut payload = PrefixedPayload::with_capacity(self.body_len(msg.payload.len()));
        let mut start = 0;
        if let Form::Tls12 { explicit_bytes } = self.form {
            let nonce = Nonce::new(&self.iv, seq).0;
            payload.extend_from_slice(&nonce[NONCE_BYTES - explicit_bytes..]);
            start = explicit_bytes;
        }
        payload.extend_from_chunks(&msg.payload);
        if matches!(self.form, Form::Tls13) {
            payload.extend_from_slice(&[u8::from(msg.typ)]);
        }
        let tag = self.seal(seq, msg, &mut payload.as_mut()[start..])?;
        payload.extend_from_slice(&tag);
        Ok(payload)
    }
}

impl MessageEncrypter for Encrypter {
    fn encrypt(
        &mut self,
        msg: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let sealed = match msg.typ {
            ContentType::ApplicationData => SEALED.take(),
            _ => None, // keys, tickets and alerts are rustls's to queue
        };
        let payload = match sealed {
            Some(mut sealed) => {
                let appended = self.append(&mut sealed.records, &msg, seq);
                sealed.count += 1;
                SEALED.set(Some(sealed));
                appended?;
                PrefixedPayload::with_capacity(0)
            }
            None => self.body(&msg, seq)?,
        };
        let (typ, version) = self.kind(&msg);
        Ok(OutboundOpaqueMessage::new(typ, version, payload))
    }

    /// Of data that is appended elsewhere nothing results here.
    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        let sealed = SEALED.take();
        let elsewhere = sealed.is_some();
        SEALED.set(sealed);
        if elsewhere { 0 } else { self.body_len(payload_len) }
    }
}
