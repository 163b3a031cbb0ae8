//! The examples of many cores.

use std::io::{self, Read as _, Write as _};

use crate::example::{Example, connect};

#[test]
fn hand_off_moves_a_connection() {
    let (output, status) = Example::output("hand_off", &[]);
    assert_eq!(
        String::from_utf8_lossy(&output),
        "core 0 answers \"one\"\ncore 1 answers \"two\"\n"
    );
    assert!(status.success());
}

#[test]
fn cores_serves_on_every_core_and_stops_gracefully() -> io::Result<()> {
    // Its standard input has ended: it serves whoever is there, then stops.
    let (server, address) = Example::serve("cores", &[]);
    if let Ok(mut client) = connect(address) {
        let mut back = Vec::new();
        let echoed = client.write_all(b"hello").and_then(|()| {
            client.shutdown(std::net::Shutdown::Write)?;
            client.read_to_end(&mut back)
        });
        assert!(echoed.is_err() || back.is_empty() || back == b"hello");
    }
    assert!(server.line().ends_with("connections were served"));
    assert!(server.end().success());
    Ok(())
}

#[test]
fn cores_says_that_its_address_is_taken_and_ends() -> io::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let (output, status) = Example::output("cores", &[address.as_ref()]);
    assert!(output.is_empty() && !status.success(), "{output:?}, {status}");
    Ok(())
}
