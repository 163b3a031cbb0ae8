//! Words for people, on standard error.
//!
//! Owns: that they are only words. Invariant: whoever says something goes on, also where standard
//! error is full, or nobody reads it any more.

use std::fmt::Display;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Says a line. What has to be done is done before: saying it may take as long as its reader likes.
pub fn say(line: impl Display) {
    // In one piece: the process may end meanwhile. There is nowhere else to complain.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Says a line and acts, which may end the process. Where nobody takes words at the moment, what
/// has to be done comes first.
pub fn say_before(line: impl Display, act: impl FnOnce()) {
    if takes_words(io::stderr()) {
        say(line);
        act();
    } else {
        act();
        say(line);
    }
}

/// Whether a line can be written there without waiting.
fn takes_words(there: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&there, PollFlags::OUT)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&at_once)) == Ok(1)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write as _};
    use std::os::unix::net::UnixStream;

    use super::takes_words;

    #[test]
    fn words_are_taken_until_there_is_no_room_and_where_nobody_reads_them() {
        let (mut here, there) = UnixStream::pair().unwrap();
        assert!(takes_words(&here));
        here.set_nonblocking(true).unwrap();
        let full = loop {
            if let Err(error) = here.write(&[0; 4096]) {
                break error.kind();
            }
        };
        assert_eq!(full, ErrorKind::WouldBlock);
        assert!(!takes_words(&here));
        drop(there);
        assert!(takes_words(&here), "to be told at once that nobody listens");
    }
}
