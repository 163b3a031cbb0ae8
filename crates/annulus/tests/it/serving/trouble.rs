//! What is told of a listener that finds no descriptor, and what that costs.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annulus::serve::{Server, Trouble};

use super::accepting::{Limit, highest_descriptor};
use super::{BOUND, Echo, Run, anywhere, eventually, exchange, small};
use crate::counting::allocations;
use crate::harness::own_process;

/// One call: the error's number and how many in a row, or 0 and how many there had been; and what
/// the core had allocated by then.
type Told = (i32, u64, u64);

/// Has a server run out of descriptors at least `times`, and then serve who has waited.
fn starve(times: usize, panics: bool) -> (Vec<Told>, annulus::serve::Metrics) {
    let _own = own_process();
    let told: Arc<Mutex<Vec<Told>>> = Arc::new(Mutex::new(Vec::with_capacity(100_000)));
    let hears = told.clone();
    let config = small().raise_descriptor_limit(false).on_trouble(move |trouble| {
        let so_far = allocations();
        let entry = match trouble {
            Trouble::Rests { core: 0, listener: 1, error, in_a_row, rest, .. } => {
                assert!(*rest >= Duration::from_millis(1), "{trouble}");
                (error.raw_os_error().unwrap(), *in_a_row, so_far)
            }
            Trouble::GoesOn { core: 0, listener: 1, failures, after, .. } => {
                assert!(*after > Duration::ZERO, "{trouble}");
                (0, *failures, so_far)
            }
            other => unreachable!("{other}"),
        };
        let mut told = hears.lock().unwrap();
        if told.len() < told.capacity() {
            told.push(entry);
        }
        drop(told);
        assert!(!panics, "as it was asked to");
    });
    // Before the launch: an accept that is with the kernel keeps the limit that it found.
    let limit = Limit::set(highest_descriptor() + 64);
    let builder = Server::builder(config).bind(anywhere()).bind(anywhere());
    let run = Run::of(builder.launch::<Echo>());
    let address = run.handle.bound()[1].addr().unwrap();
    let mut first = super::client(address).unwrap();
    assert_eq!(exchange(&mut first, b"x"), b"x");
    assert_eq!(run.metrics().resting(), 0);
    // All numbers up to there are taken, but one for the client: its peer finds none.
    let open = || std::fs::File::open("/dev/null");
    let mut files: Vec<_> = std::iter::repeat_with(open).map_while(Result::ok).collect();
    drop(files.pop());
    let mut late = TcpStream::connect(address).unwrap();
    late.set_read_timeout(Some(BOUND)).unwrap();
    eventually("it is told of it", || told.lock().unwrap().len() >= times);
    assert_eq!(run.metrics().resting(), 1);
    drop((limit, files));
    assert_eq!(exchange(&mut late, b"at last"), b"at last");
    assert_eq!(run.metrics().resting(), 0, "who goes on is counted no more");
    drop((first, late));
    let metrics = run.end();
    let told = std::mem::take(&mut *told.lock().unwrap());
    (told, metrics)
}

#[test]
fn running_out_of_descriptors_is_told_each_time_without_allocating_and_so_is_going_on() {
    let (told, metrics) = starve(6, false);
    let (over, failures) = told.split_last().unwrap();
    let rows: Vec<_> = failures.iter().map(|(errno, in_a_row, _)| (*errno, *in_a_row)).collect();
    let expected: Vec<_> = (1..=failures.len() as u64).map(|n| (libc::EMFILE, n)).collect();
    assert_eq!(rows, expected);
    assert_eq!((over.0, over.1), (0, failures.len() as u64));
    assert_eq!(metrics.cores[0].exhausted, failures.len() as u64);
    // The first rest may grow the list of timers; each further round is the same as the one before.
    let rounds: Vec<_> = failures[1..].windows(2).map(|two| two[1].2 - two[0].2).collect();
    assert!(rounds.contains(&0), "each round allocates: {rounds:?}");
    assert!(rounds.iter().sum::<u64>() < rounds.len() as u64, "{rounds:?}");
}

#[test]
fn a_panic_of_who_is_told_is_counted_and_accepting_goes_on() {
    let (told, metrics) = starve(2, true);
    assert_eq!(metrics.panicked(), told.len() as u64);
    assert_eq!(metrics.accepted(), 2);
}
