//! Nothing is allocated in a steady state, whatever is awaited; but what the kernel reads while it
//! works on a request (a path, an address, a list of pieces) or what a new connection has of its
//! own lies on the heap, and is exactly so many allocations.
//!
//! Owns: the small operations one by one; whole exchanges are in `efficiency`.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use annulus::fs::{File, OpenOptions};
use annulus::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use annulus::pipe::pipe;
use annulus::sync::{Notify, mpsc};
use annulus::task::yield_now;
use annulus::time::{sleep, timeout};

use crate::efficiency::steady;
use crate::harness::{Scratch, run};

const HOUR: Duration = Duration::from_secs(3600);
/// Not over yet when it is polled first, or the first timer would be made who knows when.
const SHORT: Duration = Duration::from_micros(200);

#[test]
fn writing_a_file_allocates_nothing() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[0; 8192]);
    run(async {
        let file = OpenOptions::new().write(true).open(&path).await?;
        let kept = Cell::new(vec![1; 4096]);
        let write = || async {
            let (n, buf) = file.write_at(kept.take(), 4096).await?;
            assert_eq!(n, 4096);
            kept.set(buf);
            Ok(())
        };
        assert_eq!(steady(200, write).await?, 0);
        Ok(())
    });
}

#[test]
fn sleeping_allocates_nothing() {
    run(async {
        let nap = || async {
            sleep(SHORT).await;
            Ok(())
        };
        assert_eq!(steady(200, nap).await?, 0);
        Ok(())
    });
}

#[test]
fn yielding_allocates_nothing() {
    run(async {
        let give_way = || async {
            yield_now().await;
            Ok(())
        };
        assert_eq!(steady(1000, give_way).await?, 0);
        Ok(())
    });
}

#[test]
fn waking_a_task_of_the_same_core_allocates_nothing() {
    run(async {
        let (ping, pong) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (heard, said) = (ping.clone(), pong.clone());
        let other = annulus::spawn(async move {
            loop {
                heard.notified().await;
                said.notify_one();
            }
        });
        let both = || async {
            ping.notify_one();
            pong.notified().await;
            Ok(())
        };
        assert_eq!(steady(1000, both).await?, 0);
        other.abort();
        Ok(())
    });
}

#[test]
fn a_message_allocates_nothing() {
    run(async {
        let (sender, mut receiver) = mpsc::channel::<u64>(4);
        let (back, answers) = mpsc::channel::<u64>(4);
        let other = annulus::spawn(async move {
            while let Some(value) = receiver.recv().await {
                back.send(value + 1).await.expect("heard");
            }
        });
        let answers = Cell::new(Some(answers));
        let exchange = || async {
            let mut receiver = answers.take().expect("one exchange at a time");
            sender.send(1).await.expect("heard");
            assert_eq!(receiver.recv().await, Some(2));
            answers.set(Some(receiver));
            Ok(())
        };
        assert_eq!(steady(1000, exchange).await?, 0);
        drop(sender);
        other.await.expect("no panic");
        Ok(())
    });
}

#[test]
fn a_read_with_a_time_limit_allocates_nothing() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let kept = Cell::new((vec![7; 64], vec![0; 64]));
        let ask = || async {
            let (mine, theirs) = kept.take();
            let read = timeout(HOUR, right.read(theirs));
            let (sent, read) = annulus::join!(left.write_all(mine), read);
            let ((), mine) = sent?;
            let (n, theirs) = read.expect("in time")?;
            assert_eq!(n, 64);
            kept.set((mine, theirs));
            io::Result::Ok(())
        };
        assert_eq!(steady(500, ask).await?, 0);
        Ok(())
    });
}

#[test]
fn a_receive_that_is_given_up_allocates_nothing() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let give_up = || async {
            let late = timeout(SHORT, right.recv()).await;
            assert!(late.is_err(), "nobody has sent anything");
            Ok(())
        };
        assert_eq!(steady(200, give_up).await?, 0);
        drop(left);
        Ok(())
    });
}

/// What its receive and its sends have: the state of a connection.
const CONNECTION: u64 = 1;
/// The address that the kernel reads.
const ADDRESS: u64 = 1;
/// The path that the kernel reads.
const PATH: u64 = 1;
/// The list of pieces that the kernel reads.
const PIECES: u64 = 1;
/// The header of a message, which names the pieces.
const HEADER: u64 = 1;

