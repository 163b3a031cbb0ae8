//! A chat over a Unix socket: what one says, all others hear, with who said it.
//!
//! ```sh
//! cargo run --example chat -- /tmp/chat.sock
//! nc -U /tmp/chat.sock                         # elsewhere, twice; Ctrl-C ends the chat
//! ```
//!
//! ```text
//! Listening on /tmp/chat.sock
//! process 4711 of user 1000 has come
//! process 4711 of user 1000 has gone
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use annulus::io::AsyncBufRead as _;
use annulus::net::{OwnedWriteHalf, UnixListenOptions, UnixListener, UnixStream};

/// The sending halves of all who are here.
type Room = Rc<RefCell<BTreeMap<u64, OwnedWriteHalf<UnixStream>>>>;

#[annulus::main]
async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/tmp/chat.sock".to_owned());
    // What an earlier chat has left is in nobody's way.
    let options = UnixListenOptions::new().replace_leftover(true).unlink(true);
    let listener = UnixListener::bind_with(&path, options)?;
    println!("Listening on {path}");
    let room = Room::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        annulus::spawn(talk(room.clone(), number, stream));
    }
    Ok(())
}

async fn talk(room: Room, number: u64, stream: UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let name = format!("process {} of user {}", peer.pid().unwrap_or(0), peer.uid());
    let (reader, writer) = stream.into_split();
    room.borrow_mut().insert(number, writer);
    println!("{name} has come");
    let mut lines = reader.reader().lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let said = format!("{name}: {line}\n");
        for (_, other) in room.borrow().iter().filter(|(other, _)| **other != number) {
            // Who does not read misses what is said: nobody waits for it.
            let _ = other.send_nowait(said.as_bytes());
        }
    }
    room.borrow_mut().remove(&number);
    println!("{name} has gone");
    Ok(())
}
