//! The server of files.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::example::{Example, connect};

/// A directory to serve, with a secret next to it and ways out.
struct Tree {
    whole: TempDir,
    large: Vec<u8>,
}

impl Tree {
    fn new() -> io::Result<Self> {
        let whole = tempfile::tempdir()?;
        let large: Vec<u8> = (0..3_000_017_u32).map(|n| (n % 241) as u8).collect();
        let public = whole.path().join("public");
        std::fs::create_dir_all(public.join("below"))?;
        std::fs::write(whole.path().join("secret"), "hidden")?;
        std::fs::write(public.join("page"), "a page\n")?;
        std::fs::write(public.join("below/large"), &large)?;
        std::fs::write(public.join("empty"), "")?;
        std::os::unix::fs::symlink("../secret", public.join("way_out"))?;
        std::os::unix::fs::symlink("below/large", public.join("way_down"))?;
        Ok(Self { whole, large })
    }

    fn serve(&self) -> (Example, SocketAddr) {
        let public = self.whole.path().join("public");
        Example::serve("file_server", &[public.as_os_str()])
    }
}

/// The status and the body of the answer to a request for exactly this path.
fn fetch(address: SocketAddr, path: &str) -> io::Result<(String, Vec<u8>)> {
    let mut client = connect(address)?;
    write!(client, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head comes first");
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).expect("the head is text");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    Ok((head.lines().next().unwrap_or_default().to_owned(), body))
}

#[test]
fn file_server_sends_files_whole() -> io::Result<()> {
    let tree = Tree::new()?;
    let (server, address) = tree.serve();
    let ok = || "HTTP/1.1 200 OK".to_owned();
    assert_eq!(fetch(address, "/page")?, (ok(), b"a page\n".to_vec()));
    assert_eq!(server.line(), "sent 7 bytes");
    assert_eq!(fetch(address, "/empty")?, (ok(), Vec::new()));
    for path in ["/below/large", "/way_down"] {
        let (status, body) = fetch(address, path)?;
        assert_eq!(status, ok());
        assert!(body == tree.large, "{} bytes came of {}", body.len(), tree.large.len());
    }
    Ok(())
}

#[test]
fn file_server_sends_nothing_else() -> io::Result<()> {
    let tree = Tree::new()?;
    let (_server, address) = tree.serve();
    let secret = tree.whole.path().join("secret");
    let absolute = format!("/{}", secret.display());
    let others =
        ["/", "/none", "/below", "/../secret", "/below/../../secret", "/way_out", &absolute];
    for path in others {
        let missing = ("HTTP/1.1 404 Not Found".to_owned(), Vec::new());
        assert_eq!(fetch(address, path)?, missing, "{path}");
    }
    Ok(())
}

#[test]
fn file_server_answers_a_head_without_end() -> io::Result<()> {
    let tree = Tree::new()?;
    let (_server, address) = tree.serve();
    let mut client = connect(address)?;
    client.write_all(&[b'x'; 8 * 1024 + 1])?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    Ok(())
}
