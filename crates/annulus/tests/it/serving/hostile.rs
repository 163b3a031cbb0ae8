//! Clients that mean no good: a byte now and then, no reading, floods of connects and of resets.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use annulus::serve::{Conn, Parsed};

use super::{BOUND, Run, eventually, exchange, small};

/// Sends one line back.
async fn line_back(conn: Conn) -> std::io::Result<()> {
    let mut line = Vec::new();
    let n = conn.parse(|bytes| {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return Parsed::NeedMore;
        };
        line.extend_from_slice(&bytes[..=end]);
        Parsed::Consumed(end + 1)
    });
    n.await?;
    conn.send(line).await?;
    Ok(())
}

#[test]
fn who_sends_a_byte_now_and_then_is_closed_in_time_and_others_are_served() {
    const SLOW: usize = 20;
    let accepted = Arc::new(AtomicUsize::new(0));
    let run = Run::tcp(small().read_timeout(Duration::from_secs(1)), move |conn| {
        // Who comes later has as long as a busy machine takes.
        if accepted.fetch_add(1, Ordering::Relaxed) >= SLOW {
            conn.set_read_timeout(BOUND);
        }
        line_back(conn)
    });
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| run.client()).collect();
    let mut served = 0;
    // Each byte comes well before the limit, and yet the limit is over one day.
    while !slow.is_empty() {
        slow.retain_mut(|client| client.write_all(b"x").is_ok());
        assert_eq!(exchange(&mut run.client(), b"quick\n"), b"quick\n");
        served += 1;
        assert!(served < 1_000_000, "the slow ones are never closed");
    }
    let metrics = run.end();
    assert_eq!(metrics.cores[0].failed, SLOW as u64);
}

#[test]
fn who_reads_nothing_is_not_read_from_and_is_given_up_in_the_end() {
    let run = Run::echo(
        small().idle_timeout(Duration::from_secs(5)).runtime(|core| core.send_high_bytes(65536)),
    );
    let mut deaf = run.client();
    deaf.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut tries = 0;
    // It is full one day: the server does not queue without end.
    while run.metrics().cores[0].idle == 0 {
        match deaf.write(&[0; 65536]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Err(_reset) => break,
        }
        tries += 1;
        if tries % 64 == 0 {
            assert_eq!(exchange(&mut run.client(), b"others"), b"others");
        }
        assert!(sent < 1 << 30, "the server takes everything");
    }
    eventually("it is given up", || run.metrics().cores[0].idle > 0);
    run.end();
}

#[test]
fn floods_of_connects_and_of_resets_leave_nothing_behind() {
    let run = Run::echo(small());
    let address = run.addr();
    let floods: Vec<_> = (0..4)
        .map(|kind| {
            std::thread::spawn(move || {
                for n in 0..250_usize {
                    let Ok(mut client) = TcpStream::connect(address) else { continue };
                    if kind % 2 == 0 {
                        let _sent = client.write_all(&vec![b'x'; n * 37 % 5000]);
                    }
                    if kind < 2 {
                        let zero = Some(Duration::ZERO);
                        rustix::net::sockopt::set_socket_linger(&client, zero).unwrap();
                    }
                }
            })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(exchange(&mut run.client(), b"still there"), b"still there");
    }
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    eventually("all have ended", || run.metrics().open() == 0);
    let mut last = run.client();
    assert_eq!(exchange(&mut last, b"and after"), b"and after");
    drop(last);
    let metrics = run.end();
    assert_eq!(metrics.panicked(), 0);
    assert_eq!(metrics.cores[0].finished, metrics.accepted());
}
