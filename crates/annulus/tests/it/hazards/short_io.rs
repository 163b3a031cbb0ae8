//! A transfer moves fewer bytes than were asked for, and the rest is taken for granted.
//!
//! *Evidence*: turmoil#286; any program that ignores the number.
//!
//! *Answer*: what promises all of it goes on until it has all of it, or says how much there was;
//! what may be short says the number; zero bytes are an end, and never a success of the others.
//!
//! *Also proven*: `sim`, `stream`, `files`.

use std::future::Future;
use std::io::{self, ErrorKind, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::RawFd;

use annulus::fs::{File, OpenOptions, read_once};
use annulus::io::{AsyncRead, BufReader};
use annulus::net::{TcpListener, TcpStream, UnixStream};
use annulus::runtime::Runtime;
use annulus_ring::abi::Errno;
use annulus_ring::{AnyKernel, Layer, Real};
use annulus_sim::{Fault, Faults};
use futures_util::poll;

use super::pattern;
use crate::cancel::yield_to_kernel;
use crate::harness::ground::{Ground, PROFILES, on_both, on_first_choices, on_seeds, tiny};
use crate::harness::{run, run_on};

fn always_short() -> Faults {
    Faults::none().with(Fault::ShortRead, 1000).with(Fault::ShortWrite, 1000)
}

/// Runs a body with transfers that are all short, by as much as each seed says; and then with
/// transfers of one byte each, of which so many have to have been cut to that on each kernel.
/// (Where one byte is there, or asked for, nothing is cut.)
fn in_short_steps<F, B>(cut: u64, body: B)
where
    F: Future<Output = io::Result<()>>,
    B: Fn(Ground) -> F + Copy,
{
    on_seeds(60, |world| world.set_faults(always_short()), tiny, body);
    let total = on_first_choices(always_short(), tiny, body);
    let were_cut = total.count(Fault::ShortRead) + total.count(Fault::ShortWrite);
    assert!(were_cut >= cut * PROFILES.len() as u64, "only {were_cut} transfers were cut");
}

#[test]
fn files_are_written_and_read_whole_in_short_steps() {
    in_short_steps(2999 + 2999 + 2899, |ground| async move {
        let bytes = pattern(ground.seed() as usize, 3000);
        let file = File::create(ground.path("out")).await?;
        let ((), bytes) = file.write_all_at(bytes, 100).await?;
        file.close().await?;
        assert!(ground.contents("out")[100..] == bytes[..]);
        let file = File::open(ground.path("out")).await?;
        assert!(file.read_exact_at(vec![0; 3000], 100).await?.1 == bytes);
        let error = file.read_exact_at(vec![0; 3000], 200).await.expect_err("it ends before");
        assert_eq!(error.error().kind(), ErrorKind::UnexpectedEof);
        let (error, got) = error.into_parts();
        assert!(got.is_some_and(|got| got[..2900] == bytes[100..]), "{error}");
        Ok(())
    });
}

#[test]
fn a_file_at_its_own_position_is_written_and_read_whole_in_short_steps() {
    in_short_steps(2 * (1999 + 499), |ground| async move {
        let bytes = pattern(ground.seed() as usize, 2500);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).open(ground.path("out")).await?;
        file.write_all(bytes[..2000].to_vec()).await?;
        file.write_all(bytes[2000..].to_vec()).await?;
        assert!(ground.contents("out") == bytes);
        file.rewind()?;
        assert!(file.read_exact(vec![0; 2000]).await?.1 == bytes[..2000]);
        assert!(file.read_to_end(Vec::new()).await?.1 == bytes[2000..]);
        file.close().await
    });
}

#[test]
fn streams_carry_every_byte_in_short_steps() {
    in_short_steps(3990, |ground| async move {
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
        let (error, got) = error.into_parts();
        assert!(got.is_some_and(|got| got[..1500] == expected[2500..]), "{error}");
        drop(writing.await.expect("no panic")?);
        Ok(())
    });
}

#[test]
fn leases_and_what_is_made_of_them_have_every_byte_in_short_steps() {
    in_short_steps(3990, |ground| async move {
        let (left, right) = UnixStream::pair()?;
        let bytes = pattern(ground.seed() as usize, 4000);
        let expected = bytes.clone();
        let writing = annulus::spawn(async move {
            left.write_all(bytes).await?;
            left.shutdown(Shutdown::Write)?;
            io::Result::Ok(left)
        });
        let mut reader = BufReader::new(right);
        let ((), first) = reader.read_exact(vec![0; 1000]).await?;
        assert!(reader.read_to_end(first).await?.1 == expected);
        drop(writing.await.expect("no panic")?);
        Ok(())
    });
}

