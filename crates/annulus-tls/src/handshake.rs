//! From a stream to a TLS connection.
//!
//! Owns: who speaks next, and how long it may all take. Invariant: nothing is given back of a
//! handshake that failed, so a stream is either not TLS or through with it.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use annulus::time::timeout;
use annulus_compat::{Readable, Writable};
use rustls::InvalidMessage;

use crate::engine::{Engine, Side};
use crate::stream::send_outgoing;
use crate::{HandshakeError, TlsStream};

/// Shakes hands.
pub(crate) async fn perform<H: Readable + Writable>(
    below: H,
    side: Side,
    bound: Option<Duration>,
) -> Result<TlsStream<H>, HandshakeError> {
    let mut shaking = Shaking { engine: Box::new(Engine::new(side)), silent: true, http: false };
    shaking.engine.start();
    let mut places = below.places();
    let shaken = poll_fn(|cx| shaking.poll(&below, &mut places, cx));
    match bound {
        None => shaken.await?,
        Some(bound) => match timeout(bound, shaken).await {
            Ok(shaken) => shaken?,
            Err(_elapsed) => return Err(HandshakeError::TimedOut(bound)),
        },
    }
    drop(places);
    Ok(TlsStream::new(below, *shaking.engine))
}

struct Shaking {
    engine: Box<Engine>,
    /// Nothing has come yet.
    silent: bool,
    /// What came first begins as HTTP does.
    http: bool,
}

impl Shaking {
    fn poll<H: Readable + Writable>(
        &mut self,
        below: &H,
        places: &mut H::Places,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), HandshakeError>> {
        loop {
            if !self.engine.outgoing().is_empty() {
                ready!(below.poll_room(places, cx)).map_err(HandshakeError::Io)?;
                send_outgoing(below, &mut self.engine).map_err(HandshakeError::Io)?;
                continue;
            }
            if let Some(error) = self.engine.error() {
                return Poll::Ready(Err(match error {
                    rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)
                        if self.http =>
                    {
                        HandshakeError::PlainHttp
                    }
                    error => HandshakeError::Tls(error.clone()),
                }));
            }
            if !self.engine.is_handshaking() {
                // It may be long until somebody reads what came with the handshake.
                self.engine.plain().own();
                return Poll::Ready(Ok(()));
            }
            match ready!(below.poll_recv(places, cx)).map_err(HandshakeError::Io)? {
                Some(lease) => {
                    if self.silent {
                        self.http = is_http(&lease);
                    }
                    self.silent = false;
                    self.engine.receive(lease);
                }
                None => return Poll::Ready(Err(HandshakeError::Closed { silent: self.silent })),
            }
        }
    }
}

/// Whether bytes begin as a request of HTTP does: with a method, in capital letters.
fn is_http(bytes: &[u8]) -> bool {
    let word = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    (3..=7).contains(&word) && bytes.get(word) == Some(&b' ')
}
