//! TLS as a layer of `annulus::serve`: each connection of a listener shakes hands first.
//!
//! Owns: what such a connection is made of, and what its handler can ask of it. Does not own: the
//! stream, nor the acceptor.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use annulus::buf::Lease;
use annulus::net::{Polled, TcpStream};
use annulus::serve::{Layer, Transport, Wrapping};
use annulus_compat::Handle;
use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;

use crate::acceptor::TlsAcceptor;
use crate::stream::TlsStream;

/// What was agreed upon in the handshake of a connection of [`annulus::serve`], as
/// [`Conn::info`](annulus::serve::Conn::info) gives it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol that was agreed upon by ALPN.
    pub alpn: Option<Vec<u8>>,
    /// The host name that the client asked for, in lower case.
    pub server_name: Option<String>,
    /// The client's certificates, its own first.
    pub peer_certificates: Option<Vec<CertificateDer<'static>>>,
    /// The version of TLS.
    pub version: Option<ProtocolVersion>,
    /// Whether the handshake went on from an earlier connection.
    pub resumed: bool,
}

/// A connection of a server.
struct Served {
    stream: TlsStream<TcpStream>,
    info: Arc<TlsInfo>,
}

/// Each connection of the listener speaks TLS, and its handler does not notice.
///
/// ```
/// use annulus::serve::{Conn, Handler, Server, Config};
/// use annulus_tls::{Identity, TlsAcceptor, TlsInfo};
///
/// struct Hello;
///
/// impl Handler for Hello {
///     fn for_core(_core: usize) -> Self {
///         Hello
///     }
///
///     async fn on_accept(&self, conn: Conn) {
///         let name = conn.info::<TlsInfo>().and_then(|info| info.server_name.clone());
///         let _ = conn.send(name.unwrap_or_default()).await;
///     }
/// }
///
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
/// let acceptor = TlsAcceptor::builder().identity(identity).build()?;
/// let server = Server::builder(Config::new()).bind_with(([127, 0, 0, 1], 0).into(), acceptor);
/// let (handle, workers) = server.launch::<Hello>()?;
/// handle.shutdown();
/// # drop(workers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Layer for TlsAcceptor {
    fn wrap(&self, stream: TcpStream) -> Wrapping {
        let acceptor = self.clone();
        Box::pin(async move { Ok(acceptor.accept(stream).await?.into_transport()) })
    }
}

impl TlsStream<TcpStream> {
    /// As a [`Conn`](annulus::serve::Conn) of `annulus::serve` has it: for
    /// [`Conn::of_transport`](annulus::serve::Conn::of_transport), on the client's side say.
    pub fn into_transport(self) -> Box<dyn Transport> {
        let info = TlsInfo {
            alpn: self.alpn(),
            server_name: self.server_name(),
            peer_certificates: self.peer_certificates(),
            version: self.version(),
            resumed: self.is_resumed(),
        };
        Box::new(Served { stream: self, info: Arc::new(info) })
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Transport for Served {
    fn poll_recv(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Lease>>> {
        self.stream.poll_recv(places, cx)
    }

    fn poll_write(
        &mut self,
        places: &mut Polled,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.poll_write(places, cx, bufs)
    }

    fn has_room(&self) -> bool {
        self.stream.has_room()
    }

    fn poll_room(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_room(places, cx)
    }

    fn send_nowait(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.queue(bytes)
    }

    fn poll_flush(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(places, cx)
    }

    fn poll_finish(&mut self, places: &mut Polled, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(places, cx)
    }

    fn close(&mut self) {
        // A connection that has failed cannot be told.
        let _ = self.stream.close();
    }

    fn tcp(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    fn info(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(self.info.clone())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.close();
    }
}
