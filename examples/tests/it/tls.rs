//! The echo server that speaks TLS.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use annulus::net::TcpStream;
use annulus::runtime::Runtime;
use annulus_tls::{Roots, TlsConnector};

use crate::example::Example;

#[test]
fn echo_tls_server_sends_everything_back_and_ends_cleanly() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let [chain, key] = ["chain", "key"].map(|name| directory.path().join(name));
    std::fs::write(&chain, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let files: [&OsStr; 2] = [chain.as_ref(), key.as_ref()];
    let (server, address) = Example::serve("echo_tls_server", &files);
    let mut roots = Roots::new();
    roots.add_pem_file(&chain)?;
    let connector = TlsConnector::builder().roots(roots).build()?;
    let runtime = Runtime::new()?;
    let heard: io::Result<usize> = runtime.block_on(async {
        let stream = connector.connect("localhost", TcpStream::connect(address).await?).await?;
        stream.write_all("hello, TLS\n").await?;
        stream.shutdown().await?;
        let mut heard = 0;
        while let Some(bytes) = stream.recv().await? {
            heard += bytes.len();
        }
        Ok(heard)
    });
    assert_eq!(heard?, 11);
    assert!(server.line().ends_with(" speaks TLSv1_3"));
    assert!(server.line().ends_with(" was sent back 11 bytes"));
    Ok(())
}

#[test]
fn echo_tls_server_makes_a_certificate_if_it_has_none() -> io::Result<()> {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        let text = "skipped: echo_tls_server_makes_a_certificate (openssl is not installed)\n";
        return io::stderr().write_all(text.as_bytes());
    }
    let (_server, address) = Example::serve("echo_tls_server", &[]);
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = client.stdin.take().expect("it is piped");
    input.write_all(b"hello, openssl\n")?;
    let mut line = String::new();
    BufReader::new(client.stdout.take().expect("it is piped")).read_line(&mut line)?;
    client.kill()?;
    client.wait()?;
    assert_eq!(line, "hello, openssl\n");
    Ok(())
}
