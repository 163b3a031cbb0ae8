//! The side of a client.
//!
//! Owns: its configuration. Does not own: the handshake itself (`handshake`), connecting.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use annulus_compat::{Readable, Writable};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, KeyLogFile};

use crate::acceptor::{HANDSHAKE, Protocols};
use crate::engine::Side;
use crate::provider::provider;
use crate::{ConfigError, HandshakeError, Identity, Roots, TlsStream, handshake};

/// Makes TLS connections of streams that were connected. Clones share configuration and sessions;
/// cores may share one.
///
/// See [`TlsStream`] for a client.
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    bound: Option<Duration>,
}

/// How a [`TlsConnector`] is made.
#[must_use]
pub struct ConnectorBuilder {
    roots: Roots,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    sessions: usize,
    key_log: bool,
    bound: Option<Duration>,
}

impl TlsConnector {
    /// Options.
    pub fn builder() -> ConnectorBuilder {
        ConnectorBuilder {
            roots: Roots::new(),
            identity: None,
            alpn: Vec::new(),
            sessions: 256,
            key_log: false,
            bound: Some(HANDSHAKE),
        }
    }

    /// With a configuration of rustls, for what the builder has no word for. Early data is switched
    /// off.
    pub fn with_config(config: &ClientConfig) -> Self {
        let mut config = config.clone();
        config.enable_early_data = false;
        Self { config: Arc::new(config), bound: Some(HANDSHAKE) }
    }

    /// How long a handshake may take; `None`: as long as the server likes.
    #[must_use]
    pub fn with_handshake_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.bound = bound.into();
        self
    }

    /// Shakes hands with a server that has to prove that it is `name`: a host name, or an IP
    /// address.
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
    /// async fn example(connector: TlsConnector, stream: TcpStream) -> Outcome {
    ///     let stream = connector.connect("example.org", stream).await?;
    ///     stream.write_all("hello").await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn connect<H: Readable + Writable>(
        &self,
        name: &str,
        stream: H,
    ) -> Result<TlsStream<H>, HandshakeError> {
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = ServerName::try_from(bare.to_owned());
        let name = name.map_err(|_| HandshakeError::Name(bare.to_owned()))?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.config), name);
        let side = Side::Client(connection.map_err(HandshakeError::Tls)?);
        handshake::perform(stream, side, self.bound).await
    }
}

impl ConnectorBuilder {
    /// Whom the client trusts.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// The certificate that is shown to servers that ask for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The protocols that are offered, the preferred one first: `["h2", "http/1.1"]`. None by
    /// default.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Of how many servers sessions are remembered, to go on from: 256 by default, none if 0.
    pub fn sessions(mut self, servers: usize) -> Self {
        self.sessions = servers;
        self
    }

    /// Appends the keys of connections to the file that the variable `SSLKEYLOGFILE` names, if it
    /// names one, so that Wireshark can read along. Off by default.
    #[doc(alias = "SSLKEYLOGFILE")]
    pub fn key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    /// How long a handshake may take: 10 s by default; `None`: as long as the server likes.
    pub fn handshake_timeout(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.bound = bound.into();
        self
    }

    /// The connector. TLS 1.3 and 1.2.
    ///
    /// # Errors
    /// If it trusts nobody.
    pub fn build(self) -> Result<TlsConnector, ConfigError> {
        if self.roots.is_empty() {
            return Err(ConfigError::NoRoots);
        }
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(ConfigError::Tls)?;
        let builder = builder.with_root_certificates(self.roots.into_store());
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let shown = SingleCertAndKey::from(identity.certified);
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = self.alpn;
        config.resumption = match self.sessions {
            0 => Resumption::disabled(),
            servers => Resumption::in_memory_sessions(servers),
        };
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(TlsConnector::with_config(&config).with_handshake_timeout(self.bound))
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector")
            .field("alpn", &Protocols(&self.config.alpn_protocols))
            .field("handshake_timeout", &self.bound)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConnectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorBuilder")
            .field("roots", &self.roots)
            .field("identity", &self.identity)
            .field("alpn", &Protocols(&self.alpn))
            .field("sessions", &self.sessions)
            .field("handshake_timeout", &self.bound)
            .finish_non_exhaustive()
    }
}
