//! `annulus serve` and a client that takes a page slowly, but takes it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use crate::program::ready;
use crate::site::{Site, WATCHDOG, get};

/// Of the page, in which each is found twice: more than is in the kernel at a time.
const NAMES: usize = 3000;
const NAME_BYTES: usize = 240;
/// What the client takes at a time, and how often: many times what it has to take in a second.
const PIECE_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(100);

/// Takes a page piece by piece, for longer than a second. Whether all of it came, and whether the
/// client has kept its pace.
fn takes_all(address: SocketAddr) -> (bool, bool) {
    let slow = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    // In small segments through a small window, or the kernel takes all of it at once.
    sockopt::set_socket_recv_buffer_size(&slow, 4096).unwrap();
    let segment = 536_i32.to_ne_bytes();
    assert_eq!(set_segment_size(&slow, &segment), 0);
    connect(&slow, &address).unwrap();
    let mut slow = TcpStream::from(slow);
    slow.set_read_timeout(Some(WATCHDOG)).unwrap();
    let request = get("/many/").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    slow.write_all(request.as_bytes()).unwrap();
    let (begun, mut last, mut kept) = (Instant::now(), Instant::now(), true);
    let (mut page, mut piece) = (Vec::new(), vec![0; PIECE_BYTES]);
    loop {
        let mut taken = 0;
        while taken < piece.len() {
            match slow.read(&mut piece[taken..]) {
                Ok(0) | Err(_) => break,
                Ok(n) => taken += n,
            }
        }
        page.extend_from_slice(&piece[..taken]);
        kept &= last.elapsed() < 5 * PAUSE;
        last = Instant::now();
        if taken < piece.len() {
            let is_slow = begun.elapsed() > Duration::from_secs(2);
            return (page.ends_with(b"</table>\n"), kept && is_slow);
        }
        // The pace of this client.
        std::thread::park_timeout(PAUSE);
    }
}

fn set_segment_size(socket: &impl std::os::fd::AsRawFd, bytes: &[u8; 4]) -> i32 {
    let (fd, len) = (socket.as_raw_fd(), size_of_val(bytes) as libc::socklen_t);
    // SAFETY: the option is an int, which is what `bytes` is.
    unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_MAXSEG, bytes.as_ptr().cast(), len) }
}

/// A page that is made as a whole would have to go as a whole within the write timeout.
#[test]
fn who_takes_a_page_slowly_gets_all_of_it() {
    if !ready() {
        return;
    }
    let site = Site::start(&["--cores", "1", "--list", "--write-timeout", "1"]);
    let many = site.files.path("site/many");
    fs::create_dir(&many).unwrap();
    for n in 0..NAMES {
        fs::File::create(many.join(format!("{n:0NAME_BYTES$}"))).unwrap();
    }
    // A machine that is busy makes a client of another pace, which may be ended.
    let begun = Instant::now();
    loop {
        match takes_all(site.address) {
            (true, true) => break,
            (came, true) => panic!("it was cut off: {came}"),
            (_, false) => assert!(begun.elapsed() < 2 * WATCHDOG, "never at its own pace"),
        }
    }
}
