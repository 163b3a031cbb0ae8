//! Tests of which files stay open.

use proptest::prelude::*;

use super::*;

const VALID: Duration = Duration::from_secs(10);

fn later(now: Instant, seconds: u64) -> Instant {
    now.checked_add(Duration::from_secs(seconds)).unwrap()
}

/// All paths are found by what they lead to, and lead to where they are.
fn check<T>(files: &OpenFiles<T>) {
    let kept = files.kept.borrow();
    assert!(kept.places.len() <= files.bound);
    assert_eq!(kept.by_path.len(), kept.places.len());
    for (at, place) in kept.places.iter().enumerate() {
        assert_eq!(kept.by_path[&place.path], at);
    }
}

#[test]
fn a_file_is_found_until_its_time_is_over() {
    let (files, now) = (OpenFiles::new(2, VALID), Instant::now());
    assert_eq!(files.keep(b"a", &Rc::new(1), now), Keeping::First);
    assert_eq!(files.find(b"a", later(now, 9)).as_deref(), Some(&1));
    assert_eq!(files.find(b"a", later(now, 10)), None);
    assert_eq!(files.find(b"b", now), None);
    // Being found does not make it younger; being opened anew does.
    assert_eq!(files.keep(b"a", &Rc::new(2), later(now, 10)), Keeping::Also);
    assert_eq!(files.find(b"a", later(now, 19)).as_deref(), Some(&2));
    files.forget(b"a");
    assert_eq!(files.find(b"a", now), None);
    files.forget(b"a");
    check(&files);
}

#[test]
fn one_that_is_asked_for_outlives_those_that_are_not() {
    let (files, now) = (OpenFiles::new(4, VALID), Instant::now());
    files.keep(b"hot", &Rc::new(0), now);
    for number in 0..100_u32 {
        files.keep(&number.to_le_bytes(), &Rc::new(number), now);
        assert!(files.find(b"hot", now).is_some(), "{number}");
        check(&files);
    }
}

#[test]
fn what_is_in_use_is_replaced_and_stays_open_for_its_user() {
    let (files, now) = (OpenFiles::new(1, VALID), Instant::now());
    let (first, second) = (Rc::new(1), Rc::new(2));
    files.keep(b"a", &first, now);
    let used = files.find(b"a", now).unwrap();
    files.keep(b"b", &second, now);
    assert_eq!(files.find(b"a", now), None);
    assert_eq!((Rc::strong_count(&first), Rc::strong_count(&second)), (2, 2));
    drop(used);
    assert_eq!(Rc::strong_count(&first), 1);
}

#[test]
fn nothing_is_kept_without_room_or_time() {
    for (bound, valid) in [(0, VALID), (5, Duration::ZERO)] {
        let (files, now) = (OpenFiles::new(bound, valid), Instant::now());
        let file = Rc::new(1);
        assert_eq!(files.keep(b"a", &file, now), Keeping::Not);
        assert_eq!(files.find(b"a", now), None);
        assert_eq!(Rc::strong_count(&file), 1);
    }
}

#[test]
fn a_sweep_lets_go_of_what_is_too_old() {
    let (files, now) = (OpenFiles::new(8, VALID), Instant::now());
    for number in 0..8_u64 {
        files.keep(&[number as u8], &Rc::new(number), later(now, number));
    }
    assert!(files.sweep(later(now, 13)));
    check(&files);
    let left: Vec<u8> =
        (0..8).filter(|number| files.find(&[*number], later(now, 13)).is_some()).collect();
    assert_eq!(left, [4, 5, 6, 7]);
    assert!(!files.sweep(later(now, 17)));
    assert_eq!(files.keep(b"a", &Rc::new(1), now), Keeping::First);
    assert_eq!(files.clear().len(), 1);
    assert!(files.clear().is_empty());
    check(&files);
}

#[test]
fn cores_share_what_connections_leave() {
    assert_eq!(share(1000, 4, 1 << 20), 250);
    assert_eq!(share(10, 4, 1 << 20), 3);
    assert_eq!(share(1000, 2, 1024), 128);
    assert_eq!(share(0, 4, 1024), 0);
    assert_eq!(share(1000, 1, 0), 0);
}

proptest! {
    #[test]
    fn lists_agree_whatever_happens(
        steps in prop::collection::vec((0_u8..6, 0_u8..12, 0_u64..20), 0..200)
    ) {
        let (files, mut now) = (OpenFiles::new(5, VALID), Instant::now());
        for (step, path, seconds) in steps {
            match step {
                0 | 1 => drop(files.keep(&[path], &Rc::new(path), now)),
                2 | 3 => {
                    if let Some(file) = files.find(&[path], now) {
                        prop_assert_eq!(*file, path);
                    }
                }
                4 => files.forget(&[path]),
                _ => {
                    now = later(now, seconds);
                    files.sweep(now);
                }
            }
            check(&files);
        }
    }
}
