//! The cells and lists of a proactor: threads that post requests and cancels, the one that takes
//! them, one that reaps, and tickets that are dropped.

use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::proactor::Request;
use annulus_ring::proactor::cell::{Cell, Left};
use annulus_ring::proactor::list::{List, Posted};
use annulus_ring::shared::room::Room;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

/// A request whose output counts how often it is dropped.
struct Counted(Arc<AtomicU32>);

struct Output(Arc<AtomicU32>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: it is never given to a kernel.
unsafe impl Request for Counted {
    type Output = Output;

    fn encode(&mut self, _: &mut Sqe) {}

    fn complete(self, _: &Cqe) -> Output {
        Output(self.0)
    }
}

#[test]
fn of_a_completion_and_a_ticket_that_is_dropped_one_frees_the_cell_and_one_drops_the_output() {
    loom::model(|| {
        let cell = Arc::new(Cell::new());
        let dropped = Arc::new(AtomicU32::new(0));
        let generation = cell.begin(Counted(dropped.clone()));
        let theirs = cell.clone();
        let reaper = thread::spawn(move || theirs.complete(generation, &Cqe::default()).unwrap());
        let ours = cell.let_go();
        let theirs = reaper.join().unwrap();
        assert_ne!(ours, theirs, "the cell is freed once");
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        // The cell is as good as new.
        let again = cell.begin(Counted(dropped));
        assert_ne!(again, generation);
        assert_eq!(cell.complete(again, &Cqe::default()), Some(Left::Taken));
        assert_eq!(cell.let_go(), Left::Free);
    });
}

#[test]
fn who_waits_for_a_ticket_gets_the_output() {
    loom::model(|| {
        let cell = Arc::new(Cell::new());
        let dropped = Arc::new(AtomicU32::new(0));
        let generation = cell.begin(Counted(dropped.clone()));
        let theirs = cell.clone();
        let reaper = thread::spawn(move || theirs.complete(generation, &Cqe::default()));
        assert!(cell.wait(None));
        // SAFETY: this thread has the ticket.
        let output = unsafe { cell.take::<Counted>() }.unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        drop(output);
        assert_eq!(cell.let_go(), Left::Free);
        assert_eq!(reaper.join().unwrap(), Some(Left::Taken));
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}

/// What threads tell the submitter, as the proactor puts it together.
struct Told {
    list: List,
    links: Vec<AtomicU32>,
    /// What each place holds when it is posted.
    requests: Vec<AtomicU32>,
    bell: Room,
}

impl Told {
    fn new(places: u32) -> Arc<Self> {
        let words = || (0..places).map(|_| AtomicU32::new(0)).collect();
        Arc::new(Self { list: List::new(), links: words(), requests: words(), bell: Room::new(0) })
    }

    fn post(&self, place: u32) {
        self.requests[place as usize].store(place + 100, Ordering::Relaxed);
        self.list.post(place, &self.links[place as usize]);
        self.bell.made();
    }

    fn mark(&self, marks: u32) {
        self.list.mark(marks);
        self.bell.made();
    }

    fn take(&self) -> Posted {
        self.list.take(|place| &self.links[place as usize])
    }

    /// What was posted, in order, and the marks.
    fn drain(&self, mut posted: Posted, seen: &mut Vec<u32>) -> u32 {
        while let Some(place) = posted.pop(|place| &self.links[place as usize]) {
            let request = self.requests[place as usize].load(Ordering::Relaxed);
            assert_eq!(request, place + 100, "a request is seen as it was posted");
            seen.push(place);
        }
        posted.marks
    }
}

#[test]
fn what_is_posted_is_taken_once_in_order_and_nobody_sleeps_over_it() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let told = Told::new(3);
        let threads = [[0, 1].as_slice(), &[2]].map(|places| {
            let theirs = told.clone();
            thread::spawn(move || places.iter().for_each(|place| theirs.post(*place)))
        });
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let look = || Some(told.take()).filter(|posted| !posted.is_empty());
            let posted = told.bell.wait(None, look).unwrap();
            told.drain(posted, &mut seen);
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let position = |place| seen.iter().position(|seen| *seen == place).unwrap();
        assert!(position(0) < position(1) && seen.contains(&2), "{seen:?}");
    });
}

#[test]
fn a_mark_comes_no_earlier_than_what_its_thread_had_posted() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let told = Told::new(2);
        let theirs = told.clone();
        let thread = thread::spawn(move || {
            theirs.post(0);
            theirs.mark(1);
        });
        let ours = told.clone();
        let other = thread::spawn(move || ours.post(1));
        let mut seen = Vec::new();
        let mut marks = 0;
        while marks == 0 {
            let look = || Some(told.take()).filter(|posted| *posted != Posted::default());
            let posted = told.bell.wait(None, look).unwrap();
            marks |= told.drain(posted, &mut seen);
        }
        assert!(seen.contains(&0), "flushed without what it was flushed for");
        thread.join().unwrap();
        other.join().unwrap();
        told.drain(told.take(), &mut seen);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

