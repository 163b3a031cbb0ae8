//! A transfer moves fewer bytes than were asked for, and the rest is taken for granted.
//!
//! *Evidence*: turmoil#286; any program that ignores the number.
//!
//! *Answer*: what promises all of it goes on until it has all of it, or says how much there was;
//! what may be short says the number; zero bytes are an end, and never a success of the others.
//!
//! *Also proven*: `sim`, `stream`, `files`.

use std::io::{self, ErrorKind};
use std::net::Shutdown;

use annulus::fs::File;
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus_sim::{Fault, Faults};

use super::pattern;
use crate::harness::ground::{on_both, on_seeds, tiny};

fn always_short() -> Faults {
    Faults::none().with(Fault::ShortRead, 1000).with(Fault::ShortWrite, 1000)
}

#[test]
fn files_are_written_and_read_whole_in_short_steps() {
    let total = on_seeds(
        60,
        |world| world.set_faults(always_short()),
        tiny,
        |ground| async move {
            let bytes = pattern(ground.seed() as usize, 3000);
            let file = File::create(ground.path("out")).await?;
            let ((), bytes) = file.write_all_at(bytes, 100).await?;
            file.close().await?;
            assert!(ground.contents("out")[100..] == bytes[..]);
            let file = File::open(ground.path("out")).await?;
            assert!(file.read_exact_at(vec![0; 3000], 100).await?.1 == bytes);
            let error = file.read_exact_at(vec![0; 3000], 200).await.expect_err("it ends before");
            assert_eq!(error.error().kind(), ErrorKind::UnexpectedEof);
            Ok(())
        },
    );
    assert!(total.count(Fault::ShortRead) > 0 && total.count(Fault::ShortWrite) > 0);
}

#[test]
fn streams_carry_every_byte_in_short_steps() {
    let total = on_seeds(
        60,
        |world| world.set_faults(always_short()),
        tiny,
        |ground| async move {
            let (left, right) = UnixStream::pair()?;
            let bytes = pattern(ground.seed() as usize, 4000);
            let expected = bytes.clone();
            let writing = annulus::spawn(async move {
                let (first, second) = bytes.split_at(1000);
                left.write_all(first.to_vec()).await?;
                left.send_nowait(second)?;
                left.flush().await?;
                left.shutdown(Shutdown::Write)?;
                io::Result::Ok(left)
            });
            assert!(right.read_exact(vec![0; 2500]).await?.1 == expected[..2500]);
            let error = right.read_exact(vec![0; 2500]).await.expect_err("it ends before");
            assert_eq!(error.error().kind(), ErrorKind::UnexpectedEof);
            drop(writing.await.expect("no panic")?);
            Ok(())
        },
    );
    assert!(total.count(Fault::ShortRead) > 0);
}

#[test]
fn a_file_goes_out_whole_in_short_steps() {
    on_seeds(
        40,
        |world| world.set_faults(always_short()),
        tiny,
        |ground| async move {
            let page = pattern(ground.seed() as usize, 5000);
            let file = File::open(ground.file("page", &page)).await?;
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let (client, (server, _)) =
                annulus::try_join!(TcpStream::connect(listener.local_addr()?), listener.accept())?;
            let sending = annulus::spawn(async move { server.send_file(&file, 0..5000).await });
            assert!(client.read_exact(vec![0; 5000]).await?.1 == page);
            assert_eq!(sending.await.expect("no panic")?, 5000);
            Ok(())
        },
    );
}

#[test]
fn an_end_is_told_from_a_buffer_without_room_and_from_an_empty_write() {
    on_both(20, |_| async {
        let (left, right) = UnixStream::pair()?;
        let error = right.read(Vec::<u8>::new()).await.expect_err("no room is no end");
        assert_eq!(error.error().kind(), ErrorKind::InvalidInput);
        left.write_all(Vec::new()).await?;
        left.write_all("after nothing").await?;
        assert_eq!(right.read_exact(vec![0; 13]).await?.1, b"after nothing");
        left.shutdown(Shutdown::Write)?;
        assert_eq!(right.read(vec![0; 8]).await?.0, 0);
        assert!(right.recv().await?.is_none());
        Ok(())
    });
}
