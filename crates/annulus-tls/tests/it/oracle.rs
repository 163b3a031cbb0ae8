//! rustls by itself, over blocking sockets of std, as the other side.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::thread;

use annulus::net::{TcpListener, TcpStream};
use annulus_tls::rustls::pki_types::pem::PemObject as _;
use annulus_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use annulus_tls::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    StreamOwned, SupportedProtocolVersion, version,
};
use annulus_tls::{TlsAcceptor, TlsConnector};

use crate::support::{BOUND, Dice, Made, all, made, pattern, run};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
/// Lengths at which something changes: nothing, one byte, a record, many.
const LENGTHS: [usize; 9] = [0, 1, 17, 4096, 16_384, 16_385, 65_536, 300_000, 1 << 20];

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client_config(made: &Made, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let config = ClientConfig::builder_with_provider(provider());
    let config = config.with_protocol_versions(&[version]).unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn server_config(made: &Made, version: &'static SupportedProtocolVersion) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(made.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider());
    let config = config.with_protocol_versions(&[version]).unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// Sends the bytes in pieces, ends its direction, and gives what comes back until the end.
fn tell_and_listen<C, S>(
    mut stream: StreamOwned<C, StdStream>,
    bytes: &[u8],
    dice: &mut Dice,
) -> io::Result<Vec<u8>>
where
    C: std::ops::DerefMut<Target = rustls::ConnectionCommon<S>>,
    S: rustls::SideData,
{
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    for piece in dice.chop(bytes) {
        stream.write_all(piece)?;
    }
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?; // an error if it ends without close_notify
    Ok(back)
}

fn std_connect(address: SocketAddr) -> StdStream {
    let stream = StdStream::connect(address).unwrap();
    stream.set_read_timeout(Some(BOUND)).unwrap();
    stream
}

/// Takes all, in one of several ways, and sends it back in pieces.
async fn listen_and_tell(stream: crate::support::Tls, seed: u64) -> io::Result<()> {
    let mut dice = Dice(seed);
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        match dice.below(3) {
            0 => bytes.extend_from_slice(&stream.recv().await?.unwrap_or_else(|| vec![].into())),
            1 => {
                let room = 1 + dice.below(20_000);
                let (n, buf) = stream.read(Vec::with_capacity(room)).await?;
                assert_eq!(n, buf.len());
                bytes.extend_from_slice(&buf);
            }
            _ => {
                stream
                    .with_data(|data| {
                        bytes.extend_from_slice(data);
                        annulus::net::Parsed::Consumed(data.len())
                    })
                    .await?;
            }
        }
        if bytes.len() == before {
            break;
        }
    }
    for piece in dice.chop(&bytes) {
        let ((), _) = stream.write_all(piece.to_vec()).await?;
    }
    stream.shutdown().await?;
    assert!(stream.recv().await?.is_none(), "the end stays the end");
    Ok(())
}

#[test]
fn a_client_of_rustls_gets_back_what_it_sends() {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let config = client_config(&made, version);
        for (seed, len) in (number as u64 * 100..).zip(LENGTHS) {
            let acceptor = acceptor.clone();
            let config = config.clone();
            run(async move {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let address = listener.local_addr()?;
                let oracle = thread::spawn(move || {
                    let name = ServerName::try_from("localhost").unwrap();
                    let connection = ClientConnection::new(config, name).unwrap();
                    let stream = StreamOwned::new(connection, std_connect(address));
                    tell_and_listen(stream, &pattern(len), &mut Dice(seed))
                });
                let stream = acceptor.accept(listener.accept().await?.0).await?;
                assert_eq!(stream.version(), Some(version.version));
                listen_and_tell(stream, seed + 7).await?;
                assert!(oracle.join().unwrap()? == pattern(len), "{len} bytes came back changed");
                Ok(())
            });
        }
    }
}

#[test]
fn a_server_of_rustls_gets_back_what_it_sends() {
    let made = made(&["localhost"]);
    let connector = TlsConnector::builder().roots(made.roots()).build().unwrap();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let config = server_config(&made, version);
        for (seed, len) in (number as u64 * 100..).zip(LENGTHS) {
            let connector = connector.clone();
            let config = config.clone();
            run(async move {
                let listener = StdListener::bind("127.0.0.1:0")?;
                let address = listener.local_addr()?;
                let oracle = thread::spawn(move || {
                    let (stream, _peer) = listener.accept().unwrap();
                    stream.set_read_timeout(Some(BOUND)).unwrap();
                    let connection = ServerConnection::new(config).unwrap();
                    let stream = StreamOwned::new(connection, stream);
                    tell_and_listen(stream, &pattern(len), &mut Dice(seed))
                });
                let stream = TcpStream::connect(address).await?;
                let stream = connector.connect("localhost", stream).await?;
                assert_eq!(stream.version(), Some(version.version));
                listen_and_tell(stream, seed + 7).await?;
                assert!(oracle.join().unwrap()? == pattern(len), "{len} bytes came back changed");
                Ok(())
            });
        }
    }
}

#[test]
fn keys_that_the_peer_renews_change_nothing_for_a_reader() {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    let config = client_config(&made, &version::TLS13);
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let oracle = thread::spawn(move || {
            let name = ServerName::try_from("localhost").unwrap();
            let connection = ClientConnection::new(config, name).unwrap();
            let mut stream = StreamOwned::new(connection, std_connect(address));
            for piece in pattern(50_000).chunks(9_000) {
                stream.write_all(piece)?;
                stream.conn.refresh_traffic_keys().map_err(io::Error::other)?;
                let mut back = vec![0; piece.len()];
                stream.read_exact(&mut back)?;
                assert!(back == piece, "it came back changed");
            }
            tell_and_listen(stream, b"", &mut Dice(1))
        });
        let stream = acceptor.accept(listener.accept().await?.0).await?;
        while let Some(bytes) = stream.recv().await? {
            stream.write_all(bytes).await?;
        }
        stream.shutdown().await?;
        assert!(oracle.join().unwrap()?.is_empty());
        assert!(all(&stream).await?.is_empty());
        Ok(())
    });
}
