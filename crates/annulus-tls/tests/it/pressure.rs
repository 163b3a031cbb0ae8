//! Much in both directions at once, and readers that take their time.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use annulus::io::{AsyncRead as _, AsyncWrite as _, DuplexStream, ReadHalf, WriteHalf, duplex};
use annulus_tls::TlsStream;

use crate::support::{Dice, ends, pattern, run};

const BYTES: usize = 3 << 20;
const PIECE: usize = 40_000;
/// What may be on the way in one direction: a write that was taken whole, a record that is not
/// whole, one that was decrypted and not read, and what the stream below holds.
const UNDERWAY: usize = PIECE + 2 * 16_384 + 2 * BELOW + 4096;
const BELOW: usize = 5_000;

type Tls = TlsStream<DuplexStream>;

/// How much was written of a direction, how much was read, and the most that was between.
#[derive(Default)]
struct Way {
    written: Cell<usize>,
    read: Cell<usize>,
    most: Cell<usize>,
}

async fn write(mut half: WriteHalf<Tls>, way: Rc<Way>) -> io::Result<()> {
    for piece in pattern(BYTES).chunks(PIECE) {
        half.write_all(piece.to_vec()).await?;
        way.written.set(way.written.get() + piece.len());
        way.most.set(way.most.get().max(way.written.get() - way.read.get()));
    }
    half.shutdown().await
}

async fn read(mut half: ReadHalf<Tls>, way: Rc<Way>, mut dice: Dice) -> io::Result<()> {
    let mut got = Vec::new();
    loop {
        for _ in 0..dice.below(20) {
            annulus::task::yield_now().await;
        }
        let (n, bytes) = half.read(Vec::with_capacity(1 + dice.below(9_000))).await?;
        if n == 0 {
            break;
        }
        got.extend_from_slice(&bytes);
        way.read.set(got.len());
    }
    assert!(got == pattern(BYTES), "{} bytes came", got.len());
    Ok(())
}

#[test]
fn slow_readers_on_both_sides_hold_writers_back_and_nobody_waits_for_ever() {
    run(async {
        let (acceptor, connector) = ends();
        let (left, right) = duplex(BELOW);
        let (client, server) =
            annulus::join!(connector.connect("localhost", left), acceptor.accept(right));
        let ways = [Rc::new(Way::default()), Rc::new(Way::default())];
        let mut tasks = Vec::new();
        for (number, stream) in [client?, server?].into_iter().enumerate() {
            let (reader, writer) = stream.into_split();
            tasks.push(annulus::spawn(write(writer, ways[number].clone())));
            let dice = Dice(number as u64);
            tasks.push(annulus::spawn(read(reader, ways[1 - number].clone(), dice)));
        }
        for task in tasks {
            task.await.expect("it does not panic")?;
        }
        for way in ways {
            assert!(way.most.get() <= UNDERWAY, "{} bytes were on the way", way.most.get());
        }
        Ok(())
    });
}

#[test]
fn each_direction_ends_by_itself_and_the_other_goes_on() {
    run(async {
        for client_first in [true, false] {
            let (first, second) = {
                let (client, server) = crate::support::pair().await?;
                if client_first { (client, server) } else { (server, client) }
            };
            first.write_all("all from here").await?;
            first.shutdown().await?;
            let ((), got) = second.read_exact(vec![0; 13]).await?;
            assert_eq!(got, b"all from here");
            assert!(second.recv().await?.is_none());
            // The other direction is as long as it likes.
            let write = async {
                for piece in pattern(200_000).chunks(7_000) {
                    second.write_all(piece.to_vec()).await?;
                }
                second.shutdown().await
            };
            let (wrote, got) = annulus::join!(write, crate::support::all(&first));
            wrote?;
            assert!(got? == pattern(200_000));
        }
        Ok(())
    });
}
