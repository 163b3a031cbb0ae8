//! What crosses threads: everything.

use annulus::io::{ReadHalf, WriteHalf};
use annulus::net::TcpStream;
use annulus_tls::{
    AcceptorBuilder, Certificates, ConfigError, ConnectorBuilder, HandshakeError, Identity,
    PemError, PemReason, Reloadable, Resumption, Roots, TlsAcceptor, TlsConnector, TlsInfo,
    TlsStream,
};

use crate::support::ends;

fn crosses<T: Send + Sync>() {}
fn is_send<T: Send>(_: T) {}

#[test]
fn types_and_futures_cross_threads() {
    crosses::<TlsStream<TcpStream>>();
    crosses::<ReadHalf<TlsStream<TcpStream>>>();
    crosses::<WriteHalf<TlsStream<TcpStream>>>();
    crosses::<TlsAcceptor>();
    crosses::<TlsConnector>();
    crosses::<AcceptorBuilder>();
    crosses::<ConnectorBuilder>();
    crosses::<Certificates>();
    crosses::<Identity>();
    crosses::<Reloadable>();
    crosses::<Resumption>();
    crosses::<Roots>();
    crosses::<ConfigError>();
    crosses::<HandshakeError>();
    crosses::<PemError>();
    crosses::<PemReason>();
    crosses::<TlsInfo>();
    let _not_run = |stream: TlsStream<TcpStream>, below: TcpStream| {
        let (acceptor, connector) = ends();
        is_send(stream.recv());
        is_send(stream.read(vec![0; 8]));
        is_send(stream.read_exact(vec![0; 8]));
        is_send(stream.with_data(|bytes| annulus::net::Parsed::Consumed(bytes.len())));
        is_send(stream.write("bytes"));
        is_send(stream.write_all("bytes"));
        is_send(stream.flush());
        is_send(stream.shutdown());
        is_send(connector.connect("localhost", &below));
        is_send(acceptor.accept(&below));
    };
}
