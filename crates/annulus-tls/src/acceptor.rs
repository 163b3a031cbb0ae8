//! The side of a server.
//!
//! Owns: its configuration. Does not own: the handshake itself (`handshake`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annulus_compat::{Readable, Writable};
use rustls::crypto::ring::Ticketer;
use rustls::server::{
    NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache,
    UnbufferedServerConnection, WebPkiClientVerifier,
};
use rustls::{KeyLogFile, ServerConfig};

use crate::engine::Side;
use crate::provider::provider;
use crate::sni::Noting;
use crate::{
    Certificates, ConfigError, HandshakeError, Identity, Reloadable, Roots, TlsStream, handshake,
};

/// How long a handshake may take, if nothing else is said.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Makes TLS connections of streams that were accepted. Clones share configuration and sessions;
/// cores may share one.
///
/// See [`TlsStream`] for a server.
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    bound: Option<Duration>,
}

/// How a [`TlsAcceptor`] is made.
#[must_use]
pub struct AcceptorBuilder {
    certificates: Option<Arc<dyn ResolvesServerCert>>,
    alpn: Vec<Vec<u8>>,
    clients: Clients,
    resumption: Resumption,
    key_log: bool,
    bound: Option<Duration>,
}

/// Whether clients show certificates.
enum Clients {
    Anybody,
    Optional(Roots),
    Required(Roots),
}

/// How a server lets clients go on from an earlier connection.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Resumption {
    /// It gives them a ticket with all that there is to know, encrypted under a key of its own that
    /// changes every six hours. It remembers nothing. The default.
    #[default]
    Tickets,
    /// It remembers so many sessions, and gives out their names.
    Cache(usize),
    /// It does not.
    Off,
}

impl TlsAcceptor {
    /// Options.
    pub fn builder() -> AcceptorBuilder {
        AcceptorBuilder {
            certificates: None,
            alpn: Vec::new(),
            clients: Clients::Anybody,
            resumption: Resumption::Tickets,
            key_log: false,
            bound: Some(HANDSHAKE),
        }
    }

    /// With a configuration of rustls, for what the builder has no word for. Early data is switched
    /// off: it can be replayed, and nothing here would say so.
    pub fn with_config(config: &ServerConfig) -> Self {
        let mut config = config.clone();
        config.max_early_data_size = 0;
        config.cert_resolver = Arc::new(Noting(config.cert_resolver));
        Self { config: Arc::new(config), bound: Some(HANDSHAKE) }
    }

    /// How long a handshake may take; `None`: as long as the client likes.
    #[must_use]
    pub fn with_handshake_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.bound = bound.into();
        self
    }

    /// Shakes hands with a client.
    ///
    /// # Errors
    /// See [`HandshakeError`]. The connection is closed then, behind an alert that says why.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    ///
    /// ```
    /// use annulus_tls::{TlsAcceptor, TlsConnector, TlsStream};
    /// use annulus::net::TcpStream;
    ///
    /// # type Outcome = Result<(), Box<dyn std::error::Error>>;
    /// async fn example(acceptor: TlsAcceptor, stream: TcpStream) -> Outcome {
    ///     let stream = acceptor.accept(stream).await?;
    ///     stream.write_all("welcome").await?;
    ///     stream.shutdown().await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn accept<H: Readable + Writable>(
        &self,
        stream: H,
    ) -> Result<TlsStream<H>, HandshakeError> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.config));
        let side = Side::Server(connection.map_err(HandshakeError::Tls)?);
        handshake::perform(stream, side, self.bound).await
    }
}

impl AcceptorBuilder {
    /// With this certificate.
    pub fn identity(self, identity: Identity) -> Self {
        self.certificates(Certificates::from(identity))
    }

    /// With several certificates, by the name that a client asks for.
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(Arc::new(certificates));
        self
    }

    /// With certificates that may be exchanged.
    pub fn reloadable(mut self, certificates: Reloadable) -> Self {
        self.certificates = Some(Arc::new(certificates));
        self
    }

    /// With whatever certificate `resolver` chooses.
    pub fn resolver(mut self, resolver: Arc<dyn ResolvesServerCert>) -> Self {
        self.certificates = Some(resolver);
        self
    }

    /// The protocols that are spoken, the preferred one first: `["h2", "http/1.1"]`. A client that
    /// offers some, and none of these, is refused. None by default.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Clients have to show a certificate that one of `roots` has signed.
    pub fn require_client_certificates(mut self, roots: Roots) -> Self {
        self.clients = Clients::Required(roots);
        self
    }

    /// Clients may show a certificate; then one of `roots` must have signed it.
    /// [`TlsStream::peer_certificates`] has it.
    pub fn accept_client_certificates(mut self, roots: Roots) -> Self {
        self.clients = Clients::Optional(roots);
        self
    }

    /// How clients go on from an earlier connection.
    pub fn resumption(mut self, resumption: Resumption) -> Self {
        self.resumption = resumption;
        self
    }

    /// Appends the keys of connections to the file that the variable `SSLKEYLOGFILE` names, if it
    /// names one, so that Wireshark can read along. Off by default.
    #[doc(alias = "SSLKEYLOGFILE")]
    pub fn key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    /// How long a handshake may take: 10 s by default; `None`: as long as the client likes.
    pub fn handshake_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.bound = bound.into();
        self
    }

    /// The acceptor. TLS 1.3 and 1.2.
    ///
    /// # Errors
    /// If it has no certificate, or is to check certificates of clients and trusts nobody.
    pub fn build(self) -> Result<TlsAcceptor, ConfigError> {
        let certificates = self.certificates.ok_or(ConfigError::NoIdentity)?;
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(ConfigError::Tls)?;
        let (roots, optional) = match self.clients {
            Clients::Anybody => (None, true),
            Clients::Optional(roots) => (Some(roots), true),
            Clients::Required(roots) => (Some(roots), false),
        };
        let builder = match roots {
            None => builder.with_no_client_auth(),
            Some(roots) if roots.is_empty() => return Err(ConfigError::NoRoots),
            Some(roots) => {
                let mut verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into_store(), provider());
                if optional {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|_| ConfigError::NoRoots)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(certificates);
        config.alpn_protocols = self.alpn;
        match self.resumption {
            Resumption::Tickets => config.ticketer = Ticketer::new().map_err(ConfigError::Tls)?,
            Resumption::Cache(sessions) => {
                config.session_storage = ServerSessionMemoryCache::new(sessions.max(1));
            }
            Resumption::Off => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(TlsAcceptor::with_config(&config).with_handshake_timeout(self.bound))
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("certificates", &self.config.cert_resolver)
            .field("alpn", &Protocols(&self.config.alpn_protocols))
            .field("handshake_timeout", &self.bound)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AcceptorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptorBuilder")
            .field("certificates", &self.certificates)
            .field("alpn", &Protocols(&self.alpn))
            .field("resumption", &self.resumption)
            .field("handshake_timeout", &self.bound)
            .finish_non_exhaustive()
    }
}

/// Names of protocols, as text.
pub(crate) struct Protocols<'a>(pub(crate) &'a [Vec<u8>]);

impl fmt::Debug for Protocols<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|name| String::from_utf8_lossy(name))).finish()
    }
}
