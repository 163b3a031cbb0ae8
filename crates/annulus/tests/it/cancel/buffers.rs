//! Buffers with destructors of their own: dropped once, and never while the core is borrowed.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annulus::buf::{IoBuf, IoBufMut};
use annulus::fs::{File, OpenOptions};
use annulus::net::{TcpStream, UnixStream};

use super::{Cut, Points, at_rest, small, until, yield_to_kernel};
use crate::harness::{check, made, pair, share_process};

/// What a buffer does when it is dropped.
type OnDrop = Box<dyn FnOnce() + Send>;

/// A buffer that does something when it is dropped.
struct Watched {
    bytes: Box<[u8]>,
    on_drop: Option<OnDrop>,
}

impl Watched {
    fn new(bytes: usize, on_drop: impl FnOnce() + Send + 'static) -> Self {
        Self { bytes: vec![3; bytes].into(), on_drop: Some(Box::new(on_drop)) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let act = self.on_drop.take().expect("a buffer is dropped once");
        act();
    }
}

// SAFETY: the bytes are on the heap, owned by the box, all initialised.
unsafe impl IoBuf for Watched {
    fn bytes_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

// SAFETY: as above; the box is the only owner.
unsafe impl IoBufMut for Watched {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.bytes.len()
    }

    unsafe fn set_bytes_len(&mut self, _len: usize) {}
}

/// Handles and futures that a destructor drops: each of another kind, all in use.
fn things() -> io::Result<Vec<Box<dyn Any + Send>>> {
    let (left, right) = UnixStream::pair()?;
    let (third, fourth) = UnixStream::pair()?;
    third.send_nowait(b"queued")?;
    let file = File::from_std(std::fs::File::open("/etc/passwd")?)?;
    let mut reading = Box::pin(async move { left.read(vec![0; 64]).await.map(drop) });
    let mut waiting = Box::pin(async move { right.recv().await.map(drop) });
    let mut sleeping = Box::pin(annulus::time::sleep(Duration::from_secs(1000)));
    let mut opening = Box::pin(File::open("/etc/passwd"));
    poll_once(&mut reading);
    poll_once(&mut waiting);
    poll_once(&mut sleeping);
    poll_once(&mut opening);
    Ok(vec![
        Box::new(reading),
        Box::new(waiting),
        Box::new(sleeping),
        Box::new(opening),
        Box::new(third),
        Box::new(fourth),
        Box::new(file),
    ])
}

fn poll_once<F: Future + Unpin>(future: &mut F) {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = std::pin::Pin::new(future).poll(&mut cx);
}

/// A buffer whose destructor counts, and calls back into the runtime if there is one.
fn nasty(bytes: usize, count: &Arc<AtomicU32>) -> io::Result<Watched> {
    let (count, things) = (count.clone(), things()?);
    Ok(Watched::new(bytes, move || {
        count.fetch_add(1, Ordering::SeqCst);
        if annulus::runtime::metrics().is_ok() {
            annulus::spawn(async { yield_to_kernel().await }).detach();
            // And something new that is begun and given up at once.
            let mut opening = Box::pin(File::open("/etc/passwd"));
            poll_once(&mut opening);
        }
        drop(things);
    }))
}

/// Ends the operation that `start` makes with a nasty buffer, and counts the buffer's drops.
async fn dropped_once<F, T>(cut: Cut, start: impl FnOnce(Watched) -> F) -> io::Result<()>
where
    F: Future<Output = T> + Send + 'static,
    T: 'static,
{
    let count = Arc::new(AtomicU32::new(0));
    let buf = nasty(100, &count)?;
    drop(cut.end(start(buf)).await);
    if cut.forgets() {
        return Ok(()); // nobody can say when
    }
    let dropped = || count.load(Ordering::SeqCst) > 0;
    until("the buffer is dropped", dropped).await?;
    yield_to_kernel().await?;
    assert_eq!(count.load(Ordering::SeqCst), 1, "{cut:?}");
    Ok(())
}

async fn talking_pair() -> io::Result<(TcpStream, &'static TcpStream)> {
    let (client, server) = pair().await?;
    client.send_nowait(&[1; 40])?;
    client.flush().await?;
    client.send_nowait(&[2; 90])?;
    Ok((client, Box::leak(Box::new(server))))
}

fn unleak<T>(leaked: &'static T) -> T {
    // SAFETY: leaked with Box::leak; the future that borrowed it is gone, or is never polled again.
    *unsafe { Box::from_raw(std::ptr::from_ref(leaked).cast_mut()) }
}

#[test]
fn a_buffer_of_a_stream_is_dropped_once_wherever_its_future_ends() {
    Points::of(&["net::tcp_stream::receiving::read"]).real_only("more descriptors").run(
        |cut| async move {
            let (_client, server) = talking_pair().await?;
            dropped_once(cut, |buf| server.read(buf)).await?;
            drop(unleak(server));
            Ok(())
        },
    );
    Points::of(&["net::tcp_stream::receiving::read_exact"]).real_only("more descriptors").run(
        |cut| async move {
            let (_client, server) = talking_pair().await?;
            dropped_once(cut, |buf| server.read_exact(buf)).await?;
            drop(unleak(server));
            Ok(())
        },
    );
    Points::of(&["net::tcp_stream::sending::write_all"]).real_only("more descriptors").run(
        |cut| async move {
            let (_client, server) = talking_pair().await?;
            dropped_once(cut, |buf| server.write_all(buf)).await?;
            drop(unleak(server));
            Ok(())
        },
    );
}

#[test]
fn a_buffer_of_a_file_is_dropped_once_wherever_its_future_ends() {
    async fn open(cut: &Cut) -> io::Result<&'static File> {
        let path = cut.file("file", &[1; 200]);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path).await?;
        Ok(Box::leak(Box::new(file)))
    }
    Points::of(&["fs::file::read_at"]).real_only("more descriptors").run(|cut| async move {
        let file = open(&cut).await?;
        dropped_once(cut, |buf| file.read_at(buf, 0)).await?;
        drop(unleak(file));
        Ok(())
    });
    Points::of(&["fs::file::write_at"]).real_only("more descriptors").run(|cut| async move {
        let file = open(&cut).await?;
        dropped_once(cut, |buf| file.write_at(buf, 0)).await?;
        drop(unleak(file));
        Ok(())
    });
}

