//! Requests that own their memory, submitted and reaped by threads for others.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use annulus_ring::{
    Ring,
    abi::{Cqe, Opcode, Sqe, SqeFlags},
    proactor::{Builder, Nop, Proactor, ReadAt, Request, Sleep, Sync, Ticket, WriteAt},
};

use super::pipe;

const _: () = {
    const fn send<T: Send>() {}
    const fn sync<T: core::marker::Sync>() {}
    send::<Proactor>();
    sync::<Proactor>();
    send::<Ticket<Sleep>>();
};

/// Longer than any test.
const AN_HOUR: Duration = Duration::from_secs(3600);

fn small() -> Builder {
    Builder::on(Ring::builder().entries(4).cq_entries(8))
}

fn cancelled(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED))
}

#[test]
fn a_file_is_written_made_durable_and_read_back() {
    let proactor = Proactor::new(8).unwrap();
    let file = Arc::new(tempfile::tempfile().unwrap());
    let buffer = b"whose memory is it".to_vec();
    let write = WriteAt { file: file.clone(), buffer, offset: 0 };
    let (written, buffer) = proactor.submit(write).wait();
    assert_eq!(written.unwrap(), buffer.len());
    proactor.submit(Sync(file.clone())).wait().unwrap();
    let read = ReadAt { file, buffer: Vec::with_capacity(100), offset: 6 };
    let (read, buffer) = proactor.submit(read).wait();
    assert_eq!((read.unwrap(), &buffer[..]), (12, &b"memory is it"[..]));
}

#[test]
fn callbacks_get_each_output_once_from_many_threads() {
    const THREADS: u64 = 3;
    const EACH: u64 = 3000;
    for linger in [Duration::ZERO, Duration::from_micros(50)] {
        let proactor = small().reapers(2).batch(3).linger(linger).build().unwrap();
        let sum = Arc::new(AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (proactor, sum) = (&proactor, &sum);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let sum = sum.clone();
                        let add = move |result: io::Result<()>| {
                            result.unwrap();
                            // ORDERING: relaxed; a counter.
                            sum.fetch_add(thread * EACH + number, Ordering::Relaxed);
                        };
                        proactor.submit_with(Nop, add);
                    }
                });
            }
        });
        drop(proactor);
        let count = THREADS * EACH;
        // ORDERING: relaxed; the threads have been joined.
        assert_eq!(sum.load(Ordering::Relaxed), count * (count - 1) / 2);
    }
}

#[test]
fn a_request_that_finds_no_room_comes_back() {
    let proactor = small().build().unwrap();
    let sleeping: Vec<_> =
        (0..proactor.capacity()).map(|_| proactor.submit(Sleep::new(AN_HOUR))).collect();
    let read = ReadAt { file: File::open("/dev/zero").unwrap(), buffer: vec![7; 3], offset: 0 };
    let full = proactor.try_submit(read).unwrap_err();
    assert_eq!(full.0.buffer, [7; 3]);
    assert_eq!(io::Error::from(full).kind(), io::ErrorKind::WouldBlock);
    sleeping[0].cancel();
    // Waits for the room of the one that was cancelled.
    proactor.submit(Nop).wait().unwrap();
}

#[test]
fn a_ticket_can_be_cancelled_and_gives_back_what_the_request_owned() {
    let proactor = Proactor::new(8).unwrap();
    let (reader, _writer) = pipe();
    let read = ReadAt { file: reader, buffer: vec![1, 2, 3], offset: u64::MAX };
    let ticket = proactor.submit(read);
    let ticket = ticket.wait_timeout(Duration::from_millis(1)).unwrap_err();
    assert!(!ticket.is_done());
    ticket.cancel();
    let (result, buffer) = ticket.wait();
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    assert!(buffer.is_empty() && buffer.capacity() >= 3);
}

