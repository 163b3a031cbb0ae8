//! Choices among cores that do not run: balance, limits, who is woken.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::super::config::Config;
use super::super::estate::Estate;
use super::*;

/// What a server of so many cores has in common, none of which runs.
fn server(cores: usize, config: Config) -> Arc<Shared> {
    let event = || std::fs::File::open("/dev/null").unwrap().into();
    let events = [event(), event(), event()];
    let shared = Shared::new(config, vec![0; cores], (Vec::new(), Estate::Closed), events);
    shared.cores.iter().for_each(|core| core.set_takes(true));
    shared
}

fn place(choice: &Choice, shared: &Arc<Shared>) -> Option<Permit> {
    match choice.poll_place(shared, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

/// Numbers that look like the kernel's hash of addresses.
fn scattered(n: u64) -> usize {
    let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as usize
}

/// By which part of the mean the heaviest core is above it.
fn imbalance(open: &[u64]) -> f64 {
    let mean = open.iter().sum::<u64>() as f64 / open.len() as f64;
    open.iter().max().copied().unwrap_or(0) as f64 / mean - 1.0
}

#[test]
fn a_thousand_connections_that_come_by_chance_are_within_a_tenth_of_their_mean() {
    for cores in [2, 3, 4, 8, 16] {
        let shared = server(cores, Config::new().accept(Accept::Balanced));
        let choices: Vec<Choice> = (0..cores).map(Choice::new).collect();
        let (mut permits, mut moved) = (Vec::new(), 0);
        for n in 0..1000 {
            let came_to = scattered(n) % cores;
            let permit = place(&choices[came_to], &shared).expect("there is room");
            moved += u32::from(permit.core() != came_to);
            permits.push(permit);
        }
        let open: Vec<u64> = shared.cores.iter().map(|core| core.open.now()).collect();
        assert!(imbalance(&open) <= 0.1, "{cores} cores: {open:?}");
        assert!(moved < 350, "{cores} cores: {moved} were given away");
        // Without it chance decides.
        let shared = server(cores, Config::new().accept(Accept::PerCore));
        let permits: Vec<_> =
            (0..1000).map(|n| place(&choices[scattered(n) % cores], &shared)).collect();
        assert!(permits.iter().all(Option::is_some));
        let dice: Vec<u64> = shared.cores.iter().map(|core| core.open.now()).collect();
        assert!(imbalance(&dice) >= imbalance(&open), "{dice:?} against {open:?}");
    }
}

#[test]
fn the_choice_is_made_of_what_is_open_when_the_connection_is_there() {
    let shared = server(3, Config::new().accept(Accept::LeastConnections));
    let choice = Choice::new(0);
    let mut permits: Vec<_> = (0..9).map(|_| place(&choice, &shared).unwrap()).collect();
    // Room is looked for, and then, before the next one comes, core 1 loses two of its three.
    let mut cx = Context::from_waker(Waker::noop());
    assert!(choice.poll_room(&shared, &mut cx).is_ready());
    let mut of_core_1 = 0;
    permits.retain(|permit| {
        of_core_1 += u32::from(permit.core() == 1);
        permit.core() != 1 || of_core_1 > 2
    });
    assert_eq!(permits.len(), 7);
    let next: Vec<Permit> = (0..2).map(|_| place(&choice, &shared).unwrap()).collect();
    assert!(next.iter().all(|permit| permit.core() == 1));
}

#[test]
fn a_core_that_is_full_or_takes_none_is_passed_over_and_where_all_are_accepting_waits() {
    for accept in [Accept::RoundRobin, Accept::LeastConnections, Accept::Balanced] {
        let shared = server(3, Config::new().accept(accept).connections_max(2));
        let choice = Choice::new(0);
        shared.cores[1].set_takes(false);
        let mut permits: Vec<_> = (0..4).map(|_| place(&choice, &shared).unwrap()).collect();
        let open: Vec<u64> = shared.cores.iter().map(|core| core.open.now()).collect();
        assert_eq!(open, [2, 0, 2], "{accept:?}");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(choice.poll_room(&shared, &mut cx).is_pending());
        assert!(place(&choice, &shared).is_none());
        permits.retain(|permit| permit.core() != 2);
        assert!(choice.poll_room(&shared, &mut cx).is_ready());
        assert_eq!(place(&choice, &shared).map(|permit| permit.core()), Some(2));
    }
    // Where the kernel chooses, there is no other core.
    let shared = server(2, Config::new().accept(Accept::PerCore).connections_max(1));
    let choice = Choice::new(1);
    let _permit = place(&choice, &shared).unwrap();
    assert!(place(&choice, &shared).is_none());
}

#[test]
fn who_waits_for_room_is_woken_by_each_core_that_has_some() {
    struct Woken(std::sync::atomic::AtomicU32);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            // ORDERING: Relaxed; a count of one thread.
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(0.into()));
    let waker = Waker::from(woken.clone());
    let times = || woken.0.load(std::sync::atomic::Ordering::Relaxed);
    let shared = server(2, Config::new().accept(Accept::RoundRobin).connections_max(1));
    let choice = Choice::new(0);
    let permits: Vec<_> = (0..2).map(|_| place(&choice, &shared).unwrap()).collect();
    let mut cx = Context::from_waker(&waker);
    assert!(choice.poll_room(&shared, &mut cx).is_pending() && times() == 0);
    permits.into_iter().for_each(drop);
    assert_eq!(times(), 2);
    shared.cores[0].set_takes(false);
    shared.cores[1].set_takes(false);
    assert!(choice.poll_room(&shared, &mut cx).is_pending());
    shared.cores[1].set_takes(true);
    assert_eq!(times(), 3, "a core that has started is room, too");
}

#[test]
fn a_connection_that_is_one_too_many_of_its_peer_leaves_no_trace() {
    let shared = server(1, Config::new().connections_per_peer_max(1));
    let choice = Choice::new(0);
    let peer = Some(std::net::IpAddr::from([127, 0, 0, 1]));
    let first = place(&choice, &shared).unwrap().of_peer(peer).unwrap();
    assert!(place(&choice, &shared).unwrap().of_peer(peer).is_none());
    assert_eq!(shared.cores[0].open.now(), 1);
    // It keeps its peer when it moves.
    let moved = first.moved_to(0);
    assert!(place(&choice, &shared).unwrap().of_peer(peer).is_none());
    drop(moved);
    assert!(place(&choice, &shared).unwrap().of_peer(peer).is_some());
    assert_eq!(shared.cores[0].open.now(), 0);
}
