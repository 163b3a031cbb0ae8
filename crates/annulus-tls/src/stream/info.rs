//! What was agreed upon, and who the peer is.

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use super::TlsStream;

impl<H> TlsStream<H> {
    /// The protocol that was agreed upon by ALPN: `h2`, `http/1.1`; `None` if there was none.
    #[doc(alias = "alpn_protocol")]
    pub fn alpn(&self) -> Option<Vec<u8>> {
        self.state().engine.common().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Of a server: the host name that the client asked for (SNI), in lower case. `None` if it
    /// asked for none, and of a client.
    #[doc(alias = "SNI")]
    pub fn server_name(&self) -> Option<String> {
        self.state().engine.server_name().map(str::to_owned)
    }

    /// The peer's certificates, its own first; `None` of a client that has shown none.
    pub fn peer_certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.state().engine.common().peer_certificates().map(<[_]>::to_vec)
    }

    /// The version of TLS.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.state().engine.common().protocol_version()
    }

    /// The cipher suite.
    pub fn cipher_suite(&self) -> Option<SupportedCipherSuite> {
        self.state().engine.common().negotiated_cipher_suite()
    }

    /// Whether the handshake went on from an earlier connection, without certificates.
    pub fn is_resumed(&self) -> bool {
        self.state().engine.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }
}
