//! The wire in pieces of any size: rustls's buffered client, driven by hand, and our server.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use annulus::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, duplex};
use annulus_tls::rustls::pki_types::pem::PemObject as _;
use annulus_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use annulus_tls::rustls::{
    self, ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConfig, version,
};
use annulus_tls::{TlsAcceptor, TlsStream};
use proptest::prelude::*;

use crate::support::{Dice, Made, made, pattern, run};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client(made: &Made, newer: bool) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider());
    let version = if newer { &version::TLS13 } else { &version::TLS12 };
    let config = config.with_protocol_versions(&[version]).unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config.into(), name).unwrap();
    client.set_buffer_limit(None);
    client
}

/// An acceptor of our own ciphers, or of a configuration that knows nothing of them.
fn acceptor(made: &Made, ours: bool) -> TlsAcceptor {
    if ours {
        return TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    }
    let chain = vec![CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::with_config(&config.with_single_cert(chain, key).unwrap())
}

/// A client of rustls above a stream in memory.
struct Client {
    tls: ClientConnection,
    stream: DuplexStream,
    dice: Dice,
    heard: Vec<u8>,
}

impl Client {
    /// Sends what rustls has to send, in pieces.
    async fn say(&mut self) -> io::Result<()> {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire)?;
        }
        for piece in self.dice.chop(&wire) {
            self.stream.write_all(piece.to_vec()).await?;
            if self.dice.below(4) == 0 {
                annulus::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Hands rustls what has come; false at the end.
    async fn hear(&mut self) -> io::Result<bool> {
        let Some(came) = self.stream.recv().await? else { return Ok(false) };
        let mut came = &came[..];
        while !came.is_empty() {
            self.tls.read_tls(&mut came)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
            match self.tls.reader().read_to_end(&mut self.heard) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) if self.tls.wants_read() => panic!("it ends before its end"),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Says all of it, now and then under new keys, and hears to the end.
    async fn converse(mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        while self.tls.is_handshaking() {
            self.say().await?;
            if self.tls.is_handshaking() {
                assert!(self.hear().await?, "the server ends in the handshake");
            }
        }
        let newer = self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        for piece in self.dice.chop(bytes) {
            self.tls.writer().write_all(piece)?;
            if newer && self.dice.below(5) == 0 {
                self.tls.refresh_traffic_keys().map_err(io::Error::other)?;
            }
            self.say().await?;
        }
        self.tls.send_close_notify();
        self.say().await?;
        while self.hear().await? {}
        assert!(self.tls.process_new_packets().map_err(io::Error::other)?.peer_has_closed());
        Ok(self.heard)
    }
}

/// Takes all, then sends it back in pieces.
async fn serve(stream: TlsStream<DuplexStream>, dice: &mut Dice) -> io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(came) = stream.recv().await? {
        assert!(!came.is_empty(), "a reader is not woken for nothing");
        bytes.extend_from_slice(&came);
    }
    for piece in dice.chop(&bytes) {
        stream.write_all(piece.to_vec()).await?;
    }
    stream.shutdown().await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn however_the_wire_is_cut_every_byte_arrives(
        seed in any::<u64>(),
        len in prop_oneof![
            0_usize..100,
            0_usize..40_000,
            16_380_usize..16_390,
            100_000_usize..300_000
        ],
        room in 64_usize..70_000,
        newer in any::<bool>(),
        ours in any::<bool>(),
    ) {
        let made = made(&["localhost"]);
        let (tls, acceptor) = (client(&made, newer), acceptor(&made, ours));
        run(async move {
            let (left, right) = duplex(room);
            let client = Client { tls, stream: left, dice: Dice(seed), heard: Vec::new() };
            let bytes = pattern(len);
            let server = async {
                serve(acceptor.accept(right).await?, &mut Dice(seed ^ 1)).await
            };
            let (heard, served) = annulus::join!(client.converse(&bytes), server);
            served?;
            assert!(heard? == bytes, "{len} bytes came back changed");
            Ok(())
        });
    }
}
