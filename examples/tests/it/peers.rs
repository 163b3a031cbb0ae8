//! The examples that talk to each other, or to somebody else.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crate::example::{BOUND, Example, connect};

#[test]
fn connect_echo_and_echo_client_get_back_what_they_sent() {
    let (_server, address) = Example::serve("echo", &[]);
    let address = address.to_string();
    let (output, status) = Example::output("connect_echo", &[address.as_ref()]);
    let expected = format!("Connected to {address}\n\"hello\" came back\n");
    assert_eq!(String::from_utf8_lossy(&output), expected);
    assert!(status.success());
    let (output, status) = Example::output("echo_client", &[address.as_ref()]);
    let output = String::from_utf8_lossy(&output);
    assert_eq!(output, "10000000 bytes came back as they were sent\n");
    assert!(status.success());
}

#[test]
fn connect_echo_says_that_nobody_is_there_and_ends() -> io::Result<()> {
    // The port of a client: as long as that is connected, nobody else comes to listen there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let client = connect(listener.local_addr()?)?;
    let nobody = client.local_addr()?.to_string();
    let (output, status) = Example::output("connect_echo", &[nobody.as_ref()]);
    assert!(output.is_empty() && !status.success());
    Ok(())
}

#[test]
fn proxy_passes_on_bytes_and_ends() -> io::Result<()> {
    let (_server, behind) = Example::serve("echo", &[]);
    let (proxy, address) = Example::serve("proxy", &[behind.to_string().as_ref()]);
    let mut client = connect(address)?;
    let from = client.local_addr()?;
    client.write_all(b"through and back")?;
    client.shutdown(Shutdown::Write)?;
    let mut back = String::new();
    client.read_to_string(&mut back)?;
    assert_eq!(back, "through and back");
    assert_eq!(proxy.line(), format!("{from} sent 16 bytes and got 16"));
    Ok(())
}

#[test]
fn chat_tells_the_others_what_one_says() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("chat.sock");
    // What a chat has left that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path)?);
    let chat = Example::start("chat", &[path.as_os_str()]);
    assert_eq!(chat.line(), format!("Listening on {}", path.display()));
    let come = || -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(BOUND))?;
        assert!(chat.line().ends_with(" has come"));
        Ok(stream)
    };
    let (mut one, two) = (come()?, come()?);
    one.write_all(b"hello, you\n")?;
    let mut heard = String::new();
    BufReader::new(&two).read_line(&mut heard)?;
    let expected = format!("process {} of user", std::process::id());
    assert!(heard.starts_with(&expected) && heard.ends_with(": hello, you\n"), "{heard}");
    drop(one);
    assert!(chat.line().ends_with(" has gone"));
    Ok(())
}

#[test]
fn resolve_prints_addresses_and_says_what_is_unknown() {
    let names = ["127.0.0.1:5", "localhost:7"].map(OsStr::new);
    let (output, status) = Example::output("resolve", &names);
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("127.0.0.1:5 is 127.0.0.1:5\n"), "{output}");
    assert!(output.contains("localhost:7 is 127.0.0.1:7\n"), "{output}");
    assert!(status.success());
    let (_, status) = Example::output("resolve", &[OsStr::new("no-such-host.invalid:1")]);
    assert!(!status.success());
}