#[test]
fn memory_that_nobody_has_initialised_is_filled_in_short_steps_too() {
    let total = on_seeds(
        20,
        |world| world.set_faults(always_short()),
        tiny,
        |ground| async move {
            let bytes = pattern(ground.seed() as usize, 4096);
            let room = || Box::<[u8]>::new_uninit_slice(4096);
            let path = ground.file("in", &bytes);
            let mut file = File::open(&path).await?;
            assert!(initialised(file.read_exact_at(room(), 0).await?.1) == bytes);
            let error = file.read_exact_at(room(), 200).await.expect_err("it ends before");
            assert_eq!(error.error().kind(), ErrorKind::UnexpectedEof);
            assert!(initialised(AsyncRead::read_exact(&mut file, room()).await?.1) == bytes);
            let (n, whole) = read_once(&path, room()).await?;
            assert!(n == 4096 && initialised(whole) == bytes);

            let (left, right) = UnixStream::pair()?;
            left.write_all(bytes.clone()).await?;
            left.write_all(bytes.clone()).await?;
            assert!(initialised(right.read_exact(room()).await?.1) == bytes);
            let mut limited = (&right).take(4096);
            assert!(initialised(limited.read_exact(room()).await?.1) == bytes);
            Ok(())
        },
    );
    assert!(total.count(Fault::ShortRead) > 0);
}

fn initialised(read: Box<[MaybeUninit<u8>]>) -> Vec<u8> {
    // SAFETY: it was read into up to its end.
    unsafe { read.assume_init() }.into_vec()
}

#[test]
fn a_file_goes_out_whole_in_short_steps() {
    in_short_steps(4999, |ground| async move {
        let page = pattern(ground.seed() as usize, 5000);
        let file = File::open(ground.file("page", &page)).await?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (client, (server, _)) =
            annulus::try_join!(TcpStream::connect(listener.local_addr()?), listener.accept())?;
        let sending = annulus::spawn(async move { server.send_file(&file, 0..5000).await });
        assert!(client.read_exact(vec![0; 5000]).await?.1 == page);
        assert_eq!(sending.await.expect("no panic")?, 5000);
        Ok(())
    });
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

#[test]
fn what_ends_a_stream_behind_bytes_that_a_dropped_read_has_taken_is_told() {
    for with_reset in [false, true] {
        run(async move {
            let (stream, mut peer) = beside_std().await?;
            let mut reading = Box::pin(stream.read_exact(vec![0; 10]));
            assert!(poll!(&mut reading).is_pending());
            yield_to_kernel().await?;
            peer.write_all(b"hello")?;
            // They are taken before a reset can throw them away.
            for _ in 0..50 {
                yield_to_kernel().await?;
            }
            if with_reset {
                // Unread bytes at its end make a close a reset.
                stream.write_all("unread").await?;
                assert_eq!(peer.peek(&mut [0])?, 1);
            }
            drop(peer);
            yield_to_kernel().await?;
            drop(reading);
            assert_eq!(stream.recv().await?.expect("what the read had taken").to_vec(), b"hello");
            match stream.recv().await {
                Err(error) if with_reset => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                end => assert!(!with_reset && end?.is_none(), "no reset: {with_reset}"),
            }
            Ok(())
        });
    }
}

/// A stream of ours and its peer.
async fn beside_std() -> io::Result<(TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?).await?;
    Ok((ours, listener.accept()?.0))
}

/// Answers reads as a device does that gives packets: one for each, and only once.
struct Packets {
    real: Real,
    left: Vec<&'static [u8]>,
}

// SAFETY: every call but a read goes to the real kernel, and that writes to its room only.
unsafe impl Layer for Packets {
    type Inner = Real;

    fn inner(&self) -> &Real {
        &self.real
    }

    fn inner_mut(&mut self) -> &mut Real {
        &mut self.real
    }

    fn read(
        &mut self,
        _fd: RawFd,
        room: &mut [MaybeUninit<u8>],
        _offset: Option<u64>,
        _flags: i32,
    ) -> Result<usize, Errno> {
        let packet = self.left.pop().ok_or(Errno(libc::EAGAIN))?;
        for (place, byte) in room.iter_mut().zip(packet) {
            place.write(*byte);
        }
        Ok(packet.len().min(room.len()))
    }
}

#[test]
fn packets_of_a_device_are_neither_joined_nor_lost() {
    let builder = Runtime::builder().kernel(|| {
        let packets = Packets { real: Real::new(), left: vec![b"second", b"one"] };
        AnyKernel::Dyn(Box::new(packets))
    });
    run_on(builder, async {
        let device = File::open("/dev/zero").await?;
        for packet in [&b"one"[..], b"second"] {
            let (n, buf) = device.read_at(vec![1; 16], 0).await?;
            assert_eq!(&buf[..n], packet);
        }
        // The ring's own answer.
        assert_eq!(device.read_at(vec![1; 16], 0).await?.1, [0; 16]);
        Ok(())
    });
}
