//! Answers that are fresh, old, and too many.

use super::*;

const HERE: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

#[test]
fn an_answer_is_used_again_while_it_is_fresh() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.put("host", &HERE, now);
    assert_eq!(cache.get("host", now + FRESH / 2).as_deref(), Some(&HERE[..]));
    assert_eq!(cache.get("host", now + FRESH), None);
    assert_eq!(cache.get("other", now), None);
}

#[test]
fn the_cache_is_bounded_and_old_answers_make_room() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    for n in 0..2 * NAMES_MAX {
        cache.put(&format!("host-{n}"), &HERE, now);
    }
    assert_eq!(cache.answers.len(), NAMES_MAX);
    assert!(cache.get("host-300", now).is_none(), "there was no room");
    cache.put("late", &HERE, now + FRESH);
    assert_eq!(cache.answers.len(), 1);
    assert!(cache.get("late", now + FRESH).is_some());
}

#[test]
fn what_is_kept_for_no_time_is_not_kept_and_less_time_forgets_more() {
    let (mut cache, now) = (Cache::default(), Instant::now());
    cache.put("host", &HERE, now);
    cache.keep(FRESH * 2, now);
    assert!(cache.get("host", now + FRESH).is_some(), "it is fresh for longer");
    cache.keep(FRESH / 2, now + FRESH);
    assert!(cache.answers.is_empty());
    cache.keep(Duration::ZERO, now);
    cache.put("host", &HERE, now);
    assert!(cache.answers.is_empty());
}

#[test]
fn a_child_resolves_although_its_parent_held_the_cache() {
    let held = cache();
    crate::core::process::tests::in_child(|| {
        assert!(cache().answers.is_empty());
        assert_eq!(cache().fresh, FRESH);
        assert!(resolve("127.0.0.1").unwrap().contains(&HERE[0]));
        assert_eq!(cache().get("127.0.0.1", Instant::now()).as_deref(), Some(&HERE[..]));
    });
    drop(held);
}