#[test]
fn a_destructor_that_panics_in_the_driver_stops_neither_the_core_nor_its_other_work() {
    let _shared = share_process();
    check(small(), async {
        let count = Arc::new(AtomicU32::new(0));
        let (_client, server) = pair().await?;
        let (_client_2, second) = pair().await?;
        let mut futures = Vec::new();
        for stream in [&server, &second] {
            let count = count.clone();
            let buf = Watched::new(64, move || {
                count.fetch_add(1, Ordering::SeqCst);
                panic!("a destructor of a buffer panics, as this test wants");
            });
            let mut reading = Box::pin(stream.read(buf));
            assert!(futures_util::poll!(&mut reading).is_pending());
            futures.push(reading);
        }
        yield_to_kernel().await?;
        drop(futures); // orphans: the driver drops the buffers when the kernel lets go
        let both = || count.load(Ordering::SeqCst) == 2;
        until("both buffers are dropped", both).await?;
        let found = annulus::fs::metadata("/").await?;
        assert!(found.is_dir(), "the core goes on");
        Ok(())
    });
}

#[test]
fn a_destructor_that_panics_in_its_task_ends_that_task_alone() {
    let _shared = share_process();
    check(small(), async {
        let task = annulus::spawn(async {
            let file = File::open("/etc/passwd").await?;
            let buf = Watched::new(64, || panic!("a destructor panics, as this test wants"));
            let (_, buf) = file.read_at(buf, 0).await?;
            drop(buf);
            io::Result::Ok(())
        });
        assert!(task.await.expect_err("it panicked").is_panic());
        at_rest().await
    });
}

#[test]
fn at_the_end_of_a_runtime_owners_that_drop_each_other_are_each_dropped_once() {
    let _shared = share_process();
    for swapped in [false, true] {
        let runtime = made(small());
        let count = Arc::new(AtomicU32::new(0));
        // Each buffer holds the future of the other operation.
        let held: [Shelf; 2] = Default::default();
        let futures: Vec<_> = runtime.block_on(async {
            let mut futures = Vec::new();
            for mine in 0..2 {
                let file = File::open("/etc/passwd").await.unwrap();
                let count = count.clone();
                let other = Forced(held[1 - mine].clone());
                let buf = Watched::new(64, move || {
                    let other = other;
                    count.fetch_add(1, Ordering::SeqCst);
                    drop(other.0.take());
                    // The slot that just became free is taken again.
                    let mut opening = Box::pin(File::open("/etc/passwd"));
                    poll_once(&mut opening);
                });
                let mut reading: std::pin::Pin<Box<dyn Future<Output = ()>>> =
                    Box::pin(async move {
                        let _ = file.read_at(buf, 0).await;
                    });
                poll_once(&mut reading);
                futures.push(reading);
            }
            yield_to_kernel().await.unwrap();
            futures
        });
        for (place, future) in held.iter().zip(futures) {
            place.replace(Some(Box::new(future)));
        }
        if swapped {
            held[0].swap(&held[1]);
        }
        runtime.shutdown();
        held.iter().for_each(|place| drop(place.take()));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}

/// A place for a future, shared by the test and the destructor that empties it.
type Shelf = Rc<RefCell<Option<Box<dyn Any>>>>;

/// Says that something stays on this thread although its type does not know.
struct Forced(Shelf);

// SAFETY: the test that makes it has one thread.
unsafe impl Send for Forced {}
