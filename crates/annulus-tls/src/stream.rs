//! A TLS connection over a stream.
//!
//! Owns: the stream below, and the connection that both directions share. Does not own: what is
//! queued to be sent (the stream below), what was received and not decrypted (likewise, but for the
//! start of a record).
//!
//! Invariants: records are encrypted only when there is room, and queued in the same poll, all of
//! them, so no future holds a byte of the wire; what was decrypted stays in the connection until
//! the poll that hands it over. So dropping any future, at any point, loses nothing.
//!
//! | dropped while | what happens |
//! |---|---|
//! | a read waits | it leaves the queue of readers; bytes stay |
//! | a write waits for room | nothing of it was sent |
//! | a write of much has sent a part | that part is sent, in whole records |
//! | the stream has unsent records | the stream below sends them, within its bound, and closes |

mod info;
mod polls;
mod reading;
mod traits;
mod writing;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use annulus::io::{ReadHalf, WriteHalf};
use annulus_compat::{Handle, Readable, Writable};

use crate::engine::Engine;

pub(crate) use polls::send_outgoing;

/// A TLS connection, of a server or of a client, over a TCP or another stream.
///
/// As of [`TcpStream`](annulus::net::TcpStream), all methods take `&self`: one task may read while
/// another writes. It implements [`AsyncRead`](annulus::io::AsyncRead),
/// [`AsyncWrite`](annulus::io::AsyncWrite) and [`AsyncBufRead`](annulus::io::AsyncBufRead) of
/// Annulus, by
/// [`Buffered`](annulus_compat::Buffered) those of tokio and of futures, and by `annulus_http::Io`
/// those of hyper.
///
/// # Reading
/// Records are decrypted in the buffer into which the kernel received them. An idle connection
/// holds no buffer. Bytes that came before an error are read before it is reported.
///
/// # Writing
/// A write waits until the send queue of the stream below has room, encrypts, and is done:
/// [`flush`](Self::flush) waits until the kernel has it all.
///
/// # The end
/// `None`, or 0 bytes, means that the peer has said that it sends no more (close_notify). A
/// connection that ends without is an error, `UnexpectedEof`, now and at each later read: what came
/// may have been cut short by somebody in between. The end of one direction does not end the other.
/// Dropping the stream sends no close_notify: [`shutdown`](Self::shutdown) does.
///
/// Closing a TCP connection with received bytes unread resets it, and the peer may then lose what
/// was sent last. A client of TLS 1.3 is sent tickets for resumption, which it has not read as long
/// as it reads nothing: shut down, and read to the end, before dropping it.
///
/// ```
/// use annulus::net::{TcpListener, TcpStream};
/// use annulus_tls::{Identity, Roots, TlsAcceptor, TlsConnector};
///
/// # #[annulus::main]
/// # async fn main() -> std::io::Result<()> {
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let acceptor = TlsAcceptor::builder()
///     .identity(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?)
///     .build()?;
/// let mut roots = Roots::new();
/// roots.add_pem(certificate.as_bytes())?;
/// let connector = TlsConnector::builder().roots(roots).build()?;
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// annulus::spawn(async move {
///     let (stream, _peer) = listener.accept().await?;
///     let stream = acceptor.accept(stream).await?;
///     while let Some(bytes) = stream.recv().await? {
///         stream.write_all(bytes).await?;
///     }
///     stream.shutdown().await
/// });
/// let stream = connector.connect("localhost", TcpStream::connect(address).await?).await?;
/// stream.write_all("hello").await?;
/// assert_eq!(&*stream.recv().await?.expect("an echo"), b"hello");
/// # Ok(())
/// # }
/// ```
pub struct TlsStream<H> {
    below: H,
    state: Box<Mutex<State>>,
}

/// What both directions share.
struct State {
    engine: Engine,
    /// The connection below has ended.
    below_ended: bool,
    /// A reader that waits, if another one leaves bytes for it.
    reader: Option<Waker>,
}

impl<H> TlsStream<H> {
    pub(crate) fn new(below: H, engine: Engine) -> Self {
        let state = State { engine, below_ended: false, reader: None };
        Self { below, state: Box::new(Mutex::new(state)) }
    }

    /// The stream below, for its addresses and options. Reading or writing it breaks the
    /// connection.
    pub fn get_ref(&self) -> &H {
        &self.below
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Readable + Writable> TlsStream<H> {
    /// Splits the connection into halves that two tasks can own.
    ///
    /// Dropping the writing half does not end its direction: its `shutdown` does.
    pub fn into_split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        annulus::io::split(self)
    }
}

impl<H: Handle> fmt::Debug for TlsStream<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut state = self.state();
        f.debug_struct("TlsStream")
            .field("below", &self.below)
            .field("version", &state.engine.common().protocol_version())
            .field("unread", &state.engine.plain().len())
            .finish_non_exhaustive()
    }
}
