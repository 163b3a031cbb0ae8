//! An echo server over TLS, with a certificate of its own making if it is given none.
//!
//! A TLS stream is read and written as a TCP stream is. What is new is its end: `None` means that
//! the client has said that this was all, and `shutdown` says so to the client.
//!
//! ```sh
//! cargo run --example echo_tls_server          # or: -- CERTIFICATE KEY 0.0.0.0:4433 (PEM files)
//! openssl s_client -quiet -connect 127.0.0.1:4433   # elsewhere; Ctrl-C ends it
//! ```
//!
//! ```text
//! Listening on 127.0.0.1:4433
//! 127.0.0.1:43210 speaks TLSv1_3
//! 127.0.0.1:43210 was sent back 12 bytes
//! ```

use std::io;

use annulus::net::{TcpListener, TcpStream};
use annulus_tls::{Identity, TlsAcceptor, TlsStream};

/// From files of PEM, or made on the spot: clients have to be told not to check that one.
fn identity(files: Option<(String, String)>) -> io::Result<Identity> {
    if let Some((certificate, key)) = files {
        return Ok(Identity::from_pem_files(certificate, key)?);
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(io::Error::other)?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Identity::from_pem(certificate.as_bytes(), key.as_bytes())?)
}

#[annulus::main]
async fn main() -> io::Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let address = if args.len() % 2 == 1 { args.pop() } else { None };
    let identity = identity(args.pop().zip(args.pop()).map(|(key, chain)| (chain, key)))?;
    let acceptor = TlsAcceptor::builder().identity(identity).build()?;
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:4433"))?;
    println!("Listening on {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let acceptor = acceptor.clone();
                drop(annulus::spawn(async move {
                    match converse(&acceptor, stream, &peer.to_string()).await {
                        Ok(bytes) => println!("{peer} was sent back {bytes} bytes"),
                        Err(error) => eprintln!("{peer}: {error}"),
                    }
                }));
            }
            // Descriptors may have run out; the next call waits a little, so going on is right.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn converse(acceptor: &TlsAcceptor, stream: TcpStream, peer: &str) -> io::Result<u64> {
    let stream = acceptor.accept(stream).await?;
    if let Some(version) = stream.version() {
        println!("{peer} speaks {version:?}");
    }
    echo(&stream).await
}

/// Sends back what arrives until the client has said all, and gives how many bytes that were.
async fn echo(stream: &TlsStream<TcpStream>) -> io::Result<u64> {
    let mut total = 0;
    while let Some(bytes) = stream.recv().await? {
        total += bytes.len() as u64;
        stream.write_all(bytes).await?;
    }
    stream.shutdown().await?;
    Ok(total)
}
