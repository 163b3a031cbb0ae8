//! What a proactor keeps of requests, and what it allocates for them.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use annulus_ring::{
    Ring,
    abi::{Cqe, Opcode, Sqe},
    proactor::{Builder, Nop, Proactor, ReadAt, Request, Sleep},
};

use super::{counting::allocations, pipe};

fn small() -> Builder {
    Builder::on(Ring::builder().entries(4).cq_entries(8))
}

/// Allocations of the proactor's threads, as its own code sees them.
#[derive(Default)]
struct Seen {
    by_the_submitter: AtomicU64,
    by_the_reaper: AtomicU64,
}

impl Seen {
    fn both(&self) -> [u64; 2] {
        // ORDERING: relaxed; what was stored before the output came is seen with it.
        [&self.by_the_submitter, &self.by_the_reaper].map(|count| count.load(Ordering::Relaxed))
    }
}

/// A NOP that looks at its threads.
struct Probe(Arc<Seen>);

// SAFETY: a NOP borrows no memory.
unsafe impl Request for Probe {
    type Output = [u64; 16];

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
        // ORDERING: relaxed; read after the output has come.
        self.0.by_the_submitter.store(allocations(), Ordering::Relaxed);
    }

    fn complete(self, cqe: &Cqe) -> [u64; 16] {
        assert_eq!(cqe.res, 0);
        // ORDERING: relaxed, as above.
        self.0.by_the_reaper.store(allocations(), Ordering::Relaxed);
        [7; 16]
    }
}

/// All tickets at once, one by one, dropped, and with callbacks.
fn round(proactor: &Proactor, seen: &Arc<Seen>, mut called: impl FnMut(&Proactor, Probe)) {
    let probe = || Probe(seen.clone());
    let mut tickets = [const { None }; 5];
    for ticket in &mut tickets {
        *ticket = Some(proactor.submit(probe()));
    }
    for ticket in tickets.into_iter().flatten() {
        assert_eq!(ticket.wait(), [7; 16]);
    }
    drop(proactor.submit(probe()));
    let sleep = proactor.submit(Sleep::new(Duration::from_secs(3600)));
    sleep.cancel();
    assert!(sleep.wait().is_err());
    called(proactor, probe());
    while let Err(full) = proactor.try_submit(probe()).map(drop) {
        drop(full);
    }
    proactor.submit(probe()).wait();
}

#[test]
fn nothing_is_allocated_for_a_request_by_any_thread() {
    let proactor = small().build().unwrap();
    let seen = Arc::new(Seen::default());
    let count = Arc::new(AtomicU64::new(0));
    let called = |proactor: &Proactor, probe: Probe| {
        let count = count.clone();
        proactor.submit_with(probe, move |output| {
            // ORDERING: relaxed; a counter.
            count.fetch_add(output[3], Ordering::Relaxed);
        });
    };
    // What threads have for themselves (a handle for sleeping, for example) comes with first use.
    (0..50).for_each(|_| round(&proactor, &seen, called));
    let (threads, own) = (seen.both(), allocations());
    (0..500).for_each(|_| round(&proactor, &seen, called));
    assert_eq!(allocations() - own, 0, "by the thread that submits requests");
    assert_eq!(seen.both(), threads, "by the submitter and by the thread that reaps");
    drop(proactor);
    // ORDERING: relaxed; the threads have been joined.
    assert_eq!(count.load(Ordering::Relaxed), 550 * 7);
}

#[test]
fn more_tickets_can_be_held_than_requests_can_be_in_flight() {
    let proactor = small().build().unwrap();
    let held = proactor.capacity() as usize * 20;
    let tickets: Vec<_> = (0..held).map(|_| proactor.submit(Nop)).collect();
    let forgotten = proactor.submit(Nop);
    std::mem::forget(forgotten);
    tickets.into_iter().rev().for_each(|ticket| ticket.wait().unwrap());
    proactor.submit(Nop).wait().unwrap();
}

/// A NOP whose request and output are too large for a cell, and count their ends.
struct Large([u64; 100], Arc<AtomicU64>);

struct Output([u64; 200], Arc<AtomicU64>);

