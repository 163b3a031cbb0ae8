//! Examples of the bare ring, without a runtime.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;

use crate::example::{Example, connect};

fn text(name: &str) -> String {
    let (output, status) = Example::output(name, &[]);
    assert!(status.success(), "{name} ends with {status}");
    String::from_utf8(output).expect("it prints text")
}

#[test]
fn basic_io_leads_a_file_through_its_life() {
    let expected = "wrote 17 bytes\nsynced\nread 17 bytes: \"Hello from a ring\"\n\
                    closed and unlinked\n";
    assert_eq!(text("basic_io"), expected);
}

#[test]
fn linked_ops_runs_a_batch_a_chain_and_a_chain_that_breaks() {
    let expected = "batch: 4 entries with one call, 4 completions, 16 bytes\n\
                    chain: write 4, fsync 0, read 4\n\
                    broken chain: Bad file descriptor (os error 9), Operation canceled (os error 125)\n";
    assert_eq!(text("linked_ops"), expected);
}

#[test]
fn registered_buffers_moves_bytes_through_both_and_no_further() {
    let expected = "registered 2 buffers of 4096 bytes\n\
                    wrote 4096 bytes from buffer 0, read 4096 bytes into buffer 1\n\
                    the buffers are equal\n\
                    a read past the end of buffer 1: Bad address (os error 14)\n";
    assert_eq!(text("registered_buffers"), expected);
}

#[test]
fn sqpoll_completes_every_write_mostly_without_a_call() {
    let output = text("sqpoll");
    let (first, second) = output.split_once('\n').expect("two lines");
    assert_eq!(first, "1000 writes, 1000 completions, 8000 bytes");
    let slept = second.strip_prefix("the thread slept before ").expect("how often it slept");
    let slept: u32 = slept.split(' ').next().unwrap().parse().unwrap();
    assert!(slept < 1000, "{output}");
}

#[test]
fn multishot_accept_ends_with_the_cancel() {
    let expected = "one accept is armed\nconnection 1: more to come\n\
                    connection 2: more to come\nconnection 3: more to come\n\
                    the end: Operation canceled (os error 125)\n3 connections with 1 accept\n";
    assert_eq!(text("multishot_accept"), expected);
}

#[test]
fn linked_cat_without_an_argument_prints_its_own_source() {
    assert_eq!(text("linked_cat"), include_str!("../../examples/linked_cat.rs"));
}

#[test]
fn linked_cat_prints_a_file_of_many_chunks_as_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes: Vec<u8> = (0..300_001_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(file.path(), &bytes).unwrap();
    let (output, status) = Example::output("linked_cat", &[file.path().as_os_str()]);
    assert!(status.success());
    assert!(output == bytes, "{} bytes came out of {}", output.len(), bytes.len());
}

#[test]
fn linked_cat_fails_on_a_file_that_is_not_there() {
    let (output, status) = Example::output("linked_cat", &[OsStr::new("/nonexistent")]);
    assert_eq!((output, status.code()), (Vec::new(), Some(1)));
}

#[test]
fn tcp_echo_sends_everything_back_to_each_client() -> io::Result<()> {
    let (server, address) = Example::serve("tcp_echo", &[]);
    let mut silent = connect(address)?;
    for bytes in [5, 100_000] {
        let said: Vec<u8> = (0..bytes).map(|n| (n % 253) as u8).collect();
        let client = connect(address)?;
        let mut heard = Vec::new();
        std::thread::scope(|scope| {
            let saying = scope.spawn(|| {
                (&client).write_all(&said)?;
                client.shutdown(Shutdown::Write)
            });
            (&client).read_to_end(&mut heard)?;
            saying.join().expect("the writer does not panic")
        })?;
        assert!(heard == said, "{} bytes came back of {}", heard.len(), said.len());
        assert_eq!(server.line(), format!("a client was sent back {bytes} bytes"));
    }
    // A client that was connected all the time is served still.
    silent.write_all(b"late")?;
    let mut answer = [0; 4];
    silent.read_exact(&mut answer)?;
    assert_eq!(&answer, b"late");
    Ok(())
}
