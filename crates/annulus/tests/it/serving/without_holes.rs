//! More of what a reading of an earlier framework found wrong: streams with holes in them, and
//! bytes that reach the wrong connection.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use annulus::buf::Gather;
use annulus::serve::Parsed;

use super::{Run, eventually, rest, small};

/// A byte of a stream that is told from those of others, and from itself elsewhere.
fn pattern(stream: usize, n: usize) -> u8 {
    (stream * 101 + n * 31 + n / 4093) as u8
}

fn bytes(stream: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| pattern(stream, n)).collect()
}

#[test]
fn forwarded_leases_have_no_hole_although_the_submission_queue_is_always_full() {
    const LEN: usize = 300_000;
    // Four entries for two dozen connections, whose sends are cut short all the time.
    let run = Run::tcp(small().runtime(|core| core.entries(4)), |conn| async move {
        conn.tcp().unwrap().set_send_buffer_size(4096)?;
        while let Some(lease) = conn.recv().await? {
            conn.send(lease).await?;
        }
        Ok(())
    });
    let clients: Vec<_> = (0..24)
        .map(|stream| {
            let mut client = run.client();
            std::thread::spawn(move || {
                let mut writer = client.try_clone().unwrap();
                let writing = std::thread::spawn(move || {
                    writer.write_all(&bytes(stream, LEN)).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let all = rest(&mut client);
                writing.join().unwrap();
                assert_eq!(all.len(), LEN);
                assert!(all == bytes(stream, LEN), "a hole, or bytes of another stream");
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert_eq!(run.end().cores[0].failed, 0);
}

#[test]
fn bytes_of_a_connection_that_is_gone_never_reach_the_one_that_has_its_place() {
    // Each closes with bytes under way, and the next one has its descriptor and its record.
    let run = Run::tcp(small(), |conn| async move {
        let name = conn.parse(|bytes| match bytes.first() {
            Some(_) => Parsed::Consumed(1),
            None => Parsed::NeedMore,
        });
        name.await?;
        // What follows is of the same kind, or it is somebody else's.
        let mut first = None;
        let mut seen = 0;
        while seen < 2000 {
            let n = conn
                .with_data(|bytes| {
                    let own = *first.get_or_insert(bytes[0]);
                    assert!(bytes.iter().all(|byte| *byte == own), "bytes of somebody else");
                    Parsed::Consumed(bytes.len())
                })
                .await;
            if n == 0 {
                break;
            }
            seen += n;
        }
        // More is on its way here, and is never looked at.
        conn.send_nowait(&vec![first.unwrap_or(0); 3000])?;
        Ok(())
    });
    for round in 0..400_usize {
        let own = (round % 251) as u8;
        let mut client = run.client();
        let _cut_off = client.write_all(&vec![own; 20_000]);
        let mut answer = Vec::new();
        let _reset = client.read_to_end(&mut answer);
        assert!(answer.iter().all(|byte| *byte == own), "bytes of somebody else");
    }
    eventually("all have ended", || run.metrics().open() == 0);
    assert_eq!(run.end().panicked(), 0);
}

#[test]
fn a_send_that_cannot_be_taken_leaves_nothing_of_itself_behind() {
    let run =
        Run::tcp(small().runtime(|core| core.send_high_bytes(16 * 1024)), |conn| async move {
            // Until the queue takes no more; then each piece goes whole or not at all.
            let mut taken = 0_u32;
            let mut refused = 0_u32;
            while refused < 20 {
                let mut message = taken.to_be_bytes().to_vec();
                message.resize(1000, 0xAA);
                match conn.send_nowait(&message) {
                    Ok(()) => taken += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                        refused += 1;
                    }
                }
            }
            conn.room().await?;
            conn.send_vectored(Gather::new().copy(&u32::MAX.to_be_bytes()).guard(vec![0xAA; 996]))
                .await?;
            Ok(())
        });
    let all = rest(&mut run.client());
    assert_eq!(all.len() % 1000, 0, "a part of a message");
    let messages: Vec<&[u8]> = all.chunks(1000).collect();
    let (last, before) = messages.split_last().unwrap();
    assert!(last.starts_with(&u32::MAX.to_be_bytes()));
    for (number, message) in before.iter().enumerate() {
        assert_eq!(message[..4], (number as u32).to_be_bytes());
        assert!(message[4..].iter().all(|byte| *byte == 0xAA));
    }
    assert_eq!(run.end().cores[0].failed, 0);
}