impl Drop for Output {
    fn drop(&mut self) {
        // ORDERING: relaxed; a counter, read when the threads have been joined.
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: a NOP borrows no memory.
unsafe impl Request for Large {
    type Output = Output;

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
        self.0[99] += 1;
    }

    fn complete(self, _cqe: &Cqe) -> Output {
        Output([self.0[99]; 200], self.1)
    }
}

#[test]
fn each_output_is_dropped_once_whoever_has_it_last() {
    let proactor = small().reapers(2).build().unwrap();
    let dropped = Arc::new(AtomicU64::new(0));
    for number in 0..300 {
        let large = || Large([number; 100], dropped.clone());
        drop(proactor.submit(large()));
        let ticket = proactor.submit(large());
        while !ticket.is_done() {
            std::thread::yield_now();
        }
        drop(ticket);
        assert_eq!(proactor.submit(large()).wait().0, [number + 1; 200]);
        proactor.submit_with(large(), move |output| assert_eq!(output.0[0], number + 1));
    }
    drop(proactor);
    assert_eq!(Arc::strong_count(&dropped), 1);
    // ORDERING: relaxed; the threads have been joined.
    assert_eq!(dropped.load(Ordering::Relaxed), 4 * 300);
}

#[test]
fn a_cancel_ends_a_request_that_is_still_being_collected() {
    let proactor = small().batch(1000).linger(Duration::from_secs(3600)).build().unwrap();
    let (reader, _writer) = pipe();
    let read = ReadAt { file: reader, buffer: Vec::with_capacity(9), offset: u64::MAX };
    let (sender, receiver) = mpsc::channel();
    let ticket = proactor.submit(Sleep::new(Duration::from_secs(3600)));
    proactor.submit_with(read, move |(result, _)| sender.send(result.is_err()).unwrap());
    ticket.cancel();
    ticket.cancel();
    while !ticket.is_done() {
        std::thread::yield_now();
    }
    assert_eq!(ticket.wait().unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    drop(proactor);
    assert!(receiver.recv().unwrap());
}

/// A NOP that keeps the submitter's thread, and says so, until it is let go.
struct Gate(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Gate {
    /// With who hears that it was reached, and who lets it go.
    fn new() -> (Self, mpsc::Receiver<()>, mpsc::Sender<()>) {
        let ((says, reached), (go, waits)) = (mpsc::channel(), mpsc::channel());
        (Self(says, waits), reached, go)
    }
}

// SAFETY: a NOP borrows no memory.
unsafe impl Request for Gate {
    type Output = ();

    fn encode(&mut self, sqe: &mut Sqe) {
        sqe.opcode = Opcode::NOP;
        self.0.send(()).unwrap();
        self.1.recv().unwrap();
    }

    fn complete(self, _cqe: &Cqe) {}
}

#[test]
fn a_cancel_does_not_overtake_its_request_where_an_earlier_one_was_to_be_cancelled() {
    let proactor = small().build().unwrap();
    let (reader, mut writer) = pipe();
    let read = ReadAt { file: reader, buffer: Vec::with_capacity(9), offset: u64::MAX };
    let first = proactor.submit(read);
    // All cells but that of the first are held, so the second gets it.
    let cells = (proactor.capacity() * 2).next_power_of_two();
    let held: Vec<_> = (3..cells).map(|_| proactor.submit(Nop)).collect();
    while !held.iter().all(|ticket| ticket.is_done()) {
        std::thread::yield_now();
    }
    let (gate, reached, go) = Gate::new();
    let one = proactor.submit(gate);
    reached.recv().unwrap();
    first.cancel();
    let (gate, reached, go_on) = Gate::new();
    let other = proactor.submit(gate);
    go.send(()).unwrap();
    reached.recv().unwrap();
    // The submitter has taken the list of cancels and not begun with it. The first ends by itself.
    writer.write_all(b"x").unwrap();
    first.wait().0.unwrap();
    let second = proactor.submit(Sleep::new(Duration::from_secs(3600)));
    second.cancel();
    go_on.send(()).unwrap();
    assert_eq!(second.wait().unwrap_err().raw_os_error(), Some(libc::ECANCELED));
    one.wait();
    other.wait();
    drop(held);
}

#[test]
fn a_ticket_outlives_its_proactor_with_the_output() {
    let proactor = small().build().unwrap();
    let tickets = [(); 3].map(|()| proactor.submit(Nop));
    drop(proactor);
    let [first, second, third] = tickets;
    second.cancel();
    assert!(first.is_done() && second.is_done());
    first.wait().unwrap();
    drop(third);
    second.wait().unwrap();
}
