//! `openssl s_client` with its commands: new keys, a new handshake.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use annulus::net::TcpListener;
use annulus_tls::TlsAcceptor;

use crate::support::{Tls, has_openssl, made, run};

/// Killed when the test ends first.
struct Client {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Client {
    fn start(address: &str, version: &str) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", address, version]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        let errors = BufReader::new(process.stderr.take().unwrap());
        Self { process, input, output, errors }
    }

    fn say(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Says it, and waits until it comes back.
    fn ask(&mut self, line: &str) {
        self.say(line);
        until(&mut self.output, line);
    }

    /// Ends its input, and gives the rest of what it says of itself.
    fn end(mut self) -> String {
        drop(self.input.take());
        let (mut rest, mut errors) = (Vec::new(), Vec::new());
        self.output.read_to_end(&mut rest).unwrap();
        self.errors.read_to_end(&mut errors).unwrap();
        String::from_utf8_lossy(&errors).into_owned()
    }
}

/// Reads until this line has come.
fn until(from: &mut impl BufRead, line: &str) {
    let (mut all, mut came) = (Vec::new(), Vec::new());
    while came != format!("{line}\n").as_bytes() {
        came.clear();
        let n = from.read_until(b'\n', &mut came).unwrap();
        assert_ne!(n, 0, "no {line:?} in {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&came);
    }
}

/// Echoes until the client ends, however it does that.
async fn echo(stream: &Tls) -> io::Result<usize> {
    let mut echoed = 0;
    while let Ok(Some(bytes)) = stream.recv().await {
        echoed += bytes.len();
        stream.write_all(bytes).await?;
    }
    let _ = stream.shutdown().await;
    Ok(echoed)
}

/// Echoes to a client, and gives how many bytes that were and what became of the client.
fn echo_to<T: Send + 'static>(
    version: &'static str,
    client: impl FnOnce(Client) -> T + Send + 'static,
) -> (usize, T) {
    let made = made(&["localhost"]);
    let acceptor = TlsAcceptor::builder().identity(made.identity()).build().unwrap();
    let (tell, told) = mpsc::channel();
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let client = std::thread::spawn(move || client(Client::start(&address, version)));
        let stream = acceptor.accept(listener.accept().await?.0).await?;
        let echoed = echo(&stream).await?;
        tell.send((echoed, client.join().unwrap())).unwrap();
        Ok(())
    });
    told.recv().unwrap()
}

#[test]
fn keys_that_openssl_renews_or_wants_renewed_change_nothing() {
    if !has_openssl("keys_that_openssl_renews_or_wants_renewed_change_nothing") {
        return;
    }
    let (echoed, _) = echo_to("-tls1_3", |mut client| {
        for (number, command) in ["k", "K", "K", "k"].into_iter().enumerate() {
            client.ask(&format!("line {number}"));
            client.say(command);
            // A command is one only at the beginning of what is read at once.
            until(&mut client.errors, "KEYUPDATE");
        }
        client.ask("the last");
        client.end()
    });
    assert_eq!(echoed, 4 * "line 0\n".len() + "the last\n".len());
}

#[test]
fn a_second_handshake_on_a_connection_is_refused() {
    if !has_openssl("a_second_handshake_on_a_connection_is_refused") {
        return;
    }
    let (echoed, errors) = echo_to("-tls1_2", |mut client| {
        client.ask("before");
        client.say("R");
        until(&mut client.errors, "RENEGOTIATING");
        client.end()
    });
    assert_eq!(echoed, "before\n".len(), "nothing came behind it");
    assert!(errors.contains("no renegotiation"), "it was told: {errors}");
}
