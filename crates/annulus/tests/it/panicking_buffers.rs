//! Buffers that break the contract of their trait: their methods panic where a request is written.
//! Whoever does that loses its task and nothing else.

use std::cell::Cell;
use std::rc::Rc;

use annulus::buf::{IoBuf, IoBufMut};
use annulus::fs::File;
use annulus::net::{UdpSocket, UnixStream};
use annulus::op::chain;

use crate::cancel::{at_rest, until, yield_to_kernel};
use crate::harness::ground::tiny;
use crate::harness::run_on;

pub struct Panicking {
    bytes: Box<[u8]>,
    drops: Rc<Cell<u32>>,
}

impl Panicking {
    /// One of a hundred bytes, which counts when it is dropped.
    pub fn new(drops: &Rc<Cell<u32>>) -> Self {
        Self { bytes: Box::new([1; 100]), drops: drops.clone() }
    }
}

// SAFETY: the bytes are on the heap and nobody changes them. That a method panics breaks the
// contract, as this test wants; no pointer is given then.
unsafe impl IoBuf for Panicking {
    fn bytes_ptr(&self) -> *const u8 {
        // Without a report: there are many.
        std::panic::resume_unwind(Box::new("a buffer panics, as this test wants"))
    }

    fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
    }
}

#[test]
fn a_buffer_that_panics_while_its_request_is_written_ends_its_task_alone() {
    // A queue whose end is passed now and then, where a request takes another way.
    run_on(tiny(), async {
        let drops = Rc::new(Cell::new(0));
        let receiver = UdpSocket::bind("127.0.0.1:0")?;
        let sender = Rc::new(UdpSocket::bind("127.0.0.1:0")?);
        sender.connect(receiver.local_addr()?).await?;
        for round in 1..=200 {
            let buf = Panicking::new(&drops);
            let socket = sender.clone();
            let bad = annulus::spawn(async move { socket.send(buf).await.map(drop) });
            let Err(error) = bad.await else { panic!("its task ends") };
            assert!(error.is_panic());
            if round % 10 == 0 {
                sender.send("good").await?;
                assert_eq!(&*receiver.recv().await?, b"good");
            }
        }
        until("the buffers are dropped", || drops.get() == 200).await?;
        // Others are served as ever.
        let (left, right) = UnixStream::pair()?;
        left.write_all("and streams").await?;
        assert_eq!(&*right.recv().await?.expect("no end yet"), b"and streams");
        yield_to_kernel().await?;
        drop((left, right, receiver, sender));
        at_rest().await
    });
}

#[test]
fn many_such_buffers_in_one_turn_fill_the_queue_with_nothing() {
    run_on(tiny(), async {
        let drops = Rc::new(Cell::new(0));
        let socket = Rc::new(UdpSocket::bind("127.0.0.1:0")?);
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let buf = Panicking::new(&drops);
                let socket = socket.clone();
                annulus::spawn(async move { socket.send(buf).await.map(drop) })
            })
            .collect();
        for task in tasks {
            assert!(task.await.err().is_some_and(|error| error.is_panic()));
        }
        until("the buffers are dropped", || drops.get() == 500).await
    });
}

/// A buffer to read into.
struct PanickingRoom(Vec<u8>);

// SAFETY: as of a vector. That a method panics breaks the contract, as these tests want; no pointer
// is given then.
unsafe impl IoBuf for PanickingRoom {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.0.len()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for PanickingRoom {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        // Without a report.
        std::panic::resume_unwind(Box::new("a buffer panics, as this test wants"))
    }

    fn bytes_capacity(&self) -> usize {
        self.0.capacity()
    }

    unsafe fn set_bytes_len(&mut self, _len: usize) {}
}

#[test]
fn a_read_that_was_never_written_is_no_end_of_the_stream() {
    run_on(tiny(), async {
        for _ in 0..50 {
            let (left, right) = UnixStream::pair()?;
            let right = Rc::new(right);
            let reader = right.clone();
            let bad = annulus::spawn(async move {
                let room = PanickingRoom(Vec::with_capacity(16));
                reader.read(room).await.map(drop).is_ok()
            });
            assert!(bad.await.is_err_and(|error| error.is_panic()));
            left.write_all("still there").await?;
            assert_eq!(&*right.recv().await?.expect("no end yet"), b"still there");
            drop((left, right));
            at_rest().await?;
        }
        Ok(())
    });
}

#[test]
fn a_step_of_a_chain_that_was_never_written_is_given_back() {
    run_on(tiny(), async {
        let file = Rc::new(File::open("/dev/zero").await?);
        for _ in 0..50 {
            let other = file.clone();
            let bad = annulus::spawn(async move {
                let room = PanickingRoom(Vec::with_capacity(16));
                chain((other.read_at(vec![0; 8], 0), other.read_at(room, 0))).await.0.is_ok()
            });
            assert!(bad.await.is_err_and(|error| error.is_panic()));
        }
        drop(file);
        at_rest().await
    });
}