/// A place is posted again as soon as it was popped, while the rest of its list is being read.
#[test]
fn a_place_that_is_posted_again_at_once_does_not_disturb_the_list_it_was_in() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let told = Told::new(2);
        let popped = Arc::new(AtomicU32::new(0));
        told.post(0);
        told.post(1);
        let (theirs, go) = (told.clone(), popped.clone());
        let thread = thread::spawn(move || {
            if go.load(Ordering::Acquire) == 1 {
                theirs.post(0);
                return true;
            }
            false
        });
        let mut posted = told.take();
        let link = |place: u32| &told.links[place as usize];
        assert_eq!(posted.pop(link), Some(0));
        popped.store(1, Ordering::Release);
        assert_eq!((posted.pop(link), posted.pop(link)), (Some(1), None));
        let again = thread.join().unwrap();
        let mut seen = Vec::new();
        told.drain(told.take(), &mut seen);
        assert_eq!(seen, if again { vec![0] } else { vec![] });
    });
}

/// A cell and the lists that it is put into, as the proactor puts them together.
struct Lists {
    cell: Cell,
    submits: List,
    cancels: List,
    /// Of the cell, in either list.
    links: [AtomicU32; 2],
    bell: Room,
}

impl Lists {
    fn submit(&self) {
        self.submits.post(0, &self.links[0]);
        self.bell.made();
    }

    fn cancel(&self, generation: u32) {
        if self.cell.ask_to_cancel(generation) {
            self.cancels.post(0, &self.links[1]);
        }
        self.bell.made();
    }

    /// Pushes what was posted, and says which requests were cancelled. Sleeps until there is some.
    fn turn(&self, pushed: &mut Vec<u32>) -> Vec<u32> {
        let look = || {
            let cancels = self.cancels.take(|_| &self.links[1]);
            let submits = self.submits.take(|_| &self.links[0]);
            (!cancels.is_empty() || !submits.is_empty()).then_some((cancels, submits))
        };
        let (mut cancels, mut submits) = self.bell.wait(None, look).unwrap();
        let mut cancelled: Vec<u32> = Vec::new();
        while submits.pop(|_| &self.links[0]).is_some() {
            pushed.extend(self.cell.in_flight());
            // SAFETY: only this thread encodes, and each request that was posted once.
            if unsafe { self.cell.encode(&mut Sqe::default()) }.unwrap() {
                cancelled.extend(pushed.last());
            }
        }
        while cancels.pop(|_| &self.links[1]).is_some() {
            cancelled.extend(self.cell.to_cancel());
        }
        assert!(cancelled.iter().all(|cancel| pushed.contains(cancel)), "ahead of its request");
        cancelled
    }
}

/// The first request ends by itself, while it is being cancelled.
#[test]
fn a_cancel_finds_its_request_although_the_cell_was_in_the_list_for_an_earlier_one() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let lists = Arc::new(Lists {
            cell: Cell::new(),
            submits: List::new(),
            cancels: List::new(),
            links: [AtomicU32::new(0), AtomicU32::new(0)],
            bell: Room::new(0),
        });
        let dropped = Arc::new(AtomicU32::new(0));
        let first = lists.cell.begin(Counted(dropped.clone()));
        let mut pushed = vec![first];
        // SAFETY: the request was begun, and this thread is the one that encodes.
        assert!(!unsafe { lists.cell.encode(&mut Sqe::default()) }.unwrap());
        let (theirs, drops) = (lists.clone(), dropped.clone());
        let thread = thread::spawn(move || {
            theirs.cancel(first);
            assert_eq!(theirs.cell.complete(first, &Cqe::default()), Some(Left::Taken));
            assert_eq!(theirs.cell.let_go(), Left::Free);
            let second = theirs.cell.begin(Counted(drops));
            theirs.submit();
            theirs.cancel(second);
        });
        // A cancel that is lost leaves this thread asleep for ever.
        while !lists.turn(&mut pushed).iter().any(|cancelled| *cancelled != first) {}
        thread.join().unwrap();
        assert_eq!(pushed.len(), 2);
        assert_eq!(lists.cell.complete(pushed[1], &Cqe::default()), Some(Left::Taken));
        assert_eq!(lists.cell.let_go(), Left::Free);
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    });
}