#[test]
fn the_end_of_a_proactor_cancels_what_is_in_flight_and_waits_for_it() {
    let proactor = small().reapers(3).build().unwrap();
    let tickets = [(); 3].map(|()| proactor.submit(Sleep::new(AN_HOUR)));
    let (reader, writer) = pipe();
    drop(proactor.submit(ReadAt { file: reader, buffer: vec![0; 9], offset: u64::MAX }));
    drop(proactor);
    for ticket in tickets {
        assert!(ticket.is_done() && cancelled(&ticket.wait()));
    }
    // The request has let go of its file.
    assert_eq!((&writer).write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_thread_that_waits_does_not_wait_for_the_batch_to_fill() {
    let proactor = small().batch(1000).linger(AN_HOUR).build().unwrap();
    proactor.submit(Nop).wait().unwrap();
    let tickets = [(); 5].map(|()| proactor.submit(Nop));
    tickets.into_iter().for_each(|ticket| ticket.wait().unwrap());
}

#[test]
fn a_full_batch_does_not_linger() {
    let proactor = small().batch(2).linger(AN_HOUR).build().unwrap();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..2 {
        let sender = sender.clone();
        proactor.submit_with(Nop, move |result| sender.send(result.is_ok()).unwrap());
    }
    assert!(receiver.recv().unwrap() && receiver.recv().unwrap());
}

#[test]
fn a_callback_that_panics_takes_nothing_else_with_it() {
    let proactor = small().build().unwrap();
    let panics = |_: io::Result<()>| std::panic::resume_unwind(Box::new("on purpose"));
    for _ in 0..20 {
        proactor.submit_with(Nop, panics);
    }
    proactor.submit(Nop).wait().unwrap();
}

#[test]
fn a_callback_may_drop_the_proactor() {
    let proactor = Arc::new(small().build().unwrap());
    let (sender, receiver) = mpsc::channel();
    let last = proactor.clone();
    proactor.submit_with(Sleep::new(Duration::from_millis(2)), move |_| {
        drop(last);
        sender.send(()).unwrap();
    });
    drop(proactor);
    receiver.recv().unwrap();
}

/// Completes more often than once, if it is allowed to.
struct Quiet<F>(F);

// SAFETY: a NOP borrows no memory.
unsafe impl<F: AsFd + Send + 'static> Request for Quiet<F> {
    type Output = i32;

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
        sqe.flags = SqeFlags::CQE_SKIP_SUCCESS;
    }

    fn complete(self, cqe: &Cqe) -> i32 {
        cqe.res
    }
}

#[test]
fn a_request_that_would_not_complete_once_is_answered_with_an_error() {
    let proactor = small().build().unwrap();
    let (reader, _writer) = pipe();
    assert_eq!(proactor.submit(Quiet(reader)).wait(), -libc::EINVAL);
}

/// A request whose end takes its time.
struct Slow {
    began: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

// SAFETY: a NOP borrows no memory.
unsafe impl Request for Slow {
    type Output = ();

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
    }

    fn complete(self, _cqe: &Cqe) {
        self.began.send(()).unwrap();
        let _ = self.go_on.recv();
    }
}

#[test]
fn a_request_whose_own_code_still_runs_has_not_ended() {
    let proactor = small().build().unwrap();
    let ((began, begun), (release, go_on)) = (mpsc::channel(), mpsc::channel());
    let ticket = proactor.submit(Slow { began, go_on });
    begun.recv().unwrap();
    assert!(!ticket.is_done());
    let ticket = ticket.wait_timeout(Duration::ZERO).expect_err("it is still at it");
    drop(release);
    ticket.wait();
}

/// A request that throws when it has completed.
struct Throws;

// SAFETY: a NOP borrows no memory.
unsafe impl Request for Throws {
    type Output = ();

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
    }

    fn complete(self, _cqe: &Cqe) {
        panic!("on purpose");
    }
}

#[test]
fn who_waits_for_a_request_that_throws_is_told() {
    let proactor = small().build().unwrap();
    let ticket = proactor.submit(Throws);
    let waiting = thread::spawn(move || ticket.wait());
    let payload = waiting.join().expect_err("there is no output");
    let text = payload.downcast_ref::<&str>().copied();
    assert_eq!(text, Some("the request panicked when it completed, so it has no output"));
    proactor.submit(Nop).wait().unwrap();
}
