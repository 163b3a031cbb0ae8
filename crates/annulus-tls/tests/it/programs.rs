//! `openssl` as the other side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use annulus::net::{TcpListener, TcpStream};
use annulus_tls::{TlsAcceptor, TlsConnector};

use crate::support::{all, has_openssl, made, pattern, run};

/// Killed when the test ends first.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(args: &[&str]) -> Program {
    let mut command = Command::new("openssl");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    Program(command.spawn().unwrap())
}

#[test]
fn s_client_is_echoed_and_ends_cleanly() {
    if !has_openssl("s_client_is_echoed_and_ends_cleanly") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let made = made(&["localhost"]);
    let (chain, _) = made.write(directory.path(), "server");
    let acceptor = TlsAcceptor::builder().identity(made.identity()).alpn(["echo"]);
    let acceptor = acceptor.build().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let (acceptor, chain) = (acceptor.clone(), chain.to_string_lossy().into_owned());
        run(async move {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?.to_string();
            let client = std::thread::spawn(move || {
                let mut client = openssl(&[
                    "s_client",
                    "-quiet",
                    "-connect",
                    &address,
                    version,
                    "-CAfile",
                    &chain,
                    "-verify_return_error",
                    "-servername",
                    "localhost",
                    "-alpn",
                    "echo",
                ]);
                let mut output = BufReader::new(client.0.stdout.take().unwrap());
                let mut input = client.0.stdin.take().unwrap();
                input.write_all(b"hello, openssl\n").unwrap();
                let mut line = String::new();
                output.read_line(&mut line).unwrap();
                // `-quiet` does not end with its input: the server ends the connection.
                input.write_all(b"end\n").unwrap();
                let mut rest = String::new();
                output.read_to_string(&mut rest).unwrap();
                (line, rest, client.0.wait().unwrap().success())
            });
            let stream = acceptor.accept(listener.accept().await?.0).await?;
            assert_eq!(stream.alpn().as_deref(), Some(&b"echo"[..]));
            assert_eq!(stream.server_name().as_deref(), Some("localhost"));
            let mut got = Vec::new();
            while !got.ends_with(b"end\n") {
                let bytes = stream.recv().await?.expect("openssl does not end first");
                got.extend_from_slice(&bytes);
                stream.write_all(bytes).await?;
            }
            stream.shutdown().await?;
            let _ = all(&stream).await; // some versions hang up without close_notify
            let (line, rest, success) = client.join().unwrap();
            assert_eq!((&*line, &*rest), ("hello, openssl\n", "end\n"));
            assert!(success, "openssl takes this for a clean end");
            Ok(())
        });
    }
}

#[test]
fn s_server_is_talked_to() -> io::Result<()> {
    if !has_openssl("s_server_is_talked_to") {
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let made = made(&["localhost"]);
    let (chain, key) = made.write(directory.path(), "server");
    let mut server = openssl(&[
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-cert",
        &chain.to_string_lossy(),
        "-key",
        &key.to_string_lossy(),
        "-rev",
        "-naccept",
        "1",
    ]);
    let mut said = BufReader::new(server.0.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ACCEPT") {
        line.clear();
        assert_ne!(said.read_line(&mut line)?, 0, "openssl does not listen");
    }
    // It says where: a port that nobody else can have taken.
    let address = line.trim_end().strip_prefix("ACCEPT ").expect("an address follows").to_owned();
    let connector = TlsConnector::builder().roots(made.roots()).build()?;
    run(async move {
        let stream = TcpStream::connect(address).await?;
        let stream = connector.connect("localhost", stream).await?;
        stream.write_all("stressed\n").await?;
        let mut back = Vec::new();
        while !back.ends_with(b"\n") {
            back.extend_from_slice(&stream.recv().await?.expect("openssl does not end first"));
        }
        assert_eq!(back, b"desserts\n");
        stream.shutdown().await?;
        Ok(())
    });
    Ok(())
}

#[test]
fn openssl_gets_a_mebibyte_whole() {
    if !has_openssl("openssl_gets_a_mebibyte_whole") {
        return;
    }
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let client = std::thread::spawn(move || {
            let mut client = openssl(&["s_client", "-quiet", "-connect", &address]);
            let _open = client.0.stdin.take().unwrap();
            let mut got = Vec::new();
            client.0.stdout.take().unwrap().read_to_end(&mut got).unwrap();
            got
        });
        let stream = acceptor.accept(listener.accept().await?.0).await?;
        stream.write_all(pattern(1 << 20)).await?;
        stream.shutdown().await?;
        let _ = all(&stream).await;
        assert!(client.join().unwrap() == pattern(1 << 20));
        Ok(())
    });
}
