//! Requests over TLS 1.3 that are to come back as they are.
//!
//! Invariants: a connection has one request outstanding; all of them have the same cipher suite,
//! whatever the server prefers, and none goes on from another one; handshakes are over before
//! anything is measured. Whom the server's certificate is for is not looked at.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annulus_ring::Ring;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring as provided;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind,
    SignatureScheme,
};

use super::{Taken, Talk};
use crate::{Job, Sample, wrong};

/// What one piece of an answer is received into.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a handshake may take, under Valgrind as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks an echo server over TLS.
///
/// # Errors
/// A connection cannot be made or ends; an answer is wrong or does not come; a ring is refused.
pub fn run(job: &Job) -> io::Result<Sample> {
    let talk = Tls { config: config()?, bytes: job.bytes.max(8), connections: Vec::new() };
    super::run(job, BUFFER_BYTES, None, talk)
}

fn config() -> io::Result<Arc<ClientConfig>> {
    let suites = vec![provided::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = CryptoProvider { cipher_suites: suites, ..provided::default_provider() };
    let verifier = Anybody(provider.signature_verification_algorithms);
    let config = ClientConfig::builder_with_provider(Arc::new(provider));
    let config = config.with_protocol_versions(&[&rustls::version::TLS13]);
    let config = config.map_err(io::Error::other)?.dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = config.with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

struct Tls {
    config: Arc<ClientConfig>,
    /// Of a request.
    bytes: usize,
    connections: Vec<Connection>,
}

struct Connection {
    tls: ClientConnection,
    request: Vec<u8>,
    asked: u64,
    asked_at: Instant,
    /// Bytes of the answer that have come.
    came: usize,
    /// Leaked: a send may read it until its completion, which is not awaited.
    wire: &'static mut [u8],
}

impl Talk for Tls {
    fn meet(&mut self, stream: &OwnedFd) -> io::Result<()> {
        let mut stream = TcpStream::from(stream.try_clone()?);
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
        if suite != Some(CipherSuite::TLS13_AES_128_GCM_SHA256)
            || tls.handshake_kind() != Some(HandshakeKind::Full)
        {
            return Err(wrong("another handshake than was asked for"));
        }
        let wire = self.bytes + (self.bytes / 16384 + 1) * 64;
        self.connections.push(Connection {
            tls,
            request: vec![0x5a; self.bytes],
            asked: 0,
            asked_at: Instant::now(),
            came: 0,
            wire: vec![0; wire].leak(),
        });
        Ok(())
    }

    fn ask(&mut self, ring: &mut Ring, slot: u32, requests: usize, now: Instant) -> io::Result<()> {
        debug_assert_eq!(requests, 1, "a connection has one request outstanding");
        let connection = &mut self.connections[slot as usize];
        connection.asked += 1;
        connection.asked_at = now;
        let mark = connection.asked.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(slot);
        connection.request[..8].copy_from_slice(&mark.to_ne_bytes());
        connection.tls.set_buffer_limit(None);
        connection.tls.writer().write_all(&connection.request)?;
        let mut rest = &mut connection.wire[..];
        let room = rest.len();
        while connection.tls.wants_write() {
            connection.tls.write_tls(&mut rest)?;
        }
        let bytes = room - rest.len();
        // SAFETY: leaked memory, not written again before the answer has come.
        unsafe { super::send(ring, slot, connection.wire.as_ptr(), bytes) }
    }

    fn hear(&mut self, slot: u32, mut came: &[u8], taken: &mut Taken) -> io::Result<usize> {
        let connection = &mut self.connections[slot as usize];
        let mut piece = [0; 16 * 1024];
        while !came.is_empty() {
            connection.tls.read_tls(&mut came)?;
            connection.tls.process_new_packets().map_err(io::Error::other)?;
            loop {
                let n = match connection.tls.reader().read(&mut piece) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                if !connection.request[connection.came..].starts_with(&piece[..n]) {
                    return Err(wrong("other bytes came back"));
                }
                connection.came += n;
            }
        }
        if connection.came < connection.request.len() {
            return Ok(0);
        }
        connection.came = 0;
        taken.note(connection.asked_at);
        Ok(1)
    }
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 was asked for".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
