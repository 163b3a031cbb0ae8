//! Threads that wait for room, and those that make some.

use annulus_ring::shared::room::Room;
use loom::sync::Arc;
use loom::thread;

fn wait(room: &Room) {
    let taken = room.wait(None, || match room.take(1) {
        0 => None,
        taken => Some(taken),
    });
    assert_eq!(taken, Some(1));
}

#[test]
fn who_waits_for_room_is_woken_by_who_makes_some() {
    loom::model(|| {
        let room = Arc::new(Room::new(0));
        let theirs = room.clone();
        let thread = thread::spawn(move || wait(&theirs));
        room.give(1);
        thread.join().unwrap();
        assert_eq!(room.credits(), 0);
    });
}

#[test]
fn two_that_wait_are_both_served() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let room = Arc::new(Room::new(0));
        let threads = [(); 2].map(|()| {
            let theirs = room.clone();
            thread::spawn(move || wait(&theirs))
        });
        room.give(1);
        room.give(1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(room.credits(), 0);
    });
}

#[test]
fn no_credit_is_taken_twice() {
    loom::model(|| {
        let room = Arc::new(Room::new(1));
        let theirs = room.clone();
        let thread = thread::spawn(move || theirs.take(1));
        let mine = room.take(1);
        assert_eq!(mine + thread.join().unwrap(), 1);
    });
}