const ROUNDS: usize = 100;

#[test]
fn an_accept_allocates_a_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let clients = RefCell::new(Vec::with_capacity(2 * ROUNDS));
        let accept = || async {
            clients.borrow_mut().push(std::net::TcpStream::connect(address)?);
            drop(listener.accept().await?);
            Ok(())
        };
        assert_eq!(steady(ROUNDS, accept).await?, ROUNDS as u64 * CONNECTION);
        Ok(())
    });
}

#[test]
fn a_connect_allocates_an_address_and_a_connection() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connect = || async {
            let client = TcpStream::connect(address).await?;
            drop(listener.accept()?);
            drop(client);
            Ok(())
        };
        let expected = ROUNDS as u64 * (ADDRESS + CONNECTION);
        assert_eq!(steady(ROUNDS, connect).await?, expected);
        Ok(())
    });
}

#[test]
fn an_open_allocates_a_path() {
    run(async {
        let open = || async { File::open("/dev/null").await?.close().await };
        assert_eq!(steady(ROUNDS, open).await?, ROUNDS as u64 * PATH);
        Ok(())
    });
}

#[test]
fn a_datagram_allocates_nothing() {
    run(async {
        let (left, right) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        let to = right.local_addr()?;
        let kept = Cell::new(vec![7; 64]);
        let both = || async {
            let (n, buf) = left.send_to(kept.take(), to).await?;
            assert_eq!((n, right.recv().await?.len()), (64, 64));
            kept.set(buf);
            Ok(())
        };
        assert_eq!(steady(500, both).await?, 0);
        Ok(())
    });
}

#[test]
fn a_datagram_into_a_buffer_of_its_own_allocates_nothing() {
    run(async {
        let (left, right) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        let to = right.local_addr()?;
        let kept = Cell::new((vec![7; 64], vec![0; 64]));
        let both = || async {
            let (sent, room) = kept.take();
            let (_, sent) = left.send_to(sent, to).await?;
            let ((n, _sender), room) = right.recv_from(room).await?;
            assert_eq!(n, 64);
            kept.set((sent, room));
            Ok(())
        };
        assert_eq!(steady(500, both).await?, 0);
        Ok(())
    });
}

#[test]
fn a_pipe_allocates_nothing() {
    run(async {
        let (sender, receiver) = pipe()?;
        let kept = Cell::new((vec![7; 64], vec![0; 64]));
        let both = || async {
            let (sent, room) = kept.take();
            let ((), sent) = sender.write_all(sent).await?;
            let (n, room) = receiver.read(room).await?;
            assert_eq!(n, 64);
            kept.set((sent, room));
            Ok(())
        };
        assert_eq!(steady(500, both).await?, 0);
        Ok(())
    });
}

#[test]
fn buffers_in_pieces_allocate_a_list_of_them() {
    let scratch = Scratch::new();
    let path = scratch.file("file", &[0; 8192]);
    run(async {
        let file = OpenOptions::new().read(true).write(true).open(&path).await?;
        let kept = Cell::new((vec![7; 64], vec![8; 64]));
        let both = || async {
            let (n, bufs) = file.write_vectored_at(kept.take(), 64).await?;
            assert_eq!(n, 128);
            let (n, bufs) = file.read_vectored_at(bufs, 64).await?;
            assert_eq!(n, 128);
            kept.set(bufs);
            Ok(())
        };
        assert_eq!(steady(ROUNDS, both).await?, ROUNDS as u64 * 2 * PIECES);
        Ok(())
    });
}

#[test]
fn a_gathered_send_allocates_a_list_of_pieces_and_a_header() {
    run(async {
        let (left, right) = UnixStream::pair()?;
        let kept = Cell::new(((vec![7; 64], vec![8; 64]), vec![0; 128]));
        let both = || async {
            let (bufs, room) = kept.take();
            let ((), bufs) = left.write_all_vectored(bufs).await?;
            let ((), room) = right.read_exact(room).await?;
            kept.set((bufs, room));
            Ok(())
        };
        assert_eq!(steady(ROUNDS, both).await?, ROUNDS as u64 * (PIECES + HEADER));
        Ok(())
    });
}
